#include "shell/wire/nfs3/address_range.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace lockstep::wire::nfs3 {
namespace {

using Raw = std::array<std::uint8_t, 16>;
constexpr std::string_view kMapped = "::ffff:";

/// inet_pton only parses text; no socket is involved.
std::optional<Raw> parse_address(std::string_view text, bool& ipv4) {
  Raw raw{};
  const std::string copy(text);
  if (::inet_pton(AF_INET, copy.c_str(), raw.data() + 12) == 1) {
    raw[10] = raw[11] = 0xFF;
    ipv4 = true;
    return raw;
  }
  ipv4 = false;
  if (::inet_pton(AF_INET6, copy.c_str(), raw.data()) == 1) return raw;
  return std::nullopt;
}

bool same_prefix(const Raw& a, const Raw& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

}  // namespace

std::string plain_address(std::string_view address) {
  if (address.starts_with(kMapped) && address.find('.') != std::string_view::npos) {
    address.remove_prefix(kMapped.size());
  }
  return std::string(address);
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  AddressRange range;
  range.text_ = std::string(text);
  if (text == "*") return range;
  const std::size_t slash = text.find('/');
  bool ipv4 = false;
  const std::optional<Raw> prefix = parse_address(text.substr(0, slash), ipv4);
  if (!prefix) return std::nullopt;
  unsigned bits = ipv4 ? 32 : 128;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    unsigned given = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), given);
    if (error != std::errc() || end != digits.data() + digits.size() || given > bits) {
      return std::nullopt;
    }
    bits = given;
  }
  range.prefix_ = *prefix;
  range.bits_ = ipv4 ? bits + 96 : bits;
  return range;
}

bool AddressRange::contains(std::string_view address) const {
  if (bits_ == 0) return true;
  bool ipv4 = false;
  const std::optional<Raw> raw = parse_address(plain_address(address), ipv4);
  return raw && same_prefix(*raw, prefix_, bits_);
}

}  // namespace lockstep::wire::nfs3
