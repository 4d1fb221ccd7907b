// What wire code asks of the world: coordinator, clock, peer and dialler (files have their own
// header, shell/files/files.hpp). lockstepd implements them on Asio, lockstep-sim on simulated
// time and network, tests by hand. Everything runs on one thread: the loop's.
//
// Lifetime: whoever implements a port completes every call exactly once, also at shutdown.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "shell/wire/bytes.hpp"
#include "shell/wire/task.hpp"

namespace lockstep::wire {

/// Waits for the one reply to a request. `on_reply` is called when the reply may leave (what it
/// promises is durable); `on_parked` before it, when the core decided that the request must wait.
class ReplySink {
 public:
  virtual void on_parked() {}
  virtual void on_reply(core::Reply reply) = 0;

 protected:
  ~ReplySink() = default;
};

/// What the core sends to a client on its own account. One per client that is there; called on the
/// loop's thread, in the order of the core's effects, when they may leave.
class ClientSink {
 public:
  virtual void on_break(const core::SendBreak& notice) = 0;
  virtual void on_granted(const core::NotifyGranted& granted) { (void)granted; }
  virtual void on_stop_notifying(core::RequestId grant) { (void)grant; }
  virtual void on_notify_lock(const core::NotifyLock& notice) { (void)notice; }
  virtual void on_revoked(const core::Revoked& revoked) { (void)revoked; }

 protected:
  ~ClientSink() = default;
};

/// The way to the core. Events are applied in the order of the calls.
class Coordinator {
 public:
  virtual ~Coordinator() = default;

  /// A request id that no other unanswered request has.
  virtual core::RequestId new_request() = 0;
  /// Applies an event that has a reply; `sink` (which must live until then) gets it exactly once,
  /// perhaps before this returns.
  virtual void submit(core::EventBody event, core::RequestId request, ReplySink& sink) = 0;
  /// Applies an event that has none (AccessEnded, RequestCancelled, GrantAnswered, ClientLeft ...).
  virtual void report(core::EventBody event) = 0;

  /// Where a client's breaks and grants go. A client without a sink gets none: its breaks run into
  /// their deadlines. `detach` only if `sink` is still the client's.
  virtual void attach(core::ClientId client, ClientSink& sink) = 0;
  virtual void detach(core::ClientId client, ClientSink& sink) = 0;

  /// How many changes of a file (content, attributes, entries) the core has let through, and how
  /// many of them are in flight. Files share counters: there may be more than are meant, never
  /// less.
  struct Changes {
    std::uint32_t started = 0, in_flight = 0;
  };
  /// Who keeps no count (tests) says that there are none.
  virtual Changes changes(core::FileId file) const {
    (void)file;
    return {};
  }

  /// Whether the server is in its grace period.
  virtual bool in_grace() const = 0;
  /// This server run's number: larger at every start (write verifiers, stateids).
  virtual std::uint64_t epoch() const = 0;
};

/// `co_await request(coordinator, event)`: event.request is filled in. Pass `on_parked` to be told
/// that the answer will take a while (SMB's interim response), called at most once.
class [[nodiscard]] PendingReply final : public ReplySink {
 public:
  PendingReply(Coordinator& coordinator, core::EventBody event, core::RequestId request,
               std::function<void()> on_parked = {})
      : coordinator_(coordinator),
        event_(std::move(event)),
        request_(request),
        parked_(std::move(on_parked)) {}
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;

  bool await_ready() {
    coordinator_.submit(std::move(event_), request_, *this);
    return answered_;
  }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  core::Reply await_resume() { return std::move(reply_); }

 private:
  void on_parked() override {
    if (parked_) parked_();
  }
  void on_reply(core::Reply reply) override {
    reply_ = std::move(reply);
    answered_ = true;
    if (waiting_) std::exchange(waiting_, {}).resume();
  }
  Coordinator& coordinator_;
  core::EventBody event_;
  core::RequestId request_;
  std::function<void()> parked_;
  core::Reply reply_;
  bool answered_ = false;
  std::coroutine_handle<> waiting_;
};

template <class E>
PendingReply request(Coordinator& coordinator, E event, std::function<void()> on_parked = {}) {
  if (!event.request) event.request = coordinator.new_request();
  const core::RequestId id = event.request;
  return PendingReply(coordinator, core::EventBody(std::move(event)), id, std::move(on_parked));
}

/// Ends an access in flight when it goes out of scope, on every path.
class AccessInFlight {
 public:
  AccessInFlight(Coordinator& coordinator, core::RequestId access)
      : coordinator_(&coordinator), access_(access) {}
  AccessInFlight(AccessInFlight&& other) noexcept
      : coordinator_(other.coordinator_), access_(std::exchange(other.access_, {})) {}
  AccessInFlight& operator=(AccessInFlight&&) = delete;
  ~AccessInFlight() { end(); }
  void end() {
    if (access_) coordinator_->report(core::AccessEnded{std::exchange(access_, {})});
  }

 private:
  Coordinator* coordinator_;
  core::RequestId access_;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual core::Nanos now() const = 0;          ///< monotonic, what events carry
  virtual std::int64_t wall_nanos() const = 0;  ///< nanoseconds since 1970 (UTC)
  /// Runs once at `when` unless the returned function was called before. Both on the loop's thread.
  virtual std::function<void()> at(core::Nanos when, std::function<void()> action) = 0;
};

struct Address {
  std::string host;  ///< numeric, no brackets
  std::uint16_t port = 0;
  friend auto operator<=>(const Address&, const Address&) = default;
};

/// One end of a stream of messages: framing (record marks, SMB's length) is the carrier's.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void send(Bytes message) = 0;  ///< queued whole; ignored after close
  virtual void close() = 0;              ///< idempotent; on_closed of the session follows
  /// Back-pressure: the session has enough work; until `hold` is false again the carrier reads no
  /// further bytes (messages it has read already may still come).
  virtual void hold_reading(bool hold) { (void)hold; }
  virtual const Address& remote() const = 0;
  virtual const Address& local() const = 0;
};

/// What a carrier talks to. Created with its Peer when a connection is made; destroyed after
/// on_closed (outstanding coroutines keep what they need alive themselves).
class Session {
 public:
  virtual ~Session() = default;
  virtual void on_message(Bytes message) = 0;
  virtual void on_closed() = 0;
};

/// Outgoing: callbacks to clients. Framing of streams is ONC RPC record marking.
class Dialler {
 public:
  virtual ~Dialler() = default;
  /// Null when the connection failed. `session` gets what arrives.
  virtual Task<std::shared_ptr<Peer>> connect(Address to, std::shared_ptr<Session> session) = 0;
  /// One datagram from the service address; what comes back to that socket goes to `on_reply`
  /// until the returned function is called.
  virtual std::function<void()> datagram(Address to, Bytes payload,
                                         std::function<void(Bytes)> on_reply) = 0;
};

}  // namespace lockstep::wire
