// Byte ranges: who is in the way of a lock, a test or I/O (steps 5 and 6), and the wait-for graph.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

namespace {
Verdict denied(ReplyBody body) {
  return {Verdict::Kind::refused, Status::denied, std::move(body), Verdict::For::locks, {}, false};
}
bool clashes(const LockElement& a, const LockElement& b) {
  return a.range.overlaps(b.range) && clash(a.mode, b.mode);
}
std::vector<LockElement> elements(const LockRequested& lock) {
  std::vector<LockElement> all{lock.element};
  all.insert(all.end(), lock.more.begin(), lock.more.end());
  return all;
}
}  // namespace

Model::Owner Model::owner_of(ClientId client, OpenId open, const std::string& name) const {
  if (smb(client)) return {client, open, {}};
  return {client, {}, name};
}

Holder Model::holder_of(const Lock& lock) const {
  return {Holder::Kind::lock, protocol(lock.client),
          lock.client,        client(lock.client)->label,
          lock.owner,         lock.open,
          lock.range,         lock.mode};
}

Holder Model::holder_of(const Waiter& waiter) const {
  const auto& lock = std::get<LockRequested>(waiter.request);
  return {Holder::Kind::reservation,
          protocol(lock.client),
          lock.client,
          client(lock.client)->label,
          lock.owner,
          lock.open,
          lock.element.range,
          lock.element.mode};
}

/// The clashing lock with the lowest (first byte, id). SMB's own stack refuses what is exclusive.
const Lock* Model::clashing_lock(const Owner& owner, FileId file,
                                 const LockElement& element) const {
  const Lock* lowest = nullptr;
  for (const Lock& held : locks_) {
    if (held.file != file || !clashes({held.range, held.mode}, element)) continue;
    if (owner_of(held) == owner && (!owner.open || element.mode == LockMode::shared)) continue;
    if (lowest == nullptr ||
        std::pair(held.range.first, held.id) < std::pair(lowest->range.first, lowest->id))
      lowest = &held;
  }
  return lowest;
}

/// Whether the owner holds every byte of the range (in at least that mode). No empty range is held.
bool Model::covered(const Owner& owner, FileId file, Range range, LockMode at_least) const {
  if (range.empty()) return false;
  std::uint64_t next = range.first;
  for (bool more = true; more;) {
    more = false;
    for (const Lock& held : locks_) {
      if (held.file != file || owner_of(held) != owner || held.range.empty()) continue;
      if (at_least == LockMode::exclusive && held.mode == LockMode::shared) continue;
      if (held.range.first > next || held.range.last < next) continue;
      if (held.range.last >= range.last) return true;
      next = held.range.last + 1;
      more = true;
    }
  }
  return false;
}

/// An SMB LOCK by an open that was reclaimed: every element is a recovered range of it.
bool Model::takes_over(const LockRequested& lock) const {
  const Open* o = open(lock.open);
  if (!smb(lock.client) || !grace_ || o == nullptr || !o->reclaimed) return false;
  std::vector<std::uint64_t> used;
  for (const LockElement& element : elements(lock)) {
    auto same = [&](const Lock& held) {
      return held.recovered && held.open == lock.open && held.range == element.range &&
             held.mode == element.mode &&
             std::find(used.begin(), used.end(), held.id) == used.end();
    };
    const auto found = std::find_if(locks_.begin(), locks_.end(), same);
    if (found == locks_.end()) return false;
    used.push_back(found->id);
  }
  return true;
}

// ---- The queue --------------------------------------------------------------------------------

const Waiter* Model::same_request(const LockRequested& lock) const {
  if (smb(lock.client)) return nullptr;
  for (const Waiter& w : waiters_) {
    const auto* other = std::get_if<LockRequested>(&w.request);
    if (other != nullptr && other->wait != Wait::none && other->file == lock.file &&
        owner_of(*other) == owner_of(lock) && other->element == lock.element)
      return &w;
  }
  return nullptr;
}

/// For bytes that it holds, and for a client that others wait for, nobody is ahead.
bool Model::passes_queue(const LockRequested& lock) const {
  if (covered(owner_of(lock), lock.file, lock.element.range, LockMode::shared)) return true;
  return std::any_of(rights_.begin(), rights_.end(), [&](const Right& r) {
    return r.breaking && r.client == lock.client && r.file == lock.file;
  });
}

