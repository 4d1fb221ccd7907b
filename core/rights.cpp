// Caching rights: how a break runs, and what an open is granted.
#include <algorithm>
#include <bitset>

#include "core/state.hpp"

namespace lockstep::core {

std::optional<LeaseKey> lease_key_of(const Right* right) {
  const bool leased = right && is_lease(right->flavour);
  return leased ? std::optional(right->key) : std::nullopt;
}

namespace {

bool goes_on_record(Flavour flavour) {
  return flavour == Flavour::lease || flavour == Flavour::delegation;
}

RightRecord record_of(const Right& right) {
  return {right.id,  right.client->id, right.file->id, right.flavour,
          right.key, right.version2,   right.epoch,    right.rights};
}

constexpr std::size_t column(Held held) { return static_cast<std::size_t>(held); }

}  // namespace

void State::begin_break(Right& right, const Breaking& how, Cause cause, const Asker& asker) {
  const Rights from = right.rights;
  if (right.version2) ++right.epoch;
  right.crossing = crosses(asker.client->protocol, right.client->protocol);
  right.breaker = asker.client->protocol;
  right.breaker_client = asker.client->id;
  right.trigger = cause;
  right.break_since = now;
  right.handle_only = how.to.has(RightBit::write) || !from.has(RightBit::write);
  if (right.crossing) {
    emit(ConflictSeen{right.breaker, thing_of(right.flavour),
                      ConflictSeen::Resolution::break_initiated, right.trigger, right.file->id,
                      right.breaker_client, right.client->id, right.handle_only, 0});
  }
  const bool ack = how.how != Breaking::How::notice;
  emit(SendBreak{right.client->id, right.id, right.flavour, right.file->id, right.key, right.open,
                 from, how.to, right.epoch, ack, right.on_record});
  if (!ack) {
    set_rights(right, how.to);
    if (right.rights.empty() && right.flavour == Flavour::oplock) drop_right(right);
    return;
  }
  right.breaking = true;
  right.to = right.required = how.to;
  right.deadline =
      now + (is_delegation(right.flavour) ? limits.delegation_timeout : limits.break_timeout);
  set_timer(right.deadline, TimerKind::brk, right.id.value);
  // What completes a break passes the queue: the holder's own lock requests may go now.
  if (right.file->parked(WaitFor::locks) == 0) return;
  for (Waiter* waiter : right.file->waiters) {
    if (waiter->client == right.client && waiter->wait_for == WaitFor::locks) wake(*waiter);
  }
}

/// The break is over, however it ended: those who waited for it and nothing else are judged again.
void State::end_break(Right& right) {
  if (!right.breaking) return;
  right.breaking = false;
  right.flushes.clear();
  right.to = right.required = kNoRights;
  drop_timer(right.deadline, TimerKind::brk, right.id.value);
  right.deadline = kNever;
  if (right.crossing) {
    emit(ConflictSeen{right.breaker, thing_of(right.flavour),
                      ConflictSeen::Resolution::break_completed, right.trigger, right.file->id,
                      right.breaker_client, right.client->id, right.handle_only,
                      now - right.break_since});
  }
  if (is_delegation(right.flavour)) {
    right.file->no_delegation_until = now + limits.regrant_backoff;
    fading.emplace(right.file->no_delegation_until, right.file->id);
  }
  for (const Arrival arrival : right.waiting) {
    auto at = waiters.find(arrival);
    if (at == waiters.end()) continue;
    Waiter& waiter = at->second;
    if (std::erase(waiter.breaks, right.id) != 0 && waiter.breaks.empty()) wake(waiter);
  }
  right.waiting.clear();
  // Whom others waited for passed the queue; that is over.
  if (right.file->parked(WaitFor::locks) == 0) return;
  for (const Waiter* waiter : right.file->waiters) {
    if (waiter->client == right.client && waiter->owner) edges_changed(*waiter->owner);
  }
}

void State::set_rights(Right& right, Rights rights_now) {
  if (!right.rights.empty()) --right.file->held[column(right.held())];
  right.rights = rights_now;
  if (!right.rights.empty()) ++right.file->held[column(right.held())];
  if (right.on_record) put_right_record(right);
}

void State::put_right_record(Right& right) {
  record_client(*right.client);
  right.on_record = true;
  persist(record_of(right));
}

Right& State::add_right(File& file, Client& client, const Wish& wish, Rights granted) {
  const RightId id{++next_right};
  Right& right = rights[id];
  right.id = id;
  right.client = &client;
  right.file = &file;
  right.flavour = wish.flavour;
  right.key = wish.key;
  right.version2 = wish.version2;
  right.epoch = wish.version2 ? static_cast<std::uint16_t>(wish.epoch + 1) : std::uint16_t{0};
  right.since = now;
  file.rights.emplace(id, &right);
  client.rights.insert(id);
  const bool leased = is_lease(wish.flavour);
  if (leased) leases[{client.id, wish.key}] = &right;
  if (wish.flavour == Flavour::oplock) ++file.oplocks;
  set_rights(right, granted);
  return right;
}

/// The right is gone altogether. Leases only when no open stands under them any more.
void State::drop_right(Right& right) {
  File& file = *right.file;
  Client& client = *right.client;
  const bool on_record = std::exchange(right.on_record, false);
  if (on_record) erase_record(record_of(right));
  set_rights(right, kNoRights);
  end_break(right);
  if (right.flavour == Flavour::oplock) {
    --file.oplocks;
    auto open = opens.find(right.open);
    if (open != opens.end()) open->second.right = nullptr;
  }
  auto lease = leases.find({client.id, right.key});
  if (lease != leases.end() && lease->second == &right) leases.erase(lease);
  if (right.recovered) claimed(client, file);
  client.rights.erase(right.id);
  file.rights.erase(right.id);
  untidy(file);
  rights.erase(right.id);
}

/// No acknowledgment came in time: a lease falls to nothing and its opens stay; an oplock or a
/// delegation is gone.
void State::revoke(Right& right, LeaveReason reason) {
  emit(Revoked{right.client->id, right.file->id, right.id, reason});
  if (is_lease(right.flavour)) {
    set_rights(right, kNoRights);
    end_break(right);
  } else {
    drop_right(right);
  }
}

void State::on(const BreakAcknowledged& event) {
  Right* right = nullptr;
  if (event.flavour == Flavour::oplock) {
    auto open = opens.find(event.open);
    const bool mine = open != opens.end() && open->second.client->id == event.client;
    if (!mine) return reply(event.request, Status::unknown_open);
    right = open->second.right;
    if (right && right->flavour != Flavour::oplock) right = nullptr;
  } else {
    auto lease = leases.find({event.client, event.key});
    if (lease != leases.end()) right = lease->second;
  }
  if (!right) return reply(event.request, Status::unknown_right);
  if (!right->breaking || !right->flushes.empty()) {
    return reply(event.request, Status::not_breaking);
  }
  if (!right->to.contains(event.rights)) return reply(event.request, Status::ack_exceeds);
  const Rights left = normalised(right->flavour, event.rights);
  right->acked_rights = left;
  // The answer goes before the next step of the break: it is about the step before.
  reply(event.request, Status::ok, AckReply{left});
  right->flushes = writes_under(*right);
  if (right->flushes.empty()) return finish_break(*right);
  drop_timer(right->deadline, TimerKind::brk, right->id.value);
  right->deadline = kNever;
}

/// Whether an access that was let through is no "other key" to such a right.
bool State::runs_under(const InFlight& access, const Client& client, Flavour flavour,
                       const LeaseKey& key, OpenId open) {
  if (flavour == Flavour::oplock) return open && access.open == open;
  if (access.client != &client) return false;
  if (is_delegation(flavour)) {
    return access.open || client.protocol != Protocol::nfs40;  // else it names no client
  }
  const bool by_parent = flavour == Flavour::directory_lease && access.parent_key == key;
  return by_parent || access.key == key;
}

/// The writes under this right that are under way.
std::vector<RequestId> State::writes_under(const Right& right) {
  std::vector<RequestId> writes;
  for (const InFlight* access : right.file->accesses) {
    if (!runs_under(*access, *right.client, right.flavour, right.key, right.open)) continue;
    const bool write = std::ranges::any_of(access->targets, [&](const auto& target) {
      return target.first == right.file && is_write(target.second);
    });
    if (write) writes.push_back(access->request);
  }
  return writes;
}

/// The acknowledgment takes effect.
void State::finish_break(Right& right) {
  set_rights(right, right.acked_rights);
  if (!right.required.contains(right.rights)) return next_step(right);
  end_break(right);
  if (right.rights.empty() && right.flavour == Flavour::oplock) drop_right(right);
}

/// The break goes on for those who need more of it, as clients know it from Windows: down to R
/// first while there is anything to flush or to close; from R by a mere notice. For the epoch it is
/// one break, for the deadline a new one.
void State::next_step(Right& right) {
  const Rights from = right.rights;
  const bool ack = from != kR;
  right.to = ack ? right.required | kR : right.required;
  emit(SendBreak{right.client->id, right.id, right.flavour, right.file->id, right.key, right.open,
                 from, right.to, right.epoch, ack, right.on_record});
  if (ack) {
    drop_timer(right.deadline, TimerKind::brk, right.id.value);
    right.deadline = now + limits.break_timeout;
    return set_timer(right.deadline, TimerKind::brk, right.id.value);
  }
  set_rights(right, right.to);
  end_break(right);
  if (right.flavour == Flavour::oplock) drop_right(right);
}

/// A write has ended: acknowledged breaks for which it was the last to wait for take effect.
void State::finish_breaks(const File& file, RequestId write) {
  std::vector<Right*> finished;
  for (const auto& [id, right] : file.rights) {
    if (std::erase(right->flushes, write) != 0 && right->flushes.empty()) {
      finished.push_back(right);
    }
  }
  for (Right* right : finished) finish_break(*right);
}

void State::on(const RightReturned& event) {
  auto at = rights.find(event.right);
  if (at == rights.end() || at->second.client->id != event.client) {
    return reply(event.request, Status::unknown_right);
  }
  Right& right = at->second;
  if (is_lease(right.flavour)) {
    set_rights(right, kNoRights);
    end_break(right);
  } else {
    drop_right(right);
  }
  reply(event.request, Status::ok);
}

// ---- What an open is granted -------------------------------------------------------------------

Right* State::grant_right(Open& open, const OpenRequested& event, const Asker& asker,
                          OpenReply& answer) {
  const Wish& wish = event.wish;
  File& file = *open.file;
  if (wish.flavour == Flavour::none) return nullptr;
  const bool leased = is_lease(wish.flavour);
  const Rights asked = normalised(wish.flavour, wish.rights);
  const Rights granted = reduce(file, asker, event, wish.flavour, asked);
  Right* right = nullptr;
  if (leased) {
    auto held = leases.find({open.client->id, wish.key});
    if (held != leases.end()) right = held->second;
  } else if (is_delegation(wish.flavour)) {
    for (const auto& [id, other] : file.rights) {
      if (other->client == open.client && other->flavour == wish.flavour) right = other;
    }
  }
  if (right && !leased) {
    // A delegation that the client has already stays as it is.
  } else if (right) {
    const bool more = asked.contains(right->rights) && asked != right->rights;
    if (!right->breaking && more && granted == asked) {
      if (right->version2) ++right->epoch;
      set_rights(*right, granted);
      if (!right->on_record && goes_on_record(right->flavour)) put_right_record(*right);
    }
  } else {
    if (granted.empty() && !leased) return nullptr;
    right = &add_right(file, *open.client, wish, granted);
    if (wish.flavour == Flavour::oplock) right->open = open.id;
    if (goes_on_record(wish.flavour)) put_right_record(*right);
  }
  answer.right = right->id;
  answer.flavour = right->flavour;
  answer.rights = right->rights;
  answer.breaking = right->breaking;
  answer.epoch = right->epoch;
  return right;
}

Rights State::reduce(const File& file, const Asker& asker, const OpenRequested& event,
                     Flavour flavour, Rights asked) {
  const Rights w{RightBit::write};
  const Rights h{RightBit::handle};
  Rights allowed = asked;
  if (is_delegation(flavour)) {
    const bool may = !grace && asker.client->callback_up && now >= file.no_delegation_until &&
                     event.reclaim == Reclaim::none;
    if (!may) return kNoRights;
  }
  auto others = file.held;
  if (asker.own && !asker.own->rights.empty()) --others[column(asker.own->held())];
  auto held = [&](Held what) { return others[column(what)] != 0; };
  if (is_delegation(flavour)) {
    for (const auto& [id, right] : file.rights) {
      if (right->breaking && is_delegation(right->flavour)) return kNoRights;
    }
  }
  if (held(Held::lease_rw) || held(Held::lease_rwh) || held(Held::exclusive) || held(Held::batch) ||
      held(Held::write_delegation)) {
    return kNoRights;
  }
  if (held(Held::lease_r) || held(Held::lease_rh) || held(Held::level2) ||
      held(Held::read_delegation)) {
    allowed = allowed.without(w);
  }
  if (flavour == Flavour::lease && held(Held::level2)) allowed = allowed.without(h);
  if (flavour == Flavour::oplock && held(Held::lease_rh)) return kNoRights;

  if (flavour == Flavour::delegation) {
    for (const auto& [id, open] : file.opens) {
      if (open->attributes_only || open->client == asker.client) continue;
      if (open->access.has(AccessBit::write) || open->deny.has(AccessBit::read)) return kNoRights;
      if (open->deny.has(AccessBit::write)) allowed = allowed.without(w);
      allowed = allowed.without(w);
    }
    file.locks.visit_all([&](const HeldLock& lock) {
      if (lock.owner->client != asker.client) allowed = allowed.without(w);
    });
  } else {
    const std::uint32_t own_opens = asker.own ? asker.own->data_opens : 0;
    if (file.data_opens > own_opens) allowed = allowed.without(w);
    if (file.nfs_locks > 0 && allowed.has(RightBit::write)) {
      allowed = allowed.without(w);
      emit(ConflictSeen{asker.client->protocol,
                        ConflictSeen::Thing::nfs_lock,
                        ConflictSeen::Resolution::denied,
                        Cause::open,
                        file.id,
                        asker.client->id,
                        {},
                        false,
                        0});
    }
  }
  allowed = normalised(flavour, allowed);
  return reduce_by_traffic(file, asker, event, flavour, allowed);
}

namespace {

/// What no row breaks any more; always the first cause that breaks what is left.
Rights kept_under(const std::bitset<kCauses>& causes, Flavour flavour, Rights rights_left) {
  for (std::size_t cause = 0; cause < kCauses && !rights_left.empty();) {
    const Breaking breaking = break_for(static_cast<Cause>(cause), flavour, rights_left);
    const bool keep = !causes[cause] || breaking.how == Breaking::How::keep;
    if (!keep) rights_left = normalised(flavour, rights_left & breaking.to);
    cause = keep ? cause + 1 : 0;
  }
  return rights_left;
}

}  // namespace

/// What is under way or was just put off must not meet a new right that would break for it.
Rights State::reduce_by_traffic(const File& file, const Asker& asker, const OpenRequested& event,
                                Flavour flavour, Rights asked) {
  std::bitset<kCauses> causes;
  auto by = [&causes](Cause cause) { causes.set(static_cast<std::size_t>(cause)); };
  auto own = [&](const InFlight& access) {
    return runs_under(access, *asker.client, flavour, event.wish.key, {});
  };
  for (const InFlight* access : file.accesses) {
    if (own(*access)) continue;
    for (const auto& [target, operation] : access->targets) {
      if (target != &file || operation == Operation::rename_ancestor) continue;
      if (const auto cause = cause_of(operation, access->policy, access->protocol)) by(*cause);
    }
  }
  for (const FileId& directory : event.ancestors) {
    File* above = find_file(directory);
    if (!above) continue;
    for (const InFlight* access : above->accesses) {
      const std::pair renamed{above, Operation::rename_ancestor};
      const bool on_the_way = std::ranges::find(access->targets, renamed) != access->targets.end();
      if (on_the_way && !own(*access)) by(Cause::rename);
    }
  }
  if (file.parked(WaitFor::breaks) > 0) {
    for (const Waiter* waiter : file.waiters) {
      if (waiter->wait_for != WaitFor::breaks || waiter->client == asker.client) continue;
      for (const Need& need : needs_of(waiter->body)) {
        if (need.file == &file) by(need.cause);
      }
    }
  }
  for (const Bar& bar : file.bars) {
    if (bar.client != asker.client->id && bar.until > now) by(bar.cause);
  }
  return kept_under(causes, flavour, asked);
}

void State::add_bars(const Waiter& waiter) {
  for (const Need& need : needs_of(waiter.body)) {
    auto same = [&](const Bar& bar) {
      return bar.client == waiter.client->id && bar.cause == need.cause;
    };
    std::erase_if(need.file->bars, same);
    need.file->bars.push_back({waiter.client->id, need.cause, now + limits.bar});
    fading.emplace(now + limits.bar, need.file->id);
  }
}

/// The operation that was put off has come back and got through.
void State::pass_bars(Client& client, std::span<const Need> needs) {
  for (const Need& need : needs) {
    if (need.file->bars.empty()) continue;
    std::erase_if(need.file->bars, [&](const Bar& bar) {
      return bar.client == client.id && bar.cause == need.cause;
    });
    untidy(*need.file);
  }
}

}  // namespace lockstep::core
