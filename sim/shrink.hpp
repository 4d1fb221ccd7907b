// Makes a failing script small: takes steps out (delta debugging: Zeller and Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input", 2002), then makes the steps that are left
// simpler, as long as it fails in the same way.
#pragma once

#include <cstddef>
#include <functional>

#include "sim/level.hpp"

namespace lockstep::sim {

struct Shrunk {
  Script script;
  Found found;
  std::size_t runs = 0;
};

/// `script` fails with `found`; "the same way" is the same kind, and for assertions and
/// incoherences the same property (the words before the first colon).
Shrunk shrink(const Level& level, const Script& script, const Found& found, const Options& options);

}  // namespace lockstep::sim
