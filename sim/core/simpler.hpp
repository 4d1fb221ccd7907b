// Simpler forms of a step, for shrinking.
#pragma once

#include <string>
#include <vector>

namespace lockstep::sim {

std::vector<std::string> simpler_steps(const std::string& line);

}  // namespace lockstep::sim
