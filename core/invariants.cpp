// The invariants of the spec, under its names, over the real state. Slow and plain on purpose:
// they are asked by tests and by the simulator after every event.
#include <algorithm>
#include <set>

#include "core/state.hpp"

namespace lockstep::core {

namespace {

using Broken = std::optional<std::string>;

std::string text(const Range& range) {
  return std::to_string(range.first) + "-" + std::to_string(range.last);
}

Broken lock_exclusion(const File& file) {
  std::vector<HeldLock> locks;
  file.locks.visit_all([&](const HeldLock& lock) { locks.push_back(lock); });
  for (std::size_t i = 0; i < locks.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const HeldLock &a = locks[i], &b = locks[j];
      // A zero-length range stands between bytes; a range that was merged later says nothing of it.
      if (a.range.empty() || b.range.empty() || !a.range.overlaps(b.range)) continue;
      if (a.owner != b.owner && clash(a.mode, b.mode)) {
        return "LockExclusion: " + text(a.range) + " and " + text(b.range);
      }
      if (a.owner == b.owner && !a.owner->smb()) {
        return "RangeCanonical: " + text(a.range) + " and " + text(b.range);
      }
    }
  }
  return {};
}

Broken share_reservation(const File& file) {
  for (const auto& [id, a] : file.opens) {
    for (const auto& [other_id, b] : file.opens) {
      if (id == other_id || a->attributes_only || b->attributes_only) continue;
      // Also what may still be reclaimed; NFSv4 and NLM owners could ask for more than that.
      const bool own = a->client == b->client && a->owner == b->owner;
      if (a->access.meets(b->deny) || (!own && a->whole_access().meets(b->whole_deny()))) {
        return "ShareReservation: opens " + std::to_string(id.value) + " and " +
               std::to_string(other_id.value);
      }
    }
  }
  return {};
}

Broken lease_exclusion(const File& file) {
  for (const auto& [id, right] : file.rights) {
    if (right->breaking && !right->rights.contains(right->to)) return "BreakIsDowngrade";
    if (right->breaking && right->to == right->rights) return "BreakIsDowngrade: same state";
    if (!right->rights.has(RightBit::write) || right->breaking) continue;
    for (const auto& [other_id, other] : file.rights) {
      if (other != right && !other->rights.empty()) {
        return "LeaseExclusion: right " + std::to_string(id.value) + " beside " +
               std::to_string(other_id.value);
      }
    }
    for (const auto& [open_id, open] : file.opens) {
      const bool own = right->flavour == Flavour::oplock       ? right->open == open_id
                       : right->flavour == Flavour::delegation ? open->client == right->client
                                                               : open->right == right;
      if (!own && !open->attributes_only) {
        return "LeaseExclusion: right " + std::to_string(id.value) + " beside open " +
               std::to_string(open_id.value);
      }
    }
    Broken broken;
    file.locks.visit_all([&](const HeldLock& lock) {
      // The analyzer takes what is in a vector for uninitialized.
      // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
      if (!lock.owner->smb() && lock.owner->client != right->client) {
        broken = "LockVsLease: right " + std::to_string(id.value);
      }
    });
    if (broken) return broken;
  }
  return {};
}

Broken lease_needs_open(const File& file) {
  for (const auto& [id, right] : file.rights) {
    const bool leased = is_lease(right->flavour);
    std::uint32_t opens = 0;
    for (const auto& [open_id, open] : file.opens) opens += open->right == right ? 1 : 0;
    if (leased && (opens == 0 || opens != right->opens)) {
      return "LeaseNeedsOpen: right " + std::to_string(id.value);
    }
    if (right->flavour == Flavour::oplock && !file.opens.contains(right->open)) {
      return "LeaseNeedsOpen: oplock " + std::to_string(id.value);
    }
  }
  return {};
}

Broken counts(const File& file) {
  std::array<std::uint32_t, kHelds> held{};
  for (const auto& [id, right] : file.rights) {
    if (!right->rights.empty()) ++held[static_cast<std::size_t>(right->held())];
  }
  if (held != file.held) return "Counts: rights by column";
  std::uint32_t data = 0, recovered = 0, nfs = 0;
  for (const auto& [id, open] : file.opens) {
    data += open->attributes_only ? 0 : 1;
    recovered += open->unclaimed() ? 1 : 0;
  }
  for (const auto& [id, right] : file.rights) recovered += right->recovered ? 1 : 0;
  file.locks.visit_all([&](const HeldLock& lock) {
    nfs += lock.owner->smb() ? 0 : 1;
    recovered += lock.recovered ? 1 : 0;
  });
  if (data != file.data_opens) return "Counts: data opens";
  if (nfs != file.nfs_locks) return "Counts: NFS locks";
  if (recovered != file.recovered) return "Counts: recovered";
  return {};
}

}  // namespace

