#include "sim/classes.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sstream>

#include "sim/exhaust.hpp"
#include "sim/marks.hpp"
#include "sim/scenario.hpp"

namespace lockstep::sim {

namespace {

constexpr std::string_view kHead = "| # | core level | wire level |";
constexpr std::array<std::string_view, 2> kLevels{"core", "wire"};

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream in(row.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
  return cells;
}

/// What stands between pairs of this character.
std::vector<std::string> between(const std::string& text, char quote) {
  std::vector<std::string> found;
  for (std::size_t at = text.find(quote); at != std::string::npos;) {
    const std::size_t end = text.find(quote, at + 1);
    if (end == std::string::npos) break;
    found.push_back(text.substr(at + 1, end - at - 1));
    at = text.find(quote, end + 1);
  }
  return found;
}

class Check {
 public:
  explicit Check(std::string scenarios) : scenarios_(std::move(scenarios)) {}

  std::vector<std::string> table(const std::string& readme) {
    std::istringstream in(readme);
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
      if (line == kHead) inside = true;
      if (inside && !line.starts_with("|")) break;
      const bool titles = line == kHead || line.starts_with("|--");
      if (inside && !titles) row(line);
    }
    for (unsigned number = 1; number <= kClasses; ++number) {
      if (rows_[number] != 1) {
        wrong("class " + std::to_string(number) + " has " + std::to_string(rows_[number]) +
              " rows");
      }
    }
    return std::move(wrong_);
  }

 private:
  void wrong(const std::string& what) { wrong_.push_back(what); }

  void row(const std::string& line) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != 1 + kLevels.size()) return wrong("not a row of the table: " + line);
    std::istringstream numbers(cells[0]);
    for (std::string number; std::getline(numbers, number, ',');) {
      ++rows_[static_cast<unsigned>(std::strtoul(number.c_str(), nullptr, 10))];
    }
    for (std::size_t i = 0; i < kLevels.size(); ++i) {
      for (const std::string& mark : between(cells[i + 1], '"')) check_mark(kLevels[i], mark);
      for (const std::string& name : between(cells[i + 1], '`')) check_scenario(kLevels[i], name);
    }
  }

  void check_mark(std::string_view level, const std::string& name) {
    const bool scope = std::ranges::any_of(small_scopes_of_core(),
                                           [&](const Scope& each) { return each.name == name; });
    const auto marks = Marks().of(level);
    const auto at = marks.find(name);
    const bool seen = at != marks.end() && at->second->kind() != Mark::Kind::reachable;
    if (seen || (scope && level == "core")) return;
    wrong("no mark of the " + std::string(level) + " level that must be seen: \"" + name + "\"");
  }

  void check_scenario(std::string_view level, const std::string& name) {
    const std::string path = scenarios_ + "/" + name + ".scenario";
    if (!std::filesystem::exists(path) || read_scenario(path).level != level) {
      wrong("no scenario of the " + std::string(level) + " level: " + name);
    }
  }

  std::string scenarios_;
  std::map<unsigned, unsigned> rows_;
  std::vector<std::string> wrong_;
};

}  // namespace

std::vector<std::string> check_classes(const std::string& readme, const std::string& scenarios) {
  return Check(scenarios).table(read_file(readme));
}

}  // namespace lockstep::sim
