#include "shell/daemon/state_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "shell/daemon/config.hpp"

namespace lockstep::daemon {

namespace {

[[noreturn]] void failed(const std::filesystem::path& path, int error) {
  throw ConfigError("state directory " + path.string() + ": " +
                    std::generic_category().message(error) +
                    ": let the server's user write there, or choose another with --state");
}

}  // namespace

StateDirectory::StateDirectory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) failed(path, error.value());
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) failed(path, errno);
  const std::string file = path / "lock";
  descriptor_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) failed(path, errno);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int why = errno;
  close(descriptor_);
  if (why != EWOULDBLOCK) failed(path, why);
  throw ConfigError("state directory " + path.string() +
                    ": another lockstepd uses it: stop that one, or choose another with --state");
}

StateDirectory::~StateDirectory() { close(descriptor_); }

}  // namespace lockstep::daemon
