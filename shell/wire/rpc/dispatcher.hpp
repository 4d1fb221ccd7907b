// From a message to its program and back: one dispatcher for all programs, transports and
// connections of the server (RFC 5531). It parses, refuses what cannot run in RPC's own terms,
// asks the reply cache, and runs the call as a coroutine.
//
// A stream connection is a Session whose calls run concurrently up to a limit, so that a call that
// waits for a break never stands in front of the one that ends it; beyond the limit messages wait
// in order and the carrier is asked to stop reading.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "shell/wire/rpc/program.hpp"
#include "shell/wire/rpc/reply_cache.hpp"

namespace lockstep::wire::rpc {

class Dispatcher {
 public:
  struct Limits {
    std::size_t calls_per_connection_max = 256;
    std::size_t datagram_calls_max = 1024;  ///< of all senders; more are dropped, they come again
    std::size_t datagram_calls_per_host_max = 128;
    ReplyCache::Limits replies;
  };
  struct Counters {
    std::uint64_t calls = 0, rejected = 0, dropped = 0;
  };
  /// Called with the finished reply; never called for calls that get none. Must tolerate that the
  /// connection has gone.
  using Send = std::function<void(Bytes)>;

  explicit Dispatcher(Clock& clock) : Dispatcher(clock, Limits{}) {}
  Dispatcher(Clock& clock, Limits limits);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// `program` outlives the dispatcher. One program of a number.
  void add(Program& program);

  /// A session for a new stream connection. Every program answers on every port.
  std::shared_ptr<Session> accept(std::shared_ptr<Peer> peer);

  /// A datagram; `send` carries the reply back to its sender.
  void on_datagram(const Address& from, const Address& local, Bytes message, Send send);

  /// Runs one message; `done` is called when its reply was sent or there is none.
  void run(CallContext call, Send send, std::function<void()> done);

  const Counters& counters() const { return counters_; }
  const ReplyCache& replies() const { return replies_; }
  const Limits& limits() const { return limits_; }

 private:
  friend class StreamSession;
  Task<void> run_fresh(Program& program, CallContext call, Send send, std::function<void()> done);
  Task<void> run_once(Program& program, CallContext call, Send send, std::function<void()> done);
  void refuse(Bytes rejection, const Send& send, const std::function<void()>& done);

  Clock& clock_;
  Limits limits_;
  std::map<std::uint32_t, Program*> programs_;
  ReplyCache replies_;
  Counters counters_;
  std::size_t datagram_calls_ = 0;
  std::map<std::string, std::size_t> datagram_hosts_;
};

}  // namespace lockstep::wire::rpc
