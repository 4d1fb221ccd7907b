// Addresses and ranges of them ("10.0.0.0/8", "fd00::/8", "192.0.2.7").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::daemon {

class AddressRange {
 public:
  /// Nothing when `text` is no address, no prefix length follows the slash, or bits are set below
  /// it.
  static std::optional<AddressRange> parse(std::string_view text);
  /// `address` in numeric form; an IPv4 address that arrives mapped into IPv6 counts as IPv4.
  bool contains(std::string_view address) const;
  std::string text() const;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;

 private:
  std::array<std::uint8_t, 16> bits_{};  ///< IPv4 as ::ffff:a.b.c.d
  unsigned prefix_ = 128;
};

/// An empty list admits everybody.
bool admits(const std::vector<AddressRange>& ranges, std::string_view address);

}  // namespace lockstep::daemon
