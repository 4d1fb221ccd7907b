// What clients make of what they hear.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

namespace {
constexpr Nanos kPutOff = kSecond;           ///< JUKEBOX, DELAY, GRACE: asked again after this
constexpr Nanos kPoll = 2 * kSecond;         ///< a NFSv4 client that waits for a lock
constexpr Nanos kRepeatLock = 30 * kSecond;  ///< a NLM client asks again for what it waits for
}  // namespace

void World::deliver(const Due& due) {
  Client& client = clients_[due.client];
  const auto place = static_cast<std::size_t>(due.what);
  const bool stale = client.incarnation != messages_[place].incarnation || client.dead;
  if (!stale && (client.cut || client.frozen)) return client.inbox.push_back(place);
  const Message message = std::move(messages_[place]);
  free_messages_.push_back(place);
  if (!stale) hear(client, message);
}

void World::hear(Client& client, const Message& message) {
  if (message.told_lost) {
    if (client.smb()) connection_lost(client);
    return told_lost(client);
  }
  if (const auto* sent = std::get_if<SendBreak>(&message.effect)) return on_break(client, *sent);
  if (const auto* granted = std::get_if<NotifyGranted>(&message.effect)) {
    return on_granted(client, *granted);
  }
  if (const auto* turn = std::get_if<NotifyLock>(&message.effect)) {
    return on_notify_lock(client, *turn);
  }
  const auto& reply = std::get<Reply>(message.effect);
  Op& op = ops_[by_request_[static_cast<std::size_t>(reply.request.value)]];
  // The reply to an earlier attempt, or to what nobody waits for any more.
  if (op.request != reply.request || op.incarnation != client.incarnation) return;
  if (client.nfs4()) client.lease_believed = std::max(client.lease_believed, op.sent + lease_);
  on_reply(client, op, reply, message.boot);
}

void World::on_reply(Client& client, Op& op, const Reply& reply, std::uint64_t boot) {
  const auto index = by_request_[static_cast<std::size_t>(reply.request.value)];
  const Op::Purpose purpose = op.purpose;
  if (std::ranges::find(client.when_here, index) != client.when_here.end()) {
    // The new run has answered before its client had noticed the restart: it is asked again.
    const bool granted = op.kind == Op::Kind::lock && reply.status == Status::ok;
    if (granted && !op.done) give_back_grant(client, op);
    return;
  }
  switch (reply.status) {
    case Status::later:
    case Status::grace:
      marks_.hit(reply.status == Status::grace ? mark::in_grace : mark::later);
      if (op.pushed && reply.status == Status::later) return pushed(client, op, reply, boot);
      op.done ? end_call(client, op) : retry(index, kPutOff);
      return;
    case Status::unknown_client:
      marks_.hit(mark::unknown_client);
      told_lost(client);
      if (purpose == Op::Purpose::application && op.handle < 0 && !op.done) {
        client.when_here.push_back(index);
        return;
      }
      return finish_op(client, op);
    case Status::unknown_open:
      if (op.handle >= 0) {
        drop_handle(client, client.handles[static_cast<std::size_t>(op.handle)]);
      }
      break;
    case Status::deadlock:
      marks_.hit(mark::deadlock);
      break;
    case Status::cancelled:
      marks_.hit(mark::cancelled);
      break;
    case Status::closed:
      marks_.hit(mark::closed_under);
      break;
    case Status::limit:
      marks_.hit(mark::limit);
      break;
    case Status::share_conflict:
      marks_.hit(mark::share_conflict);
      break;
    case Status::lock_conflict:
      marks_.hit(mark::lock_conflict);
      break;
    case Status::file_open:
      marks_.hit(mark::file_open);
      break;
    case Status::delete_pending:
      marks_.hit(mark::delete_pending);
      break;
    case Status::key_in_use:
      marks_.hit(mark::key_in_use);
      break;
    case Status::bad_mode:
      marks_.hit(mark::bad_mode);
      break;
    case Status::journal_failed:
      marks_.hit(mark::refused_by_journal);
      break;
    case Status::no_grace:
      marks_.hit(mark::no_grace);
      break;
    case Status::reclaim_bad:
      marks_.hit(mark::reclaim_bad);
      break;
    default:
      break;
  }
  if (options_.tell) {
    tell(client, "hears " + std::string(core::name(reply.status)) + ": " + tell_op(op));
  }
  const bool refused = reply.status != Status::ok;
  if (refused && purpose == Op::Purpose::reclaim && !op.by_hand && client.honest() &&
      !client.lost && up_ && client.boot_seen == server_->boots() &&
      server_->machine().in_grace() && client.presence == Presence::reclaiming &&
      reply.status != Status::unknown_open && reply.status != Status::journal_failed) {
    throw Failure(FailureKind::assertion,
                  "the honest reclaim of " + client.name + " (" + tell_op(op) +
                      ") is refused: " + std::string(core::name(reply.status)));
  }
  if (op.pushed) return pushed(client, op, reply, boot);
  switch (op.kind) {
    case Op::Kind::arrive:
      op.done = true;
      return on_arrived(client, reply);
    case Op::Kind::open:
      return on_open(client, op, reply, boot);
    case Op::Kind::lock:
      return on_lock(client, op, reply);
    case Op::Kind::access:
      return on_access(client, op, reply);
    case Op::Kind::acknowledge:
      return on_acknowledged(client, op, reply);
    case Op::Kind::give_back:
      if (!refused) marks_.hit(mark::returned);
      break;
    case Op::Kind::downgrade:
      if (!refused) marks_.hit(mark::downgraded);
      break;
    case Op::Kind::complete:
      resume(client);
      break;
    case Op::Kind::cancel_lock:
      // As Linux does: what it did not get rid of by a CANCEL it unlocks.
      if (reply.status == Status::denied) give_back_grant(client, op);
      break;
    default:
      break;
  }
  finish_op(client, op);
}

