// Simpler forms of a step, for shrinking.
#pragma once

#include <string>
#include <vector>

namespace lockstep::sim::wired {

/// The simplest first; each is a line that the grammar knows, and none is longer.
std::vector<std::string> simpler_lines(const std::string& line);

}  // namespace lockstep::sim::wired
