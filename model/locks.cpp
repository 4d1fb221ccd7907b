// Byte ranges as events change them: set and stack, unlock, cancel, and the answers to GRANTED.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

void Model::grant_lock(const Waiter& waiter) {
  const auto& lock = std::get<LockRequested>(waiter.request);
  const Owner owner = owner_of(lock);
  if (lock.wait == Wait::reserve && waiter.answered) {  // its turn: told, and the range is kept
    Waiter told = waiter;
    told.for_breaks = told.for_locks = told.for_accesses = told.for_grace = false;
    told.told = true;
    told.until = now_ + limits_.reservation;
    waiters_.push_back(told);
    std::sort(waiters_.begin(), waiters_.end(),
              [](const Waiter& a, const Waiter& b) { return a.arrival < b.arrival; });
    out_->push_back(NotifyLock{lock.client, lock.owner, lock.file});
    return;
  }
  if (smb(lock.client)) {
    std::vector<LockElement> all{lock.element};
    all.insert(all.end(), lock.more.begin(), lock.more.end());
    const bool take_over = takes_over(lock);
    for (const LockElement& element : all) {
      Lock* recovered = nullptr;
      for (Lock& held : locks_)
        if (take_over && recovered == nullptr && held.recovered && held.open == lock.open &&
            held.range == element.range && held.mode == element.mode)
          recovered = &held;
      if (recovered != nullptr) {
        recovered->recovered = false;
        continue;
      }
      locks_.push_back({next_id(lock_counter_),
                        lock.client,
                        lock.open,
                        {},
                        lock.file,
                        element.range,
                        element.mode,
                        false,
                        now_});
      record(locks_.back());
    }
    return answer(waiter, Status::ok, {}, recorded(*open(lock.open)));
  }
  const bool called = lock.wait == Wait::callback && waiter.answered;
  if (!called) stop_callbacks(owner, lock.file, lock.element.range);
  PendingGrant pending{lock.request, lock.client, lock.owner, lock.file, lock.element, {}};
  if (called) pending.undo = undo_of(owner, lock.file, lock.element);
  set_range(owner, lock, lock.element.range, lock.element.mode);
  if (called) {
    grants_.push_back(pending);
    out_->push_back(
        NotifyGranted{lock.client, lock.request, lock.owner, lock.file, lock.element, true});
    answer(waiter, Status::ok);
  } else {
    answer(waiter, Status::ok, {}, true);
    // The turn that was kept for it is used up.
    std::vector<std::uint64_t> used;
    for (const Waiter& w : waiters_) {
      const auto* kept = std::get_if<LockRequested>(&w.request);
      if (kept == nullptr || kept->wait != Wait::reserve || !w.answered ||
          kept->file != lock.file || owner_of(*kept) != owner)
        continue;
      const bool enough =
          lock.element.mode == LockMode::exclusive || kept->element.mode == LockMode::shared;
      if (enough && lock.element.range.contains(kept->element.range)) used.push_back(w.arrival);
    }
    for (std::uint64_t arrival : used) end_waiter(arrival, Status::ok);
  }
  // Bytes that it holds now let its other requests pass the queue.
  wake_callers(owner, lock.file, lock.element.range);
}

/// What a refusal of this grant puts back: bytes newly held are freed, shared ones shared again.
std::vector<std::pair<Range, bool>> Model::undo_of(const Owner& owner, FileId file,
                                                   const LockElement& element) const {
  std::vector<std::pair<Range, bool>> undo;
  std::vector<Lock> mine;
  for (const Lock& held : locks_)
    if (held.file == file && owner_of(held) == owner && held.range.overlaps(element.range))
      mine.push_back(held);
  std::sort(mine.begin(), mine.end(),
            [](const Lock& a, const Lock& b) { return a.range.first < b.range.first; });
  std::uint64_t next = element.range.first;
  bool open_end = true;
  for (const Lock& held : mine) {
    if (held.range.first > next) undo.push_back({{next, held.range.first - 1}, false});
    const Range common{std::max(held.range.first, element.range.first),
                       std::min(held.range.last, element.range.last)};
    if (held.mode == LockMode::shared && element.mode == LockMode::exclusive)
      undo.push_back({common, true});
    if (common.last == element.range.last) open_end = false;
    next = common.last + 1;
  }
  if (open_end) undo.push_back({{next, element.range.last}, false});
  return undo;
}

