// NLM and NSM of the simulated Linux client.
#include <algorithm>
#include <utility>

#include "shell/wire/nsm/nsm.hpp"
#include "sim/wire/nfs_client.hpp"
#include "sim/wire/server_node.hpp"

namespace lockstep::sim::wired {

using wire::BigReader;
using wire::BigWriter;
using wire::Task;
namespace rpc = wire::rpc;
namespace nlm = wire::nlm;
namespace nsm = wire::nsm;

namespace {

constexpr std::uint16_t kLockdPort = 40'001, kStatdPort = 40'002;
constexpr std::uint32_t kVersion = 4;
constexpr Nanos kPoll = 30 * kSecond;    ///< a blocked lock is asked for again
constexpr Nanos kInGrace = 5 * kSecond;  ///< after DENIED_GRACE_PERIOD
constexpr std::uint32_t kNotify = 6;

const Mark kBlocked{Mark::Kind::sometimes, "wire", "an NLM lock is blocked"};
const Mark kCallback{Mark::Kind::sometimes, "wire", "an NLM lock is granted by callback"};
const Mark kPolled{Mark::Kind::reachable, "wire", "an NLM lock is granted by asking again"};
const Mark kUnwantedGrant{Mark::Kind::reachable, "wire",
                          "GRANTED comes for a lock nobody waits for"};
const Mark kReclaimed{Mark::Kind::sometimes, "wire", "an NLM lock is reclaimed"};
const Mark kReclaimLost{Mark::Kind::reachable, "wire", "an NLM reclaim is refused"};
const Mark kCancelled{Mark::Kind::sometimes, "wire", "an NLM lock is cancelled"};
const Mark kDeadlock{Mark::Kind::reachable, "wire", "NLM answers DEADLCK"};

}  // namespace

/// The client's lock manager: GRANTED.
class CallbackProgram final : public rpc::Program {
 public:
  explicit CallbackProgram(NfsClient& client) : client_(client) {}
  std::uint32_t number() const override { return nlm::kProgram; }
  rpc::VersionRange versions() const override { return {1, 4}; }
  bool has_procedure(std::uint32_t, std::uint32_t procedure) const override {
    return procedure == 0 || procedure == nlm::kGranted;
  }
  Task<rpc::Reply> call(const rpc::CallContext& call) override {
    if (call.header.procedure == 0) co_return rpc::Reply::empty();
    if (!client_.habits_.answers_granted) co_return rpc::Reply::none();
    BigReader in = call.reader();
    const nlm::LockCall args = nlm::get_test_call(in, call.header.version);
    if (in.failed()) co_return rpc::Reply::garbage();
    nlm::Status status = nlm::Status::denied;
    try {
      status = client_.on_granted(args);
    } catch (const Failure& failure) {
      client_.witness.note(failure);
    }
    BigWriter out = rpc::begin_reply();
    out.bytes(nlm::encode_result(args.cookie, status, call.header.version));
    co_return rpc::Reply::done(std::move(out));
  }

 private:
  NfsClient& client_;
};

/// The client's statd: SM_NOTIFY of the server.
class StatusProgram final : public rpc::Program {
 public:
  explicit StatusProgram(NfsClient& client) : client_(client) {}
  std::uint32_t number() const override { return nsm::kProgram; }
  rpc::VersionRange versions() const override { return {1, 1}; }
  bool has_procedure(std::uint32_t, std::uint32_t procedure) const override {
    return procedure == 0 || procedure == kNotify;
  }
  Task<rpc::Reply> call(const rpc::CallContext& call) override {
    if (call.header.procedure == kNotify) {
      BigReader in = call.reader();
      rpc::get_string(in, nsm::kNameMax);
      const auto state = static_cast<std::int32_t>(in.u32());
      if (in.failed()) co_return rpc::Reply::garbage();
      client_.on_server_rebooted(state);
    }
    co_return rpc::Reply::empty();
  }