/// Queued requests of other owners before `place` that clash, in order of arrival.
std::vector<const Waiter*> Model::ahead(const LockRequested& lock, std::uint64_t place) const {
  std::vector<const Waiter*> found;
  if (passes_queue(lock)) return found;
  for (const Waiter& w : waiters_) {
    const auto* other = std::get_if<LockRequested>(&w.request);
    if (other != nullptr && other->wait != Wait::none && w.arrival < place &&
        other->file == lock.file && owner_of(*other) != owner_of(lock) &&
        clashes(other->element, lock.element))
      found.push_back(&w);
  }
  return found;
}

// ---- 5. Locks ---------------------------------------------------------------------------------

std::optional<Verdict> Model::judge_lock(const Waiter& waiter, const LockRequested& lock) {
  const Owner owner = owner_of(lock);
  const bool reclaim = lock.reclaim == Reclaim::previous;
  if (takes_over(lock)) return std::nullopt;
  for (const PendingGrant& grant : grants_)  // one call at a time about the same bytes
    if (lock.wait == Wait::callback && waiter.answered && grant.file == lock.file &&
        owner_of(grant.client, {}, grant.owner) == owner &&
        grant.element.range.overlaps(lock.element.range))
      return Verdict{Verdict::Kind::parked, Status::ok, {}, Verdict::For::locks, {}, false};
  auto conflict = [&](Holder holder) -> Verdict {
    if (reclaim) return {Verdict::Kind::refused, Status::reclaim_conflict, {}, {}, {}, false};
    if (lock.wait != Wait::none)
      return {Verdict::Kind::parked, Status::denied, holder, Verdict::For::locks, {}, false};
    return denied(holder);
  };
  const auto all = elements(lock);
  for (std::size_t i = 0; i < all.size(); ++i) {
    while (const Lock* held = clashing_lock(owner, lock.file, all[i])) {
      if (held->recovered && !reclaim && owner_of(*held) != owner)
        return grace_verdict(reduce(waiter.request));
      if (!client(held->client)->courtesy || held->client == lock.client)
        return conflict(holder_of(*held));
      revoke_courtesy(held->client);
    }
    for (std::size_t j = 0; j < i; ++j)
      if (all[i].mode == LockMode::exclusive && clashes(all[i], all[j]))
        return conflict({Holder::Kind::lock, Protocol::smb, lock.client, client(lock.client)->label,
                         lock.owner, lock.open, all[j].range, all[j].mode});
    for (const Waiter& w : waiters_) {
      const auto* told = std::get_if<LockRequested>(&w.request);
      if (w.told && told->file == lock.file && owner_of(*told) != owner &&
          clashes(told->element, all[i]))
        return conflict(holder_of(w));
    }
  }
  if (lock.wait == Wait::none) return std::nullopt;
  std::uint64_t place = waiter.arrival != 0 ? waiter.arrival : ~std::uint64_t{0};
  if (const Waiter* before = same_request(lock); before != nullptr && before->arrival < place)
    place = before->arrival;
  const auto earlier = ahead(lock, place);
  if (earlier.empty()) return std::nullopt;
  return conflict(holder_of(*earlier.front()));
}

std::optional<Verdict> Model::judge_test(const LockTested& test) {
  const Owner owner = owner_of(test.client, test.open, test.owner);
  const Asked asked = reduce(Request{test});
  while (const Lock* held = clashing_lock(owner, test.file, test.element)) {
    if (held->recovered && owner_of(*held) != owner) return grace_verdict(asked);
    if (!client(held->client)->courtesy || held->client == test.client) {
      return denied(holder_of(*held));
    }
    revoke_courtesy(held->client);
  }
  for (const Waiter& w : waiters_) {
    const auto* told = std::get_if<LockRequested>(&w.request);
    if (w.told && told->file == test.file && owner_of(*told) != owner &&
        clashes(told->element, test.element))
      return denied(holder_of(w));
  }
  return std::nullopt;
}

