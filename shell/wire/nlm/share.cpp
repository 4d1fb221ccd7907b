// SHARE, UNSHARE, FREE_ALL (XNFS 10.3.16 to 10.3.19): share reservations beside those of SMB and
// NFSv4, in the core's one table.
#include <utility>

#include "shell/wire/nlm/service.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nlm {

Task<Results> share(Service& service, const rpc::CallContext& call) {
  const std::uint32_t version = call.header.version;
  BigReader in = call.reader();
  const ShareCall args = get_share_call(in);
  if (in.failed()) co_return std::nullopt;
  Subject subject = co_await locate(service, call, args.caller, args.handle);
  if (subject.ok() && !subject.of) subject.status = Status::stale_fh;
  if (!subject.ok()) co_return encode_share_result(args.cookie, subject.status, version);
  const core::Reply reply = co_await ask(service, subject, [&](Host& host) {
    core::OpenRequested event;
    event.client = host.client;
    event.file = subject.file;
    event.owner = std::string(as_text(args.oh));
    event.access = args.access;
    event.deny = args.deny;
    event.reclaim = args.reclaim ? core::Reclaim::previous : core::Reclaim::none;
    event.policy = subject.of->policy;
    return event;
  });
  co_return encode_share_result(args.cookie, status_of_core(reply.status), version);
}

// Giving back what is not held is fine, as with UNLOCK.
Task<Results> unshare(Service& service, const rpc::CallContext& call) {
  const std::uint32_t version = call.header.version;
  BigReader in = call.reader();
  const ShareCall args = get_share_call(in);
  if (in.failed()) co_return std::nullopt;
  Subject subject = co_await locate(service, call, args.caller, args.handle);
  if (!subject.ok()) co_return encode_share_result(args.cookie, subject.status, version);
  const core::Reply reply = co_await ask(service, subject, [&](Host& host) {
    core::ShareReleased event;
    event.client = host.client;
    event.owner = std::string(as_text(args.oh));
    event.file = subject.file;
    return event;
  });
  const bool gone = reply.status == core::Status::unknown_open;
  const Status status = gone ? Status::granted : status_of_core(reply.status);
  co_return encode_share_result(args.cookie, status, version);
}

Task<Results> free_all(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  std::string name = rpc::get_string(in, kCallerMax);
  in.u32();
  if (in.failed()) co_return std::nullopt;
  co_await service.hosts.free_all(std::move(name), nfs3::plain_address(call.remote.host));
  co_return Bytes{};
}

}  // namespace lockstep::wire::nlm
