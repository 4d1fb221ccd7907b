#include "shell/files/host_open.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace lockstep::files::host {
namespace {

/// Reads up to this size are tried on the loop's thread, from the page cache alone.
constexpr std::uint32_t kPromptReadMax = 64 << 10;
constexpr std::uint64_t kOffsetMax = (std::uint64_t{1} << 63) - 1;

using ReadNow = std::optional<wire::Bytes>;

Result<wire::Bytes> read_all(int fd, std::uint64_t offset, std::uint32_t size, int flags) {
  struct stat stat;
  if (::fstat(fd, &stat) != 0) return last_error();
  if (S_ISDIR(stat.st_mode)) return fail(EISDIR);
  const auto end = static_cast<std::uint64_t>(stat.st_size);
  if (offset >= end) return wire::Bytes();
  wire::Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, end - offset)));
  std::size_t done = 0;
  while (done < bytes.size()) {
    struct iovec part = {bytes.data() + done, bytes.size() - done};
    const ssize_t got =
        retry([&] { return ::preadv2(fd, &part, 1, static_cast<off_t>(offset + done), flags); });
    if (got < 0) return last_error();
    if (got == 0) break;  // truncated meanwhile
    done += static_cast<std::size_t>(got);
    if (flags != 0 && done < bytes.size()) return fail(EAGAIN);
  }
  bytes.resize(done);
  return bytes;
}

Result<std::uint32_t> write_all(int fd, std::uint64_t offset, wire::ByteView data, bool sync) {
  if (offset > kOffsetMax || data.size() > kOffsetMax - offset) return fail(EFBIG);
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t put = retry([&] {
      return ::pwrite(fd, data.data() + done, data.size() - done,
                      static_cast<off_t>(offset + done));
    });
    if (put < 0) return last_error();
    if (put == 0) return fail(EIO);
    done += static_cast<std::size_t>(put);
  }
  if (sync && ::fdatasync(fd) != 0) return last_error();
  return static_cast<std::uint32_t>(done);
}

Result<void> reserve(int fd, std::uint64_t size) {
  if (size > kOffsetMax) return fail(EFBIG);
  struct stat stat;
  if (::fstat(fd, &stat) != 0) return last_error();
  // Space beyond the end of file is not given back: no call frees it without a chance of cutting
  // off what somebody appends at that moment. The file system does, with the next truncate.
  if (size <= static_cast<std::uint64_t>(stat.st_blocks) * 512) return {};
  const auto length = static_cast<off_t>(size);
  if (retry([&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, length); }) == 0) return {};
  // Without preallocation there is nothing to reserve: writes may still run out of space.
  if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
  return last_error();
}

class HostFile final : public File, public std::enable_shared_from_this<HostFile> {
 public:
  HostFile(IoPool& pool, NodeRef node, UniqueFd fd, Credentials who, bool prompt)
      : pool_(pool),
        node_(std::move(node)),
        fd_(std::move(fd)),
        who_(std::move(who)),
        prompt_(prompt) {}

  ~HostFile() override { close_apart(pool_, std::move(fd_)); }
  const NodeRef& node() const override { return node_; }

  Async<wire::Bytes> read(std::uint64_t offset, std::uint32_t size) override {
    const auto self = shared_from_this();
    if (prompt_ && size <= kPromptReadMax) {
      Result<wire::Bytes> cached = read_all(fd_.get(), offset, size, RWF_NOWAIT);
      if (cached) co_return cached;
    }
    auto job = [&] { return read_all(fd_.get(), offset, size, 0); };
    co_return co_await pool_.perform(Identity::any(), job);
  }

  // A write takes set-id bits away and counts against quotas as its caller.
  Async<std::uint32_t> write(std::uint64_t offset, wire::ByteView data, bool sync) override {
    const auto self = shared_from_this();
    auto job = [&] { return write_all(fd_.get(), offset, data, sync); };
    co_return co_await pool_.perform(Identity::of(who_), job);
  }

  Async<void> sync() override {
    const auto self = shared_from_this();
    auto job = [&]() -> Result<void> {
      if (::fsync(fd_.get()) != 0) return last_error();
      return {};
    };
    co_return co_await pool_.perform(Identity::any(), job);
  }

  Async<void> truncate(std::uint64_t size) override {
    const auto self = shared_from_this();
    auto job = [&]() -> Result<void> {
      if (size > kOffsetMax) return fail(EFBIG);
      const auto length = static_cast<off_t>(size);
      if (retry([&] { return ::ftruncate(fd_.get(), length); }) != 0) return last_error();
      return {};
    };
    co_return co_await pool_.perform(Identity::of(who_), job);
  }

  Async<void> allocate(std::uint64_t size) override {
    const auto self = shared_from_this();
    auto job = [&] { return reserve(fd_.get(), size); };
    co_return co_await pool_.perform(Identity::of(who_), job);
  }

 private:
  IoPool& pool_;
  NodeRef node_;
  UniqueFd fd_;  ///< none: opened for neither reading nor writing; calls answer EBADF
  Credentials who_;
  bool prompt_;
};

}  // namespace

FileRef make_host_file(IoPool& pool, NodeRef node, UniqueFd fd, Credentials who, bool prompt) {
  return std::make_shared<HostFile>(pool, std::move(node), std::move(fd), std::move(who), prompt);
}

FileRef OpenFiles::find(core::FileId id, const Credentials& who, OpenMode mode,
                        const OpenStamp& stamp) {
  const auto at = kept_.find(Key{id, mode, who});
  if (at == kept_.end()) return nullptr;
  Kept& kept = at->second;
  const Clock::time_point now = Clock::now();
  const OpenStamp& then = kept.stamp;
  const bool same_rights =
      then.mode == stamp.mode && then.uid == stamp.uid && then.gid == stamp.gid;
  const bool untouched = then.changed == stamp.changed;
  if (!same_rights || (!untouched && now - kept.checked > kBelieved)) {
    erase(at);
    return nullptr;
  }
  kept.used = now;
  order_.splice(order_.begin(), order_, kept.place);
  return kept.file;
}

void OpenFiles::put(core::FileId id, const Credentials& who, OpenMode mode, const OpenStamp& stamp,
                    FileRef file) {
  Key key{id, mode, who};
  if (const auto old = kept_.find(key); old != kept_.end()) erase(old);
  const Clock::time_point now = Clock::now();
  const auto at =
      kept_.emplace(std::move(key), Kept{std::move(file), stamp, now, now, order_.end()}).first;
  order_.push_front(&at->first);
  at->second.place = order_.begin();
  while (kept_.size() > files_max_) erase(kept_.find(*order_.back()));
}

void OpenFiles::drop(core::FileId id) {
  auto at = kept_.lower_bound(Key{id, {}, {0, 0, {}}});
  while (at != kept_.end() && at->first.id == id) at = erase(at);
}

bool OpenFiles::trim() {
  const Clock::time_point limit = Clock::now() - idle_;
  while (!order_.empty()) {
    const auto last = kept_.find(*order_.back());
    if (last->second.used > limit) break;
    erase(last);
  }
  return !kept_.empty();
}

void OpenFiles::clear() {
  kept_.clear();
  order_.clear();
}

OpenFiles::Table::iterator OpenFiles::erase(Table::iterator at) {
  order_.erase(at->second.place);
  return kept_.erase(at);
}

}  // namespace lockstep::files::host
