// From a seed to a script: which clients, habits, faults and limits take part, and what happens.
#pragma once

#include "sim/level.hpp"

namespace lockstep::sim::wired {

std::vector<std::string> fault_names();
Script expand(std::uint64_t seed, const Options& options);

}  // namespace lockstep::sim::wired
