// Outgoing connections and datagrams of one machine on the simulated network.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "sim/wire/network.hpp"

namespace lockstep::sim::wired {

class NetworkDialler final : public wire::Dialler {
 public:
  NetworkDialler(Network& network, std::string host) : network_(network), host_(std::move(host)) {}

  wire::Task<std::shared_ptr<wire::Peer>> connect(Address to,
                                                  std::shared_ptr<wire::Session> session) override;
  std::function<void()> datagram(Address to, Bytes payload,
                                 std::function<void(Bytes)> on_reply) override;
  /// Attempts that are under way fail now: the machine goes down.
  void power_off();

 private:
  using Attempt = wire::Completion<std::shared_ptr<wire::Peer>>;
  Network& network_;
  const std::string host_;
  std::map<std::uint64_t, std::shared_ptr<Attempt>> attempts_;
  std::uint64_t last_ = 0;
  bool off_ = false;
};

}  // namespace lockstep::sim::wired
