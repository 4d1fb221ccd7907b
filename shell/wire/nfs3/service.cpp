#include "shell/wire/nfs3/service.hpp"

#include <utility>

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {
namespace {

/// Enough for every client of a large site; beyond it the core, which knows them all, is asked.
constexpr std::size_t kClientsKnownMax = 65536;

}  // namespace

Task<core::ClientId> Clients::of(Coordinator& coordinator, std::string address) {
  const auto at = known_.find(address);
  if (at != known_.end()) co_return at->second;
  core::ClientArrived arrived;
  arrived.protocol = core::Protocol::nfs3;
  arrived.identity = address;
  arrived.address = address;
  arrived.label = address;
  const core::Reply reply = co_await request(coordinator, std::move(arrived));
  const auto* body = std::get_if<core::ClientReply>(&reply.body);
  if (reply.status != core::Status::ok || !body) co_return core::ClientId{};
  if (known_.size() >= kClientsKnownMax) known_.clear();
  known_[address] = body->client;
  co_return body->client;
}

// One byte more than a handle may have is let through, so that it is BADHANDLE and not garbage.
Bytes get_handle(BigReader& in) { return rpc::get_bytes(in, 1024); }

Task<Subject> locate(Service& service, const rpc::CallContext& call, Bytes handle) {
  Subject subject;
  Located located = co_await service.exports.locate(std::move(handle), call.remote.host);
  subject.status = status_of_errno(located.error);
  if (!subject.ok()) co_return subject;
  subject.of = std::move(located.of);
  subject.node = std::move(located.node);
  subject.who = subject.of->caller(call.header.credential);
  co_return subject;
}

Task<Subject> locate_writable(Service& service, const rpc::CallContext& call, Bytes handle) {
  Subject subject = co_await locate(service, call, std::move(handle));
  if (subject.ok() && subject.of->read_only) subject.status = Status::rofs;
  co_return subject;
}

DirectoryOp get_directory_op(BigReader& in) {
  DirectoryOp op;
  op.handle = get_handle(in);
  // Longer names than any that can exist are NAMETOOLONG, not garbage.
  op.name = rpc::get_string(in, 4096);
  return op;
}

Status check_name(const std::string& name) {
  if (name.size() > kNameMax) return Status::nametoolong;
  if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    return Status::inval;
  }
  return Status::ok;
}

Task<Gate> enter(Service& service, const rpc::CallContext& call, ExportRef of,
                 std::vector<core::Target> targets, core::Range range) {
  const std::string address = plain_address(call.remote.host);
  const core::Nanos until = service.clock.now() + of->hold;
  Gate gate;
  if (targets.empty()) co_return gate;
  for (bool again : {true, false}) {
    core::AccessRequested asked;
    asked.client = co_await service.clients.of(service.coordinator, address);
    if (!asked.client) {
      gate.status = Status::jukebox;
      co_return gate;
    }
    asked.request = service.coordinator.new_request();
    asked.target = targets.front();
    asked.others.assign(targets.begin() + 1, targets.end());
    asked.range = range;
    asked.patience = until;
    asked.policy = of->policy;
    const core::RequestId access = asked.request;
    const core::Reply reply = co_await request(service.coordinator, std::move(asked));
    if (reply.status == core::Status::ok) {
      gate.flight.emplace(service.coordinator, access);
      co_return gate;
    }
    gate.status = status_of_core(reply.status);
    // An administrator may have removed a client that is still there: it arrives once more.
    if (reply.status != core::Status::unknown_client || !again) break;
    service.clients.forget(address);
  }
  co_return gate;
}

Task<std::optional<files::Attributes>> attributes_of(ExportRef of, files::NodeRef node) {
  std::optional<files::Attributes> attributes;
  if (node) {
    files::Result<files::Attributes> result = co_await of->files->attributes(std::move(node));
    if (result) attributes = *result;
  }
  co_return attributes;
}

Task<Prior> before_change(Service& service, const Gate& gate, const Subject& subject) {
  Prior prior;
  prior.file = subject.node->id();
  const Coordinator::Changes changes = service.coordinator.changes(prior.file);
  prior.changes = changes.started;
  // Others may have been let through before, and not be done.
  if (changes.in_flight > (gate.flight ? 1U : 0U)) co_return prior;
  prior.attributes = co_await attributes_of(subject.of, subject.node);
  co_return prior;
}

Task<Wcc> wcc_of(Service& service, const Subject& subject, const Prior& prior) {
  Wcc wcc;
  if (!subject.of) co_return wcc;
  wcc.after = co_await attributes_of(subject.of, subject.node);
  if (prior.attributes && service.coordinator.changes(prior.file).started == prior.changes) {
    wcc.before = prior.attributes;
  }
  co_return wcc;
}

BigWriter begin(Status status) {
  BigWriter out = rpc::begin_reply();
  out.u32(static_cast<std::uint32_t>(status));
  return out;
}

rpc::Reply fail_plain(Status status) { return rpc::Reply::done(begin(status)); }

rpc::Reply reply_post_op(Status status, const std::optional<files::Attributes>& attributes) {
  BigWriter out = begin(status);
  put_post_op(out, attributes);
  return rpc::Reply::done(std::move(out));
}

rpc::Reply reply_wcc(Status status, const Wcc& wcc) {
  BigWriter out = begin(status);
  put_wcc(out, wcc);
  return rpc::Reply::done(std::move(out));
}

}  // namespace lockstep::wire::nfs3
