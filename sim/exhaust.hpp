// Small scopes, exhaustively: every way in which the steps of a few clients can follow each other,
// with a crash at every place, keeping each number of batches; and no crash.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/level.hpp"

namespace lockstep::sim {

struct Scope {
  std::string name;
  std::vector<std::string> stage;                  ///< set-up lines, common to all
  std::vector<std::vector<std::string>> programs;  ///< of each client, in its order
  bool crash = true;
};

struct Exhausted {
  std::uint64_t runs = 0, events = 0;
  std::optional<Found> found;  ///< the first, with its script
  Script script;
};

const std::vector<Scope>& small_scopes_of_core();
Exhausted exhaust(const Scope& scope);

}  // namespace lockstep::sim
