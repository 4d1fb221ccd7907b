// TEST, LOCK, CANCEL, UNLOCK (XNFS 10.3, 14.3).
#include <utility>

#include "shell/wire/nlm/service.hpp"

namespace lockstep::wire::nlm {
namespace {

constexpr std::size_t kRecentMax = 65536;

bool is_asynchronous(std::uint32_t procedure) {
  return procedure >= kTestMsg && procedure <= kGrantedMsg;
}

Way way_of(const rpc::CallContext& call) {
  Way way;
  way.host = nfs3::plain_address(call.remote.host);
  way.version = call.header.version;
  way.transport = call.transport;
  return way;
}

}  // namespace

Task<Subject> locate(Service& service, const rpc::CallContext& call, std::string caller,
                     Bytes handle) {
  Subject subject;
  const std::string address = nfs3::plain_address(call.remote.host);
  const std::pair key(address, handle);
  nfs3::Located located = co_await service.exports.locate(std::move(handle), address);
  const auto recent = service.recent.find(key);
  if (located.error == 0) {
    if (located.node->type() != files::FileType::regular) {
      subject.status = Status::failed;
      co_return subject;
    }
    subject.of = std::move(located.of);
    subject.file = located.node->id();
    if (recent == service.recent.end()) {
      if (service.recent.size() >= kRecentMax) service.recent.clear();
      service.recent.emplace(key, subject.file);
    }
  } else if (located.error == ESTALE && recent != service.recent.end()) {
    subject.file = recent->second;
  } else {
    subject.status = status_of_errno(located.error);
    co_return subject;
  }
  subject.host = co_await service.hosts.arrived(std::move(caller), address);
  if (!subject.host) subject.status = Status::denied_nolocks;
  co_return subject;
}

namespace {

/// A call about a range of a file. Its subject says when there is nothing to ask the core.
struct Asked {
  LockCall call;
  core::Range range;
  Subject subject;
  bool garbage = false;

  template <class Event>
  Event event(const Host& host) const {
    Event event;
    event.client = host.client;
    event.owner = owner_of(call.lock);
    event.file = subject.file;
    if constexpr (requires { event.element; }) {
      event.element = element_of(call, range);
    } else {
      event.range = range;
    }
    return event;
  }
};

/// Who asks for something needs the file itself; to give back, what was known of it is enough.
enum class File { itself, or_its_id };

Task<Asked> read(Service& service, const rpc::CallContext& call,
                 LockCall (*get)(BigReader&, std::uint32_t), File needed) {
  Asked asked;
  BigReader in = call.reader();
  asked.call = get(in, call.header.version);
  asked.garbage = in.failed();
  if (asked.garbage) co_return asked;
  const auto& lock = asked.call.lock;
  const std::optional<core::Range> range = range_of(lock);
  asked.range = range.value_or(core::Range{});
  asked.subject = co_await locate(service, call, lock.caller, lock.handle);
  Subject& subject = asked.subject;
  if (subject.ok() && needed == File::itself && !subject.of) subject.status = Status::stale_fh;
  if (subject.ok() && !range) subject.status = Status::fbig;
  co_return asked;
}

}  // namespace

// A lease in the way is broken first; when that takes longer than the policy's hold, TEST names it
// (semantics section 3): it has no word for "later".
Task<Results> test(Service& service, const rpc::CallContext& call) {
  const std::uint32_t version = call.header.version;
  Asked asked = co_await read(service, call, get_test_call, File::itself);
  if (asked.garbage) co_return std::nullopt;
  auto& [args, range, subject, garbage] = asked;
  if (!subject.ok()) {
    co_return encode_test_result(args.cookie, subject.status, std::nullopt, version);
  }
  const core::Nanos until = service.clock.now() + subject.of->hold;
  const core::Reply reply = co_await ask(service, subject, [&](Host& host) {
    auto event = asked.event<core::LockTested>(host);
    event.patience = until;
    return event;
  });
  std::optional<core::Holder> holder;
  if (const auto* body = std::get_if<core::Holder>(&reply.body)) holder = *body;
  co_return encode_test_result(args.cookie, status_of_core(reply.status), holder, version);
}

// A blocking request that cannot be granted is answered BLOCKED at once and NLM_GRANTED follows; a
// non-blocking one waits for breaks, as long as they take, and then is decided: it never invents a
// holder (semantics section 5).
Task<Results> lock(Service& service, const rpc::CallContext& call) {
  const std::uint32_t version = call.header.version;
  Asked asked = co_await read(service, call, get_lock_call, File::itself);
  if (asked.garbage) co_return std::nullopt;
  auto& [args, range, subject, garbage] = asked;
  if (!subject.ok()) co_return encode_result(args.cookie, subject.status, version);

  const Host::Key key = Host::key_of(args, subject.file, range);
  Blocked blocked;
  blocked.call = args;
  blocked.way = way_of(call);
  blocked.asynchronous = is_asynchronous(call.header.procedure);
  const core::Reply reply = co_await ask(service, subject, [&](Host& host) {
    // Before the question: the grant may come before the answer is seen here.
    if (args.block) host.expect(key, blocked);
    auto event = asked.event<core::LockRequested>(host);
    event.wait = args.block ? core::Wait::callback : core::Wait::none;
    event.reclaim = args.reclaim ? core::Reclaim::previous : core::Reclaim::none;
    event.policy = subject.of->policy;
    return event;
  });
  if (args.block && reply.status != core::Status::blocked) subject.host->forget(key);
  co_return encode_result(args.cookie, status_of_core(reply.status), version);
}

// Finding the lock granted already it releases nothing: the client sends UNLOCK then.
Task<Results> cancel(Service& service, const rpc::CallContext& call) {
  const std::uint32_t version = call.header.version;
  Asked asked = co_await read(service, call, get_cancel_call, File::or_its_id);
  if (asked.garbage) co_return std::nullopt;
  auto& [args, range, subject, garbage] = asked;
  if (!subject.ok()) co_return encode_result(args.cookie, subject.status, version);
  const core::Reply reply = co_await ask(
      service, subject, [&](Host& host) { return asked.event<core::LockCancelled>(host); });
  subject.host->forget(Host::key_of(args, subject.file, range));
  co_return encode_result(args.cookie, status_of_core(reply.status), version);
}

// Unlocking what is not locked is fine, and so is a file that is gone: nothing is held there.
Task<Results> unlock(Service& service, const rpc::CallContext& call) {
  const std::uint32_t version = call.header.version;
  Asked asked = co_await read(service, call, get_unlock_call, File::or_its_id);
  if (asked.garbage) co_return std::nullopt;
  auto& [args, range, subject, garbage] = asked;
  if (!subject.ok()) co_return encode_result(args.cookie, subject.status, version);
  const core::Reply reply =
      co_await ask(service, subject, [&](Host& host) { return asked.event<core::Unlocked>(host); });
  subject.host->forget_within(owner_of(args.lock), subject.file, range);
  co_return encode_result(args.cookie, status_of_core(reply.status), version);
}

Task<Results> granted(Service& service, const rpc::CallContext& call) {
  (void)service;
  const std::uint32_t version = call.header.version;
  BigReader in = call.reader();
  const LockCall args = get_test_call(in, version);
  if (in.failed()) co_return std::nullopt;
  co_return encode_result(args.cookie, Status::denied, version);
}

}  // namespace lockstep::wire::nlm
