#include "shell/wire/nsm/nsm.hpp"

#include <algorithm>
#include <utility>

#include "shell/wire/nfs3/address_range.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nsm {
namespace {

using rpc::Reply;

enum Procedure : std::uint32_t {
  kNull = 0,
  kStat = 1,
  kMonitor = 2,
  kUnmonitor = 3,
  kUnmonitorAll = 4,
  kSimulateCrash = 5,
  kNotify = 6,
};

constexpr std::uint32_t kStatSuccess = 0;
constexpr std::uint32_t kStatFail = 1;

bool from_this_machine(const rpc::CallContext& call) {
  const std::string host = nfs3::plain_address(call.remote.host);
  return host == "::1" || host.starts_with("127.");
}

}  // namespace

std::int32_t state_of_epoch(std::uint64_t epoch) {
  return static_cast<std::int32_t>((epoch * 2 + 1) & 0x7FFFFFFF);
}

bool Program::has_procedure(std::uint32_t version, std::uint32_t procedure) const {
  (void)version;
  return procedure <= kNotify;
}

Task<Reply> Program::call(const rpc::CallContext& call) {
  const std::uint32_t procedure = call.header.procedure;
  if (procedure == kNull) co_return Reply::empty();
  if (procedure == kNotify) co_return notified(call);
  BigWriter out = rpc::begin_reply();
  if (procedure == kStat) {
    BigReader in = call.reader();
    rpc::get_string(in, kNameMax);
    if (in.failed()) co_return Reply::garbage();
    out.u32(kStatSuccess);
    out.u32(static_cast<std::uint32_t>(state_));
    co_return Reply::done(std::move(out));
  }
  if (!from_this_machine(call)) co_return Reply::weak();
  switch (procedure) {
    case kMonitor:
      out.u32(kStatFail);
      out.u32(static_cast<std::uint32_t>(state_));
      break;
    case kUnmonitor:
    case kUnmonitorAll:
      out.u32(static_cast<std::uint32_t>(state_));
      break;
    default:
      // SM_SIMU_CRASH has no result. Nothing crashed: hosts that were told so would reclaim
      // outside of grace, and lose what they hold.
      break;
  }
  co_return Reply::done(std::move(out));
}

Reply Program::notified(const rpc::CallContext& call) {
  BigReader in = call.reader();
  const std::string name = rpc::get_string(in, kNameMax);
  const auto state = static_cast<std::int32_t>(in.u32());
  if (in.failed()) return Reply::garbage();
  rebooted_(name, nfs3::plain_address(call.remote.host), state);
  return Reply::empty();
}

// ---- Outgoing -----------------------------------------------------------------------------------

namespace {

constexpr core::Nanos kFirstPause = 2 * core::kSecond;
constexpr core::Nanos kLongestPause = 60 * core::kSecond;
constexpr int kRounds = 10;  // some six minutes, longer than any grace

}  // namespace

void Notifier::notify(const std::vector<HostOnRecord>& hosts) {
  for (const HostOnRecord& host : hosts) {
    if (!host.address.empty()) spawn(tell(host));
  }
}

// All names in each round until one round reached the host: a host that knows this server by the
// second name only must not be given up after the first was answered.
Task<void> Notifier::tell(HostOnRecord host) {
  core::Nanos pause = kFirstPause;
  for (int round = 0; round < kRounds && !client_.interrupted(); ++round) {
    bool reached = !names_.empty();
    for (const std::string& name : names_) {
      if (client_.interrupted()) break;
      const bool answered = co_await tell_once(host, name);
      reached = reached && answered;
    }
    if (reached) {
      ++counters_.answered;
      co_return;
    }
    co_await client_.sleep(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  ++counters_.given_up;
}

Task<bool> Notifier::tell_once(HostOnRecord host, std::string name) {
  const std::optional<std::uint16_t> port =
      co_await client_.find_port(host.address, kProgram, 1, rpc::Transport::udp);
  if (!port) co_return false;
  rpc::Outgoing call;
  call.program = kProgram;
  call.version = 1;
  call.procedure = kNotify;
  BigWriter arguments;
  rpc::put_string(arguments, name);
  arguments.u32(static_cast<std::uint32_t>(state_));
  call.arguments = arguments.take();
  Address to;
  to.host = host.address;
  to.port = *port;
  rpc::Retry retry;
  retry.tries = 3;
  const rpc::CallResult result = co_await client_.call_udp(to, std::move(call), retry);
  co_return result.outcome != rpc::CallResult::Outcome::silent;
}

}  // namespace lockstep::wire::nsm
