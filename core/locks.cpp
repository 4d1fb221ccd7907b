// Byte-range locks of all protocols: judged, queued, granted, released.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

namespace {

LockRecord record_of(const HeldLock& lock, const File& file) {
  return {lock.id,
          lock.owner->client->id,
          lock.owner->smb() ? lock.owner->open : lock.through,
          std::string(lock.owner->name),
          file.id,
          lock.range,
          lock.mode};
}

ConflictSeen::Thing lock_thing(Protocol holder) {
  return holder == Protocol::smb ? ConflictSeen::Thing::smb_lock : ConflictSeen::Thing::nfs_lock;
}

}  // namespace

// ---- Owners ------------------------------------------------------------------------------------

LockOwner& State::owner_of(Client& client, OpenId open, std::string_view name) {
  const OwnerNamed wanted{client.protocol == Protocol::smb ? open : OpenId{}, name};
  auto at = client.owners.lower_bound(wanted);
  if (at == client.owners.end() || OwnerOrder{}(wanted, at->first)) {
    at = client.owners.try_emplace(at, OwnerKey{wanted.open, std::string(name)});
    at->second.client = &client;
    at->second.open = wanted.open;
    at->second.name = at->first.name;
  }
  return at->second;
}

LockOwner* State::find_owner(Client& client, OpenId open, std::string_view name) {
  const bool smb = client.protocol == Protocol::smb;
  auto at = client.owners.find(OwnerNamed{smb ? open : OpenId{}, name});
  return at == client.owners.end() ? nullptr : &at->second;
}

const LockOwner* State::find_owner(const Client& client, OpenId open, std::string_view name) {
  return find_owner(const_cast<Client&>(client), open, name);
}

/// Forgets an owner that holds and waits for nothing.
void State::tidy(LockOwner& owner) {
  if (owner.asking) return;
  auto& holdings = owner.holdings;
  const auto empty = [](const LockOwner::Holding& held) { return held.count == 0; };
  holdings.erase(std::remove_if(holdings.begin(), holdings.end(), empty), holdings.end());
  if (owner.holdings.empty() && owner.waiting.empty() && owner.grants == 0) {
    LockOwners& owners = owner.client->owners;
    owners.erase(owners.find(OwnerNamed{owner.open, owner.name}));
  }
}

Asking::~Asking() {
  if (nested_) return;
  owner_.asking = false;
  State::tidy(owner_);
}

bool State::on_record(const Client& client, OpenId open) const {
  if (client.protocol != Protocol::smb) return true;
  auto at = opens.find(open);
  return at != opens.end() && at->second.on_record;
}

/// Takes over what a change of the table means: records, counts, wakes.
void State::lock_changed(File& file, const LockChanges& changes, const LockOwner* by) {
  if (!changes.any()) return;
  Client& client = *by->client;
  if (on_record(client, by->open)) {
    if (!changes.put.empty()) record_client(client);
    auto still_there = [&](std::uint64_t id) {
      return std::ranges::any_of(changes.put, [id](const HeldLock& put) { return put.id == id; });
    };
    for (const HeldLock& lock : changes.put) persist(record_of(lock, file));
    for (const HeldLock& lock : changes.erased) {
      if (!still_there(lock.id)) erase_record(record_of(lock, file));
    }
  }
  locks_held += changes.put.size();
  locks_held -= changes.erased.size();
  client.locks += changes.put.size();
  client.locks -= changes.erased.size();
  if (client.protocol != Protocol::smb) {
    file.nfs_locks += static_cast<std::uint32_t>(changes.put.size());
    file.nfs_locks -= static_cast<std::uint32_t>(changes.erased.size());
  }
  for (const HeldLock& lock : changes.erased) {
    if (lock.recovered) claimed(client, file);
  }
  for (const HeldLock& lock : changes.put) {
    if (lock.recovered) {
      ++client.unclaimed;
      ++file.recovered;
    }
  }
  for (const Range& range : changes.freed) wake_range(file, range);
  for (const std::uint64_t before : changes.cuts) wake_between(file, before);
  edges_changed(*by);
  untidy(file);
}

void State::release_locks(File& file, LockOwner& owner) {
  LockChanges changes;
  file.locks.release_all(&file, owner, changes);
  lock_changed(file, changes, &owner);
}

// ---- Asking ------------------------------------------------------------------------------------

void State::on(const LockRequested& event) { run(event); }
void State::on(const LockTested& event) { run(event); }

/// A request that was told `blocked` or `denied` had its reply.
void State::answer(const LockRequested& event, const Waiter* waiter, Status status,
                   ReplyBody body) {
  if (!waiter || !waiter->answered) reply(event.request, status, std::move(body));
}

