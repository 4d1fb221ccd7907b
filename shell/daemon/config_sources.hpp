// The two places where the configuration comes from, read into the same keys.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shell/daemon/keys.hpp"

namespace lockstep::daemon {

/// A parsed TOML file. Its top level is applied before the flags, its exports and users after them,
/// because the flags may change the defaults of exports.
class ConfigFile {
 public:
  explicit ConfigFile(const std::filesystem::path& file);  ///< throws ConfigError
  ~ConfigFile();
  void apply_settings(Config& config) const;
  void apply_entries(Config& config) const;

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

/// The command line, taken apart and not yet interpreted.
struct Flags {
  std::string config_file;
  bool check_config = false;
  bool answered = false;                  ///< --help or --version was printed
  std::map<std::string, Value> settings;  ///< by key
  std::vector<std::string> exports;       ///< NAME=DIR
  std::vector<std::string> users;         ///< NAME:PASSWORD
};
Flags parse_flags(int argc, const char* const* argv);  ///< throws ConfigError
void apply_settings(const Flags& flags, Config& config);
void apply_entries(const Flags& flags, Config& config);

/// "nfs_port" <-> "--nfs-port".
std::string flag_of(std::string key);

}  // namespace lockstep::daemon
