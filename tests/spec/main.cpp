// spec_replay MODULE [MACHINE...] < dump: replays one dump of TLC through machines (core and model,
// if none is named) and prints what it saw. Exit status: 0 everything agrees, 1 not, 2 usage.
#include <iostream>

#include "tests/spec/replay.hpp"

namespace {

using namespace lockstep::test;  // NOLINT

void print(std::string_view machine, const Tally& tally, const Translator& translator) {
  std::cout << machine << " edges " << tally.edges << '\n'
            << machine << " states " << tally.states << '\n'
            << machine << " unmoved " << tally.refusals << '\n'
            << machine << " mismatches " << tally.mismatches << '\n'
            << machine << " forks " << tally.forks << '\n';
  for (const auto& [event, count] : tally.events)
    std::cout << machine << " event " << event << ' ' << count << '\n';
  for (const auto& [word, count] : tally.outcomes)
    std::cout << machine << " outcome " << word << ' ' << count << '\n';
  for (const auto& [status, count] : translator.statuses())
    std::cout << machine << " status " << status << ' ' << count << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names(argv + std::min(argc, 2), argv + argc);
  if (names.empty()) names = {"core", "model"};
  std::vector<std::unique_ptr<Translator>> owned;
  std::vector<Translator*> translators;
  for (const std::string& name : names) {
    std::unique_ptr<Subject> subject = make_subject(name);
    auto translator = subject && argc > 1 ? make_translator(argv[1], std::move(subject)) : nullptr;
    if (!translator) {
      std::cerr << "usage: spec_replay MODULE [core] [model] < dump\n";
      return 2;
    }
    translators.push_back(translator.get());
    owned.push_back(std::move(translator));
  }
  try {
    const std::vector<Tally> tallies = replay(std::cin, translators);
    bool good = true;
    for (std::size_t i = 0; i < tallies.size(); ++i) {
      print(names[i], tallies[i], *translators[i]);
      good = good && tallies[i].edges > 0 && tallies[i].mismatches == 0 && tallies[i].forks == 0;
    }
    return good ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
