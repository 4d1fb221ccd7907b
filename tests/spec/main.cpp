// spec_replay MODULE [MACHINE...] < dump: replays one dump of TLC through machines (core and model,
// if none is named) and prints what it saw. Exit status: 0 everything agrees, 1 not, 2 usage.
//
// spec_replay record MODULE SEED TRACES EVENTS: random runs of the core as a TLA+ module, for
// specs/trace: one line <<event, what was said, and after every eighth event the state>>.
#include <iostream>

#include "tests/spec/random_events.hpp"
#include "tests/spec/replay.hpp"

namespace {

using namespace lockstep::test;  // NOLINT

void print(std::string_view machine, const Tally& tally, const Translator& translator) {
  std::cout << machine << " edges " << tally.edges << '\n'
            << machine << " states " << tally.states << '\n'
            << machine << " unmoved " << tally.refusals << '\n'
            << machine << " mismatches " << tally.mismatches << '\n'
            << machine << " forks " << tally.forks << '\n'
            << machine << " walked " << tally.walked << '\n';
  for (const auto& [event, count] : tally.events)
    std::cout << machine << " event " << event << ' ' << count << '\n';
  for (const auto& [word, count] : tally.outcomes)
    std::cout << machine << " outcome " << word << ' ' << count << '\n';
  for (const auto& [status, count] : translator.statuses())
    std::cout << machine << " status " << status << ' ' << count << '\n';
}

void record(const std::string& module, std::uint64_t seed, int traces, int events) {
  const Value scene = random_scene(module);
  std::cout << "---- MODULE Recorded ----\nScene == " << show(scene) << "\nTraces == <<\n";
  for (int trace = 0; trace < traces; ++trace) {
    Dice dice(seed + static_cast<std::uint64_t>(trace));
    const auto translator = make_translator(module, make_subject("core"));
    translator->begin(scene);
    std::cout << (trace == 0 ? "<<" : ",\n<<");
    for (int i = 0; i < events; ++i) {
      const Value event = random_event(module, scene, translator->view(), dice);
      const Value said = translator->happen(event);
      std::cout << (i == 0 ? "" : ",\n") << "[event |-> " << show(event) << ", said |-> "
                << show(said);
      if (i % 8 == 7) std::cout << ", view |-> " << show(translator->view());
      std::cout << ']';
    }
    std::cout << ">>";
  }
  std::cout << ">>\n====\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 6 && std::string_view(argv[1]) == "record") {
    record(argv[2], std::stoull(argv[3]), std::stoi(argv[4]), std::stoi(argv[5]));
    return 0;
  }
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