Outcome State::attempt(const LockRequested& event, Waiter* waiter) {
  auto refuse = [&](Status status) {
    answer(event, waiter, status);
    return Outcome{};
  };
  Client* client = find_client(event.client);
  if (!client) return refuse(Status::unknown_client);
  const bool smb = client->protocol == Protocol::smb;
  if (smb || event.open) {
    auto open = opens.find(event.open);
    const bool mine = open != opens.end() && open->second.client == client;
    if (!mine || open->second.file->id != event.file) return refuse(Status::unknown_open);
    if (open->second.recovered) return refuse(Status::unknown_open);  // not reclaimed yet
    if (smb && (open->second.access & Access{AccessBit::read, AccessBit::write}).empty()) {
      return refuse(Status::bad_mode);
    }
    const AccessBit needed =
        event.element.mode == LockMode::exclusive ? AccessBit::write : AccessBit::read;
    if (is_nfs4(client->protocol) && !open->second.access.has(needed)) {
      return refuse(Status::bad_mode);
    }
  }
  LockOwner& owner = waiter ? *waiter->owner : owner_of(*client, event.open, event.owner);
  const Asking asking(owner);
  const bool full = locks_held >= limits.locks_max || owner.locks() >= limits.locks_per_owner_max;
  if (event.more.size() >= limits.elements_per_request_max ||
      (full && !counted_already(event, owner))) {
    return refuse(Status::limit);
  }
  if (journal_failed && on_record(*client, event.open)) return refuse(Status::journal_failed);
  File& file = this->file(event.file);
  untidy(file);
  return judge_lock(event, waiter, file, owner);
}

Outcome State::judge_lock(const LockRequested& event, Waiter* waiter, File& file,
                          LockOwner& owner) {
  Client& client = *owner.client;
  const bool smb = client.protocol == Protocol::smb;
  if (auto reclaimed = reclaim_lock(event, file, owner)) return *reclaimed;
  if (grace_gates(client)) return wait_for_grace(event.request, client);
  if (!waiter && !smb && repeats(event, file, owner)) return {};

  Asker asker;
  asker.client = &client;
  if (auto open = opens.find(event.open); open != opens.end()) {
    asker.open = &open->second;
    asker.own = open->second.right;
  }
  const Need need{&file, smb ? Cause::lock_by_smb : Cause::lock_by_nfs};
  Outcome outcome = break_rights(asker, {&need, 1});
  if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, client);
  if (!outcome.done()) return outcome;
  if (auto blocked = blocked_by_locks(event, waiter, file, owner)) return *blocked;
  bool busy = access_in_flight_clashes(file, owner, client, event.element);
  for (const LockElement& element : event.more) {
    busy = busy || access_in_flight_clashes(file, owner, client, element);
  }
  if (busy) return {WaitFor::accesses, {}};
  return grant_lock(event, waiter, file, owner);
}

/// Who holds the bytes already, and who completes a break that others wait for, waits for holders
/// and reservations only.
bool State::passes_queue(const File& file, const LockOwner& owner, LockElement element) const {
  const bool own_bytes =
      !element.range.empty() && file.locks.covers(owner, element.range, LockMode::shared);
  return own_bytes || std::ranges::any_of(file.rights, [&](const auto& item) {
           return item.second->breaking && item.second->client == owner.client;
         });
}

/// Held ranges, reservations and the queue; nothing when none of them is in the way.
std::optional<Outcome> State::blocked_by_locks(const LockRequested& event, const Waiter* waiter,
                                               File& file, LockOwner& owner) {
  Client& client = *owner.client;
  const bool smb = client.protocol == Protocol::smb;
  const Arrival arrival = waiter ? waiter->arrival : kNotQueued;
  const std::size_t count = 1 + event.more.size();
  auto element_at = [&](std::size_t i) -> const LockElement& {
    return i == 0 ? event.element : event.more[i - 1];
  };
  // Two GRANTED calls of one owner about the same bytes could not be undone apart.
  if (event.wait == Wait::callback && waiter && owner.grants > 0) {
    for (const RequestId id : file.grants) {
      const PendingGrant& grant = grants.at(id);
      if (grant.owner == &owner && grant.element.range.overlaps(event.element.range)) {
        return Outcome{WaitFor::locks, {}};
      }
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    const LockElement& element = element_at(i);
    const HeldLock* held = clashing_lock(file, &owner, element);
    while (held && expired_holder(held->owner->client)) {
      held = clashing_lock(file, &owner, element);
    }
    if (held && held->recovered) return wait_for_grace(event.request, client);
    if (held) return wait_or_deny(event, waiter, file, owner, element, holder_of(*held));
    if (file.lock_queue.empty()) continue;
    const bool reserved_only = event.wait == Wait::none || passes_queue(file, owner, element);
    const Arrival place = std::min(arrival, place_of(owner, file, element));
    const QueuedLock* queued = clashing_waiter(file, &owner, element, place, reserved_only);
    if (queued) {
      return wait_or_deny(event, waiter, file, owner, element, holder_of(*queued));
    }
  }
  // An SMB array must not clash within itself either.
  for (std::size_t i = 1; smb && i < count; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const LockElement &one = element_at(i), &other = element_at(j);
      if (one.mode == LockMode::exclusive && one.range.overlaps(other.range)) {
        Holder self{Holder::Kind::lock, client.protocol, client.id, client.label, {},
                    event.open,         other.range,     other.mode};
        return wait_or_deny(event, waiter, file, owner, one, std::move(self));
      }
    }
  }
  return std::nullopt;
}

