// The system calls that host files are made of, as values: owned descriptors, Results instead of
// errno. Nothing here knows exports, nodes or identities; all run under the calling thread's.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <utility>

#include "shell/files/files.hpp"

namespace lockstep::files::host {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

inline boost::system::error_code last_error() { return fail(errno); }
/// What a system call returned.
inline Result<void> checked(int result) {
  if (result < 0) return last_error();
  return {};
}

/// A name that may be one step below a directory.
bool is_component(std::string_view name);
/// EINVAL for what is no component, ENAMETOOLONG beyond 255 bytes, else 0.
int component_error(std::string_view name);

/// An O_PATH descriptor of `name` in `dir`: one step, over no symlink, magic link or mount point.
/// EACCES where another file system is mounted: an export is one file system.
Result<UniqueFd> step(int dir, const std::string& name);
/// The same step with flags of open(2); for making regular files.
Result<UniqueFd> step_open(int dir, const std::string& name, int flags, std::uint32_t mode);

Result<struct statx> status(int fd);
FileType type_of(const struct statx& status);
/// `volume`: what the file system tells its clients to be.
Attributes attributes_of(const struct statx& status, std::uint64_t volume);
inline TimeSpec time_of(const struct statx_timestamp& time) { return {time.tv_sec, time.tv_nsec}; }
bool same_inode(const struct statx& one, const struct statx& other);

/// A file handle of the kernel (name_to_handle_at). Empty where the file system has none.
struct KernelHandle {
  static constexpr std::size_t kSizeMax = 24;
  std::uint16_t type = 0;
  std::uint8_t size = 0;
  std::uint8_t bytes[kSizeMax] = {};
  wire::ByteView view() const { return {bytes, size}; }
};
KernelHandle kernel_handle(int fd);
/// `mount`: an open (not O_PATH) descriptor on the file system. Needs CAP_DAC_READ_SEARCH.
Result<UniqueFd> open_kernel_handle(int mount, const KernelHandle& handle);

/// Changes when the inode's number is given to another file, stays when the server restarts.
std::uint32_t generation_of(const KernelHandle& handle, const struct statx& status);

/// Ways back to an O_PATH descriptor's inode: opened anew, or named for calls that want a path.
/// Links below /proc/self/fd lead to the inode itself, so nothing is looked up again.
class ProcFd {
 public:
  ProcFd();  ///< throws std::system_error without /proc
  Result<UniqueFd> reopen(int fd, int flags) const;
  static std::string path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

 private:
  UniqueFd directory_;
};

/// Calls `call` again while it is interrupted; its value, or errno.
template <class Call>
auto retry(Call call) {
  auto value = call();
  while (value < 0 && errno == EINTR) value = call();
  return value;
}

}  // namespace lockstep::files::host
