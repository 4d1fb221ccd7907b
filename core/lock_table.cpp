#include "core/lock_table.hpp"

#include <algorithm>

namespace lockstep::core {

namespace {

Range widened(Range range) {
  return {range.first == 0 ? 0 : range.first - 1,
          range.last == kEndOfFile ? kEndOfFile : range.last + 1};
}

}  // namespace

LockOwner::Holding* LockOwner::holding(const File* file) {
  for (Holding& holding : holdings) {
    if (holding.file == file) return &holding;
  }
  return nullptr;
}

const LockOwner::Holding* LockOwner::holding(const File* file) const {
  return const_cast<LockOwner*>(this)->holding(file);
}

void LockTable::restore(File* file, const HeldLock& lock) {
  LockChanges ignored;
  insert(file, lock, ignored);
}

void LockTable::insert(File* file, const HeldLock& lock, LockChanges& changes) {
  tree_.insert(lock);
  LockOwner::Holding* holding = lock.owner->holding(file);
  if (!holding) {
    lock.owner->holdings.push_back({file, 0, lock.range});
    holding = &lock.owner->holdings.back();
  }
  holding->hull = holding->count == 0 ? lock.range : hull(holding->hull, lock.range);
  ++holding->count;
  changes.put.push_back(lock);
}

void LockTable::remove(File* file, const HeldLock& lock, LockChanges& changes) {
  tree_.erase(lock.range.first, lock.id);
  --lock.owner->holding(file)->count;
  changes.erased.push_back(lock);
}

void LockTable::of_owner(const LockOwner& owner, Range range, std::vector<HeldLock>& found) const {
  found.clear();
  tree_.visit_overlaps(range, [&](const HeldLock& lock) {
    if (lock.owner == &owner) found.push_back(lock);
    return true;
  });
}

void LockTable::set(File* file, const HeldLock& wanted, std::uint64_t& next_id,
                    LockChanges& changes) {
  const Range range = wanted.range;
  HeldLock merged = wanted;
  merged.id = 0;
  LockOwner::Holding* holding = wanted.owner->holding(file);
  if (!holding || holding->count == 0) {
    merged.id = ++next_id;
    return insert(file, merged, changes);
  }
  of_owner(*wanted.owner, widened(range), changes.own);
  const std::vector<HeldLock>& own = changes.own;
  auto alike = [&](const HeldLock& lock) {
    return lock.mode == wanted.mode && lock.recovered == wanted.recovered;
  };
  for (const HeldLock& lock : own) {
    if (alike(lock) && lock.range.contains(range)) return;
  }
  for (const HeldLock& lock : own) {
    if (!alike(lock)) continue;
    if (merged.id == 0) merged.id = lock.id;
    merged.range = hull(merged.range, lock.range);
    remove(file, lock, changes);
  }
  for (const HeldLock& lock : own) {
    if (alike(lock) || !lock.range.overlaps(range)) continue;
    if (lock.mode > wanted.mode) changes.freed.push_back(common(lock.range, range));
    cut(file, lock, range, next_id, changes);
  }
  if (merged.id == 0) merged.id = ++next_id;
  insert(file, merged, changes);
}

/// Takes `range` out of a lock; what is left of it keeps its id, a second part gets a new one.
void LockTable::cut(File* file, const HeldLock& lock, Range range, std::uint64_t& next_id,
                    LockChanges& changes) {
  remove(file, lock, changes);
  HeldLock rest = lock;
  if (lock.range.first < range.first) {
    rest.range = {lock.range.first, range.first - 1};
    changes.cuts.push_back(range.first);
    insert(file, rest, changes);
    rest.id = 0;
  }
  if (lock.range.last > range.last) {
    rest.range = {range.last + 1, lock.range.last};
    changes.cuts.push_back(range.last + 1);
    if (rest.id == 0) rest.id = ++next_id;
    insert(file, rest, changes);
  }
}

void LockTable::clear(File* file, LockOwner& owner, Range range, std::uint64_t& next_id,
                      LockChanges& changes) {
  LockOwner::Holding* holding = owner.holding(file);
  if (!holding || holding->count == 0 || !holding->hull.overlaps(range)) return;
  of_owner(owner, range, changes.own);
  for (const HeldLock& lock : changes.own) {
    changes.freed.push_back(common(lock.range, range));
    cut(file, lock, range, next_id, changes);
  }
}

void LockTable::stack(File* file, HeldLock wanted, std::uint64_t& next_id, LockChanges& changes) {
  wanted.id = ++next_id;
  insert(file, wanted, changes);
}

/// The owner's locks of this very range, in order of their ids.
std::vector<HeldLock> LockTable::exactly(const LockOwner& owner, Range range) const {
  std::vector<HeldLock> found;
  // An empty range overlaps not even itself, so it is looked for among its neighbours.
  const bool at_edge = range.empty();
  auto consider = [&](const HeldLock& lock) {
    if (lock.owner == &owner && lock.range == range) found.push_back(lock);
    return true;
  };
  if (at_edge)
    tree_.visit_all(consider);
  else
    tree_.visit_overlaps(range, consider);
  return found;
}

bool LockTable::unstack(File* file, LockOwner& owner, Range range, LockChanges& changes) {
  const std::vector<HeldLock> found = exactly(owner, range);
  const HeldLock* best = nullptr;
  for (const HeldLock& lock : found) {
    const bool better =
        !best || (best->mode == LockMode::shared && lock.mode == LockMode::exclusive);
    if (better) best = &lock;
  }
  if (!best) return false;
  changes.freed.push_back(range);
  remove(file, *best, changes);
  return true;
}

void LockTable::release_all(File* file, LockOwner& owner, LockChanges& changes) {
  LockOwner::Holding* holding = owner.holding(file);
  if (!holding || holding->count == 0) return;
  std::vector<HeldLock> own;
  own.reserve(holding->count);
  const Range within = widened(holding->hull);
  tree_.visit_overlaps(within, [&](const HeldLock& lock) {
    if (lock.owner == &owner) own.push_back(lock);
    return own.size() < holding->count;
  });
  if (own.size() < holding->count) {  // empty ranges at an edge of the hull
    own.clear();
    tree_.visit_all([&](const HeldLock& lock) {
      if (lock.owner == &owner) own.push_back(lock);
    });
  }
  for (const HeldLock& lock : own) {
    changes.freed.push_back(lock.range);
    remove(file, lock, changes);
  }
}

bool LockTable::claim(File* file, LockOwner& owner, LockElement element, LockChanges& changes) {
  for (const HeldLock& lock : exactly(owner, element.range)) {
    if (!lock.recovered || lock.mode != element.mode) continue;
    HeldLock mine = lock;
    remove(file, lock, changes);
    mine.recovered = false;
    insert(file, mine, changes);
    return true;
  }
  return false;
}

bool LockTable::recovered(const LockOwner& owner, LockElement element) const {
  return std::ranges::any_of(exactly(owner, element.range), [&](const HeldLock& lock) {
    return lock.recovered && lock.mode == element.mode;
  });
}

void LockTable::drop_recovered(File* file, LockOwner& owner, Range range, LockChanges& changes) {
  for (const HeldLock& lock : exactly(owner, range)) {
    if (!lock.recovered) continue;
    changes.freed.push_back(range);
    remove(file, lock, changes);
  }
}

bool LockTable::covers(const LockOwner& owner, Range range, LockMode mode) const {
  std::uint64_t next = range.first;
  bool complete = false;
  tree_.visit_overlaps(range, [&](const HeldLock& lock) {
    if (lock.owner != &owner) return true;
    if (mode == LockMode::exclusive && lock.mode == LockMode::shared) return true;
    if (lock.range.first > next) return false;
    if (lock.range.last >= range.last) {
      complete = true;
      return false;
    }
    next = std::max(next, lock.range.last + 1);
    return true;
  });
  return complete;
}

bool LockTable::holds_as(const LockOwner& owner, LockElement element) const {
  if (!covers(owner, element.range, element.mode)) return false;
  return std::ranges::all_of(held_within(owner, element.range),
                             [&](const EarlierMode& part) { return part.mode == element.mode; });
}

std::vector<EarlierMode> LockTable::held_within(const LockOwner& owner, Range range) const {
  std::vector<EarlierMode> parts;
  std::vector<HeldLock> own;
  of_owner(owner, range, own);
  parts.reserve(own.size());
  for (const HeldLock& lock : own) {
    parts.push_back({common(lock.range, range), lock.mode});
  }
  return parts;
}

}  // namespace lockstep::core
