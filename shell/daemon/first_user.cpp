#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "shell/daemon/config.hpp"

namespace lockstep::daemon {

namespace {

constexpr const char* kName = "lockstep";

/// 20 characters that can be read aloud: 100 bits.
std::string random_password() {
  constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
  std::uint8_t random[20];
  if (getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) {
    throw ConfigError("the system gave no random bytes for a password: name a user with --user");
  }
  std::string password;
  for (const std::uint8_t byte : random) password += kLetters[byte % kLetters.size()];
  return password;
}

[[noreturn]] void failed(const std::filesystem::path& file) {
  throw ConfigError(file.string() + ": " + std::generic_category().message(errno) +
                    ": let the server write there, or name users with --user");
}

}  // namespace

UserConfig first_user(const std::filesystem::path& state) {
  const std::filesystem::path file = state / "password";
  UserConfig user;
  user.name = kName;
  std::ifstream kept(file);
  if (kept && std::getline(kept, user.password) && !user.password.empty()) return user;
  user.password = random_password();
  // Under another name first: a crash must not leave half a password.
  const std::filesystem::path fresh = state / "password.new";
  const int descriptor = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) failed(fresh);
  const std::string line = user.password + "\n";
  const bool written =
      fchmod(descriptor, 0600) == 0 &&
      write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      fsync(descriptor) == 0;
  close(descriptor);
  if (!written || rename(fresh.c_str(), file.c_str()) != 0) failed(fresh);
  return user;
}

}  // namespace lockstep::daemon
