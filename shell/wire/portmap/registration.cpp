#include "shell/wire/portmap/registration.hpp"

#include <set>
#include <utility>

namespace lockstep::wire::portmap {
namespace {

Task<rpc::CallResult> tell(rpc::Client& client, std::uint32_t procedure, Mapping mapping) {
  BigWriter arguments;
  arguments.u32(mapping.program);
  arguments.u32(mapping.version);
  arguments.u32(protocol_number(mapping.transport));
  arguments.u32(mapping.port);
  rpc::Outgoing call;
  call.program = kProgram;
  call.version = 2;
  call.procedure = procedure;
  call.arguments = arguments.take();
  const Address local{"127.0.0.1", kPort};
  co_return co_await client.call_tcp(local, call, 5 * core::kSecond);
}

/// UNSET removes all transports of a version at once, so it is told once for each.
std::vector<Mapping> one_of_each_version(const std::vector<Mapping>& mappings) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  std::vector<Mapping> result;
  for (const Mapping& mapping : mappings) {
    if (seen.emplace(mapping.program, mapping.version).second) result.push_back(mapping);
  }
  return result;
}

}  // namespace

Task<Registered> register_all(rpc::Client& client, std::vector<Mapping> mappings) {
  Registered result;
  for (const Mapping& mapping : mappings) {
    const rpc::CallResult told = co_await tell(client, kSet, mapping);
    if (told.outcome != rpc::CallResult::Outcome::silent) result.reachable = true;
    BigReader in = told.reader();
    if (told.answered() && in.u32() == 1)
      ++result.done;
    else
      result.refused.push_back(mapping);
    if (!result.reachable) break;
  }
  co_return result;
}

Task<void> unregister_all(rpc::Client& client, std::vector<Mapping> mappings) {
  for (const Mapping& mapping : one_of_each_version(mappings)) {
    const rpc::CallResult told = co_await tell(client, kUnset, mapping);
    if (told.outcome == rpc::CallResult::Outcome::silent) co_return;
  }
}

}  // namespace lockstep::wire::portmap