/// A NFSv4 client asks again for what it waits for: it is judged at the place that it has.
Arrival State::place_of(const LockOwner& owner, const File& file, LockElement element) {
  if (owner.smb()) return kNotQueued;
  for (const Waiter* waiter : owner.waiting) {
    const auto& asked = std::get<LockRequested>(waiter->body);
    if (asked.wait == Wait::reserve && waiter->file() == &file && asked.element == element) {
      return waiter->arrival;
    }
  }
  return kNotQueued;
}

Outcome State::wait_or_deny(const LockRequested& event, const Waiter* waiter, File& file,
                            LockOwner& owner, const LockElement& element, Holder holder) {
  const Protocol asking = owner.client->protocol;
  if (event.wait == Wait::none || !event.more.empty()) {
    if (crosses(asking, holder.protocol)) {
      emit(ConflictSeen{asking, lock_thing(holder.protocol), ConflictSeen::Resolution::denied,
                        asking == Protocol::smb ? Cause::lock_by_smb : Cause::lock_by_nfs, file.id,
                        event.client, holder.client, false, 0});
    }
    answer(event, waiter, Status::denied, std::move(holder));
    return {};
  }
  const Arrival arrival = waiter ? waiter->arrival : kNotQueued;
  if (waiter && waiter->wait_for == WaitFor::locks) return {WaitFor::locks, {}};
  const bool had_reply = waiter && waiter->answered;
  if (!had_reply && event.wait == Wait::reserve) {  // its turn is kept already
    for (const Waiter* other : owner.waiting) {
      const auto& asked = std::get<LockRequested>(other->body);
      if (other->arrival < arrival && other->file() == &file && asked.wait == Wait::reserve &&
          asked.element == event.element) {
        reply(event.request, Status::denied, std::move(holder));
        return {};
      }
    }
  }
  if (closes_cycle(file, owner, element, arrival)) {
    if (!had_reply) reply(event.request, Status::deadlock);
    return {};
  }
  if (!waiter && queue_is_full(event)) {
    reply(event.request, Status::limit);
    return {};
  }
  if (event.wait == Wait::reserve && !had_reply) {
    reply(event.request, Status::denied, std::move(holder));
  }
  return {WaitFor::locks, {}};
}

/// A blocking LOCK that is queued already: it is told so again, and keeps its place.
bool State::repeats(const LockRequested& event, File& file, LockOwner& owner) {
  if (event.wait != Wait::callback) return false;
  for (const Waiter* queued : owner.waiting) {
    const auto& same = std::get<LockRequested>(queued->body);
    if (queued->file() == &file && same.element == event.element && same.wait == Wait::callback) {
      reply(event.request, Status::blocked);
      return true;
    }
  }
  return false;
}

// ---- Granting ----------------------------------------------------------------------------------

Outcome State::grant_lock(const LockRequested& event, Waiter* waiter, File& file,
                          LockOwner& owner) {
  Client& client = *owner.client;
  const bool smb = client.protocol == Protocol::smb;
  if (waiter && event.wait == Wait::reserve && waiter->answered) {
    // Not the lock itself: its turn. The owner has to come and take it.
    if (!waiter->told) {
      waiter->told = true;
      emit(NotifyLock{client.id, event.owner, file.id});
      edges_changed(owner);
    }
    return {WaitFor::reserved, {}};
  }
  const Need need{&file, smb ? Cause::lock_by_smb : Cause::lock_by_nfs};
  pass_bars(client, {&need, 1});
  LockChanges& changes = changes_;
  changes.clear();
  std::vector<EarlierMode> before;
  HeldLock wanted{event.element.range, 0, &owner, now, {}, event.element.mode, false};
  if (smb) {
    file.locks.stack(&file, wanted, next_lock, changes);
    for (const LockElement& element : event.more) {
      wanted.range = element.range;
      wanted.mode = element.mode;
      file.locks.stack(&file, wanted, next_lock, changes);
    }
  } else {
    stop_grants(file, owner, event.element.range);
    if (waiter) before = file.locks.held_within(owner, event.element.range);
    wanted.through = event.open;
    file.locks.set(&file, wanted, next_lock, changes);
  }
  lock_changed(file, changes, &owner);
  const bool durable = on_record(client, event.open);
  if (waiter && event.wait == Wait::callback) {
    grants[event.request] = {event.request, &client,       &file,
                             &owner,        event.element, std::move(before)};
    file.grants.push_back(event.request);
    client.grants.insert(event.request);
    ++owner.grants;
    emit(NotifyGranted{client.id, event.request, event.owner, file.id, event.element, durable});
  } else {
    reply(event.request, Status::ok, {}, durable);
    if (is_nfs4(client.protocol)) use_up_turns(owner, file, event.element);
  }
  wake_own(owner, file, event.element.range);
  for (const LockElement& element : event.more) wake_own(owner, file, element.range);
  return granted();
}

