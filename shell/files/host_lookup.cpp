// Finding: from handles, by names, upward.
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <ctime>

#include "shell/files/host_directory.hpp"
#include "shell/files/host_tree.hpp"
#include "shell/files/name_fold.hpp"

namespace lockstep::files::host {
namespace {

constexpr int kDepthMax = 4096;          // of a directory below the root, when walking up
constexpr int kRecordedStepsMax = 4096;  // lookups for one recorded handle

Result<UniqueFd> step_up(int dir) {
  const int fd =
      retry([&] { return ::openat(dir, "..", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); });
  if (fd < 0) return last_error();
  return UniqueFd(fd);
}

/// A stamp vouches for a directory's content only if the next change will get another one: older
/// kernels move a file's times in steps of a timer tick.
bool is_settled(const TimeSpec& changed) {
  constexpr std::int64_t kTick = 20'000'000;
  struct timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t age =
      (now.tv_sec - changed.seconds) * 1'000'000'000 + now.tv_nsec - changed.nanos;
  return age > kTick;
}

}  // namespace

Result<Discovered> HostTree::resolve(const HandleCodec::Parts& parts) {
  Result<UniqueFd> fd = fail(ESTALE);
  if (kernel_handles_ && parts.kernel.size != 0) {
    fd = open_kernel_handle(root_.get(), parts.kernel);
  } else if (map_) {
    int budget = kRecordedStepsMax;
    fd = find_recorded(parts.id, budget);
  }
  if (!fd) {
    const int error = fd.error().value();
    return fail(error == EMFILE || error == ENFILE || error == ENOMEM ? error : ESTALE);
  }
  Result<Discovered> found = discover(std::move(*fd));
  if (!found) return found.error();
  if (found->id != parts.id || found->stat.stx_nlink == 0 ||
      found->stat.stx_dev_major != root_stat_.stx_dev_major ||
      found->stat.stx_dev_minor != root_stat_.stx_dev_minor) {
    return fail(ESTALE);
  }
  return found;
}

Result<UniqueFd> HostTree::find_recorded(core::FileId id, int& budget) {
  if (id == root_id_) return proc_.reopen(root_.get(), O_PATH | O_DIRECTORY);
  for (const HandleMap::Place& place : map_->places(id)) {
    if (--budget < 0) break;
    const Result<UniqueFd> dir = find_recorded(place.directory, budget);
    if (!dir) continue;
    Result<UniqueFd> fd = step(dir->get(), place.name);
    if (!fd) {
      if (fd.error() == fail(ENOENT)) map_->forget(place);
      continue;
    }
    Result<Discovered> found = discover(std::move(*fd));
    if (found && found->id == id) return std::move(found->fd);
  }
  return fail(ESTALE);
}

Result<Step> HostTree::arrive(const HostNode& dir, const std::string& name) {
  Result<UniqueFd> fd = step(dir.fd(), name);
  if (!fd) return fd.error();
  Result<Discovered> found = discover(std::move(*fd));
  if (!found) return found.error();
  record(dir.id(), name, found->id);
  return Step{std::move(*found), name};
}

Result<Step> HostTree::lookup(const Credentials& who, const HostNode& dir, const std::string& name,
                              NameCase fold) {
  // A name of another length is found nowhere; one with a slash or NUL cannot exist.
  if (const int error = component_error(name)) return fail(error == EINVAL ? ENOENT : error);
  Result<Step> exact = arrive(dir, name);
  if (exact || fold == NameCase::exact || exact.error() != fail(ENOENT)) return exact;

  if (!Identity::server().assume()) return fail(EPERM);
  const Result<std::string> on_disk = folded_name(dir, fold_name(name));
  if (!on_disk) return on_disk.error();
  if (!Identity::of(who).assume()) return fail(EPERM);
  return arrive(dir, *on_disk);
}

Result<std::string> HostTree::folded_name(const HostNode& dir, const std::string& folded) {
  const Result<struct statx> stat = status(dir.fd());
  if (!stat) return stat.error();
  const DirectoryStamp stamp{time_of(stat->stx_ctime), time_of(stat->stx_mtime)};
  std::shared_ptr<const FoldIndex> index = folds_.find(dir.id(), stamp);
  if (!index) {
    const bool keep = is_settled(stamp.changed);
    const Result<UniqueFd> fd = proc_.reopen(dir.fd(), O_RDONLY | O_DIRECTORY);
    if (!fd) return fd.error();
    auto fresh = std::make_shared<FoldIndex>();
    const auto add = [&](std::string_view name, std::uint64_t, std::uint64_t) {
      const auto [at, added] = fresh->try_emplace(fold_name(name), name);
      if (!added && name < at->second) at->second = name;
      return true;
    };
    constexpr std::size_t kBuffer = 64 << 10;
    const Result<Reached> read = read_directory(fd->get(), kBuffer, add);
    if (!read) return read.error();
    index = std::move(fresh);
    if (keep) folds_.put(dir.id(), stamp, index);
  }
  const auto at = index->find(folded);
  if (at == index->end()) return fail(ENOENT);
  return at->second;
}

Result<Discovered> HostTree::parent(const HostNode& dir) const {
  if (dir.id() == root_id_) return root();
  Result<UniqueFd> up = step_up(dir.fd());  // the caller's right to search `dir`
  if (!up) return up.error();
  if (!Identity::server().assume()) return fail(EPERM);
  Result<Discovered> found = discover(std::move(*up));
  if (!found) return found.error();
  // A directory may have been moved out of the export meanwhile: go on up to meet the root.
  struct statx at = found->stat;
  UniqueFd here;
  for (int depth = 0; depth < kDepthMax; ++depth) {
    if (same_inode(at, root_stat_)) return found;
    Result<UniqueFd> next = step_up(here ? here.get() : found->fd.get());
    if (!next) return next.error();
    const Result<struct statx> above = status(next->get());
    if (!above) return above.error();
    if (same_inode(*above, at)) break;  // "/" is its own parent
    at = *above;
    here = std::move(*next);
  }
  return fail(ESTALE);
}

Result<Step> HostTree::same(const HostNode& dir) const {
  const int fd = retry([&] { return ::openat(dir.fd(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return last_error();
  Result<Discovered> found = discover(UniqueFd(fd));
  if (!found) return found.error();
  return Step{std::move(*found), "."};
}

Result<std::string> HostTree::read_link(const HostNode& link) const {
  if (link.type() != FileType::symlink) return fail(EINVAL);
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(link.fd(), "", target.data(), target.size());
  if (size < 0) return errno == ENOENT ? fail(EINVAL) : last_error();
  target.resize(static_cast<std::size_t>(size));
  return target;
}

}  // namespace lockstep::files::host