 private:
  NfsClient& client_;
};

void NfsClient::serve() {
  lockd_ = std::make_unique<CallbackProgram>(*this);
  statd_ = std::make_unique<StatusProgram>(*this);
  std::vector<wire::portmap::Mapping> mappings;
  for (const std::uint32_t version : {1u, 3u, 4u}) {
    for (const auto transport : {rpc::Transport::udp, rpc::Transport::tcp}) {
      mappings.push_back({nlm::kProgram, version, transport, kLockdPort});
    }
  }
  mappings.push_back({nsm::kProgram, 1, rpc::Transport::udp, kStatdPort});
  portmapper_ = std::make_unique<wire::portmap::Portmapper>(machine.clock, mappings);
  dispatcher_.add(*portmapper_);
  dispatcher_.add(*lockd_);
  dispatcher_.add(*statd_);
  Network& network = machine.network;
  for (const std::uint16_t port : {kPortmapPort, kLockdPort, kStatdPort}) {
    network.listen({machine.address, port}, net::Framing::rpc,
                   [this](std::shared_ptr<wire::Peer> peer) -> std::shared_ptr<wire::Session> {
                     return dispatcher_.accept(std::move(peer));
                   });
    network.bind({machine.address, port},
                 [this, &network](const Address& from, const Address& to, Bytes message) {
                   dispatcher_.on_datagram(from, to, std::move(message),
                                           [&network, from, to](const Bytes& reply) {
                                             network.datagram(to, from, reply);
                                           });
                 });
  }
}

// ---- Calls --------------------------------------------------------------------------------------

/// A process as NLM names it.
nlm::Lock NfsClient::name_of(unsigned process) const {
  nlm::Lock named;
  named.caller = machine.name;
  named.svid = static_cast<std::int32_t>(process);
  const std::string oh = std::to_string(process) + "@" + machine.name;
  named.oh.assign(oh.begin(), oh.end());
  return named;
}

nlm::LockCall NfsClient::lock_call(const Lock& lock) const {
  nlm::LockCall call;
  call.exclusive = lock.exclusive;
  call.lock = name_of(lock.process);
  call.lock.handle = lock.file->handle;
  call.lock.offset = lock.range.offset();
  call.lock.length = lock.range.length();
  return call;
}

/// Asks until there is an answer.
Task<std::optional<nlm::Status>> NfsClient::nlm(std::uint32_t procedure, Lock lock, bool block,
                                                bool reclaim) {
  nlm::LockCall args = lock_call(lock);
  BigWriter cookie;
  cookie.u32(++last_cookie_);
  args.cookie = cookie.take();
  args.block = block;
  args.reclaim = reclaim;
  rpc::Outgoing call;
  call.program = nlm::kProgram;
  call.version = kVersion;
  call.procedure = procedure;
  call.credential.flavor = rpc::kAuthSys;
  call.credential.machine = machine.name;
  call.arguments =
      nlm_call(procedure, args, kVersion, static_cast<std::int32_t>(habits_.boot * 2 + 1)).take();
  for (;;) {
    ++witness.requests;
    rpc::CallResult answer;
    if (habits_.nlm_over_tcp) {
      answer = co_await nlm_tcp_.call(call);
    } else {
      rpc::Retry retry;
      retry.tries = 5;
      answer = co_await rpc_.call_udp(lockd_of_server_, call, retry);
    }
    machine.check();
    if (answer.outcome == rpc::CallResult::Outcome::refused) {
      throw Failure(FailureKind::assertion, machine.name + ": NLM refuses a good call");
    }
    if (!answer.answered()) continue;
    BigReader in = answer.reader();
    const Bytes echoed = rpc::get_bytes(in, nlm::kNetObjMax);
    const auto status = static_cast<nlm::Status>(in.u32());
    if (in.failed() || echoed != args.cookie) {
      throw Failure(FailureKind::assertion, machine.name + ": NLM answers with another cookie");
    }
    co_return status;
  }
}

Task<void> NfsClient::not_while_reclaiming() {
  while (reclaiming_) co_await changed_.wait();
}

// ---- Locks --------------------------------------------------------------------------------------

Task<std::string> NfsClient::lock(Deed deed, FileRef file, unsigned process) {
  co_await flush(file);
  const auto mode = deed.exclusive ? LockBeliefs::Mode::exclusive : LockBeliefs::Mode::shared;
  // A downgrade is a promise that is given back as it is sent; a reclaim in between does not bring
  // it back.
  std::optional<Lowering> lowering;
  if (!deed.exclusive) lowering.emplace(lowering_, Lock{file, process, deed.range, false});
  for (std::uint32_t i = deed.range.first; i <= deed.range.last; ++i) {
    if (mode == LockBeliefs::Mode::shared &&
        witness.locks.mode(owner(process), file->node, i) == LockBeliefs::Mode::exclusive) {
      witness.locks.forget(owner(process), file->node, {i, i});
    }
  }
  bool queued = false;
  for (;;) {
    // Else what a reclaim that fails gives back could be what was granted here.
    co_await not_while_reclaiming();
    const Lock asked{file, process, deed.range, deed.exclusive, machine.now(), witness.run};
    const std::int32_t state = server_state_;
    std::optional<nlm::Status> status;
    if (deed.wait) {
      // Before the question: GRANTED may overtake its answer.
      const auto waiting = std::make_shared<Waiting>(machine);
      waiting->lock = asked;
      waiting_.push_back(waiting);
      status = co_await nlm(nlm::kLock, asked, true, false);
      if (status == nlm::Status::blocked) {
        witness.marks.hit(kBlocked);
        queued = true;
        tell(owner(process) + " hears BLOCKED");
        Wakeup& wakeup = waiting->wakeup;
        const auto cancel = machine.clock.at(machine.now() + kPoll, [&wakeup] { wakeup.wake(); });
        if (!waiting->granted && !waiting->unwanted) co_await wakeup;
        cancel();
      }
      std::erase(waiting_, waiting);
      if (waiting->granted) {
        if (state != server_state_) continue;  // given by a run that is no more
        co_return "granted by callback";
      }
      if (waiting->unwanted && status == nlm::Status::blocked) {
        witness.marks.hit(kCancelled);
        co_await nlm(nlm::kCancel, asked, true, false);
        // Granted meanwhile or not: it is not wanted.
        co_await unlock(file, deed.range, process);
        co_return "cancelled";
      }
      if (status == nlm::Status::blocked) {
        witness.marks.hit(kPolled);
        continue;
      }
    } else {
      status = co_await nlm(nlm::kLock, asked, false, false);
    }
    if (status == nlm::Status::denied_grace_period) {
      co_await machine.sleep(kInGrace);
      continue;
    }
    if (status == nlm::Status::deadlock) witness.marks.hit(kDeadlock);
    if (status != nlm::Status::granted && queued) {  // it may be granted all the same
      co_await nlm(nlm::kCancel, asked, true, false);
      co_await unlock(file, deed.range, process);
    }
    if (status != nlm::Status::granted) {
      co_return "refused " + std::to_string(static_cast<std::uint32_t>(*status));
    }
    if (state != server_state_) continue;
    granted(asked);
    co_return "granted";
  }
}

/// The client knows now that it has this lock: nobody may contradict, and it is on disk.
void NfsClient::granted(const Lock& lock) {
  const auto mode = lock.exclusive ? LockBeliefs::Mode::exclusive : LockBeliefs::Mode::shared;
  witness.locks.believe(owner(lock.process), lock.file->node, lock.range, mode, machine.now());
  const std::string identity = machine.name + "@" + machine.address;
  const core::LockMode strength =
      lock.exclusive ? core::LockMode::exclusive : core::LockMode::shared;
  if (!witness.ledger.covered(identity, nlm::owner_of(lock_call(lock).lock), lock.file->node,
                              lock.range.bytes(), strength, lock.asked)) {
    throw Failure(FailureKind::assertion, "PersistBeforeReply: " + owner(lock.process) +
                                              " was granted a lock that was not on record");
  }
  hold(lock);
  // What others wrote while it was not ours.
  std::erase_if(lock.file->pages, [](const auto& page) { return page.second.dirty == 0; });
  lock.file->known.reset();
}

void NfsClient::hold(Lock lock) {
  drop(lock.process, lock.file, lock.range);
  held_.push_back(std::move(lock));
}

void NfsClient::drop(unsigned process, const FileRef& file, CellRange range) {
  std::vector<Lock> kept;
  for (const Lock& lock : held_) {
    if (lock.process != process || lock.file != file || lock.range.first > range.last ||
        lock.range.last < range.first) {
      kept.push_back(lock);
      continue;
    }
    Lock part = lock;
    if (lock.range.first < range.first) {
      part.range = {lock.range.first, range.first - 1};
      kept.push_back(part);
    }
    if (lock.range.last > range.last) {
      part.range = {range.last + 1, lock.range.last};
      kept.push_back(part);
    }
  }
  held_ = std::move(kept);
}

Task<void> NfsClient::unlock(FileRef file, CellRange range, unsigned process) {
  co_await not_while_reclaiming();
  witness.locks.forget(owner(process), file->node, range);
  drop(process, file, range);
  const Lock asked{file, process, range, true, machine.now(), witness.run};
  for (;;) {
    const auto status = co_await nlm(nlm::kUnlock, asked, false, false);
    // A file that is gone has no locks.
    if (status == nlm::Status::granted || status == nlm::Status::stale_fh) co_return;
    co_await machine.sleep(kInGrace);
  }
}

void NfsClient::give_up(unsigned process) {
  const auto all = waiting_;
  for (const auto& waiting : all) {
    if (waiting->lock.process != process) continue;
    waiting->unwanted = true;
    waiting->wakeup.wake();
  }
}

std::optional<unsigned> NfsClient::process_of(core::OpenId, const std::string& owner) const {
  for (const unsigned process : {1u, 2u}) {
    if (owner == nlm::owner_of(name_of(process))) return process;
  }
  return std::nullopt;
}

// Linux answers from the list of those who wait; whoever was granted already is not on it.
nlm::Status NfsClient::on_granted(const nlm::LockCall& call) {
  const auto all = waiting_;
  for (const auto& waiting : all) {
    const nlm::Lock own = lock_call(waiting->lock).lock;
    if (waiting->granted || waiting->unwanted || own.handle != call.lock.handle ||
        own.svid != call.lock.svid || own.offset != call.lock.offset ||
        own.length != call.lock.length) {
      continue;
    }
    witness.marks.hit(kCallback);
    tell(owner(waiting->lock.process) + " is called: GRANTED");
    waiting->granted = true;
    granted(waiting->lock);
    waiting->wakeup.wake();
    return nlm::Status::granted;
  }
  // A call that came twice: its process may not have looked yet.
  for (const Lock& held : held_) {
    const nlm::Lock own = lock_call(held).lock;
    if (own.handle == call.lock.handle && own.svid == call.lock.svid &&
        own.offset == call.lock.offset && own.length == call.lock.length) {
      return nlm::Status::granted;
    }
  }
  witness.marks.hit(kUnwantedGrant);
  tell("is called: GRANTED, and does not want it");
  return nlm::Status::denied;
}

// ---- Restarts -----------------------------------------------------------------------------------

void NfsClient::on_server_rebooted(std::int32_t state) {
  if (state == server_state_) return;
  server_state_ = state;
  tell("hears that the server has restarted");
  if (!std::exchange(reclaiming_, true)) wire::spawn(attended(witness, reclaim()));
}

Task<void> NfsClient::reclaim() {
  std::int32_t state = 0;
  while (state != server_state_) {
    state = server_state_;
    const std::vector<Lock> locks = held_;
    for (const Lock& lock : locks) {
      Lock again = lock;
      again.asked = machine.now();
      again.run = witness.run;
      const auto status = co_await nlm(nlm::kLock, again, false, true);
      if (state != server_state_) break;
      if (status == nlm::Status::granted) {
        witness.marks.hit(kReclaimed);
        tell(owner(lock.process) + " has its lock on " + lock.file->name + " back");
        granted(again);
        for (const Lock& lower : lowering_) {
          if (lower.process != lock.process || lower.file != lock.file) continue;
          witness.locks.forget(owner(lock.process), lock.file->node, lower.range);
        }
      } else {
        witness.marks.hit(kReclaimLost);
        tell(owner(lock.process) + " has lost its lock on " + lock.file->name);
        witness.locks.forget(owner(lock.process), lock.file->node, lock.range);
        drop(lock.process, lock.file, lock.range);
        // The new run may have granted it before the client heard of the restart.
        co_await nlm(nlm::kUnlock, again, false, false);
      }
    }
  }
  reclaiming_ = false;
  changed_.ring();
}

void NfsClient::grace_over(std::uint64_t run) {
  for (const Lock& lock : held_) {
    if (lock.run < run) {
      witness.locks.forget(owner(lock.process), lock.file->node, lock.range);
    }
  }
}

Task<void> NfsClient::notify_reboot() {
  for (;;) {
    const auto port = co_await rpc_.find_port(kServer, nsm::kProgram, 1, rpc::Transport::udp);
    machine.check();
    if (port) {
      rpc::Outgoing call;
      call.program = nsm::kProgram;
      call.version = 1;
      call.procedure = kNotify;
      BigWriter out;
      rpc::put_string(out, machine.name);
      out.u32(habits_.boot * 2 + 1);
      call.arguments = out.take();
      Address statd;
      statd.host = kServer;
      statd.port = *port;
      const rpc::CallResult answer = co_await rpc_.call_udp(statd, std::move(call), rpc::Retry{});
      machine.check();
      if (answer.answered()) co_return;
    }
    co_await machine.sleep(kSecond);
  }
}

}  // namespace lockstep::sim::wired
