#include "sim/timeline.hpp"

#include <algorithm>

#include "sim/words/words.hpp"

namespace lockstep::sim {

namespace {

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

constexpr std::size_t kAround = 3;  ///< "| " before a cell's text and a space behind it
constexpr std::size_t kNarrowest = 14;

struct Column {
  std::string name;
  std::size_t width = kNarrowest;
  std::vector<std::size_t> lines;  ///< that its moments take, by how much wider than that it is
  std::string blank(const std::string& text) const {
    return std::string(width - std::min(width, text.size() + 2), ' ');
  }
};

std::vector<std::size_t> lines_by_width(const Story& story, const std::string& column,
                                        std::size_t width) {
  std::vector<std::size_t> lines;
  for (std::size_t each = kNarrowest; each <= width; ++each) {
    std::size_t longest = 0, all = 0;
    for (const Moment& moment : story.moments) {
      if (moment.column != column) continue;
      longest = std::max(longest, moment.text.size() + kAround);
      all += wrapped(moment.text, each - kAround).size();
    }
    lines.push_back(all);
    if (longest <= each) break;
  }
  return lines;
}

/// Each character of the width goes where it saves most lines.
std::vector<Column> columns_of(const Story& story, std::size_t width) {
  std::vector<Column> columns;
  for (const std::string& name : used_columns(story)) {
    columns.push_back({name, kNarrowest, lines_by_width(story, name, width)});
  }
  std::size_t rest = width - std::min(width, columns.size() * kNarrowest);
  for (;;) {
    Column* best = nullptr;
    std::size_t saved = 0, cost = 1;
    for (Column& column : columns) {
      const std::size_t now = column.width - kNarrowest;
      for (std::size_t more = 1; more <= rest && now + more < column.lines.size(); ++more) {
        const std::size_t saves = column.lines[now] - column.lines[now + more];
        if (saves * cost <= saved * more) continue;
        best = &column;
        saved = saves;
        cost = more;
      }
    }
    if (best == nullptr) return columns;
    best->width += cost;
    rest -= cost;
  }
}

}  // namespace

std::vector<std::string> used_columns(const Story& story) {
  std::vector<std::string> used;
  for (const std::string& column : story.columns) {
    if (std::ranges::find(story.moments, column, &Moment::column) != story.moments.end()) {
      used.push_back(column);
    }
  }
  return used;
}

std::string timeline(const Outcome& outcome, std::size_t width) {
  constexpr std::size_t kClock = 10;
  const std::vector<Column> columns = columns_of(outcome.story, width - std::min(width, kClock));
  std::string out(kClock, ' ');
  for (const Column& column : columns) out += "| " + column.name + column.blank(column.name);
  out += "\n";
  for (const Moment& moment : outcome.story.moments) {
    if (moment.column.empty()) {
      out += "== " + moment.text + "\n";
      continue;
    }
    const auto at = std::ranges::find(columns, moment.column, &Column::name);
    std::string clock = padded_clock(moment.time, kClock - 1);
    for (const std::string& line : wrapped(moment.text, at->width - kAround)) {
      out += clock + " ";
      for (auto left = columns.begin(); left != at; ++left) out += "| " + left->blank("");
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
