// spec_replay MODULE SCENE < dump: replays one dump of TLC and prints what it saw.
#include <iostream>

#include "tests/spec/replay.hpp"

int main(int argc, char** argv) {
  using namespace lockstep::test;  // NOLINT
  const std::string module = argc == 3 ? argv[1] : "";
  if (module != "locks") {
    std::cerr << "usage: spec_replay locks SCENE < dump\n";
    return 2;
  }
  auto translator = locks_translator(argv[2]);
  try {
    const Tally tally = replay(std::cin, *translator);
    std::cout << module << ' ' << argv[2] << ": " << tally.edges << " edges, " << tally.states
              << " states, " << tally.refusals << " edges that change nothing, " << tally.mismatches
              << " mismatches\n";
    for (const auto& [event, count] : tally.events)
      std::cout << "  " << event << ' ' << count << '\n';
    std::cout << "  outcomes:";
    for (const auto& [word, count] : tally.outcomes) std::cout << ' ' << word << ' ' << count;
    std::cout << '\n';
    return tally.edges > 0 && tally.mismatches == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
