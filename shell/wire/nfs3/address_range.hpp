// A range of client addresses: "192.168.1.0/24", "fd00::/8", "10.1.2.3", "*".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep::wire::nfs3 {

class AddressRange {
 public:
  /// Empty when the text is no range.
  static std::optional<AddressRange> parse(std::string_view text);
  /// Whether a numeric address lies inside; an IPv4 address mapped into IPv6 counts as IPv4.
  bool contains(std::string_view address) const;
  const std::string& text() const { return text_; }

 private:
  std::array<std::uint8_t, 16> prefix_{};  ///< IPv4 as ::ffff:a.b.c.d
  unsigned bits_ = 0;
  std::string text_;
};

/// IPv4 addresses that arrive in their IPv6 form become plain IPv4; others stay.
std::string plain_address(std::string_view address);

}  // namespace lockstep::wire::nfs3
