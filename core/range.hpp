// Byte ranges. Closed at both ends, so that the end of file is a value and nothing overflows.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace lockstep::core {

inline constexpr std::uint64_t kEndOfFile = ~std::uint64_t{0};

/// Bytes first..last. SMB's zero-length lock at offset o > 0 is {o, o-1}: `overlaps` then says
/// exactly what MS-FSA 2.1.4.10 says of it (a conflict only strictly inside another range).
/// SMB's {0, 0} clashes with nothing; it is {max, 0}, a value that no other range has.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = kEndOfFile;

  static constexpr Range whole() { return {0, kEndOfFile}; }
  /// `length` bytes from `offset`; the caller has ruled out overflow.
  static constexpr Range of(std::uint64_t offset, std::uint64_t length) {
    if (length != 0) return {offset, offset + (length - 1)};
    return offset == 0 ? Range{kEndOfFile, 0} : Range{offset, offset - 1};
  }

  constexpr bool empty() const { return first > last; }
  constexpr bool never_clashes() const { return first == kEndOfFile && last == 0; }
  constexpr bool overlaps(Range other) const {
    return first <= other.last && other.first <= last && !never_clashes() && !other.never_clashes();
  }
  constexpr bool contains(Range other) const { return first <= other.first && other.last <= last; }
  /// Overlaps or stands beside: what POSIX locks of one owner and mode merge.
  constexpr bool touches(Range other) const {
    return overlaps(other) || (last != kEndOfFile && last + 1 == other.first) ||
           (other.last != kEndOfFile && other.last + 1 == first);
  }
  friend constexpr auto operator<=>(const Range&, const Range&) = default;
};

/// The bytes that are in both, of two that overlap.
constexpr Range common(Range a, Range b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}
/// The smallest range that contains both.
constexpr Range hull(Range a, Range b) {
  return {std::min(a.first, b.first), std::max(a.last, b.last)};
}

}  // namespace lockstep::core