/// Reads and writes against ranges: always for SMB, by policy for NFS.
std::optional<Verdict> Model::judge_io(const AccessRequested& access, const Asked& asked) {
  const Client& asker = *client(access.client);
  auto stops = [&](const Asked::Touch& touch, const Lock& held) {
    const bool write = touch.operation == Operation::write ||
                       (touch.operation == Operation::set_size && is_nfs(asker.protocol));
    if (!write && touch.operation != Operation::read) return false;
    if (held.file != touch.file || access.range.empty() || !held.range.overlaps(access.range))
      return false;
    if (!write && held.mode == LockMode::shared) return false;
    const Client& holder = *client(held.client);
    if (asker.protocol == Protocol::smb) {
      const bool mine = holder.protocol == Protocol::smb && held.open == access.open;
      return !mine || (write && held.mode == LockMode::shared);
    }
    if (holder.protocol == Protocol::smb) return access.policy.smb_ranges_on_nfs_io;
    const bool same =
        holder.id == asker.id || (!asker.address.empty() && holder.address == asker.address);
    return !same && access.policy.nfs_ranges_on_nfs_io;
  };
  for (const auto& touch : asked.touches) {
    for (std::size_t i = 0; i < locks_.size();) {
      const Lock held = locks_[i];
      if (!stops(touch, held)) {
        ++i;
      } else if (held.recovered && !access.reclaimed) {
        return grace_verdict(asked);
      } else if (client(held.client)->courtesy && held.client != access.client) {
        revoke_courtesy(held.client);
        i = 0;
      } else {
        return Verdict{Verdict::Kind::refused, Status::lock_conflict, {}, {}, {}, false};
      }
    }
  }
  return std::nullopt;
}

// ---- 6. Accesses in flight --------------------------------------------------------------------

std::optional<Verdict> Model::judge_accesses(const LockRequested& lock) const {
  const bool by_smb = smb(lock.client);
  for (const AccessInFlight& access : accesses_) {
    const bool write = access.touch.operation == Operation::write;
    if (!write && access.touch.operation != Operation::read) continue;
    if (access.touch.file != lock.file) continue;
    if (by_smb ? access.asked.open == lock.open : access.asked.protocol != Protocol::smb) continue;
    for (const LockElement& element : elements(lock))
      if (element.range.overlaps(access.range) && (write || element.mode == LockMode::exclusive))
        return Verdict{Verdict::Kind::parked, Status::ok, {}, Verdict::For::accesses, {}, false};
  }
  return std::nullopt;
}

// ---- The wait-for graph -----------------------------------------------------------------------

/// The owners that a lock waiter waits for. Never itself: its other messages can still unlock.
std::vector<Model::Owner> Model::waited_for(const Waiter& waiter) const {
  const auto& lock = std::get<LockRequested>(waiter.request);
  const Owner owner = owner_of(lock);
  std::vector<Owner> owners;
  for (const Lock& held : locks_)
    if (held.file == lock.file && owner_of(held) != owner &&
        clashes({held.range, held.mode}, lock.element))
      owners.push_back(owner_of(held));
  const std::uint64_t place = waiter.arrival != 0 ? waiter.arrival : ~std::uint64_t{0};
  for (const Waiter* w : ahead(lock, place))
    owners.push_back(owner_of(std::get<LockRequested>(w->request)));
  for (const Waiter& w : waiters_) {
    const auto* told = std::get_if<LockRequested>(&w.request);
    if (w.told && told->file == lock.file && owner_of(*told) != owner &&
        clashes(told->element, lock.element))
      owners.push_back(owner_of(*told));
  }
  return owners;
}

/// Whether following who waits for whom leads from the waiter back to its owner.
bool Model::on_cycle(const Waiter& waiter) const {
  const Owner owner = owner_of(std::get<LockRequested>(waiter.request));
  std::vector<Owner> reached = waited_for(waiter);
  for (std::size_t i = 0; i < reached.size(); ++i) {
    if (reached[i] == owner) return true;
    for (const Waiter& w : waiters_) {
      if (!w.for_locks || owner_of(std::get<LockRequested>(w.request)) != reached[i]) continue;
      for (const Owner& next : waited_for(w))
        if (std::find(reached.begin(), reached.end(), next) == reached.end())
          reached.push_back(next);
    }
  }
  return false;
}

}  // namespace lockstep::model
