// Byte ranges: who is in the way, who is ahead, who waits for whom, and how a set changes them.
#pragma once

#include "model/queue.hpp"

namespace lockstep::model {

inline bool clashes(const LockElement& a, const LockElement& b) {
  return a.range.overlaps(b.range) && clash(a.mode, b.mode);
}
inline Range common(Range a, Range b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}
inline std::vector<LockElement> elements(const LockRequested& lock) {
  std::vector<LockElement> list{lock.element};
  list.insert(list.end(), lock.more.begin(), lock.more.end());
  return list;
}

struct Ranges : Queue {
  using Queue::Queue;

  Holder holder_of(const LockRecord& l, Holder::Kind kind = Holder::Kind::lock) const {
    const Owner owner = owner_of(l);
    return {kind,       protocol(l.client), l.client, client(l.client)->label,
            owner.name, owner.open,         l.range,  l.mode};
  }
  Holder holder_of(const Waiter& w) const {
    const LockRequested& l = *w.lock();
    return holder_of(
        LockRecord{0, l.client, l.open, l.owner, l.file, l.element.range, l.element.mode},
        Holder::Kind::reservation);
  }

  // ---- In the way -------------------------------------------------------------------------------

  /// The clashing lock with the lowest (first byte, id). SMB's own stack refuses what is exclusive.
  const Lock* clashing_lock(const Owner& owner, FileId file, const LockElement& element) const {
    const Lock* lowest = nullptr;
    for (const Lock& held : locks) {
      if (held.file != file || !clashes({held.range, held.mode}, element)) continue;
      if (owner_of(held) == owner && (!owner.open || element.mode == LockMode::shared)) continue;
      if (lowest == nullptr ||
          std::pair(held.range.first, held.lock) < std::pair(lowest->range.first, lowest->lock))
        lowest = &held;
    }
    return lowest;
  }
  /// The reservation of somebody else that clashes.
  const Waiter* clashing_turn(const Owner& owner, FileId file, const LockElement& element) const {
    return find(waiters, [&](auto& w) {
      return w.told && w.lock()->file == file && owner_of(*w.lock()) != owner &&
             clashes(w.lock()->element, element);
    });
  }
  /// Whether the owner holds every byte (in at least that mode). No empty range is held.
  bool covered(const Owner& owner, FileId file, Range range, LockMode at_least) const {
    if (range.empty()) return false;
    const Lock* part = find(locks, [&](auto& held) {
      return held.file == file && owner_of(held) == owner && held.range.first <= range.first &&
             held.range.last >= range.first && !held.range.empty() &&
             (held.mode == LockMode::exclusive || at_least == LockMode::shared);
    });
    if (part == nullptr) return false;
    return part->range.last >= range.last ||
           covered(owner, file, {part->range.last + 1, range.last}, at_least);
  }
  /// An SMB LOCK by an open that was reclaimed: the equal recovered range is the same lock.
  Lock* recovered_range(const LockRequested& lock) {
    const Open* o = open(lock.open);
    if (!smb(lock.client) || !grace || o == nullptr || !o->reclaimed || !lock.more.empty())
      return nullptr;
    return find(locks, [&](auto& held) {
      return held.recovered && held.open == lock.open && held.range == lock.element.range &&
             held.mode == lock.element.mode;
    });
  }
  /// A request of NLM or NFSv4 that waits already.
  const Waiter* same_request(const LockRequested& lock) const {
    return find(waiters, [&](auto& w) {
      return !smb(lock.client) && w.queued() && w.lock()->file == lock.file &&
             owner_of(*w.lock()) == owner_of(lock) && w.lock()->element == lock.element;
    });
  }
  /// Queued requests of others before `place` that clash. For bytes that it holds already, and for
  /// a client that others wait for, nobody is ahead.
  std::vector<Waiter> ahead(const LockRequested& lock, std::uint64_t place) const {
    const Owner owner = owner_of(lock);
    if (covered(owner, lock.file, lock.element.range, LockMode::shared) ||
        any(rights,
            [&](auto& r) { return r.breaking && r.client == lock.client && r.file == lock.file; }))
      return {};
    return all(waiters, [&](auto& w) {
      return w.queued() && w.arrival < place && w.lock()->file == lock.file &&
             owner_of(*w.lock()) != owner && clashes(w.lock()->element, lock.element);
    });
  }

  // ---- The wait-for graph: lock waits only, and nobody waits for himself ------------------------

