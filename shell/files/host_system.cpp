#include "shell/files/host_system.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <system_error>

namespace lockstep::files::host {
namespace {

constexpr std::uint64_t kBeneath =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
constexpr std::size_t kNameMax = 255;

/// FNV-1a, folded to 32 bits; never 0, so that "has a generation" can be told.
class Fold32 {
 public:
  void add(wire::ByteView bytes) {
    for (const std::uint8_t byte : bytes) sum_ = (sum_ ^ byte) * 0x100000001b3ULL;
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 64; i += 8) sum_ = (sum_ ^ (number >> i & 0xff)) * 0x100000001b3ULL;
  }
  std::uint32_t value() const {
    const auto folded = static_cast<std::uint32_t>(sum_ ^ sum_ >> 32);
    return folded ? folded : 1;
  }

 private:
  std::uint64_t sum_ = 0xcbf29ce484222325ULL;
};

union HandleBuffer {
  struct file_handle handle;
  std::uint8_t room[sizeof(struct file_handle) + KernelHandle::kSizeMax];
};

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

int component_error(std::string_view name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    return EINVAL;
  }
  return name.size() > kNameMax ? ENAMETOOLONG : 0;
}

bool is_component(std::string_view name) { return component_error(name) == 0; }

Result<UniqueFd> step_open(int dir, const std::string& name, int flags, std::uint32_t mode) {
  struct open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC);
  how.mode = (flags & O_CREAT) ? mode & 07777U : 0;
  how.resolve = kBeneath;
  for (;;) {
    const long fd = syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == EINTR || errno == EAGAIN) continue;  // EAGAIN: a rename went on meanwhile
    return errno == EXDEV ? fail(EACCES) : last_error();
  }
}

Result<UniqueFd> step(int dir, const std::string& name) { return step_open(dir, name, O_PATH, 0); }

Result<struct statx> status(int fd) {
  struct statx found;
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME;
  if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, kWanted, &found) != 0) return last_error();
  return found;
}

FileType type_of(const struct statx& status) {
  switch (status.stx_mode & S_IFMT) {
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFBLK:
      return FileType::block;
    case S_IFCHR:
      return FileType::character;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    default:
      return FileType::regular;
  }
}

Attributes attributes_of(const struct statx& status, std::uint64_t volume) {
  Attributes found;
  found.type = type_of(status);
  found.mode = status.stx_mode & 07777U;
  found.links = status.stx_nlink;
  found.uid = status.stx_uid;
  found.gid = status.stx_gid;
  found.size = status.stx_size;
  found.allocated = status.stx_blocks * 512;
  found.rdev_major = status.stx_rdev_major;
  found.rdev_minor = status.stx_rdev_minor;
  found.volume = volume;
  found.node = status.stx_ino;
  found.accessed = time_of(status.stx_atime);
  found.modified = time_of(status.stx_mtime);
  found.changed = time_of(status.stx_ctime);
  // A file system that keeps no time of birth: the oldest of the times that it keeps.
  found.created = status.stx_mask & STATX_BTIME
                      ? time_of(status.stx_btime)
                      : std::min({found.accessed, found.modified, found.changed});
  found.change =
      static_cast<std::uint64_t>(found.changed.seconds) * 1'000'000'000U + found.changed.nanos;
  return found;
}

bool same_inode(const struct statx& one, const struct statx& other) {
  return one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major &&
         one.stx_dev_minor == other.stx_dev_minor;
}

KernelHandle kernel_handle(int fd) {
  HandleBuffer buffer = {};
  buffer.handle.handle_bytes = KernelHandle::kSizeMax;
  int mount = 0;
  KernelHandle found;
  if (name_to_handle_at(fd, "", &buffer.handle, &mount, AT_EMPTY_PATH) != 0) return found;
  const int type = buffer.handle.handle_type;
  if (type < 0 || type > 0xffff) return found;
  found.type = static_cast<std::uint16_t>(type);
  found.size = static_cast<std::uint8_t>(buffer.handle.handle_bytes);
  std::memcpy(found.bytes, buffer.room + sizeof(struct file_handle), found.size);
  return found;
}

Result<UniqueFd> open_kernel_handle(int mount, const KernelHandle& handle) {
  HandleBuffer buffer = {};
  buffer.handle.handle_bytes = handle.size;
  buffer.handle.handle_type = handle.type;
  std::memcpy(buffer.room + sizeof(struct file_handle), handle.bytes, handle.size);
  const int fd = retry(
      [&] { return open_by_handle_at(mount, &buffer.handle, O_PATH | O_NOFOLLOW | O_CLOEXEC); });
  if (fd < 0) return last_error();
  return UniqueFd(fd);
}

std::uint32_t generation_of(const KernelHandle& handle, const struct statx& status) {
  Fold32 sum;
  if (handle.size != 0) {
    sum.add(handle.type);
    sum.add(handle.view());
  } else if (status.stx_mask & STATX_BTIME) {
    sum.add(static_cast<std::uint64_t>(status.stx_btime.tv_sec));
    sum.add(status.stx_btime.tv_nsec);
  }
  return sum.value();
}

ProcFd::ProcFd() : directory_(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!directory_) {
    throw std::system_error(errno, std::generic_category(), "/proc/self/fd (is /proc mounted?)");
  }
}

Result<UniqueFd> ProcFd::reopen(int fd, int flags) const {
  const std::string name = std::to_string(fd);
  const int opened =
      retry([&] { return ::openat(directory_.get(), name.c_str(), flags | O_CLOEXEC | O_NOCTTY); });
  if (opened < 0) return last_error();
  return UniqueFd(opened);
}

}  // namespace lockstep::files::host
