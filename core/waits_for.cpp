// Deadlocks: one graph over the lock owners of all protocols, computed from the queue when needed.
#include <algorithm>
#include <set>

#include "core/state.hpp"

namespace lockstep::core {

/// Whom a lock request of this owner waits for: holders, and those ahead of it in the queue.
std::vector<const LockOwner*> State::blockers(const File& file, const LockOwner& owner,
                                              LockElement element, Arrival arrival) const {
  std::vector<const LockOwner*> found;
  file.locks.visit_overlaps(element.range, [&](const HeldLock& lock) {
    if (lock.owner != &owner && clash(lock.mode, element.mode)) found.push_back(lock.owner);
    return true;
  });
  if (file.lock_queue.empty()) return found;
  const bool passes = passes_queue(file, owner, element);
  file.lock_queue.visit_overlaps(element.range, [&](const QueuedLock& queued) {
    const LockOwner* other = queued.waiter->owner;
    if (other == &owner || !clash(queued.mode, element.mode)) return true;
    if ((queued.id < arrival && !passes) || queued.waiter->told) found.push_back(other);
    return true;
  });
  return found;
}

/// Whether `owner`, if it waited for this element, would wait for itself in the end.
bool State::closes_cycle(const File& file, const LockOwner& owner, LockElement element,
                         Arrival arrival) {
  // Nobody waits for an owner that holds nothing and stands in no queue. (One that waited for
  // something else before has others behind it already.)
  if (owner.holdings.empty() && owner.waiting.empty()) return false;
  std::vector<const LockOwner*> next = blockers(file, owner, element, arrival);
  std::set<std::tuple<ClientId, OpenId, std::string_view>> seen;
  while (!next.empty()) {
    const LockOwner* at = next.back();
    next.pop_back();
    if (at == &owner) return true;
    if (!seen.insert({at->client->id, at->open, at->name}).second) continue;
    for (const Waiter* waiter : at->waiting) {
      const auto& asked = std::get<LockRequested>(waiter->body);
      if (asked.wait == Wait::none || waiter->wait_for != WaitFor::locks) continue;
      for (const LockOwner* blocker :
           blockers(*waiter->file(), *at, asked.element, waiter->arrival)) {
        next.push_back(blocker);
      }
    }
  }
  return false;
}

/// The owner was granted something past the queue, or passes it no more. Only who waits himself can
/// be on a cycle.
void State::edges_changed(const LockOwner& owner) {
  if (!owner.waiting.empty()) edges_changed_.emplace_back(owner.client->id, owner.open, owner.name);
}

/// What changed may have closed a cycle: its youngest waiter gives way.
void State::refuse_cycles() {
  const auto changed = std::exchange(edges_changed_, {});
  for (const auto& [client_id, open, name] : changed) {
    auto on_cycle = [this](const Waiter& waiter) {
      if (!waiter.owner || waiter.wait_for != WaitFor::locks) return false;
      const auto& asked = std::get<LockRequested>(waiter.body);
      return asked.wait != Wait::none &&
             closes_cycle(*waiter.file(), *waiter.owner, asked.element, waiter.arrival);
    };
    while (true) {
      const Client* client = find_client(client_id);
      const LockOwner* owner = client ? find_owner(*client, open, name) : nullptr;
      if (!owner) break;
      const auto its = [&](const Waiter* waiter) { return on_cycle(*waiter); };
      if (std::ranges::none_of(owner->waiting, its)) break;
      for (auto at = waiters.rbegin(); at != waiters.rend(); ++at) {
        if (!on_cycle(at->second)) continue;
        cancel(at->second, Status::deadlock);
        break;
      }
    }
  }
}

}  // namespace lockstep::core