// ---- Opens -------------------------------------------------------------------------------------

void World::on_open(Client& client, Op& op, const Reply& reply, std::uint64_t boot) {
  const auto* body = std::get_if<OpenReply>(&reply.body);
  const bool again = op.purpose == Op::Purpose::reclaim;
  if (reply.status != Status::ok || !body) {
    if (again) {
      Handle& handle = client.handles[static_cast<std::size_t>(op.handle)];
      op.handle = -1;
      drop_handle(client, handle);
      for (Holding& holding : client.holdings) {  // the delegation was to come back with it
        if (!client.nfs4() || holding.gone || holding.file != op.file) continue;
        if (holding.dirty != 0) marks_.hit(mark::dirty_lost_told);
        lower(holding, kNoRights);
        holding.gone = true;
      }
    }
    return finish_op(client, op);
  }
  if (op.forgotten) return finish_op(client, op);
  if (again) marks_.hit(mark::reclaimed_open);
  if (op.overwriting) {
    for (Holding& cache : client.holdings) {
      if (cache.file == op.file) cache.cached &= cache.dirty;
    }
  }
  const auto same_open = [&](const Handle& handle) {
    // An owner has one SHARE on a file: what it had of a server that dropped it is this one now.
    const bool same = client.protocol == Protocol::nlm
                          ? handle.file == op.file && handle.owner == op.owner
                          : handle.id == body->open;
    return same && !handle.gone;
  };
  auto at = std::ranges::find_if(client.handles, same_open);
  if (at == client.handles.end() && again && client.smb()) {
    // Of two opens under one lease the server cannot tell which one is meant.
    at = client.handles.begin() + op.handle;
    if (at->gone) at = client.handles.end();
  }
  if (at == client.handles.end()) {
    Handle made;
    made.id = body->open;
    made.file = op.file;
    made.owner = op.owner;
    client.handles.push_back(made);
    at = client.handles.end() - 1;
    if (client.smb()) at->owner = 1;
  }
  Handle& handle = *at;
  handle.id = body->open;
  handle.attributes = op.attributes;
  if (client.protocol == Protocol::nlm) handle.access = handle.deny = {};
  handle.access = handle.access | op.access;
  handle.deny = handle.deny | op.deny;
  handle.wish = op.wish;
  handle.boot = boot;
  if (again && client.smb() && handle.holding >= 0) {
    // Its lease was forgotten meanwhile: what comes now is another one.
    Holding& before = client.holdings[static_cast<std::size_t>(handle.holding)];
    if (!before.gone && before.right != body->right) {
      if (before.dirty != 0) marks_.hit(mark::dirty_lost_told);
      lower(before, kNoRights);
      before.gone = true;
    }
  }
  // A delegation that went back while this reply was under way is gone (its ids are never reused).
  const bool returned =
      !client.smb() && std::ranges::any_of(client.holdings, [&](const Holding& h) {
        return h.right == body->right && h.gone;
      });
  if (body->right && !returned) {
    auto held = std::ranges::find_if(client.holdings, [&](const Holding& holding) {
      return holding.right == body->right && !holding.gone;
    });
    if (held == client.holdings.end()) {
      Holding made;
      made.right = body->right;
      made.file = op.file;
      made.flavour = body->flavour;
      made.key = op.wish.key;
      made.open = body->open;
      client.holdings.push_back(made);
      held = client.holdings.end() - 1;
    }
    const bool recalled =
        std::ranges::find(client.early_breaks, body->right) != client.early_breaks.end();
    if (!held->breaking) lower(*held, held->rights & body->rights);
    if (!held->breaking && !body->breaking) held->rights = body->rights;
    held->epoch = body->epoch;
    if (client.smb()) handle.holding = static_cast<int>(held - client.holdings.begin());
    const Mark& granted = body->flavour == Flavour::delegation ? mark::delegation
                          : body->flavour == Flavour::oplock   ? mark::oplock
                                                               : mark::lease;
    if (!body->rights.empty()) marks_.hit(again ? mark::reclaimed_right : granted);
    if (recalled) {
      std::erase(client.early_breaks, body->right);
      held->breaking = true;
      held->to = kNoRights;
      answer_break(client, static_cast<std::size_t>(held - client.holdings.begin()));
    }
  }
  if (op.wish.flavour != Flavour::none && body->rights != op.wish.rights) {
    marks_.hit(mark::less_granted);
  }
  finish_op(client, op);
}

