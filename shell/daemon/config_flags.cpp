#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "shell/daemon/config_sources.hpp"
#include "shell/daemon/version.hpp"

namespace lockstep::daemon {

std::string flag_of(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

namespace {

/// What one flag collects while the command line is parsed.
struct Collected {
  CLI::Option* option = nullptr;
  std::string key;
  bool is_switch = false;
  bool on = false;
  std::vector<std::string> values;
};

template <class Target>
void add_options(CLI::App& app, const std::vector<Key<Target>>& keys, const char* group,
                 std::vector<std::unique_ptr<Collected>>& all) {
  for (const Key<Target>& key : keys) {
    auto collected = std::make_unique<Collected>();
    collected->key = key.name;
    const std::string flag = flag_of(key.name);
    if (key.value_name.empty()) {
      collected->is_switch = true;
      collected->option = app.add_flag(flag + ",!--no-" + flag.substr(2), collected->on, key.help);
    } else {
      collected->option = app.add_option(flag, collected->values, key.help)
                              ->type_name(key.value_name)
                              ->allow_extra_args(false);
    }
    collected->option->group(group);
    all.push_back(std::move(collected));
  }
}

[[noreturn]] void unknown_flag(const CLI::App& app, const std::string& given) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::string meant = nearest(given.substr(0, given.find('=')), known);
  throw ConfigError(
      given + ": there is no such flag" +
      (meant.empty() ? std::string(": see --help") : ": did you mean " + meant + "?"));
}

/// One value as text, several as a list: the keys take both.
Value value_of(const Collected& collected) {
  if (collected.is_switch) return collected.on;
  if (collected.values.size() == 1) return collected.values.front();
  return collected.values;
}

template <class Target>
bool apply_one(const std::string& name, const Value& value, const std::vector<Key<Target>>& keys,
               Target& target) {
  const auto key =
      std::find_if(keys.begin(), keys.end(), [&](const auto& one) { return one.name == name; });
  if (key == keys.end()) return false;
  try {
    key->set(target, value);
  } catch (const Expected& expected) {
    const auto* text = std::get_if<std::string>(&value);
    throw ConfigError(flag_of(name) + (text ? " " + *text : std::string()) + ": expected " +
                      (text ? expected.text : "only one value"));
  }
  return true;
}

}  // namespace

Flags parse_flags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "lockstepd: one directory, NFS and SMB clients at the same time, full caching for all");
  app.set_version_flag("--version", std::string("lockstepd ") + kVersion);
  app.allow_extras();
  std::vector<std::unique_ptr<Collected>> all;
  app.add_option("--config", flags.config_file, "TOML file; flags win over it")->type_name("FILE");
  app.add_flag("--check-config", flags.check_config, "check the configuration and stop");
  app.add_option("--export", flags.exports, "serve DIR as NAME, repeatable")
      ->type_name("NAME=DIR")
      ->allow_extra_args(false);
  app.add_option("--user", flags.users, "an SMB user, repeatable")
      ->type_name("NAME:PASSWORD")
      ->allow_extra_args(false);
  add_options(app, config_keys(), "Server", all);
  add_options(app, export_keys(), "Every export, unless the file says otherwise for one", all);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    flags.answered = true;
    return flags;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << "\n";
    flags.answered = true;
    return flags;
  } catch (const CLI::ParseError& error) {
    throw ConfigError(error.what());
  }
  if (const auto rest = app.remaining(); !rest.empty()) unknown_flag(app, rest.front());
  for (const auto& collected : all) {
    if (collected->option->count() > 0) flags.settings[collected->key] = value_of(*collected);
  }
  return flags;
}

void apply_settings(const Flags& flags, Config& config) {
  for (const auto& [name, value] : flags.settings) {
    if (!apply_one(name, value, config_keys(), config)) {
      apply_one(name, value, export_keys(), config.export_defaults);
    }
  }
  config.check_only = flags.check_config;
}

void apply_entries(const Flags& flags, Config& config) {
  for (const std::string& given : flags.exports) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == given.size()) {
      throw ConfigError("--export " + given + ": expected NAME=DIR");
    }
    ExportConfig made = config.export_defaults;
    made.name = given.substr(0, equals);
    made.directory = std::filesystem::absolute(given.substr(equals + 1));
    made.where = "--export " + given + ": ";
    config.exports.push_back(std::move(made));
  }
  for (const std::string& given : flags.users) {
    const std::size_t colon = given.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == given.size()) {
      throw ConfigError("--user " + given.substr(0, colon) + ": expected NAME:PASSWORD");
    }
    UserConfig made;
    made.name = given.substr(0, colon);
    made.password = given.substr(colon + 1);
    made.where = "--user " + made.name + ": ";
    config.users.push_back(std::move(made));
  }
}

}  // namespace lockstep::daemon
