#include "shell/wire/nlm/hosts.hpp"

#include <algorithm>
#include <utility>

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nlm {
namespace {

constexpr std::size_t kHostsMax = 65536;
/// Names that one address may lock under: containers share an address, an attacker invents names.
constexpr std::size_t kNamesPerAddressMax = 256;

constexpr core::Nanos kFirstPause = core::kSecond;
constexpr core::Nanos kLongestPause = 60 * core::kSecond;

Bytes encode_cookie(std::uint32_t cookie) {
  BigWriter out;
  out.u32(cookie);
  return out.take();
}

}  // namespace

// ---- One host -----------------------------------------------------------------------------------

Host::Key Host::key_of(const LockCall& call, core::FileId file, core::Range range) {
  return {owner_of(call.lock), file, range, element_of(call, range).mode};
}

void Host::forget_within(const std::string& owner, core::FileId file, core::Range range) {
  std::erase_if(blocked_, [&](const auto& item) {
    return std::get<0>(item.first) == owner && std::get<1>(item.first) == file &&
           range.contains(std::get<2>(item.first));
  });
}

void Host::on_granted(const core::NotifyGranted& granted) {
  const Key key{granted.owner, granted.file, granted.element.range, granted.element.mode};
  const auto waiting = blocked_.find(key);
  if (waiting == blocked_.end()) {
    // Nobody is known to wait for it: holding it would lock everybody out for nothing.
    coordinator_.report(core::GrantAnswered{granted.grant, false});
    return;
  }
  auto call = std::make_shared<Call>();
  call->grant = granted.grant;
  call->key = key;
  call->blocked = std::move(waiting->second);
  call->cookie = callbacks_.next_cookie();
  call->blocked.call.cookie = encode_cookie(call->cookie);
  blocked_.erase(waiting);
  calling_[granted.grant] = call;
  spawn(tell(self_.lock(), std::move(call)));
}

void Host::on_stop_notifying(core::RequestId grant) {
  const auto at = calling_.find(grant);
  if (at == calling_.end()) return;
  at->second->ended = true;
  calling_.erase(at);
}

// Repeats until the client answers, the core loses interest, or the server ends. A client that
// cannot be reached keeps its lock: it may know of it already, and unreachable is not dead.
Task<void> Host::tell(std::shared_ptr<Host> host, std::shared_ptr<Call> call) {
  core::Nanos pause = kFirstPause;
  for (;;) {
    const std::optional<Status> answer = co_await host->ask(call);
    if (call->ended) co_return;
    if (answer && host->take(*call, *answer)) co_return;
    if (!co_await host->callbacks_.pause(pause) || call->ended) co_return;
    pause = std::min(pause * 2, kLongestPause);
  }
}

/// One try. Empty: nobody answered yet (GRANTED_MSG is answered by a call of its own).
Task<std::optional<Status>> Host::ask(std::shared_ptr<Call> call) {
  const Blocked& blocked = call->blocked;
  BigWriter arguments;
  put_granted_call(arguments, blocked.call, blocked.way.version);
  const std::uint32_t procedure = blocked.asynchronous ? kGrantedMsg : kGranted;
  rpc::Retry retry;
  retry.tries = 3;
  // Its client may have unlocked meanwhile, and wait for the same range again.
  retry.wanted = [call] { return !call->ended; };
  ++call->copies;
  const rpc::CallResult result =
      co_await callbacks_.call(blocked.way, procedure, arguments.take(), retry);
  call->copies += std::max(result.copies, 1u) - 1;
  if (blocked.asynchronous) co_return std::nullopt;
  if (result.outcome == rpc::CallResult::Outcome::refused &&
      result.status == rpc::AcceptStatus::proc_unavail) {
    call->blocked.asynchronous = true;
  }
  if (!result.answered()) co_return std::nullopt;
  BigReader in = result.reader();
  rpc::get_opaque(in, kNetObjMax);
  const std::uint32_t status = in.u32();
  if (in.failed()) co_return std::nullopt;
  co_return static_cast<Status>(status);
}

// Clients answer from the list of those who wait, and who was granted is not on it any more. So
// DENIED to a repeated call may come from one that said GRANTED to the copy before, and believes in
// its lock: it is kept then. One that does not want it sends UNLOCK.
bool Host::take(Call& call, Status status) {
  const bool repeated = std::exchange(call.copies, 0) > 1;
  if (status == Status::denied_grace_period) return false;
  end(call);
  const bool accepted = status == Status::granted || repeated;
  coordinator_.report(core::GrantAnswered{call.grant, accepted});
  return true;
}

void Host::end(Call& call) {
  call.ended = true;
  calling_.erase(call.grant);
}

bool Host::on_granted_res(const Bytes& cookie, Status status) {
  for (const auto& [grant, call] : calling_) {
    if (call->blocked.call.cookie != cookie) continue;
    const std::shared_ptr<Call> kept = call;
    take(*kept, status);
    return true;
  }
  return false;
}

// ---- All of them --------------------------------------------------------------------------------

Hosts::~Hosts() {
  for (const auto& [key, host] : hosts_) {
    for (const auto& [grant, call] : host->calling_) call->ended = true;
    coordinator_.detach(host->client, *host);
  }
}

std::string Hosts::identity(const std::string& name, const std::string& address) {
  return name + '@' + address;
}

Task<HostRef> Hosts::arrived(std::string name, std::string address) {
  const std::pair key(address, name);
  const auto known = hosts_.find(key);
  if (known != hosts_.end()) co_return known->second;
  const auto first = hosts_.lower_bound({address, std::string()});
  std::size_t names = 0;
  for (auto at = first; at != hosts_.end() && at->first.first == address; ++at) ++names;
  if (hosts_.size() >= kHostsMax || names >= kNamesPerAddressMax) co_return nullptr;

  core::ClientArrived arrived;
  arrived.protocol = core::Protocol::nlm;
  arrived.identity = identity(name, address);
  arrived.address = address;
  arrived.label = name;
  const core::Reply reply = co_await request(coordinator_, std::move(arrived));
  const auto* body = std::get_if<core::ClientReply>(&reply.body);
  if (reply.status != core::Status::ok || !body) co_return nullptr;
  HostRef& host = hosts_[key];  // a call that came at the same time may have been first
  if (!host) {
    host = std::make_shared<Host>(coordinator_, callbacks_, name, address);
    host->self_ = host;
    host->client = body->client;
    coordinator_.attach(host->client, *host);
    remember(name, address);
  }
  co_return host;
}

void Hosts::forget(const HostRef& host) {
  const auto at = hosts_.find({host->address(), host->name()});
  if (at == hosts_.end() || at->second != host) return;
  coordinator_.detach(host->client, *host);
  hosts_.erase(at);
}

void Hosts::remember(const std::string& name, const std::string& address) {
  if (addresses_.size() < kHostsMax || addresses_.contains(name)) {
    std::set<std::string>& seen = addresses_[name];
    if (seen.size() < kNamesPerAddressMax) seen.insert(address);
  }
}

// A host of several addresses may send it from any of them, so its name counts as well. The core
// acts once for each host and state, however often and by whatever name it is told.
void Hosts::rebooted(const std::string& name, const std::string& address, std::int32_t state) {
  std::set<std::string> places{address};
  const auto named = addresses_.find(name);
  if (named != addresses_.end()) places.insert(named->second.begin(), named->second.end());
  for (const auto& [key, host] : hosts_) {
    if (key.first == address || (key.second == name && places.contains(key.first))) {
      host->forget_all();
    }
  }
  for (const std::string& place : places) {
    core::HostRebooted event;
    event.name = identity(name, place);
    event.address = place == address ? address : std::string();
    event.state = state;
    coordinator_.report(std::move(event));
  }
}

Task<void> Hosts::free_all(std::string name, std::string address) {
  const HostRef host = co_await arrived(std::move(name), std::move(address));
  if (!host) co_return;
  host->forget_all();
  core::ClientLeft left;
  left.client = host->client;
  left.reason = core::LeaveReason::free_all;
  coordinator_.report(left);
}

void Hosts::on_granted_res(const std::string& address, const Bytes& cookie, Status status) {
  for (auto at = hosts_.lower_bound({address, std::string()});
       at != hosts_.end() && at->first.first == address; ++at) {
    const HostRef host = at->second;
    if (host->on_granted_res(cookie, status)) return;
  }
}

}  // namespace lockstep::wire::nlm
