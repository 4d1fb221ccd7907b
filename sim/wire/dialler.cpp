#include "sim/wire/dialler.hpp"

#include <utility>

namespace lockstep::sim::wired {

wire::Task<std::shared_ptr<wire::Peer>> NetworkDialler::connect(
    Address to, std::shared_ptr<wire::Session> session) {
  if (off_) co_return nullptr;
  const std::uint64_t number = ++last_;
  const auto attempt = std::make_shared<Attempt>();
  attempts_.emplace(number, attempt);
  network_.connect(host_, to, net::Framing::rpc, std::move(session),
                   [attempt](std::shared_ptr<End> peer) {
                     if (!attempt->ready()) return attempt->set(std::move(peer));
                     if (peer) peer->close();
                   });
  Attempt& connected = *attempt;
  std::shared_ptr<wire::Peer> peer = co_await connected;
  attempts_.erase(number);
  co_return peer;
}

std::function<void()> NetworkDialler::datagram(Address to, Bytes payload,
                                               std::function<void(Bytes)> on_reply) {
  if (off_) return [] {};
  const Address local{host_, network_.free_port()};
  network_.bind(local, [to, on_reply = std::move(on_reply)](const Address& from, const Address&,
                                                            Bytes reply) {
    // As a connected socket: what another host sends to this port is nobody's answer.
    if (from == to) on_reply(std::move(reply));
  });
  network_.datagram(local, to, payload);
  return [&network = network_, local] { network.unbind(local); };
}

void NetworkDialler::power_off() {
  off_ = true;
  const auto attempts = std::exchange(attempts_, {});
  for (const auto& [number, attempt] : attempts) attempt->set(nullptr);
}

}  // namespace lockstep::sim::wired
