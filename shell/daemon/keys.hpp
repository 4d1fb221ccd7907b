// The keys of the configuration: one table for the file and the flags, so that each key has both,
// with the same meaning, the same check and one line of help.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shell/daemon/config.hpp"

namespace lockstep::daemon {

/// As it stands in the file; flags give text.
using Value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;

/// Thrown by a key's `set`: what it wanted, as in "expected <text>".
struct Expected {
  std::string text;
};

template <class Target>
struct Key {
  std::string name;        ///< in the file; the flag has '-' for '_'
  std::string value_name;  ///< for help; empty: a switch that needs no value
  std::string help;
  std::function<void(Target&, const Value&)> set;  ///< throws Expected
};

const std::vector<Key<Config>>& config_keys();
/// Also keys of the file's top level and flags: there they are the default of every export.
const std::vector<Key<ExportConfig>>& export_keys();
/// Only inside [[export]].
const std::vector<Key<ExportConfig>>& export_own_keys();
const std::vector<Key<UserConfig>>& user_keys();

/// The known name that `name` was probably meant to be; empty when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& known);

/// "35s", "500ms", "2m", "1h"; a bare number is seconds. Throws Expected.
core::Nanos parse_duration(const Value& value);

}  // namespace lockstep::daemon
