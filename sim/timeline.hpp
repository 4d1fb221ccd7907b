// A run as a picture: a column for each client, one for the holders of each file, one for the
// server.
#pragma once

#include <string>
#include <vector>

#include "sim/level.hpp"

namespace lockstep::sim {

/// Those that anything happens in, in order.
std::vector<std::string> used_columns(const Story& story);
/// As text, `width` characters wide.
std::string timeline(const Outcome& outcome, std::size_t width);
/// As one page that needs nothing else: it scrolls, filters by column and word, and steps.
std::string page(const std::string& title, const Script& script, const Outcome& outcome);

}  // namespace lockstep::sim
