#include "shell/admin/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <utility>

namespace lockstep::log {

namespace {

std::unique_ptr<spdlog::formatter> formatter(bool json) {
  return std::make_unique<spdlog::pattern_formatter>(
      json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}" : "%Y-%m-%dT%H:%M:%S.%eZ %v",
      spdlog::pattern_time_type::utc);
}

struct State {
  std::atomic<Level> least{Level::info};
  std::atomic<bool> json{false};
  std::shared_ptr<spdlog::logger> logger = make_logger();

  static std::shared_ptr<spdlog::logger> make_logger() {
    auto logger = std::make_shared<spdlog::logger>(
        "lockstepd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_level(spdlog::level::trace);
    logger->set_formatter(formatter(false));
    // Whoever follows the log sees a line when it is written.
    logger->flush_on(spdlog::level::trace);
    return logger;
  }
};

State& state() {
  static State the_state;
  return the_state;
}

constexpr std::array<std::string_view, 4> kNames = {"DEBUG", "INFO", "WARN", "ERROR"};
constexpr std::array<std::string_view, 4> kJsonNames = {"debug", "info", "warn", "error"};

/// Also makes plain text safe: what a client sends must not end or forge a line.
void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '\\' || c == '=' || c == 0x7F) {
      return true;
    }
  }
  return false;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

}  // namespace

std::string format(bool json, Level level, std::string_view message, Fields fields) {
  std::string line;
  if (json) {
    line.append("\"level\":\"").append(kJsonNames[static_cast<std::size_t>(level)]).append("\",");
    line += "\"message\":";
    append_quoted(line, message);
    for (const Field& field : fields) {
      line.append(",\"").append(field.name).append("\":");
      append_quoted(line, field.value);
    }
    return line;
  }
  line.append(kNames[static_cast<std::size_t>(level)]).append(" ");
  append_escaped(line, message);
  for (const Field& field : fields) {
    line.append(" ").append(field.name).append("=");
    if (needs_quotes(field.value))
      append_quoted(line, field.value);
    else
      line += field.value;
  }
  return line;
}

void configure(Level least, bool json) {
  State& now = state();
  now.least = least;
  now.json = json;
  now.logger->set_formatter(formatter(json));
}

bool enabled(Level level) { return level >= state().least.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  state().logger->log(spdlog::level::info,
                      spdlog::string_view_t(format(state().json, level, message, fields)));
}

}  // namespace lockstep::log
