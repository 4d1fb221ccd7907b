// Byte ranges given back, cancelled and asked about.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

// ---- Giving back -------------------------------------------------------------------------------

void State::on(const Unlocked& event) {
  Client* client = find_client(event.client);
  if (!client) return reply(event.request, Status::unknown_client);
  const bool smb = client->protocol == Protocol::smb;
  File* file = find_file(event.file);
  auto at = client->owners.find(OwnerNamed{smb ? event.open : OpenId{}, event.owner});
  Status status = Status::ok;
  if (file && at != client->owners.end()) {
    LockOwner& owner = at->second;
    const Asking asking(owner);
    if (!smb) take_from_queue(owner, *file, event.range);
    LockChanges& changes = changes_;
    changes.clear();
    if (smb) {
      std::vector<Range> ranges{event.range};
      ranges.insert(ranges.end(), event.more.begin(), event.more.end());
      for (const Range& range : ranges) {
        if (!file->locks.unstack(file, owner, range, changes)) {
          status = Status::range_not_locked;
          break;
        }
      }
    } else {
      stop_grants(*file, owner, event.range);
      file->locks.clear(file, owner, event.range, next_lock, changes);
    }
    lock_changed(*file, changes, &owner);
  } else if (smb) {
    status = opens.contains(event.open) ? Status::range_not_locked : Status::unknown_open;
  }
  reply(event.request, status);
}

void State::on(const LockCancelled& event) {
  Client* client = find_client(event.client);
  File* file = find_file(event.file);
  Status status = Status::ok;
  LockOwner* known = client ? find_owner(*client, {}, event.owner) : nullptr;
  if (file && known) {
    LockOwner& owner = *known;
    std::vector<Waiter*> found;
    for (Waiter* waiter : owner.waiting) {
      const auto& asked = std::get<LockRequested>(waiter->body);
      if (waiter->file() == file && asked.element == event.element) found.push_back(waiter);
    }
    const bool waited = !found.empty();
    for (Waiter* waiter : found) cancel(*waiter, Status::cancelled);
    known = waited ? nullptr : known;
    if (known && file->locks.covers(owner, event.element.range, LockMode::shared)) {
      status = Status::denied;  // too late: the client has to unlock what it was granted
    }
  }
  reply(event.request, status);
}

// ---- Testing -----------------------------------------------------------------------------------

Outcome State::attempt(const LockTested& event, Waiter*) {
  Client* client = find_client(event.client);
  if (!client) {
    reply(event.request, Status::unknown_client);
    return {};
  }
  if (event.open) {
    auto open = opens.find(event.open);
    if (open == opens.end() || open->second.client != client) {
      reply(event.request, Status::unknown_open);
      return {};
    }
  }
  File* file = find_file(event.file);
  if (!file) {
    reply(event.request, Status::ok);
    return {};
  }
  untidy(*file);
  Asker asker;
  asker.client = client;
  const Need need{file, Cause::test_lock};
  Outcome outcome = break_rights(asker, {&need, 1});
  if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, *client);
  if (!outcome.done()) return outcome;
  const LockOwner* owner = find_owner(*client, event.open, event.owner);
  const HeldLock* held = clashing_lock(*file, owner, event.element);
  while (held && expired_holder(held->owner->client)) {
    held = clashing_lock(*file, owner, event.element);
  }
  if (held && held->recovered) return wait_for_grace(event.request, *client);
  if (held) {
    reply(event.request, Status::denied, holder_of(*held));
  } else if (const QueuedLock* kept =
                 clashing_waiter(*file, owner, event.element, kNotQueued, true)) {
    reply(event.request, Status::denied, holder_of(*kept));
  } else {
    pass_bars(*client, {&need, 1});
    reply(event.request, Status::ok);
  }
  return {};
}

}  // namespace lockstep::core
