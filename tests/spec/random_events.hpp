// Random runs in a module's own vocabulary: events that its clients may cause in the state at hand.
#pragma once

#include <cstdint>
#include <string>

#include "tests/spec/value.hpp"

namespace lockstep::test {

/// A small generator, the same everywhere (xorshift64*).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  std::uint64_t roll(std::uint64_t sides) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545F4914F6CDD1DU >> 33) % sides;
  }
  template <class List>
  const auto& pick(const List& list) {
    return list[roll(list.size())];
  }

 private:
  std::uint64_t state_;
};

/// The scene that random runs of a module take place in: more clients and bytes than can be
/// explored whole. Throws std::runtime_error for a module that has none.
Value random_scene(const std::string& module);
/// An event that the module allows when the machine shows `view`.
Value random_event(const std::string& module, const Value& scene, const Value& view, Dice& dice);

}  // namespace lockstep::test
