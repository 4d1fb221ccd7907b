// A dialler that keeps what is sent; the test answers, or does not.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::rpc_test {

/// The reply to the call in `payload`, with these results.
inline Bytes reply_to(const Bytes& payload, BigWriter results) {
  BigReader in(payload);
  BigWriter out = rpc::begin_reply();
  out.bytes(results.buffer());
  Bytes message = out.take();
  rpc::set_xid(message, in.u32());
  return message;
}

class KeepingDialler final : public Dialler {
 public:
  struct Datagram {
    Address to;
    Bytes payload;
    std::function<void(Bytes)> on_reply;
    std::shared_ptr<bool> closed = std::make_shared<bool>(false);

    void raw(Bytes message) const {
      const auto kept = on_reply;
      if (!*closed) kept(std::move(message));
    }
    void answer(BigWriter results) const { raw(reply_to(Bytes(payload), std::move(results))); }
    rpc::ParsedCall call() const { return rpc::parse_call(payload); }
  };
  struct Connection {
    Address to;
    std::shared_ptr<Session> session;
    std::shared_ptr<KeepingPeer> peer;

    void answer(BigWriter results) const {
      const std::shared_ptr<Session> kept = session;
      kept->on_message(reply_to(peer->sent.back(), std::move(results)));
    }
  };

  Task<std::shared_ptr<Peer>> connect(Address to, std::shared_ptr<Session> session) override {
    if (refuse) co_return nullptr;
    auto peer = std::make_shared<KeepingPeer>(to.host, to.port);
    connections.push_back({to, std::move(session), peer});
    co_return peer;
  }
  std::function<void()> datagram(Address to, Bytes payload,
                                 std::function<void(Bytes)> on_reply) override {
    Datagram made;
    made.to = std::move(to);
    made.payload = std::move(payload);
    made.on_reply = std::move(on_reply);
    datagrams.push_back(made);
    return [closed = made.closed] { *closed = true; };
  }

  std::vector<Datagram> datagrams;
  std::vector<Connection> connections;
  bool refuse = false;
};

}  // namespace lockstep::wire::rpc_test
