// Calls to the lock managers of clients: their ports, and the results of asynchronous procedures.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "shell/wire/nlm/types.hpp"
#include "shell/wire/rpc/client.hpp"

namespace lockstep::wire::nlm {

/// How a client reached us, and so how we reach it.
struct Way {
  std::string host;
  std::uint32_t version = 4;
  rpc::Transport transport = rpc::Transport::udp;
  friend auto operator<=>(const Way&, const Way&) = default;
};

class Callbacks {
 public:
  /// `epoch` keeps the cookies of this server run apart from those of earlier ones.
  Callbacks(rpc::Client& client, std::uint64_t epoch)
      : client_(client), last_cookie_(static_cast<std::uint32_t>(epoch << 20)) {}

  /// Calls `procedure` of the client's lock manager, found through its portmapper and remembered
  /// for a while; the other transport is tried where the client's own has no port.
  Task<rpc::CallResult> call(Way way, std::uint32_t procedure, Bytes arguments, rpc::Retry retry);

  /// Suspends for a while. False: the server ends, nothing is to be repeated.
  Task<bool> pause(core::Nanos time);

  /// Cookies have four bytes: some clients have room for no more.
  std::uint32_t next_cookie() { return ++last_cookie_; }
  Clock& clock() { return client_.clock(); }

 private:
  struct Port {
    std::uint16_t number = 0;
    rpc::Transport transport = rpc::Transport::udp;
    core::Nanos until = 0;
  };
  Task<std::optional<Port>> find(Way way, std::function<bool()> wanted);

  rpc::Client& client_;
  std::uint32_t last_cookie_;
  std::map<Way, Port> ports_;
};

}  // namespace lockstep::wire::nlm
