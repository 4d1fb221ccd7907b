// Between Asio's endpoints and the addresses of the wire code.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>

#include "shell/wire/ports.hpp"

namespace lockstep::net {

/// IPv4 that arrived on an IPv6 socket is shown as the IPv4 that it is.
inline boost::asio::ip::address unmapped(const boost::asio::ip::address& address) {
  namespace ip = boost::asio::ip;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

template <class Endpoint>
wire::Address address_of(const Endpoint& endpoint) {
  return {unmapped(endpoint.address()).to_string(), endpoint.port()};
}

/// Nothing when `host` is not numeric.
template <class Endpoint>
std::optional<Endpoint> endpoint_of(const wire::Address& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address.host, error);
  if (error) return {};
  return Endpoint(parsed, address.port);
}

}  // namespace lockstep::net
