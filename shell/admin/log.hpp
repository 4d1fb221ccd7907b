// The log: one line for each event, on standard error, as text or as one JSON object. A message is
// a constant; what varies stands in its fields, so that lines can be searched and counted.
//
//   log::info("cross-protocol conflict", {{"initiator", "nfs"}, {"file", name}});
//   2024-06-01T12:00:00.123Z INFO cross-protocol conflict initiator=nfs file=data/report
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace lockstep::log {

enum class Level : std::uint8_t { debug, info, warn, error };

struct Field {
  std::string_view name;
  std::string value;

  Field(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
  Field(std::string_view field, std::string_view text) : name(field), value(text) {}
  Field(std::string_view field, const char* text) : name(field), value(text) {}
  template <std::integral T>
  Field(std::string_view field, T number) : name(field), value(std::to_string(number)) {}
};
using Fields = std::initializer_list<Field>;

/// Before the first line; from one thread. Lines may come from every thread.
void configure(Level least, bool json);
bool enabled(Level level);
void write(Level level, std::string_view message, Fields fields);

inline void debug(std::string_view message, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  if (enabled(Level::info)) write(Level::info, message, fields);
}
inline void warn(std::string_view message, Fields fields = {}) {
  write(Level::warn, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  write(Level::error, message, fields);
}

/// The line without its time and end; for tests.
std::string format(bool json, Level level, std::string_view message, Fields fields);

}  // namespace lockstep::log
