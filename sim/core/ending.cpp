// The end of a run: everything heals but the dead; nobody waits for more than a lock, and when the
// locks are given back nobody waits at all; when everything is closed, nothing is left.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

void World::heal() {
  armed_ = Step{};
  lateness_ = 0;
  io_time_ = 100'000;
  disk_time_ = 2 * kMillisecond;
  Step mend;
  mend.verb = Verb::disk_works;
  befall(mend);
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& client = clients_[i];
    mend.who = static_cast<std::uint8_t>(i);
    client.latency = kMillisecond;
    client.skew = 0;
    if (client.trait == Trait::never_renews || client.trait == Trait::never_answers) {
      client.trait = Trait::forgets;  // it is healed; what it believes is still not checked
    }
    for (const Verb verb : {Verb::thaws, Verb::mend, Verb::hear}) {
      mend.verb = verb;
      if (verb != Verb::mend || client.cut) befall(mend);
    }
    if (client.dead) continue;
    // Its clock is right again, and what it takes for lost will be asked again.
    if (client.nfs4() && client.id) {
      agenda_.put(now(), {Due::Kind::renew, mend.who, client.incarnation, client.id.value});
    }
  }
}

bool World::anybody_waits_for_more_than_locks(std::string& what) const {
  const StateView view = server_->machine().view();
  if (view.grace) what = "grace goes on";
  for (const FileView& file : view.files) {
    for (const WaiterView& waiter : file.waiters) {
      if (!waiter.for_breaks && !waiter.for_accesses && !waiter.for_grace) continue;
      what = name_of(waiter.client) + " waits to " + waiter.what + " " + file_of(file.file);
    }
    for (const RightView& right : file.rights) {
      if (right.breaking) {
        what = "the break of " + name_of(right.client) + "'s " +
               std::string(core::name(right.flavour)) + " on " + file_of(file.file) + " is out";
      }
    }
    if (!file.accesses.empty()) what = "an access to " + file_of(file.file) + " never ends";
  }
  return !what.empty();
}

/// Applications end: they unlock, close, and withdraw what they still ask for.
void World::release_everything() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& client = clients_[i];
    if (!client.works() || client.presence != Presence::here) continue;
    Step step;
    step.who = static_cast<std::uint8_t>(i);
    for (std::uint8_t file = 0; file <= kFiles; ++file) {
      step.file = file;
      step.verb = Verb::unlocks;
      for (std::uint8_t owner = 1; owner <= 2; ++owner) {
        const PosixLocks held = client.posix[file][owner - 1U];
        step.owner = owner;
        step.range = Range::whole();
        // One that forgot what it held also forgot what this run of the server had granted it.
        const bool forgot = client.trait == Trait::forgets && client.protocol == Protocol::nlm;
        if ((held.shared | held.exclusive) != 0 || forgot) unlock(step, client);
      }
      step.verb = Verb::closes;
      for (std::size_t handle = 0; handle < client.handles.size(); ++handle) {
        Handle& open = client.handles[handle];
        if (open.gone || open.file != file) continue;
        open.lazy = false;
        step.owner = open.owner;
        step.number = 1;
        close_file(step, client);
      }
    }
  }
}

void World::check_leaks() {
  const StateView view = server_->machine().view();
  std::string left;
  for (const FileView& file : view.files) {
    left += " " + file_of(file.file) + " (" + holders(file, *this) + ")";
  }
  for (const ClientView& client : view.clients) {
    if (client.protocol != Protocol::nlm) left += " client " + client.label;
  }
  if (server_->machine().next_deadline() != kNever) left += " a deadline";
  if (server_->durable().count<OpenRecord>() + server_->durable().count<LockRecord>() +
          server_->durable().count<RightRecord>() >
      0) {
    left += " records in the journal";
  }
  if (!in_io_.empty() || !held_.empty() || !notifying_.empty()) left += " messages";
  if (left.empty()) return marks_.hit(mark::clean);
  throw Failure(FailureKind::leak, "everything is closed, and this is left:" + left);
}

void World::finish() {
  begin();
  if (options_.tell) tell("", "everything heals");
  heal();
  // A lease for those who are gone, a break, a grace; and the time that a retry takes.
  const Nanos bound = lease_ + std::max(limits_.break_timeout, limits_.delegation_timeout) +
                      limits_.grace + 10 * kSecond;
  settle(now() + bound);
  std::string what;
  const bool waits = anybody_waits_for_more_than_locks(what);
  marks_.hit(mark::live);
  if (waits)
    throw Failure(FailureKind::liveness,
                  "all is healed since " + time_text(bound) + ", and " + what);

  if (options_.tell) tell("", "everybody closes everything");
  for (const ClientView& known : server_->machine().clients()) {
    const bool dead = std::ranges::any_of(clients_, [&](const Client& client) {
      return client.dead && client.name == known.identity;
    });
    if (dead && !is_nfs4(known.protocol)) {
      happen(ClientLeft{known.client, LeaveReason::administrator});
    }
  }
  for (int round = 0; round < 40; ++round) {
    release_everything();
    settle(now() + 3 * kSecond);
  }
  for (const FileView& file : server_->machine().view().files) {
    for (const WaiterView& waiter : file.waiters) {
      if (waiter.told || (waiter.what == "lock" && waiter.for_locks)) {
        const Client* client = client_of(waiter.client);
        const bool gone = !client || client->dead || client->incarnation > 1 || client->nfs4();
        if (gone) continue;  // its application is not there to take it
      }
      throw Failure(FailureKind::liveness, "everybody has closed everything, and " +
                                               name_of(waiter.client) + " still waits to " +
                                               waiter.what + " " + file_of(file.file));
    }
  }
  for (Client& client : clients_) {
    client.id = {};
    ++client.incarnation;
    client.presence = Presence::away;
  }
  for (const ClientView& known : server_->machine().clients()) {
    happen(ClientLeft{known.client, LeaveReason::destroyed});
  }
  // Clients that are gone without a word have their courtesy; bars and back-offs fade.
  settle(now() + limits_.courtesy + lease_ + limits_.bar + limits_.regrant_backoff + kSecond);
  happen(Tick{});
  settle(now() + kSecond);
  if (options_.model || options_.invariants) server_->check_all();
  check_leaks();
  trace_.end_step();
}

}  // namespace lockstep::sim
