// Chance, from a seed. xoshiro256** (Blackman and Vigna, public domain algorithm), seeded through
// splitmix64. Each concern draws from a stream of its own, so that one more draw about the network
// changes nothing about the disk.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace lockstep::sim {

class Random {
 public:
  /// The stream of this name under this seed.
  Random(std::uint64_t seed, std::string_view stream) {
    std::uint64_t mixed = 0xcbf29ce484222325ULL;
    for (const char c : stream) mixed = (mixed ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    mixed ^= seed * 0x9e3779b97f4a7c15ULL;
    for (auto& word : state_) word = split(mixed);
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  /// 0 .. bound-1, from the high bits; bound > 0. The bias is below bound / 2^32.
  std::uint64_t below(std::uint64_t bound) {
    if (bound <= 0xffffffffULL) return (next() >> 32) * bound >> 32;
    return next() % bound;
  }
  /// Both ends included.
  std::uint64_t between(std::uint64_t least, std::uint64_t most) {
    return least + below(most - least + 1);
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  bool percent(std::uint64_t chance) { return below(100) < chance; }
  template <class T>
  const T& pick(std::span<const T> from) {
    return from[below(from.size())];
  }
  template <class T, std::size_t N>
  const T& pick(const T (&from)[N]) {
    return from[below(N)];
  }

 private:
  static constexpr std::uint64_t rotate(std::uint64_t value, int by) {
    return value << by | value >> (64 - by);
  }
  static std::uint64_t split(std::uint64_t& state) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace lockstep::sim
