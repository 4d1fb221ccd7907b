#include "shell/daemon/address_range.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace lockstep::daemon {

namespace {

using Bits = std::array<std::uint8_t, 16>;

struct Parsed {
  Bits bits{};
  bool mapped = false;  ///< it was written as IPv4
};

std::optional<Parsed> parse_address(std::string_view text) {
  Parsed parsed;
  const std::string copy(text);
  if (inet_pton(AF_INET6, copy.c_str(), parsed.bits.data()) == 1) return parsed;
  in_addr four{};
  if (inet_pton(AF_INET, copy.c_str(), &four) != 1) return {};
  parsed.mapped = true;
  parsed.bits[10] = parsed.bits[11] = 0xFF;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&four.s_addr);
  std::copy(bytes, bytes + 4, parsed.bits.begin() + 12);
  return parsed;
}

bool bit(const Bits& bits, unsigned index) {
  return ((bits[index / 8] >> (7 - index % 8)) & 1) != 0;
}

}  // namespace

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<Parsed> address = parse_address(text.substr(0, slash));
  if (!address) return {};
  AddressRange range;
  range.bits_ = address->bits;
  if (slash == std::string_view::npos) return range;
  const std::string_view digits = text.substr(slash + 1);
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  if (prefix > (address->mapped ? 32u : 128u)) return {};
  range.prefix_ = address->mapped ? prefix + 96 : prefix;
  for (unsigned index = range.prefix_; index < 128; ++index) {
    if (bit(range.bits_, index)) return {};
  }
  return range;
}

bool AddressRange::contains(std::string_view address) const {
  // A scope ("fe80::1%eth0") says where an address is, not which.
  const std::optional<Parsed> parsed = parse_address(address.substr(0, address.find('%')));
  if (!parsed) return false;
  for (unsigned index = 0; index < prefix_; ++index) {
    if (bit(bits_, index) != bit(parsed->bits, index)) return false;
  }
  return true;
}

std::string AddressRange::text() const {
  const bool four =
      prefix_ >= 96 && std::equal(bits_.begin(), bits_.begin() + 12,
                                  Bits{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}.begin());
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(four ? AF_INET : AF_INET6, bits_.data() + (four ? 12 : 0), buffer, sizeof buffer);
  const unsigned prefix = four ? prefix_ - 96 : prefix_;
  const unsigned all = four ? 32 : 128;
  return prefix == all ? std::string(buffer) : std::string(buffer) + "/" + std::to_string(prefix);
}

bool admits(const std::vector<AddressRange>& ranges, std::string_view address) {
  return ranges.empty() ||
         std::any_of(ranges.begin(), ranges.end(),
                     [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace lockstep::daemon
