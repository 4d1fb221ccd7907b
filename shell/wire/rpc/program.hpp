// What an RPC program (portmap, MOUNT, NFS, NLM, NSM) is to the dispatcher.
#pragma once

#include <cstdint>

#include "shell/wire/ports.hpp"
#include "shell/wire/rpc/message.hpp"
#include "shell/wire/task.hpp"

namespace lockstep::wire::rpc {

enum class Transport : std::uint8_t { tcp, udp };

/// One call, complete and authenticated. It lives in the dispatcher's frame until the reply is
/// made: programs take it by const reference and may keep spans into `message` until then.
struct CallContext {
  CallHeader header;
  Address remote;
  Address local;  ///< the service address that the client used
  Transport transport = Transport::tcp;
  Bytes message;
  std::size_t arguments = 0;  ///< offset into `message`

  BigReader reader() const { return BigReader(ByteView(message).subspan(arguments)); }
};

/// How a call ended. Results are appended to what begin_reply() gives; everything else is a status.
struct Reply {
  AcceptStatus status = AcceptStatus::success;
  bool silent = false;    ///< no reply at all (PMAPPROC_CALLIT)
  bool too_weak = false;  ///< the credential does not do for this procedure: AUTH_TOOWEAK
  Bytes message;          ///< for success: the whole reply, its xid not yet set

  static Reply done(BigWriter out) { return {AcceptStatus::success, false, false, out.take()}; }
  static Reply empty() { return done(begin_reply()); }
  static Reply error(AcceptStatus why) { return {why, false, false, {}}; }
  static Reply garbage() { return error(AcceptStatus::garbage_args); }
  static Reply none() { return {AcceptStatus::success, true, false, {}}; }
  static Reply weak() { return {AcceptStatus::success, false, true, {}}; }
};

/// What happens to a call that arrives a second time (RFC 1813 4.3 on the duplicate cache).
enum class Repeat : std::uint8_t {
  run,   ///< idempotent and quick: it simply runs again
  join,  ///< idempotent but may be held: a repeat joins the one that runs
  keep,  ///< not idempotent: joins while it runs, and gets the same reply afterwards
};

struct VersionRange {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
};

class Program {
 public:
  virtual ~Program() = default;
  virtual std::uint32_t number() const = 0;
  virtual VersionRange versions() const = 0;
  /// Whether this version (inside the range) is served: NLM has 1, 3 and 4.
  virtual bool serves(std::uint32_t version) const {
    return version >= versions().low && version <= versions().high;
  }
  virtual bool has_procedure(std::uint32_t version, std::uint32_t procedure) const = 0;
  virtual Repeat repeat(std::uint32_t version, std::uint32_t procedure) const {
    (void)version, (void)procedure;
    return Repeat::run;
  }
  virtual Task<Reply> call(const CallContext& call) = 0;
};

}  // namespace lockstep::wire::rpc
