// Many seeds, on many threads, with one result: what is printed and returned does not depend on how
// many threads there were.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sim/level.hpp"

namespace lockstep::sim {

struct Campaign {
  const Level* level = nullptr;
  Options options;
  /// Runs that failed once: run in any case, before the fresh ones.
  std::vector<std::uint64_t> seeds;
  std::uint64_t first = 1, last = 0;  ///< fresh ones, both included; nothing when last < first
  double hours = 0;                   ///< > 0: from `first` on until that time is over
  unsigned jobs = 1;
  /// Each seed once more, from its prose and without oracles: the hash must be the same.
  bool twice = true;
  bool progress = false;
  bool stop_at_failure = false;
};

struct Tally {
  std::uint64_t seeds = 0, events = 0;
  core::Nanos simulated = 0;
  std::uint64_t hash = 0;  ///< of all runs, in whatever order they ran
  Marks marks;
  std::map<std::uint64_t, Found> found;  ///< by seed
  double seconds = 0;
};

Tally run_campaign(const Campaign& campaign);

/// `sometimes` marks of the level that were never hit.
std::vector<const Mark*> never_hit(const Level& level, const Marks& marks);

}  // namespace lockstep::sim
