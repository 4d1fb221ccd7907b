// spec_replay MACHINE MODULE < dump: replays one dump of TLC through a machine (core, model)
// and prints what it saw. Exit status: 0 everything agrees, 1 something does not, 2 usage.
#include <iostream>

#include "tests/spec/replay.hpp"

int main(int argc, char** argv) {
  using namespace lockstep::test;  // NOLINT
  std::unique_ptr<Subject> subject = argc == 3 ? make_subject(argv[1]) : nullptr;
  std::unique_ptr<Translator> translator =
      subject ? make_translator(argv[2], std::move(subject)) : nullptr;
  if (!translator) {
    std::cerr << "usage: spec_replay core|model MODULE < dump\n";
    return 2;
  }
  try {
    const Tally tally = replay(std::cin, *translator);
    std::cout << "edges " << tally.edges << "\nstates " << tally.states << "\nunmoved "
              << tally.refusals << "\nmismatches " << tally.mismatches << "\nforks " << tally.forks
              << '\n';
    for (const auto& [event, count] : tally.events)
      std::cout << "event " << event << ' ' << count << '\n';
    for (const auto& [word, count] : tally.outcomes)
      std::cout << "outcome " << word << ' ' << count << '\n';
    for (const std::string& status : translator->statuses())
      std::cout << "status " << status << '\n';
    return tally.edges > 0 && tally.mismatches == 0 && tally.forks == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
