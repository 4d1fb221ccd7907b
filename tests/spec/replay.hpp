// Replays a dump of TLC's state graph through a machine. The dump's first line is the scene, a
// record of the specification's constants; every other is an edge <<event, state, step>>. For each
// it brings back the machine that once came to `state`, lets the event happen, and compares what
// the machine shows and says with what the step of the specification says. Steps are total, so a
// refusal is an edge too (to the same state): granting too much shows as much as granting too
// little.
//
// TLC explores breadth first with one worker, so the edges of a state stand together in the dump;
// a machine is kept from when its state was first reached until its edges are over. To be kept it
// is written down and read back, which makes its indexes anew; so when the dump is over every state
// is gone to once more, from the first on without a stop: walks that cover all states.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/spec/translator.hpp"

namespace lockstep::test {

struct Tally {
  std::uint64_t edges = 0, states = 0, refusals = 0, mismatches = 0;
  std::uint64_t forks = 0;                        ///< an event twice in a state: two successors
  std::uint64_t walked = 0;                       ///< events of the walks
  std::map<std::string, std::uint64_t> events;    ///< by type
  std::map<std::string, std::uint64_t> outcomes;  ///< replies, by word
};

/// Reads a dump until it ends, for each translator; lines that are not of the dump (TLC's own) are
/// passed over. The first mismatches are told on stderr.
std::vector<Tally> replay(std::istream& dump, std::span<Translator* const> translators,
                          std::uint64_t mismatches_max = 20);

}  // namespace lockstep::test
