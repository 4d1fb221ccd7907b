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
  std::size_t wanted = 0;  ///< what its longest moment takes
  std::size_t width = 0;
  std::string blank(const std::string& text) const {
    return std::string(width - std::min(width, text.size() + 2), ' ');
  }
};

/// What takes less than an equal share leaves the rest of it to the
/// others; what wants more breaks its lines.
std::vector<Column> columns_of(const Story& story, std::size_t width) {
  std::vector<Column> columns;
  for (const std::string& name : used_columns(story)) {
    Column column{name, 0, 0};
    for (const Moment& moment : story.moments) {
      if (moment.column == name) column.wanted = std::max(column.wanted, moment.text.size());
    }
    column.wanted = std::max(column.wanted + kAround, kNarrowest);
    columns.push_back(std::move(column));
  }
  std::vector<Column*> thirsty;
  for (Column& column : columns) thirsty.push_back(&column);
  std::ranges::stable_sort(thirsty, {}, &Column::wanted);
  for (std::size_t i = 0; i < thirsty.size(); ++i) {
    const std::size_t share = width / (thirsty.size() - i);
    thirsty[i]->width = std::min(thirsty[i]->wanted, std::max(share, kNarrowest));
    width -= std::min(width, thirsty[i]->width);
  }
  return columns;
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
