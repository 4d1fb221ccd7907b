#include "sim/scenario.hpp"

#include <fstream>
#include <sstream>

#include "sim/words/words.hpp"

namespace lockstep::sim {

namespace {

std::string trimmed(std::string text) {
  const auto comment = text.find('#');
  if (comment != std::string::npos) text.erase(comment);
  const auto last = text.find_last_not_of(" \t\r");
  text.erase(last == std::string::npos ? 0 : last + 1);
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

std::string level_names() {
  std::string names;
  for (const Level* level : levels())
    names += (names.empty() ? "" : ", ") + std::string(level->name());
  return names;
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error(path + ": cannot be written");
}

Script read_scenario(const std::string& path) {
  std::istringstream in(read_file(path));
  Script script;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string text = trimmed(line);
    if (text.empty()) continue;
    if (!script.level.empty()) {
      script.lines.push_back({number, text});
      continue;
    }
    if (!text.starts_with("level ") || find_level(text.substr(6)) == nullptr) {
      throw BadScenario(path + ":" + std::to_string(number) + ": expected 'level' and one of " +
                        level_names() + ", found '" + text + "'");
    }
    script.level = text.substr(6);
  }
  if (script.level.empty()) {
    throw BadScenario(path + ":" + std::to_string(number) + ": expected 'level' and one of " +
                      level_names() + ", found the end of the file");
  }
  return script;
}

void write_scenario(const std::string& path, const Script& script, const std::string& comment) {
  std::string text;
  std::istringstream lines(comment);
  for (std::string line; std::getline(lines, line);) text += "# " + line + "\n";
  text += "level " + script.level + "\n";
  for (const Line& line : script.lines) text += line.text + "\n";
  write_file(path, text);
}

Outcome run_scenario(const std::string& path, const Script& script, const Options& options) {
  try {
    return find_level(script.level)->run(script, options);
  } catch (const BadLine& bad) {
    throw BadScenario(path + ":" + std::to_string(bad.line) + ": " + bad.what());
  }
}

std::string golden_path(const std::string& scenario) {
  const auto dot = scenario.rfind(".scenario");
  return scenario.substr(0, dot) + ".golden";
}

std::string golden_text(const Outcome& outcome) {
  std::string text;
  for (const Moment& moment : outcome.story.moments) {
    if (moment.column.empty()) {
      text += "== " + moment.text + "\n";
    } else {
      text += padded_clock(moment.time, 10) + "  " + moment.column +
              std::string(moment.column.size() < 7 ? 7 - moment.column.size() : 1, ' ') +
              moment.text + "\n";
    }
  }
  if (!outcome.found) return text + "== good\n";
  return text + "== " + std::string(name(outcome.found->kind)) + ": " + outcome.found->what + "\n";
}

}  // namespace lockstep::sim
