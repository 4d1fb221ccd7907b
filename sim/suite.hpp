// The simulator's part of the test command.
#pragma once

#include <string>
#include <vector>

#include "sim/level.hpp"

namespace CLI {
class App;
}

namespace lockstep::sim {

inline const std::string kDefaultProfile = Options().profile;

struct SuiteSettings {
  std::string scenarios = "tests/scenarios";
  std::string classes = "sim/README.md";  ///< the table of bug classes
  std::uint64_t core_seeds = 2000, wire_seeds = 200;
  std::uint64_t first = 1;
  unsigned jobs = 0;  ///< 0: as many as there are processors
};

void add_suite_options(CLI::App& app, SuiteSettings& settings);
/// Scenarios with their golden output, the table of bug classes, the corpus, fresh seeds of every
/// level, all interleavings of small scopes. The last line is "N passed, N failed, N skipped".
int run_suite(const SuiteSettings& settings);

/// Lines "LEVEL SEED" or "LEVEL SEED PROFILE"; those of this level and profile.
std::vector<std::uint64_t> read_corpus(const std::string& path, const Level& level,
                                       const std::string& profile);

}  // namespace lockstep::sim
