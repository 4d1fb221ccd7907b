#include "sim/timeline.hpp"

#include <algorithm>
#include <cstdio>

namespace lockstep::sim {

namespace {

std::string clock_text(core::Nanos time) {
  char text[32];
  std::snprintf(text, sizeof text, "%llu.%03llu",
                static_cast<unsigned long long>(time / core::kSecond),
                static_cast<unsigned long long>(time / core::kMillisecond % 1000));
  return text;
}

/// Breaks at spaces, hard where there is none.
std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (rest.size() > width) {
    std::size_t cut = rest.rfind(' ', width);
    if (cut == std::string_view::npos || cut == 0) cut = width;
    lines.emplace_back(rest.substr(0, cut));
    rest.remove_prefix(cut < rest.size() && rest[cut] == ' ' ? cut + 1 : cut);
  }
  lines.emplace_back(rest);
  return lines;
}

/// Columns that nothing ever happens in are left out.
std::vector<std::string> used_columns(const Story& story) {
  std::vector<std::string> used;
  for (const std::string& column : story.columns) {
    const bool any = std::ranges::any_of(
        story.moments, [&](const Moment& moment) { return moment.column == column; });
    if (any) used.push_back(column);
  }
  return used;
}

}  // namespace

std::string timeline(const Outcome& outcome, std::size_t width) {
  const std::vector<std::string> columns = used_columns(outcome.story);
  constexpr std::size_t kClock = 10;
  const std::size_t count = std::max<std::size_t>(columns.size(), 1);
  const std::size_t each = std::max<std::size_t>((width - kClock) / count, 14);
  std::string out(kClock, ' ');
  for (const std::string& column : columns) {
    out += "| " + column + std::string(each - 2 - std::min(column.size(), each - 2), ' ');
  }
  out += "\n";
  for (const Moment& moment : outcome.story.moments) {
    if (moment.column.empty()) {
      out += "== " + moment.text + "\n";
      continue;
    }
    const auto at =
        static_cast<std::size_t>(std::ranges::find(columns, moment.column) - columns.begin());
    std::string clock = clock_text(moment.time);
    clock.insert(0, kClock - 1 - std::min(clock.size(), kClock - 1), ' ');
    for (const std::string& line : wrapped(moment.text, each - 3)) {
      out += clock + " ";
      for (std::size_t i = 0; i < at; ++i) out += "|" + std::string(each - 1, ' ');
      out += "| " + line + "\n";
      clock.assign(kClock - 1, ' ');
    }
  }
  if (outcome.found) {
    out += "== " + std::string(name(outcome.found->kind)) + ": " + outcome.found->what + "\n";
  }
  return out;
}

}  // namespace lockstep::sim
