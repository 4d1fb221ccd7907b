// A client's persistent RPC connection: calls are sent again with the same xid when the connection
// was lost or nobody answers, until somebody does.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "shell/wire/rpc/client.hpp"
#include "sim/wire/machine.hpp"

namespace lockstep::sim::wired {

class RpcMount final {
 public:
  RpcMount(Machine& machine, Address server, std::uint32_t first_xid)
      : machine_(machine), server_(std::move(server)), next_xid_(first_xid) {}
  ~RpcMount();
  RpcMount(const RpcMount&) = delete;
  RpcMount& operator=(const RpcMount&) = delete;

  wire::Task<wire::rpc::CallResult> call(wire::rpc::Outgoing call);
  /// Closes the connection; the next call makes another.
  void close();
  const std::shared_ptr<End>& connection() const { return end_; }
  /// The message that was sent last, for clients that send it again.
  const Bytes& last_message() const { return last_; }

 private:
  class Incoming;
  struct Pending {
    explicit Pending(Machine& machine) : answered(machine) {}
    Bytes message;
    std::optional<Bytes> reply;
    Wakeup answered;
  };
  void connect();
  void connected(std::shared_ptr<End> end);
  void on_message(Bytes message);
  void on_closed();

  Machine& machine_;
  const Address server_;
  std::uint32_t next_xid_;
  std::shared_ptr<Incoming> incoming_;
  std::shared_ptr<End> end_;
  bool connecting_ = false;
  std::map<std::uint32_t, Pending*> pending_;
  Bytes last_;
  std::shared_ptr<RpcMount*> self_ = std::make_shared<RpcMount*>(this);
};

}  // namespace lockstep::sim::wired
