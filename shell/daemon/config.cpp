#include "shell/daemon/config.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "shell/daemon/config_sources.hpp"

namespace lockstep::daemon {

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

void complete_places(Config& config, const Surroundings& around) {
  if (config.state.empty()) config.state = default_state(around);
  config.state = std::filesystem::absolute(config.state);
  if (config.control.empty()) config.control = config.state / "control";
  config.control = std::filesystem::absolute(config.control);
  if (config.name.empty()) config.name = around.host_name;
  // Nothing that is promised for longer than the grace period could be reclaimed after it.
  config.limits.delegation_timeout =
      std::max(config.limits.delegation_timeout, config.limits.break_timeout);
}

void complete_ports(Config& config, const Surroundings& around) {
  const PortWishes& asked = config.port_wishes;
  Ports& ports = config.ports;
  ports.nfs = asked.nfs.value_or(around.root ? 2049 : 12049);
  ports.smb = asked.smb.value_or(around.root ? 445 : 12445);
  // An NFS port of one's own choice is where everything is expected, unless it is said otherwise.
  const bool standard = around.root && !asked.nfs;
  ports.mount = asked.mount.value_or(standard ? 20048 : ports.nfs);
  ports.nlm = asked.nlm.value_or(standard ? 32803 : ports.nfs);
  ports.nsm = asked.nsm.value_or(standard ? 32765 : ports.nfs);
  if (config.port_wishes.nfs == 0 && config.port_wishes.smb == 0) {
    throw ConfigError("nfs_port and smb_port are both 0: nothing would be served");
  }
  if (ports.smb != 0 && (ports.smb == ports.nfs || ports.smb == ports.mount ||
                         ports.smb == ports.nlm || ports.smb == ports.nsm)) {
    throw ConfigError("smb_port " + std::to_string(ports.smb) +
                      ": SMB cannot share a port with the RPC programs");
  }
}

void check_export(const ExportConfig& one) {
  const auto bad = [&](const std::string& why) { throw ConfigError(one.where + why); };
  constexpr std::string_view kForbidden = "\"/\\[]:|<>+=;,*?";
  const bool control = std::any_of(one.name.begin(), one.name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (one.name.size() > 80 || control || one.name == "." || one.name == ".." ||
      one.name.find_first_of(kForbidden) != std::string::npos) {
    bad("export name " + one.name + ": expected at most 80 characters and none of " +
        std::string(kForbidden));
  }
  if (lower(one.name) == "ipc$") bad("export name " + one.name + ": SMB keeps it for itself");
  struct stat found{};
  if (stat(one.directory.c_str(), &found) != 0) {
    bad("directory " + one.directory.string() + ": " + std::generic_category().message(errno) +
        ": make it, or name another one");
  }
  if (!S_ISDIR(found.st_mode)) bad("directory " + one.directory.string() + ": is no directory");
}

void check_exports(Config& config) {
  if (config.exports.empty()) {
    throw ConfigError(
        "nothing to export: give --export NAME=DIR, or [[export]] in a file that "
        "--config names");
  }
  std::vector<std::string> names;
  for (ExportConfig& one : config.exports) {
    check_export(one);
    one.directory = std::filesystem::canonical(one.directory);
    std::string name = lower(one.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      throw ConfigError(one.where + "there are two exports of the name " + one.name +
                        " (SMB does not see the case of letters)");
    }
    names.push_back(std::move(name));
    for (const std::string& user : one.users) {
      const bool known = std::any_of(config.users.begin(), config.users.end(),
                                     [&](const auto& u) { return lower(u.name) == lower(user); });
      if (!known && !config.users.empty()) {
        throw ConfigError(one.where + "users: there is no user " + user);
      }
    }
  }
}

void complete_users(Config& config, const Surroundings& around) {
  std::vector<std::string> names;
  for (UserConfig& user : config.users) {
    std::string name = lower(user.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      throw ConfigError(user.where + "there are two users of the name " + user.name);
    }
    names.push_back(std::move(name));
    complete_user(user, config, around);
  }
}

}  // namespace

void complete_user(UserConfig& user, const Config& config, const Surroundings& around) {
  const passwd* account = getpwnam(user.name.c_str());
  struct stat owner{};
  if (stat(config.exports.front().directory.c_str(), &owner) != 0 || !around.root) {
    owner.st_uid = getuid();
    owner.st_gid = getgid();
  }
  const bool own_uid = user.uid.has_value();
  if (!user.uid) user.uid = account ? account->pw_uid : owner.st_uid;
  if (!user.gid) user.gid = account ? account->pw_gid : own_uid ? *user.uid : owner.st_gid;
  if (user.groups) return;
  user.groups.emplace();
  if (account == nullptr) return;
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (getgrouplist(user.name.c_str(), *user.gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    if (getgrouplist(user.name.c_str(), *user.gid, groups.data(), &count) < 0) return;
  }
  groups.resize(static_cast<std::size_t>(count));
  user.groups->assign(groups.begin(), groups.end());
}

Surroundings Surroundings::of_this_process() {
  Surroundings around;
  around.root = geteuid() == 0;
  char host[256] = "";
  if (gethostname(host, sizeof host - 1) == 0) around.host_name = host;
  if (around.host_name.empty()) around.host_name = "lockstep";
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state != nullptr && *state == '/')
    around.state_home = state;
  else
    around.state_home = std::filesystem::path(home ? home : "/tmp") / ".local" / "state";
  return around;
}

std::filesystem::path default_state(const Surroundings& around) {
  return around.root ? "/var/lib/lockstep" : around.state_home / "lockstep";
}

std::optional<Config> load_config(int argc, const char* const* argv, const Surroundings& around) {
  const Flags flags = parse_flags(argc, argv);
  if (flags.answered) return {};
  Config config;
  std::optional<ConfigFile> file;
  if (!flags.config_file.empty()) {
    config.file = std::filesystem::absolute(flags.config_file);
    file.emplace(config.file);
    file->apply_settings(config);
  }
  apply_settings(flags, config);
  if (file) file->apply_entries(config);
  apply_entries(flags, config);
  complete_places(config, around);
  complete_ports(config, around);
  check_exports(config);
  complete_users(config, around);
  return config;
}

}  // namespace lockstep::daemon