/// POSIX: the owner's bytes of `range` become `mode`, or free. Says on record what changed and
/// wakes those who may gain by it.
void Model::set_range(const Owner& owner, const LockRequested& lock, Range range,
                      std::optional<LockMode> mode) {
  auto mine = [&](const Lock& held) { return held.file == lock.file && owner_of(held) == owner; };
  if (mode)
    for (const Lock& held : locks_)
      if (mine(held) && held.mode == *mode && held.range.contains(range) && !held.recovered) return;
  std::vector<Lock> cut;
  for (const Lock& held : locks_)
    if (mine(held) && held.range.overlaps(range)) cut.push_back(held);
  for (const Lock& held : cut) {
    const bool left = held.range.first < range.first;
    const bool right = held.range.last > range.last;
    const auto at =
        std::find_if(locks_.begin(), locks_.end(), [&](const Lock& l) { return l.id == held.id; });
    if (!left && !right) {
      erase_lock(held.id);
    } else if (left) {
      at->range.last = range.first - 1;
      record(*at);
    } else {
      at->range.first = range.last + 1;
      record(*at);
    }
    if (left && right) {
      Lock rest = held;
      rest.id = next_id(lock_counter_);
      rest.range.first = range.last + 1;
      locks_.push_back(rest);
      record(locks_.back());
    }
    if (!mode || (*mode == LockMode::shared && held.mode == LockMode::exclusive))
      wake_freed(lock.file,
                 {std::max(held.range.first, range.first), std::min(held.range.last, range.last)});
  }
  if (!mode) return;
  Lock added{0, lock.client, lock.open, lock.owner, lock.file, range, *mode, false, now_};
  for (std::size_t i = 0; i < locks_.size();) {
    const Lock held = locks_[i];
    if (mine(held) && held.mode == *mode && held.range.touches(added.range) && !held.recovered) {
      added.range = {std::min(added.range.first, held.range.first),
                     std::max(added.range.last, held.range.last)};
      erase_lock(held.id);
      i = 0;
    } else {
      ++i;
    }
  }
  added.id = next_id(lock_counter_);
  locks_.push_back(added);
  record(locks_.back());
}

void Model::erase_lock(std::uint64_t id) {
  const auto at =
      std::find_if(locks_.begin(), locks_.end(), [&](const Lock& held) { return held.id == id; });
  if (recorded(*at)) erase(&LockRecord::lock, id);
  locks_.erase(at);
}

// ---- GRANTED ----------------------------------------------------------------------------------

/// The client has shown that it knows better: no call about these bytes.
void Model::stop_callbacks(const Owner& owner, FileId file, Range range) {
  std::erase_if(grants_, [&](const PendingGrant& grant) {
    if (grant.file != file || owner_of(grant.client, {}, grant.owner) != owner ||
        !grant.element.range.overlaps(range))
      return false;
    out_->push_back(StopNotifying{grant.grant});
    wake_callers(owner, file, grant.element.range);
    return true;
  });
}

/// Waiters that were not granted because a call about their bytes was out.
void Model::wake_callers(const Owner& owner, FileId file, Range range) {
  wake_if([&](const Waiter& w) {
    const auto* lock = std::get_if<LockRequested>(&w.request);
    return w.for_locks && lock->file == file && owner_of(*lock) == owner &&
           lock->element.range.overlaps(range);
  });
}

void Model::on(const GrantAnswered& e) {
  const auto at = std::find_if(grants_.begin(), grants_.end(),
                               [&](const PendingGrant& grant) { return grant.grant == e.grant; });
  if (at == grants_.end()) return;
  const PendingGrant grant = *at;
  grants_.erase(at);
  const Owner owner = owner_of(grant.client, {}, grant.owner);
  wake_callers(owner, grant.file, grant.element.range);
  if (e.accepted) return;
  LockRequested as{};
  as.client = grant.client;
  as.owner = grant.owner;
  as.file = grant.file;
  for (const auto& [range, shared] : grant.undo)
    set_range(owner, as, range, shared ? std::optional(LockMode::shared) : std::nullopt);
}

// ---- Unlock and cancel ------------------------------------------------------------------------

void Model::on(const Unlocked& e) {
  if (client(e.client) == nullptr) return reply(e.request, Status::unknown_client);
  const Owner owner = owner_of(e.client, e.open, e.owner);
  if (!smb(e.client)) {
    LockRequested as{};
    as.client = e.client;
    as.open = e.open;
    as.owner = e.owner;
    as.file = e.file;
    end_waiters(
        [&](const Waiter& w) {
          const auto* lock = std::get_if<LockRequested>(&w.request);
          return lock != nullptr && lock->file == e.file && owner_of(*lock) == owner &&
                 lock->element.range == e.range;
        },
        Status::cancelled);
    stop_callbacks(owner, e.file, e.range);
    set_range(owner, as, e.range, std::nullopt);
    return reply(e.request, Status::ok);
  }
  const Open* o = open(e.open);
  if (o == nullptr || o->client != e.client) return reply(e.request, Status::unknown_open);
  std::vector<Range> ranges{e.range};
  ranges.insert(ranges.end(), e.more.begin(), e.more.end());
  Status status = Status::ok;
  for (const Range& range : ranges) {
    const Lock* found = nullptr;
    for (const Lock& held : locks_) {
      if (held.open != e.open || held.range != range) continue;
      if (found == nullptr || (held.mode == LockMode::exclusive && found->mode == LockMode::shared))
        found = &held;
    }
    if (found == nullptr) {
      status = Status::range_not_locked;
      break;
    }
    const FileId file = found->file;
    erase_lock(found->id);
    wake_freed(file, range);
  }
  reply(e.request, status);
}

void Model::on(const LockCancelled& e) {
  if (client(e.client) == nullptr) return reply(e.request, Status::unknown_client);
  const Owner owner = owner_of(e.client, {}, e.owner);
  std::vector<std::uint64_t> found;
  for (const Waiter& w : waiters_) {
    const auto* lock = std::get_if<LockRequested>(&w.request);
    if (lock != nullptr && lock->file == e.file && owner_of(*lock) == owner &&
        lock->element == e.element)
      found.push_back(w.arrival);
  }
  for (std::uint64_t arrival : found) end_waiter(arrival, Status::cancelled);
  const bool held = found.empty() && covered(owner, e.file, e.element.range, LockMode::shared);
  reply(e.request, held ? Status::denied : Status::ok);
}

}  // namespace lockstep::model
