#include "tests/spec/replay.hpp"

#include <iostream>

namespace lockstep::test {

namespace {

struct Snapshot {
  std::string machine;
  core::Nanos now = 0;
  std::uint64_t requests = 0;
};

/// The text between TLC's quotes, with its escapes undone; nothing when the line is no edge.
std::optional<std::string> edge_text(const std::string& line) {
  if (!line.starts_with("\"<<<<") || !line.ends_with(">>\"")) return std::nullopt;
  std::string text;
  text.reserve(line.size());
  for (std::size_t i = 1; i + 1 < line.size(); ++i) {
    if (line[i] == '\\' && i + 2 < line.size()) ++i;
    text += line[i];
  }
  return text;
}

}  // namespace

Tally replay(std::istream& dump, Translator& translator, std::uint64_t mismatches_max) {
  Tally tally;
  std::unordered_map<std::string, Snapshot> reached;
  translator.begin();
  bool begun = false;
  std::string line;
  while (std::getline(dump, line)) {
    const auto text = edge_text(line);
    if (!text) continue;
    const Value edge = parse_value(*text);
    const Value &event = edge[0], &state = edge[1], &outcome = edge[2], &after = edge[3];
    auto remember = [&](const Value& at) {
      reached.try_emplace(show(at),
                          Snapshot{translator.save(), translator.now, translator.requests});
    };
    if (!begun) {
      // The first edge leaves the initial state.
      begun = true;
      remember(state);
      if (translator.view() != translator.visible(state)) {
        throw std::runtime_error("the machine does not begin in " + show(state));
      }
    }
    auto source = reached.find(show(state));
    if (source == reached.end()) throw std::runtime_error("never reached: " + show(state));
    translator.load(source->second.machine);
    translator.now = source->second.now;
    translator.requests = source->second.requests;

    const Value said = translator.happen(event);
    ++tally.edges;
    ++tally.events[event[0].text];
    ++tally.outcomes[outcome[0].text];
    if (state == after) ++tally.refusals;
    const Value seen = translator.view(), wanted = translator.visible(after);
    const auto broken = translator.machine->check_invariants();
    if (seen != wanted || !translator.agrees(said, outcome) || broken) {
      std::string words = "from  " + show(state) + "\nevent " + show(event) + "\nspec  " +
                          show(wanted) + "\n      " + show(outcome) + "\ncore  " + show(seen) +
                          "\n      " + show(said);
      if (broken) words += "\nbroken " + *broken;
      if (tally.mismatches++ == 0) tally.first_mismatch = words;
      if (tally.mismatches <= mismatches_max) std::cerr << words << "\n\n";
      continue;  // the state behind a mismatch is not the specification's
    }
    remember(after);
  }
  tally.states = reached.size();
  return tally;
}

}  // namespace lockstep::test