/// An unlock ends the owner's queued requests of exactly that range.
void State::take_from_queue(LockOwner& owner, File& file, Range range) {
  std::vector<Waiter*> gone;
  for (Waiter* waiter : owner.waiting) {
    const Range asked = std::get<LockRequested>(waiter->body).element.range;
    if (waiter->file() == &file && asked == range) gone.push_back(waiter);
  }
  for (Waiter* waiter : gone) cancel(*waiter, Status::cancelled);
}

/// A lock that was taken uses up the turns that were kept (or to be kept) for what it gives.
void State::use_up_turns(LockOwner& owner, File& file, const LockElement& taken) {
  std::vector<Waiter*> used;
  for (Waiter* waiter : owner.waiting) {
    const auto& lock = std::get<LockRequested>(waiter->body);
    const bool kept = lock.wait == Wait::reserve && waiter->answered;
    const bool enough = taken.mode == LockMode::exclusive || lock.element.mode == LockMode::shared;
    if (kept && enough && waiter->file() == &file && taken.range.contains(lock.element.range)) {
      used.push_back(waiter);
    }
  }
  for (Waiter* waiter : used) cancel(*waiter, Status::ok);
}

/// A newer LOCK or UNLOCK of the owner has overtaken these callbacks.
void State::stop_grants(File& file, const LockOwner& owner, Range range) {
  if (owner.grants == 0) return;
  std::vector<RequestId> overtaken;
  for (const RequestId id : file.grants) {
    const PendingGrant& grant = grants.at(id);
    if (grant.owner == &owner && grant.element.range.overlaps(range)) overtaken.push_back(id);
  }
  for (const RequestId id : overtaken) stop_grant(id);
}

/// Who waits for a range has heard of its last grant, in whatever mode: clients compare ranges and
/// not modes, and would take a late copy of that call for the grant that they wait for now.
void State::stop_heard_grant(File& file, const LockOwner& owner, Range range) {
  if (owner.grants == 0) return;
  const auto heard = std::ranges::find_if(file.grants, [&](RequestId id) {
    const PendingGrant& grant = grants.at(id);
    return grant.owner == &owner && grant.element.range == range;
  });
  if (heard != file.grants.end()) stop_grant(*heard);
}

void State::stop_grant(RequestId id) {
  emit(StopNotifying{grants.at(id).client->id, id});
  drop_grant(id);
}

void State::drop_grant(RequestId id) {
  auto at = grants.find(id);
  File& file = *at->second.file;
  const Range range = at->second.element.range;
  const LockOwner& owner = *at->second.owner;
  --at->second.owner->grants;
  at->second.client->grants.erase(id);
  std::erase(file.grants, id);
  grants.erase(at);
  wake_own(owner, file, range);
  untidy(file);
}

void State::on(const GrantAnswered& event) {
  auto at = grants.find(event.grant);
  if (at == grants.end()) return;
  const PendingGrant grant = at->second;
  drop_grant(event.grant);
  if (!event.accepted) {
    LockChanges changes;
    grant.file->locks.clear(grant.file, *grant.owner, grant.element.range, next_lock, changes);
    lock_changed(*grant.file, changes, grant.owner);
    for (const EarlierMode& part : grant.before) {
      changes.clear();
      // A shared grant over an exclusive lock let others in: that part stays shared.
      const bool lowered = grant.element.mode == LockMode::shared;
      const LockMode mode = lowered ? LockMode::shared : part.mode;
      const HeldLock earlier{part.range, 0, grant.owner, now, {}, mode, false};
      grant.file->locks.set(grant.file, earlier, next_lock, changes);
      lock_changed(*grant.file, changes, grant.owner);
    }
  }
  tidy(*grant.owner);
}

}  // namespace lockstep::core
