#include "sim/wire/rpc_mount.hpp"

#include <utility>

namespace lockstep::sim::wired {

namespace {

constexpr Nanos kReconnect = 500 * kMillisecond;
/// Linux: timeo=600 on TCP. A request that nobody answered so long goes out again on a new
/// connection.
constexpr Nanos kRetransmit = 60 * kSecond;

}  // namespace

class RpcMount::Incoming final : public wire::Session {
 public:
  explicit Incoming(RpcMount& mount) : mount_(&mount) {}
  void on_message(Bytes message) override {
    if (mount_) mount_->on_message(std::move(message));
  }
  void on_closed() override {
    if (mount_) mount_->on_closed();
  }
  void detach() { mount_ = nullptr; }

 private:
  RpcMount* mount_;
};

RpcMount::~RpcMount() { close(); }

void RpcMount::close() {
  if (incoming_) incoming_->detach();
  incoming_.reset();
  if (end_) std::exchange(end_, nullptr)->close();
}

void RpcMount::connect() {
  if (connecting_ || end_ || machine_.dead()) return;
  connecting_ = true;
  incoming_ = std::make_shared<Incoming>(*this);
  machine_.network.connect(
      machine_.address, server_, net::Framing::rpc, incoming_,
      [self = std::weak_ptr<RpcMount*>(self_), incoming = incoming_](std::shared_ptr<End> end) {
        const auto live = self.lock();
        if (live && (*live)->incoming_ == incoming) return (*live)->connected(std::move(end));
        if (end) end->close();
      });
}

void RpcMount::connected(std::shared_ptr<End> end) {
  connecting_ = false;
  if (machine_.dead()) return;
  end_ = std::move(end);
  if (!end_) {
    machine_.clock.at(machine_.now() + kReconnect, [self = std::weak_ptr<RpcMount*>(self_)] {
      const auto live = self.lock();
      if (live && !(*live)->pending_.empty()) (*live)->connect();
    });
    return;
  }
  for (const auto& [xid, pending] : pending_) end_->send(pending->message);
}

void RpcMount::on_message(Bytes message) {
  const wire::rpc::ParsedReply parsed = wire::rpc::parse_reply(message);
  const auto at = pending_.find(parsed.xid);
  if (!parsed.valid || at == pending_.end() || at->second->reply) return;
  at->second->reply = std::move(message);
  at->second->answered.wake();
}

void RpcMount::on_closed() {
  end_.reset();
  incoming_.reset();
  connecting_ = false;
  if (!pending_.empty()) connect();
}

wire::Task<wire::rpc::CallResult> RpcMount::call(wire::rpc::Outgoing call) {
  Pending pending(machine_);
  const std::uint32_t xid = next_xid_++;
  pending.message = encode_call(xid, call);
  last_ = pending.message;
  const auto place = pending_.emplace(xid, &pending).first;
  // Also when the machine crashes.
  struct Leave {
    std::map<std::uint32_t, Pending*>& from;
    std::map<std::uint32_t, Pending*>::iterator place;
    ~Leave() { from.erase(place); }
  } leave{pending_, place};
  if (end_) {
    end_->send(pending.message);
  } else {
    connect();
  }
  Wakeup& answered = pending.answered;
  while (!pending.reply) {
    const auto cancel = machine_.clock.at(machine_.now() + kRetransmit, [this, &answered] {
      close();
      connecting_ = false;
      connect();
      answered.wake();
    });
    co_await answered;
    cancel();
  }
  wire::rpc::CallResult result;
  const wire::rpc::ParsedReply parsed = wire::rpc::parse_reply(*pending.reply);
  const bool good = parsed.accepted && parsed.status == wire::rpc::AcceptStatus::success;
  result.outcome =
      good ? wire::rpc::CallResult::Outcome::answered : wire::rpc::CallResult::Outcome::refused;
  result.status = parsed.status;
  result.results = parsed.results;
  result.message = std::move(*pending.reply);
  co_return result;
}

}  // namespace lockstep::sim::wired
