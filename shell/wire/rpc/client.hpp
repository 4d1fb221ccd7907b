// Calls that this server makes: portmapper look-ups, NLM_GRANTED and _RES, SM_NOTIFY.
//
// Over UDP a call is repeated with the same xid and a doubling pause until it is answered or the
// tries are used up; over TCP it is sent once on a connection of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "shell/wire/ports.hpp"
#include "shell/wire/rpc/message.hpp"
#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::rpc {

/// Pauses between repeats.
struct Retry {
  core::Nanos first = core::kSecond;
  core::Nanos most = 8 * core::kSecond;
  unsigned tries = 4;
  /// Asked before each try: when what the call tells is true no more, it is not sent (again).
  std::function<bool()> wanted = [] { return true; };
};

struct Outgoing {
  std::uint32_t program = 0, version = 0, procedure = 0;
  Credential credential;
  Bytes arguments;
};

/// The whole message of a call.
Bytes encode_call(std::uint32_t xid, const Outgoing& call);

struct CallResult {
  enum class Outcome : std::uint8_t {
    answered,  ///< accepted with success; results follow
    refused,   ///< answered, but with an error of RPC
    silent,    ///< no answer, or no connection
  };
  Outcome outcome = Outcome::silent;
  AcceptStatus status = AcceptStatus::system_err;
  Bytes message;
  std::size_t results = 0;
  unsigned copies = 0;  ///< how often the call was sent: the answer may be to any of them

  bool answered() const { return outcome == Outcome::answered; }
  BigReader reader() const { return BigReader(ByteView(message).subspan(results)); }
};

class Exchange;

class Client {
 public:
  /// `seed` makes xids differ between server runs.
  Client(Clock& clock, Dialler& dialler, std::uint64_t seed);

  Task<CallResult> call_udp(Address to, Outgoing call, Retry retry);
  Task<CallResult> call_tcp(Address to, Outgoing call, core::Nanos patience);

  /// The port of a program at `host`, from its portmapper: GETPORT (RFC 1833 3) or, for an IPv6
  /// host, GETADDR. Empty when nothing is registered, nobody answers, or it is not `wanted` any
  /// more (asked before each try).
  Task<std::optional<std::uint16_t>> find_port(
      std::string host, std::uint32_t program, std::uint32_t version, Transport transport,
      std::function<bool()> wanted = [] { return true; });

  /// Suspends for a while, or until interrupt.
  Task<void> sleep(core::Nanos time);

  /// The server ends: every call and sleep under way returns at once, as if nobody had answered.
  /// Whoever repeats calls looks at `interrupted` and stops. New calls are made as before.
  void interrupt();
  bool interrupted() const { return interrupted_; }
  /// Calls and sleeps under way.
  std::size_t waiting() const { return waiting_.size(); }

  Clock& clock() { return clock_; }

 private:
  Task<void> wait(std::shared_ptr<Exchange> exchange, core::Nanos time);

  Clock& clock_;
  Dialler& dialler_;
  std::uint32_t next_xid_;
  bool interrupted_ = false;
  std::uint64_t last_wait_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Exchange>> waiting_;
};

}  // namespace lockstep::wire::rpc