/// The handle is closed, or has turned out to be gone; what stood under it goes with it.
void World::drop_handle(Client& client, Handle& handle) {
  if (handle.gone) return;
  handle.gone = true;
  const OpenId open = handle.id;
  std::erase_if(client.smb_locks, [open](const SmbLock& lock) { return lock.open == open; });
  if (client.nfs4()) client.posix[handle.file][handle.owner - 1U] = {};
  const bool others = std::ranges::any_of(client.handles, [&](const Handle& other) {
    return !other.gone && other.file == handle.file;
  });
  if (!others) client.locked[handle.file] = false;
  if (handle.holding < 0) return;
  Holding& holding = client.holdings[static_cast<std::size_t>(handle.holding)];
  const bool last = std::ranges::none_of(client.handles, [&](const Handle& other) {
    return !other.gone && other.holding == handle.holding;
  });
  if (last || holding.flavour == Flavour::oplock) {
    if (holding.dirty != 0) marks_.hit(mark::dirty_lost_told);
    lower(holding, kNoRights);
    holding.gone = true;
  }
}

// ---- Locks -------------------------------------------------------------------------------------

/// A downgrade: from now on it may count on no more than the shared lock.
void World::count_on_shared(PosixLocks& held, Units units) {
  held.shared |= held.exclusive & units;
  held.exclusive &= ~units;
}

void World::believe_locked(Client& client, const Op& op) {
  if (client.smb()) {
    const OpenId open = client.handles[static_cast<std::size_t>(op.handle)].id;
    client.smb_locks.push_back({open, op.range, op.mode});
    for (const Range& range : op.more) client.smb_locks.push_back({open, range, op.mode});
    if (!op.more.empty()) marks_.hit(mark::lock_array);
    return;
  }
  PosixLocks& held = client.posix[op.file][op.owner - 1U];
  const Units units = units_of(op.range) & ~op.given_back;
  held.shared &= ~units;
  held.exclusive &= ~units;
  (op.mode == LockMode::shared ? held.shared : held.exclusive) |= units;
  // What its owner waits for besides may be granted at any time, and lower what it has.
  for (const Op& other : ops_) {
    const bool waits = other.client == op.client && other.incarnation == client.incarnation &&
                       other.kind == Op::Kind::lock && other.tries > 0 && !other.done &&
                       &other != &op && other.file == op.file && other.owner == op.owner;
    if (waits && other.mode == LockMode::shared) count_on_shared(held, units_of(other.range));
  }
}

/// It was granted, and nobody wants it (so): the client gives it back, after what it reclaims.
void World::give_back_grant(Client& client, const Op& op) {
  PosixLocks& held = client.posix[op.file][op.owner - 1U];
  held.shared &= ~units_of(op.range);
  held.exclusive &= ~units_of(op.range);
  Op undo = op;
  undo.kind = Op::Kind::unlock;
  undo.purpose = Op::Purpose::machine;  // before whatever its owner asks next
  undo.done = undo.waiting = false;
  if (client.presence == Presence::here) {
    submit(undo);
    return;
  }
  ops_.push_back(undo);
  client.when_here.insert(client.when_here.begin(), ops_.size() - 1);
}

