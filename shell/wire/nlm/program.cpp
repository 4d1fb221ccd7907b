#include "shell/wire/nlm/program.hpp"

#include <array>
#include <memory>
#include <utility>

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nlm {
namespace {

constexpr std::size_t kRunningMax = 4096;

struct Row {
  Operation run = nullptr;
  rpc::Repeat repeat = rpc::Repeat::run;
};

using enum rpc::Repeat;
constexpr std::array<Row, 24> kProcedures{{
    {},                //  0 NULL
    {test, join},      //  1
    {lock, keep},      //  2
    {cancel, keep},    //  3
    {unlock, keep},    //  4
    {granted, run},    //  5
    {test, run},       //  6 TEST_MSG
    {lock, run},       //  7 LOCK_MSG
    {cancel, run},     //  8 CANCEL_MSG
    {unlock, run},     //  9 UNLOCK_MSG
    {granted, run},    // 10 GRANTED_MSG
    {},                // 11 TEST_RES
    {},                // 12 LOCK_RES
    {},                // 13 CANCEL_RES
    {},                // 14 UNLOCK_RES
    {},                // 15 GRANTED_RES
    {},                // 16
    {},                // 17
    {},                // 18
    {},                // 19
    {share, keep},     // 20
    {unshare, keep},   // 21
    {lock, keep},      // 22 NM_LOCK
    {free_all, keep},  // 23
}};

bool is_message(std::uint32_t procedure) {
  return procedure >= kTestMsg && procedure <= kGrantedMsg;
}
bool is_result(std::uint32_t procedure) {
  return procedure >= kTestRes && procedure <= kGrantedRes;
}
/// The _RES procedures lie five above their _MSG.
std::uint32_t result_of(std::uint32_t message) { return message + (kTestRes - kTestMsg); }

}  // namespace

Program::Program(Coordinator& coordinator, Clock& clock, const nfs3::Exports& exports,
                 rpc::Client& client)
    : callbacks_(client, coordinator.epoch()),
      hosts_(coordinator, callbacks_),
      service_{coordinator, clock, exports, hosts_, {}} {}

bool Program::has_procedure(std::uint32_t version, std::uint32_t procedure) const {
  if (procedure >= kShare && version == 1) return false;
  return procedure <= kGrantedRes || (procedure >= kShare && procedure <= kFreeAll);
}

rpc::Repeat Program::repeat(std::uint32_t version, std::uint32_t procedure) const {
  (void)version;
  return kProcedures[procedure].repeat;
}

Task<rpc::Reply> Program::call(const rpc::CallContext& call) {
  const std::uint32_t procedure = call.header.procedure;
  if (procedure == kGrantedRes) on_granted_res(call);
  // Results of calls that we never make have nobody to read them.
  if (procedure == kNull || is_result(procedure)) co_return rpc::Reply::empty();
  if (is_message(procedure)) co_return start(call);
  const Results results = co_await kProcedures[procedure].run(service_, call);
  if (!results) co_return rpc::Reply::garbage();
  BigWriter out = rpc::begin_reply();
  out.bytes(*results);
  co_return rpc::Reply::done(std::move(out));
}

void Program::on_granted_res(const rpc::CallContext& call) {
  BigReader in = call.reader();
  const Bytes cookie = rpc::get_bytes(in, kNetObjMax);
  const std::uint32_t status = in.u32();
  if (in.failed()) return;
  hosts_.on_granted_res(nfs3::plain_address(call.remote.host), cookie, static_cast<Status>(status));
}

// The message itself is answered at once and empty; the result follows in a call of our own.
rpc::Reply Program::start(const rpc::CallContext& call) {
  if (running_ < kRunningMax) spawn(run(call));
  return rpc::Reply::empty();
}

Task<void> Program::run(rpc::CallContext call) {
  const auto kept = std::make_shared<const rpc::CallContext>(std::move(call));
  const rpc::CallKey key = rpc::key_of(*kept);
  Clock& clock = service_.clock;
  const rpc::ReplyCache::Outcome outcome =
      asynchronous_.begin(key, clock.now(), [this, kept](const Bytes& results) {
        if (!results.empty()) spawn(send_result(*kept, results));
      });
  if (outcome != rpc::ReplyCache::Outcome::fresh) co_return;
  ++running_;
  const Results results = co_await kProcedures[kept->header.procedure].run(service_, *kept);
  asynchronous_.finish(key, clock.now(), results.value_or(Bytes{}), true);
  --running_;
  if (results) co_await send_result(*kept, *results);
}

Task<void> Program::send_result(rpc::CallContext call, Bytes results) {
  Way way;
  way.host = nfs3::plain_address(call.remote.host);
  way.version = call.header.version;
  way.transport = call.transport;
  rpc::Retry retry;
  retry.tries = 3;
  // Nobody to answer it: a client that missed it asks again.
  co_await callbacks_.call(std::move(way), result_of(call.header.procedure), std::move(results),
                           retry);
}

}  // namespace lockstep::wire::nlm