std::optional<std::string> State::check_invariants() const {
  for (const auto& [id, file] : files) {
    for (const auto& check :
         {lock_exclusion, share_reservation, lease_exclusion, lease_needs_open, counts}) {
      if (Broken broken = check(file)) return *broken + " on file " + std::to_string(id.node);
    }
  }
  for (const auto& [arrival, waiter] : waiters) {
    const std::string who = std::to_string(waiter.request.value);
    if (!clients.contains(waiter.client->id)) return "WaitersOfDead: " + who;
    if (waiter.wait_for == WaitFor::breaks) {
      if (waiter.breaks.empty()) return "NoLostWakeup: waits for no break: " + who;
      for (const RightId id : waiter.breaks) {
        auto right = rights.find(id);
        if (right == rights.end() || !right->second.breaking) {
          return "NoLostWakeup: waits for a break that is over: " + who;
        }
      }
    } else if (waiter.wait_for == WaitFor::grace) {
      if (!grace) return "NoLostWakeup: waits for a grace that is over: " + who;
    } else if (waiter.wait_for == WaitFor::locks) {
      const auto& lock = std::get<LockRequested>(waiter.body);
      const File& file = *waiter.file();
      bool blocked = clashing_lock(file, waiter.owner, lock.element) != nullptr ||
                     clashing_waiter(file, waiter.owner, lock.element, arrival, false) != nullptr;
      for (const RequestId id : file.grants) {
        const PendingGrant& grant = grants.at(id);
        blocked = blocked ||
                  (grant.owner == waiter.owner && grant.element.range.overlaps(lock.element.range));
      }
      if (!blocked) return "NoLostWakeup: " + who;
    } else if (waiter.wait_for == WaitFor::accesses) {
      bool any = false;
      for (const Waiter::Place& place : waiter.places) any = any || !place.file->accesses.empty();
      if (!any) return "NoLostWakeup: waits for no access: " + who;
    }
  }
  for (const auto& [id, right] : rights) {
    const bool timed = right.deadline != kNever && right.deadline >= now;
    if (right.breaking && !timed && right.flushes.empty()) {
      return "BreakEnds: right " + std::to_string(id.value) + " has no deadline";
    }
    for (const RequestId write : right.flushes) {
      if (!accesses.contains(write)) return "BreakEnds: waits for a write that has ended";
    }
  }
  return belongings();
}

/// What each client is said to have is all there is, and its own.
std::optional<std::string> State::belongings() const {
  std::size_t counted_opens = 0, counted_rights = 0, counted_waiters = 0, counted_grants = 0;
  std::uint64_t counted_locks = 0;
  for (const auto& [id, client] : clients) {
    const std::string who = " of client " + std::to_string(id.value);
    const auto own = [&](const auto& thing) { return thing.client == &client; };
    const auto all_own = [&](const auto& ids, const auto& things) {
      return std::ranges::all_of(ids, [&](auto key) {
        auto at = things.find(key);
        return at != things.end() && own(at->second);
      });
    };
    if (!all_own(client.opens, opens)) return "Counts: opens" + who;
    if (!all_own(client.rights, rights)) return "Counts: rights" + who;
    const auto known = [&](const Waiter* waiter) {
      auto at = waiters.find(waiter->arrival);
      return at != waiters.end() && &at->second == waiter && own(*waiter);
    };
    if (!std::ranges::all_of(client.waiters, known)) return "Counts: waiters" + who;
    if (!all_own(client.accesses, accesses)) return "Counts: accesses" + who;
    if (!all_own(client.grants, grants)) return "Counts: grants" + who;
    std::uint64_t held = 0;
    for (const auto& [key, owner] : client.owners) held += owner.locks();
    if (held != client.locks) return "Counts: locks" + who;
    counted_opens += client.opens.size();
    counted_rights += client.rights.size();
    counted_waiters += client.waiters.size();
    counted_grants += client.grants.size();
    counted_locks += held;
  }
  if (counted_opens != opens.size() || counted_rights != rights.size() ||
      counted_waiters != waiters.size() || counted_grants != grants.size() ||
      counted_locks != locks_held) {
    return "Counts: somebody's is nobody's";
  }
  return std::nullopt;
}

}  // namespace lockstep::core
