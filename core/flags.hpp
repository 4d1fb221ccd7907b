// A set of the bits of an enum class; the bits keep their type.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>

namespace lockstep::core {

template <class Bit>
class Flags {
 public:
  constexpr Flags() = default;
  constexpr Flags(Bit bit) : bits_(static_cast<std::uint8_t>(bit)) {}  // NOLINT: a bit is a set
  constexpr Flags(std::initializer_list<Bit> bits) {
    for (Bit bit : bits) bits_ |= static_cast<std::uint8_t>(bit);
  }
  static constexpr Flags from_bits(std::uint8_t bits) {
    Flags flags;
    flags.bits_ = bits;
    return flags;
  }
  constexpr std::uint8_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool has(Bit bit) const { return (bits_ & static_cast<std::uint8_t>(bit)) != 0; }
  constexpr bool contains(Flags other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr bool meets(Flags other) const { return (other.bits_ & bits_) != 0; }
  constexpr Flags without(Flags other) const {
    return from_bits(static_cast<std::uint8_t>(bits_ & ~other.bits_));
  }
  friend constexpr Flags operator|(Flags a, Flags b) {
    return from_bits(static_cast<std::uint8_t>(a.bits_ | b.bits_));
  }
  friend constexpr Flags operator&(Flags a, Flags b) {
    return from_bits(static_cast<std::uint8_t>(a.bits_ & b.bits_));
  }
  friend constexpr auto operator<=>(Flags, Flags) = default;

 private:
  std::uint8_t bits_ = 0;
};

}  // namespace lockstep::core
