// Any bytes as an RPC message: headers are bounded, and what is accepted has its arguments inside.
#include <cstdint>
#include <cstdlib>

#include "shell/wire/rpc/message.hpp"
#include "shell/wire/rpc/universal_address.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep::wire;
  const ByteView message(data, size);
  const rpc::ParsedCall call = rpc::parse_call(message);
  if (call.kind == rpc::ParsedCall::Kind::call) {
    if (call.arguments > size || call.header.credential.groups.size() > 16) std::abort();
  }
  if (call.kind == rpc::ParsedCall::Kind::reject && call.rejection.size() < 20) std::abort();
  const rpc::ParsedReply reply = rpc::parse_reply(message);
  if (reply.valid && reply.accepted && reply.results > size) std::abort();
  rpc::parse_universal(as_text(message));
  return 0;
}
