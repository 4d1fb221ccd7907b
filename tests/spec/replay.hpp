// Replays a dump of TLC's state graph through the machine: for every edge <<event, state, outcome,
// state'>> it loads the machine that once came to `state`, lets the event happen, and compares what
// the machine shows and says with `state'` and `outcome`. The specification's steps are total, so
// a refusal is an edge too (to the same state): over-granting shows as much as under-granting.
#pragma once

#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/machine.hpp"
#include "tests/spec/value.hpp"

namespace lockstep::test {

/// One module's half of the replay: how its events happen to a machine, and how it is shown.
class Translator {
 public:
  virtual ~Translator() = default;
  virtual core::Limits limits() const = 0;
  /// Brings a fresh machine to the specification's initial state.
  virtual void begin() = 0;
  /// Lets the event happen; what it said, in the words of the dump's outcome.
  virtual Value happen(const Value& event) = 0;
  /// The projection to compare.
  virtual Value view() const = 0;
  /// What of the dump's state and outcome is compared (hidden parts are left out).
  virtual Value visible(const Value& state) const { return state; }
  virtual bool agrees(const Value& said, const Value& outcome) const { return said == outcome; }

  /// A request that waits is named by the specification through its content and by the machine
  /// through its number: translators find numbers in the view, and keep what they cannot see.
  virtual std::string save() const { return machine->save(); }
  virtual void load(const std::string& snapshot) {
    machine = std::make_unique<core::Machine>(core::Machine::load(snapshot));
  }

  std::unique_ptr<core::Machine> machine;
  core::Nanos now = core::kSecond;
  std::uint64_t requests = 0;

 protected:
  core::RequestId next_request() { return {++requests}; }
  core::Effects apply(core::EventBody body) {
    core::Effects effects;
    now += core::kMillisecond;
    machine->apply({now, std::move(body)}, effects);
    return effects;
  }
};

struct Tally {
  std::uint64_t edges = 0, states = 0, refusals = 0, mismatches = 0;
  std::map<std::string, std::uint64_t> events;    ///< by type
  std::map<std::string, std::uint64_t> outcomes;  ///< by the first word of the outcome
  std::string first_mismatch;                     ///< in words
};

/// Reads a dump until it ends. Lines that are not edges (TLC's own) are passed over.
Tally replay(std::istream& dump, Translator& translator, std::uint64_t mismatches_max = 20);

std::unique_ptr<Translator> locks_translator(const std::string& scene);

}  // namespace lockstep::test