void World::on_lock(Client& client, Op& op, const Reply& reply) {
  const auto index = by_request_[static_cast<std::size_t>(reply.request.value)];
  const bool again = op.purpose == Op::Purpose::reclaim;
  if (op.done) {
    // It was cancelled, and granted all the same.
    if (reply.status == Status::ok && !client.smb()) give_back_grant(client, op);
    return end_call(client, op);
  }
  switch (reply.status) {
    case Status::ok:
      if (op.queued) marks_.hit(mark::turn_taken);
      if (again) marks_.hit(mark::reclaimed_lock);
      if (!orphaned(client, op) && !op.unlocked && !op.forgotten) believe_locked(client, op);
      return finish_op(client, op);
    case Status::blocked:
      marks_.hit(op.queued ? mark::blocked_again : mark::blocked);
      op.queued = true;
      end_call(client, op);
      return retry(index, kRepeatLock);
    case Status::denied:
      marks_.hit(mark::denied);
      if (!op.waiting || !client.nfs4()) return finish_op(client, op);
      op.queued = true;
      end_call(client, op);
      return retry(index, kPoll);
    default:
      if ((again && !op.by_hand && !client.smb())) {
        // What it cannot have (back) it lets go, so that nothing is left of a grant that it never
        // heard of.
        Op undo = op;
        undo.kind = Op::Kind::unlock;
        undo.purpose = Op::Purpose::machine;
        submit(undo);
      }
      return finish_op(client, op);
  }
}

void World::on_granted(Client& client, const NotifyGranted& effect) {
  if (client.trait == Trait::never_answers) return;
  const auto index = by_request_[static_cast<std::size_t>(effect.grant.value)];
  Op& asked = ops_[index];
  const bool wanted = !asked.done && asked.incarnation == client.incarnation;
  // A client knows what it waits for by owner and range; a repeat is the same wait.
  Op answer;
  answer.kind = Op::Kind::grant_answer;
  answer.client = asked.client;
  answer.file = asked.file;
  answer.target = effect.grant;
  answer.purpose = Op::Purpose::machine;
  const PosixLocks& held = client.posix[asked.file][asked.owner - 1U];
  const Units units = units_of(asked.range);
  const bool has_it = (held.exclusive & units) == units ||
                      (asked.mode == LockMode::shared && (held.shared & units) == units);
  answer.accepted = (wanted || has_it) && client.trait != Trait::refuses;
  if (!answer.accepted) marks_.hit(mark::granted_unwanted);
  if (options_.tell) {
    tell(client, std::string(answer.accepted ? "takes" : "does not want") + " the grant of " +
                     file_name(asked.file) + " " + range_text(asked.range));
  }
  if (wanted) {
    if (answer.accepted) believe_locked(client, asked);
    finish_op(client, asked);
  }
  submit(answer);
}

void World::on_notify_lock(Client& client, const NotifyLock& effect) {
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Op& op = ops_[i];
    const bool mine = op.client == index_of(client) && op.incarnation == client.incarnation;
    if (!mine || op.done || op.kind != Op::Kind::lock || !op.queued) continue;
    if (file_id(op.file) != effect.file) continue;
    if (owner_name(op.owner) != effect.owner) continue;
    send(i);
  }
}

// ---- Accesses ----------------------------------------------------------------------------------

void World::on_access(Client& client, Op& op, const Reply& reply) {
  if (op.purpose == Op::Purpose::flush) return flushed(client, op, reply);
  finish_op(client, op);
  const bool moved_data = op.operation == Operation::read || op.operation == Operation::write;
  if (op.operation == Operation::set_size) {
    for (Holding& cache : client.holdings) {
      if (cache.file == op.file) cache.cached &= cache.dirty;
    }
  }
  if (reply.status != Status::ok || !moved_data) return;
  // What was read or written may be cached when the right is still there, and nothing of the same
  // client's is under way that could have overtaken it.
  const int holding = cache_for(client, op.file, op.handle, kR);
  if (holding < 0 || holding != op.holding || client.writing[op.file] != 0) return;
  Holding& cache = client.holdings[static_cast<std::size_t>(holding)];
  if (cache.breaking) return;
  const Units units = units_of(op.range) & ~cache.dirty;
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    if ((units >> unit & 1) != 0) cache.content[unit] = op.content[unit];
  }
  cache.cached |= units;
}

}  // namespace lockstep::sim
