#include <toml++/toml.h>

#include <sstream>

#include "shell/daemon/config_sources.hpp"

namespace lockstep::daemon {

struct ConfigFile::Parsed {
  std::filesystem::path file;
  toml::table table;
};

namespace {

std::string at(const std::filesystem::path& file, const toml::source_region& source) {
  return file.string() + ":" + std::to_string(source.begin.line) + ": ";
}

std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_table<decltype(value)>)
      out << "a table";
    else
      out << value;
  });
  return out.str();
}

/// Nothing when it is of no kind that a key can have.
std::optional<Value> value_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return Value(*text);
  if (const auto number = node.value_exact<std::int64_t>()) return Value(*number);
  if (const auto flag = node.value_exact<bool>()) return Value(*flag);
  const toml::array* array = node.as_array();
  if (array == nullptr) return {};
  std::vector<std::string> list;
  for (const toml::node& element : *array) {
    if (const auto text = element.value_exact<std::string>())
      list.push_back(*text);
    else if (const auto number = element.value_exact<std::int64_t>())
      list.push_back(std::to_string(*number));
    else
      return {};
  }
  return Value(std::move(list));
}

/// True when one of the keys took it.
template <class Target>
bool apply(const std::filesystem::path& file, const toml::key& name, const toml::node& node,
           const std::vector<Key<Target>>& keys, Target& target) {
  for (const Key<Target>& key : keys) {
    if (key.name != name.str()) continue;
    try {
      const std::optional<Value> value = value_of(node);
      if (!value) throw Expected{"one value or a list of them"};
      key.set(target, *value);
    } catch (const Expected& expected) {
      throw ConfigError(at(file, node.source()) + key.name + " = " + shown(node) + ": expected " +
                        expected.text);
    }
    return true;
  }
  return false;
}

template <class Target>
void add_names(const std::vector<Key<Target>>& keys, std::vector<std::string>& names) {
  for (const Key<Target>& key : keys) names.push_back(key.name);
}

[[noreturn]] void unknown(const std::filesystem::path& file, const toml::key& name,
                          const std::vector<std::string>& known) {
  const std::string meant = nearest(name.str(), known);
  throw ConfigError(
      at(file, name.source()) + "there is no key " + std::string(name.str()) +
      (meant.empty() ? ": see lockstepd --help for the keys" : ": did you mean " + meant + "?"));
}

/// Calls `read(table)` for each [[name]] of the file.
template <class Read>
void each_entry(const std::filesystem::path& file, const toml::table& table, const char* name,
                Read read) {
  const toml::node* found = table.get(name);
  if (found == nullptr) return;
  const toml::array* array = found->as_array();
  if (array == nullptr) {
    throw ConfigError(at(file, found->source()) + name + ": expected [[" + name + "]]");
  }
  for (const toml::node& element : *array) {
    const toml::table* entry = element.as_table();
    if (entry == nullptr) {
      throw ConfigError(at(file, element.source()) + name + ": expected [[" + name + "]]");
    }
    read(*entry);
  }
}

void require(const std::filesystem::path& file, const toml::table& entry, bool given,
             const char* what) {
  if (!given) throw ConfigError(at(file, entry.source()) + "expected " + what);
}

}  // namespace

ConfigFile::ConfigFile(const std::filesystem::path& file) : parsed_(std::make_unique<Parsed>()) {
  parsed_->file = file;
  std::error_code missing;
  if (!std::filesystem::is_regular_file(file, missing)) {
    throw ConfigError(file.string() +
                      ": no such configuration file: give another one with --config");
  }
  try {
    parsed_->table = toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    throw ConfigError(at(file, error.source()) + std::string(error.description()));
  }
}

ConfigFile::~ConfigFile() = default;

void ConfigFile::apply_settings(Config& config) const {
  for (const auto& [name, node] : parsed_->table) {
    if (name.str() == "export" || name.str() == "user") continue;
    if (apply(parsed_->file, name, node, config_keys(), config)) continue;
    if (apply(parsed_->file, name, node, export_keys(), config.export_defaults)) continue;
    std::vector<std::string> known = {"export", "user"};
    add_names(config_keys(), known);
    add_names(export_keys(), known);
    unknown(parsed_->file, name, known);
  }
}

void ConfigFile::apply_entries(Config& config) const {
  const std::filesystem::path& file = parsed_->file;
  each_entry(file, parsed_->table, "export", [&](const toml::table& entry) {
    ExportConfig made = config.export_defaults;
    for (const auto& [name, node] : entry) {
      if (apply(file, name, node, export_own_keys(), made)) continue;
      if (apply(file, name, node, export_keys(), made)) continue;
      std::vector<std::string> known;
      add_names(export_own_keys(), known);
      add_names(export_keys(), known);
      unknown(file, name, known);
    }
    require(file, entry, !made.name.empty(), "the export's name");
    require(file, entry, !made.directory.empty(), "the export's directory");
    // A relative directory is meant from where the file is.
    made.directory = file.parent_path() / made.directory;
    made.where = at(file, entry.source());
    config.exports.push_back(std::move(made));
  });
  each_entry(file, parsed_->table, "user", [&](const toml::table& entry) {
    UserConfig made;
    for (const auto& [name, node] : entry) {
      if (apply(file, name, node, user_keys(), made)) continue;
      std::vector<std::string> known;
      add_names(user_keys(), known);
      unknown(file, name, known);
    }
    require(file, entry, !made.name.empty(), "the user's name");
    require(file, entry, made.password.empty() != !made.nt_hash.has_value(),
            "either password or nt_hash");
    made.where = at(file, entry.source());
    config.users.push_back(std::move(made));
  });
}

}  // namespace lockstep::daemon
