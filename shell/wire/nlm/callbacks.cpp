#include "shell/wire/nlm/callbacks.hpp"

#include <utility>

namespace lockstep::wire::nlm {
namespace {

constexpr core::Nanos kPortKept = 60 * core::kSecond;
constexpr std::size_t kPortsMax = 16384;

}  // namespace

Task<std::optional<Callbacks::Port>> Callbacks::find(Way way, std::function<bool()> wanted) {
  const auto known = ports_.find(way);
  if (known != ports_.end() && known->second.until > clock().now()) co_return known->second;
  const rpc::Transport other =
      way.transport == rpc::Transport::tcp ? rpc::Transport::udp : rpc::Transport::tcp;
  for (const rpc::Transport transport : {way.transport, other}) {
    const std::optional<std::uint16_t> number =
        co_await client_.find_port(way.host, kProgram, way.version, transport, wanted);
    if (client_.interrupted() || !wanted()) break;
    if (!number) continue;
    Port port;
    port.number = *number;
    port.transport = transport;
    port.until = clock().now() + kPortKept;
    if (ports_.size() >= kPortsMax) ports_.clear();
    ports_[way] = port;
    co_return port;
  }
  co_return std::nullopt;
}

Task<bool> Callbacks::pause(core::Nanos time) {
  if (!client_.interrupted()) co_await client_.sleep(time);
  co_return !client_.interrupted();
}

Task<rpc::CallResult> Callbacks::call(Way way, std::uint32_t procedure, Bytes arguments,
                                      rpc::Retry retry) {
  rpc::Outgoing call;
  call.program = kProgram;
  call.version = way.version;
  call.procedure = procedure;
  call.credential.flavor = rpc::kAuthSys;
  call.credential.uid = 0;
  call.credential.gid = 0;
  call.credential.machine = "lockstep";
  call.arguments = std::move(arguments);
  rpc::CallResult result;
  unsigned copies = 0;
  for (bool remembered = true; remembered;) {
    remembered = ports_.contains(way);
    const std::optional<Port> port = co_await find(way, retry.wanted);
    if (!port || !retry.wanted()) break;
    Address to;
    to.host = way.host;
    to.port = port->number;
    // A port that we only remember gets one try: the lock manager may have come back on another.
    rpc::Retry tries = retry;
    if (remembered) tries.tries = 1;
    if (port->transport == rpc::Transport::tcp) {
      result = co_await client_.call_tcp(to, call, 10 * core::kSecond);
    } else {
      result = co_await client_.call_udp(to, call, tries);
    }
    copies += result.copies;
    if (result.outcome != rpc::CallResult::Outcome::silent || client_.interrupted() ||
        !retry.wanted()) {
      break;
    }
    ports_.erase(way);
  }
  result.copies = copies;
  co_return result;
}

}  // namespace lockstep::wire::nlm
