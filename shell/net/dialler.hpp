// Outgoing connections and datagrams: callbacks to clients' lock managers and status monitors.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "shell/net/connection.hpp"
#include "shell/wire/ports.hpp"

namespace lockstep::net {

class LoopDialler final : public wire::Dialler {
 public:
  /// `sources`: the service addresses (of either family); what leaves bears the one of its family,
  /// since clients know the server by it. Empty, or unspecified addresses: the system chooses.
  LoopDialler(boost::asio::io_context& loop, std::vector<std::string> sources,
              const ConnectionLimits& limits)
      : loop_(loop), sources_(std::move(sources)), limits_(limits) {}

  wire::Task<std::shared_ptr<wire::Peer>> connect(wire::Address to,
                                                  std::shared_ptr<wire::Session> session) override;
  std::function<void()> datagram(wire::Address to, wire::Bytes payload,
                                 std::function<void(wire::Bytes)> on_reply) override;

 private:
  boost::asio::io_context& loop_;
  const std::vector<std::string> sources_;
  const ConnectionLimits limits_;
};

}  // namespace lockstep::net
