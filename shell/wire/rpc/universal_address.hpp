// Universal addresses (RFC 5665 5.2.3): "10.1.2.3.8.1" is port 2049 of 10.1.2.3; IPv6 the same
// with its own text form before the last two numbers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shell/wire/ports.hpp"

namespace lockstep::wire::rpc {

inline constexpr std::size_t kUniversalAddressMax = 128;

std::string universal(const Address& address);
/// Empty when the text is none.
std::optional<Address> parse_universal(std::string_view text);

}  // namespace lockstep::wire::rpc