  std::vector<Owner> waited_for(const Waiter& w) const {
    const LockRequested& lock = *w.lock();
    const Owner owner = owner_of(lock);
    std::vector<Owner> owners;
    for (const Lock& held : locks)
      if (held.file == lock.file && clashes({held.range, held.mode}, lock.element))
        owners.push_back(owner_of(held));
    for (const Waiter& other : ahead(lock, w.arrival != 0 ? w.arrival : ~std::uint64_t{0}))
      owners.push_back(owner_of(*other.lock()));
    for (const Waiter& other : waiters)
      if (other.told && other.lock()->file == lock.file &&
          clashes(other.lock()->element, lock.element))
        owners.push_back(owner_of(*other.lock()));
    std::erase(owners, owner);
    return owners;
  }
  /// Whether following who waits for whom leads from the waiter back to its owner.
  bool on_cycle(const Waiter& start) const {
    std::vector<Owner> reached = waited_for(start);
    for (std::size_t i = 0; i < reached.size(); ++i) {
      if (reached[i] == owner_of(*start.lock())) return true;
      for (const Waiter& w : waiters)
        if (w.for_locks && owner_of(*w.lock()) == reached[i])
          for (const Owner& next : waited_for(w))
            if (!among(reached, next)) reached.push_back(next);
    }
    return false;
  }

  // ---- Change -----------------------------------------------------------------------------------

  void add_lock(const LockRequested& lock, Range range, LockMode mode) {
    locks.push_back({{++lock_counter, lock.client, lock.open, smb(lock.client) ? "" : lock.owner,
                      lock.file, range, mode}});
    locks.back().since = now;
    record(locks.back());
  }
  /// POSIX: the owner's bytes of `range` become `mode`, or free. Says on record what changed and
  /// wakes those who may gain by it.
  void set_range(const LockRequested& lock, Range range, std::optional<LockMode> mode) {
    const Owner owner = owner_of(lock);
    auto mine = [&](const Lock& held) { return held.file == lock.file && owner_of(held) == owner; };
    if (mode && any(locks, [&](auto& held) {
          return mine(held) && held.mode == *mode && held.range.contains(range) && !held.recovered;
        }))
      return;
    for (const Lock& held :
         all(locks, [&](auto& each) { return mine(each) && each.range.overlaps(range); })) {
      Lock& kept = *find(locks, [&](auto& each) { return each.lock == held.lock; });
      const bool left = held.range.first < range.first;
      const bool right = held.range.last > range.last;
      if (left) {
        kept.range.last = range.first - 1;
        record(kept);
      } else if (right) {
        kept.range.first = range.last + 1;
        record(kept);
      } else {
        erase_lock(held);
      }
      if (left && right) {
        Lock rest = held;
        rest.lock = ++lock_counter;
        rest.range.first = range.last + 1;
        locks.push_back(rest);
        record(rest);
      }
      if (!mode || (*mode == LockMode::shared && held.mode == LockMode::exclusive))
        wake_freed(lock.file, common(held.range, range));
    }
    if (!mode) return;
    auto beside = [&](auto& held) {
      return mine(held) && held.mode == *mode && held.range.touches(range) && !held.recovered;
    };
    for (auto merged = all(locks, beside); !merged.empty(); merged = all(locks, beside)) {
      const Range other = merged[0].range;
      range = {std::min(range.first, other.first), std::max(range.last, other.last)};
      erase_lock(merged[0]);
    }
    add_lock(lock, range, *mode);
  }
  /// What a refusal of this grant puts back: bytes newly held are freed, shared ones shared again.
  std::vector<std::pair<Range, bool>> undo_of(const LockRequested& lock) const {
    std::vector<std::pair<Range, bool>> undo;
    auto mine = all(locks, [&](auto& held) {
      return held.file == lock.file && owner_of(held) == owner_of(lock) &&
             held.range.overlaps(lock.element.range);
    });
    std::sort(mine.begin(), mine.end(), [](auto& a, auto& b) { return a.range < b.range; });
    Range rest = lock.element.range;
    for (const Lock& held : mine) {
      const Range part = common(held.range, lock.element.range);
      if (part.first > rest.first) undo.push_back({{rest.first, part.first - 1}, false});
      if (held.mode == LockMode::shared && lock.element.mode == LockMode::exclusive)
        undo.push_back({part, true});
      if (part.last == rest.last) return undo;
      rest.first = part.last + 1;
    }
    undo.push_back({rest, false});
    return undo;
  }
  /// The client has shown that it knows better: no call about these bytes.
  void stop_callbacks(const Owner& owner, FileId file, Range range) {
    auto overtaken = [&](auto& grant) {
      return grant.file == file && owner_of(grant) == owner && grant.element.range.overlaps(range);
    };
    for (const PendingGrant& grant : all(grants, overtaken)) {
      out->push_back(StopNotifying{grant.grant});
      wake_own(owner, file, grant.element.range);
    }
    std::erase_if(grants, overtaken);
  }
};

}  // namespace lockstep::model
