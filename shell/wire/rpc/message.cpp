#include "shell/wire/rpc/message.hpp"

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::rpc {
namespace {

constexpr std::uint32_t kRpcVersion = 2;
constexpr std::uint32_t kCall = 0;
constexpr std::uint32_t kReply = 1;
constexpr std::uint32_t kAccepted = 0;
constexpr std::uint32_t kDenied = 1;
constexpr std::uint32_t kRpcMismatch = 0;
constexpr std::uint32_t kAuthError = 1;

/// authsys_parms (RFC 5531 14). The stamp is the client's own affair.
bool parse_auth_sys(ByteView body, Credential& credential) {
  BigReader in(body);
  in.u32();
  credential.machine = get_string(in, kMachineNameMax);
  credential.uid = in.u32();
  credential.gid = in.u32();
  const std::uint32_t count = in.u32();
  if (in.failed() || count > kAuthSysGroupsMax) return false;
  for (std::uint32_t i = 0; i < count; ++i) credential.groups.push_back(in.u32());
  return in.ok();
}

ParsedCall reject(Bytes message) {
  ParsedCall parsed;
  parsed.kind = ParsedCall::Kind::reject;
  parsed.rejection = std::move(message);
  return parsed;
}

void put_verifier_none(BigWriter& out) {
  out.u32(kAuthNone);
  out.u32(0);
}

}  // namespace

ParsedCall parse_call(ByteView message) {
  BigReader in(message);
  ParsedCall parsed;
  CallHeader& header = parsed.header;
  header.xid = in.u32();
  const std::uint32_t type = in.u32();
  const std::uint32_t rpc_version = in.u32();
  if (in.failed() || type != kCall) return parsed;
  if (rpc_version != kRpcVersion) return reject(reply_rpc_mismatch(header.xid));
  header.program = in.u32();
  header.version = in.u32();
  header.procedure = in.u32();
  if (in.failed()) return parsed;

  const std::uint32_t flavor = in.u32();
  const ByteView body = get_opaque(in, kAuthBodyMax);
  if (in.failed()) return reject(reply_auth_error(header.xid, AuthStatus::bad_cred));
  in.u32();  // the verifier is empty for both flavours; what else a client puts there is ignored
  get_opaque(in, kAuthBodyMax);
  if (in.failed()) return reject(reply_auth_error(header.xid, AuthStatus::bad_verf));

  header.credential.flavor = flavor;
  if (flavor == kAuthSys) {
    if (!parse_auth_sys(body, header.credential)) {
      return reject(reply_auth_error(header.xid, AuthStatus::bad_cred));
    }
  } else if (flavor != kAuthNone) {
    return reject(reply_auth_error(header.xid, AuthStatus::rejected_cred));
  }
  parsed.arguments = in.position();
  parsed.kind = ParsedCall::Kind::call;
  return parsed;
}

void put_call(BigWriter& out, const CallHeader& call) {
  out.u32(call.xid);
  out.u32(kCall);
  out.u32(kRpcVersion);
  out.u32(call.program);
  out.u32(call.version);
  out.u32(call.procedure);
  const Credential& who = call.credential;
  if (who.flavor == kAuthSys) {
    BigWriter body;
    body.u32(0);
    put_string(body, who.machine);
    body.u32(who.uid);
    body.u32(who.gid);
    body.u32(static_cast<std::uint32_t>(who.groups.size()));
    for (const std::uint32_t group : who.groups) body.u32(group);
    out.u32(kAuthSys);
    put_opaque(out, body.buffer());
  } else {
    put_verifier_none(out);
  }
  put_verifier_none(out);
}

BigWriter begin_reply() {
  BigWriter out;
  out.u32(0);
  out.u32(kReply);
  out.u32(kAccepted);
  put_verifier_none(out);
  out.u32(static_cast<std::uint32_t>(AcceptStatus::success));
  return out;
}

void set_xid(Bytes& reply, std::uint32_t xid) {
  if (reply.size() >= 4) detail::store<std::endian::big>(reply.data(), xid);
}

Bytes reply_error(std::uint32_t xid, AcceptStatus status, std::uint32_t low, std::uint32_t high) {
  BigWriter out;
  out.u32(xid);
  out.u32(kReply);
  out.u32(kAccepted);
  put_verifier_none(out);
  out.u32(static_cast<std::uint32_t>(status));
  if (status == AcceptStatus::prog_mismatch) {
    out.u32(low);
    out.u32(high);
  }
  return out.take();
}

Bytes reply_auth_error(std::uint32_t xid, AuthStatus status) {
  BigWriter out;
  out.u32(xid);
  out.u32(kReply);
  out.u32(kDenied);
  out.u32(kAuthError);
  out.u32(static_cast<std::uint32_t>(status));
  return out.take();
}

Bytes reply_rpc_mismatch(std::uint32_t xid) {
  BigWriter out;
  out.u32(xid);
  out.u32(kReply);
  out.u32(kDenied);
  out.u32(kRpcMismatch);
  out.u32(kRpcVersion);
  out.u32(kRpcVersion);
  return out.take();
}

ParsedReply parse_reply(ByteView message) {
  BigReader in(message);
  ParsedReply parsed;
  parsed.xid = in.u32();
  const std::uint32_t type = in.u32();
  const std::uint32_t outcome = in.u32();
  if (in.failed() || type != kReply || outcome > kDenied) return parsed;
  if (outcome == kDenied) {
    parsed.valid = true;
    return parsed;
  }
  in.u32();
  get_opaque(in, kAuthBodyMax);
  const std::uint32_t status = in.u32();
  if (in.failed() || status > static_cast<std::uint32_t>(AcceptStatus::system_err)) return parsed;
  parsed.valid = true;
  parsed.accepted = true;
  parsed.status = static_cast<AcceptStatus>(status);
  parsed.results = in.position();
  return parsed;
}

}  // namespace lockstep::wire::rpc
