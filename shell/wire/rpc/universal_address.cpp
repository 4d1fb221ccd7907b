#include "shell/wire/rpc/universal_address.hpp"

#include <charconv>

namespace lockstep::wire::rpc {
namespace {

std::optional<std::uint16_t> octet(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 255) return std::nullopt;
  return value;
}

}  // namespace

std::string universal(const Address& address) {
  return address.host + '.' + std::to_string(address.port >> 8) + '.' +
         std::to_string(address.port & 0xFF);
}

std::optional<Address> parse_universal(std::string_view text) {
  const std::size_t low_dot = text.rfind('.');
  if (low_dot == std::string_view::npos || low_dot == 0) return std::nullopt;
  const std::size_t high_dot = text.rfind('.', low_dot - 1);
  if (high_dot == std::string_view::npos || high_dot == 0) return std::nullopt;
  const auto high = octet(text.substr(high_dot + 1, low_dot - high_dot - 1));
  const auto low = octet(text.substr(low_dot + 1));
  if (!high || !low) return std::nullopt;
  Address address;
  address.host = std::string(text.substr(0, high_dot));
  address.port = static_cast<std::uint16_t>(*high << 8 | *low);
  return address;
}

}  // namespace lockstep::wire::rpc
