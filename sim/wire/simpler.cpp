#include "sim/wire/simpler.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

namespace lockstep::sim::wired {

namespace {

using Texts = std::vector<std::string>;

/// Words that may go, and how many words go with each.
constexpr std::pair<std::string_view, std::size_t> kOptional[] = {
    {"split", 0},          {"loss", 1},      {"duplicate", 1}, {"recorded-scope", 0},
    {"getattr-breaks", 0}, {"enforces", 0},  {"encrypts", 0},  {"defers", 0},
    {"caches-locks", 0},   {"oplocks", 0},   {"deaf", 0},      {"waits", 0},
    {"deny", 1},           {"exclusive", 0}, {"shared", 0},    {"silently", 0},
    {"kill", 0},           {"in", 0},        {"out", 0}};
/// Words for which there is a plainer one of the same kind.
constexpr std::pair<std::string_view, std::string_view> kPlainer[] = {{"never", "honestly"},
                                                                      {"wrongly", "honestly"},
                                                                      {"late", "honestly"},
                                                                      {"tcp", "udp"},
                                                                      {"unstable", "stable"},
                                                                      {"rwh", "rw"},
                                                                      {"rwh", "rh"},
                                                                      {"rw", "r"},
                                                                      {"rh", "r"},
                                                                      {"g", "f"},
                                                                      {"repeats", "garbles"}};

Texts words_of(const std::string& line) {
  std::istringstream in(line);
  Texts words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string line_of(const Texts& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

/// "250ms" is 250 and "ms".
std::optional<std::pair<std::uint64_t, std::string>> number_in(const std::string& word) {
  const std::size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  if (digits == 0 || digits > 9) return std::nullopt;
  const std::string unit = word.substr(digits);
  if (!unit.empty() && unit != "us" && unit != "ms" && unit != "s") return std::nullopt;
  return std::pair(std::stoull(word.substr(0, digits)), unit);
}

/// Round and small numbers below this one, and shorter times.
Texts smaller(const std::string& word) {
  const auto number = number_in(word);
  if (!number) return {};
  const auto& [value, unit] = *number;
  Texts forms;
  if (unit == "s" && value > 1) forms.emplace_back("1s");
  if (!unit.empty() && word != "1ms" && unit != "us") forms.emplace_back("1ms");
  if (unit == "s") forms.emplace_back("10ms");
  for (const std::uint64_t other : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10},
                                    std::uint64_t{100}, value / 2, value - 1}) {
    if (other < value && (other > 0 || unit.empty())) {
      forms.push_back(std::to_string(other) + unit);
    }
  }
  return forms;
}

}  // namespace

std::vector<std::string> simpler_lines(const std::string& line) {
  const Texts words = words_of(line);
  Texts forms;
  auto offer = [&](const Texts& changed) {
    std::string text = line_of(changed);
    if (text != line && text.size() <= line.size() && std::ranges::count(forms, text) == 0) {
      forms.push_back(std::move(text));
    }
  };
  // What comes first names the step or who does it.
  for (std::size_t i = 1; i < words.size(); ++i) {
    for (const auto& [word, more] : kOptional) {
      if (words[i] != word || i + more >= words.size()) continue;
      Texts changed = words;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i),
                    changed.begin() + static_cast<std::ptrdiff_t>(i + more + 1));
      offer(changed);
    }
    for (const auto& [word, plainer] : kPlainer) {
      if (words[i] != word) continue;
      Texts changed = words;
      changed[i] = plainer;
      offer(changed);
    }
    Texts others = smaller(words[i]);
    const std::size_t dash = words[i].find('-');
    if (dash == 1 && words[i].size() == 3) others = {"0-8", "0-0"};
    for (const std::string& other : others) {
      Texts changed = words;
      changed[i] = other;
      offer(changed);
    }
  }
  if (words.front().ends_with(".2")) {
    Texts changed = words;
    changed.front().back() = '1';
    offer(changed);
  }
  return forms;
}

}  // namespace lockstep::sim::wired
