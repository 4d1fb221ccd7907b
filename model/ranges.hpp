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

  /// SMB's own stack refuses what is exclusive.
  const Lock* clashing_lock(const Owner& owner, FileId file, const LockElement& element) const {
    return find_clash(locks, [&](auto& held) {
      return held.file == file && clashes({held.range, held.mode}, element) &&
             (owner_of(held) != owner || (owner.open && element.mode == LockMode::exclusive));
    });
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
  /// Whether the owner holds all of it in just this mode.
  bool held_so(const LockRequested& lock) const {
    const Owner owner = owner_of(lock);
    return covered(owner, lock.file, lock.element.range, lock.element.mode) &&
           (lock.element.mode == LockMode::exclusive || !any(locks, [&](auto& held) {
              return held.file == lock.file && owner_of(held) == owner &&
                     held.mode == LockMode::exclusive && held.range.overlaps(lock.element.range);
            }));
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

  /// Locks are listed by (first byte, id): that is how the one in the way is named.
  void insert_lock(const Lock& added) {
    auto key = [](auto& l) { return std::pair(l.range.first, l.lock); };
    locks.insert(std::find_if(locks.begin(), locks.end(),
                              [&](auto& each) { return key(each) > key(added); }),
                 added);
    record(added);
  }
  void add_lock(const LockRequested& lock, LockElement e, std::uint64_t id) {
    Lock added{{id, lock.client, lock.open, smb(lock.client) ? "" : lock.owner, lock.file, e.range,
                e.mode}};
    added.since = now;
    insert_lock(added);
  }
  /// POSIX: the owner's bytes of `range` become `mode`, or free. What lies beside in the same mode
  /// is merged (and gives its id); of a lock that is cut the first part keeps it.
  void set_range(const LockRequested& lock, Range range, std::optional<LockMode> mode) {
    const Owner owner = owner_of(lock);
    auto alike = [&](const Lock& held) { return mode == held.mode && !held.recovered; };
    const auto near = all(locks, [&](auto& held) {
      return held.file == lock.file && owner_of(held) == owner && held.range.touches(range);
    });
    if (any(near, [&](auto& held) { return alike(held) && held.range.contains(range); })) return;
    Range merged = range;
    std::uint64_t id = 0;
    for (const Lock& held : near) {
      if (!alike(held)) continue;
      if (id == 0) id = held.lock;
      merged = {std::min(merged.first, held.range.first), std::max(merged.last, held.range.last)};
      erase_lock(held);
    }
    for (const Lock& held : near) {
      if (alike(held) || !held.range.overlaps(range)) continue;
      erase_lock(held);
      Lock rest = held;
      if (held.range.first < range.first) {
        rest.range.last = range.first - 1;
        insert_lock(rest);
        wake_freed(lock.file, {range.first - 1, range.first});  // who stands between bytes
      }
      if (held.range.last > range.last) {
        if (held.range.first < range.first) rest.lock = ++lock_counter;
        rest.range = {range.last + 1, held.range.last};
        insert_lock(rest);
        wake_freed(lock.file, {range.last, range.last + 1});
      }
      if (!mode || *mode < held.mode) wake_freed(lock.file, common(held.range, range));
    }
    if (mode) add_lock(lock, {merged, *mode}, id != 0 ? id : ++lock_counter);
  }
  /// What the owner held of the bytes that it asks for.
  std::vector<LockElement> held_before(const LockRequested& lock) const {
    std::vector<LockElement> parts;
    for (const Lock& held : locks)
      if (held.file == lock.file && owner_of(held) == owner_of(lock) &&
          held.range.overlaps(lock.element.range))
        parts.push_back({common(held.range, lock.element.range), held.mode});
    return parts;
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
