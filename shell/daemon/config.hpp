// What lockstepd is told: a TOML file, and a flag for each of its keys. Read once at start; every
// mistake is a ConfigError whose one line names the file and line (or the flag), the key, and what
// was expected.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/limits.hpp"
#include "core/vocabulary.hpp"
#include "shell/wire/nfs3/exports.hpp"

namespace lockstep::daemon {

class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using wire::nfs3::Squash;
enum class PortmapMode : std::uint8_t {
  automatic,  ///< embedded where port 111 is free, else registered with the one that runs
  embedded,
  registered,
  off,
};
enum class LogLevel : std::uint8_t { debug, info, warn, error };
enum class Encryption : std::uint8_t { off, offered, required };

/// A directory that both families reach under one name: NFS as `/NAME`, SMB as share NAME.
struct ExportConfig {
  std::string name;
  std::filesystem::path directory;  ///< absolute once loaded
  bool read_only = false;
  std::vector<wire::nfs3::AddressRange> clients;  ///< who may mount over NFS; empty: everybody
  Squash squash = Squash::root;
  std::uint32_t anonymous_uid = 65534, anonymous_gid = 65534;
  std::vector<std::string> users;  ///< who may connect over SMB; empty: every user
  bool guest = false;              ///< SMB logons that nobody knows, as anonymous_uid
  core::Policy policy;
  core::Nanos v3_hold = 500 * core::kMillisecond;
  std::string where;  ///< begins messages about it: "file:line: " or "--export NAME=DIR: "
};

struct UserConfig {
  std::string name;
  std::string password;
  std::optional<std::array<std::uint8_t, 16>> nt_hash;  ///< instead of a password
  std::optional<std::uint32_t> uid, gid;                ///< set once loaded
  std::optional<std::vector<std::uint32_t>> groups;
  std::string where;
};

/// 0: not served. Several RPC programs may share a port.
struct Ports {
  std::uint16_t nfs = 0, mount = 0, nlm = 0, nsm = 0, smb = 0, portmap = 111;
};
/// As given; what was not given gets a default that depends on root and on the NFS port.
struct PortWishes {
  std::optional<std::uint16_t> nfs, mount, nlm, nsm, smb;
};

struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
};

struct ConnectionLimits {
  std::uint32_t connections_max = 4096;
  std::uint32_t connections_per_address_max = 512;
  std::uint32_t request_bytes_max = 9u << 20;
  std::uint64_t unsent_bytes_max = 64u << 20;          ///< to one slow reader, then it is cut off
  core::Nanos handshake_timeout = 20 * core::kSecond;  ///< for the first whole message
  core::Nanos idle_timeout = 0;                        ///< 0: connections may be silent for ever
};

struct Config {
  std::filesystem::path file;   ///< that was read; empty: none
  std::filesystem::path state;  ///< journal, keys, the first user's password
  std::filesystem::path control;
  std::string name;  ///< as SMB and NSM tell it
  std::vector<std::string> bind;
  bool bind_everywhere = true;  ///< `bind` was not given
  Ports ports;
  PortWishes port_wishes;
  PortmapMode portmap = PortmapMode::automatic;
  LogLevel log_level = LogLevel::info;
  bool log_json = false;
  std::optional<Endpoint> metrics;  ///< HTTP: Prometheus text and the lock page
  std::filesystem::path trace;      ///< a recording of every step is appended; empty: none
  Encryption smb_encryption = Encryption::offered;
  bool smb_signing_required = false;
  std::uint32_t io_threads = 4;
  ConnectionLimits connections;
  core::Limits limits;
  ExportConfig export_defaults;
  std::vector<ExportConfig> exports;
  std::vector<UserConfig> users;
  bool check_only = false;  ///< --check-config
};

/// What the defaults depend on.
struct Surroundings {
  bool root = false;
  std::string host_name;
  std::filesystem::path state_home;  ///< $XDG_STATE_HOME, or ~/.local/state
  static Surroundings of_this_process();
};

/// Where the state is kept unless the configuration says otherwise.
std::filesystem::path default_state(const Surroundings& around);

/// File and flags, checked and completed. Throws ConfigError. Nothing when the answer was printed
/// already (--help, --version).
std::optional<Config> load_config(int argc, const char* const* argv, const Surroundings& around);

/// Fills in what is not said of a user's numbers: those of the local account of that name; without
/// one, the owner of the first export (or, since only root can be somebody else, our own user).
void complete_user(UserConfig& user, const Config& config, const Surroundings& around);

/// Without any user in the configuration: the one that was made at the first start (or is made now)
/// with a random password, kept in the state directory for its owner's eyes only. Not completed.
UserConfig first_user(const std::filesystem::path& state);

}  // namespace lockstep::daemon
