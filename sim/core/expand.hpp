// From a seed to a script. Swarm: each seed draws who plays, how many files there are, which
// operations and which faults occur, how small the limits are and how long everything takes.
#pragma once

#include <string>
#include <vector>

#include "sim/core/step.hpp"

namespace lockstep::sim {

const std::vector<std::string>& core_faults();
const std::vector<std::string>& core_profiles();
std::vector<Step> expand_core(std::uint64_t seed, const Options& options);

}  // namespace lockstep::sim
