// Registration with the rpcbind that already runs on this machine, when port 111 is not ours.
#pragma once

#include <string>
#include <vector>

#include "shell/wire/portmap/portmap.hpp"
#include "shell/wire/rpc/client.hpp"

namespace lockstep::wire::portmap {

struct Registered {
  std::size_t done = 0;          ///< mappings that rpcbind took
  std::vector<Mapping> refused;  ///< taken by another port, or rpcbind refused us
  bool reachable = false;
};

/// Registers every mapping with the rpcbind at 127.0.0.1 (PMAPPROC_SET). Nothing is taken away from
/// another service of this machine; what an earlier run left behind under the same port is fine.
Task<Registered> register_all(rpc::Client& client, std::vector<Mapping> mappings);
/// Takes them out again; errors do not matter.
Task<void> unregister_all(rpc::Client& client, std::vector<Mapping> mappings);

}  // namespace lockstep::wire::portmap
