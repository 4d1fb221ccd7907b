// The one conflict relation: what stands in the way of a request, of whatever protocol.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

std::optional<Cause> cause_of(Operation operation, const Policy& policy, Protocol protocol) {
  const bool reads = operation == Operation::get_attributes && protocol == Protocol::nfs3 &&
                     policy.v3_getattr_breaks;
  return reads ? Cause::read : cause_of(operation);
}

Cause cause_of(const OpenRequested& event) {
  if (event.overwrite) return Cause::overwrite;
  if (event.attributes_only) return Cause::open_security;
  const bool writes = event.access.has(AccessBit::write) || event.deny.has(AccessBit::read);
  return writes ? Cause::open_for_write : Cause::open;
}

ConflictSeen::Thing thing_of(Flavour flavour) {
  return is_delegation(flavour) ? ConflictSeen::Thing::delegation : ConflictSeen::Thing::smb_lease;
}

bool State::is_own(const Right& right, const Asker& asker) const {
  switch (right.flavour) {
    case Flavour::oplock:
      return asker.open && asker.open->id == right.open;
    case Flavour::delegation:
    case Flavour::directory_delegation:
      return right.client == asker.client && !asker.anonymous;
    case Flavour::none:
    case Flavour::lease:
    case Flavour::directory_lease:
      break;
  }
  if (right.client != asker.client) return false;
  if (asker.own == &right) return true;
  if (asker.wish && asker.wish->flavour == right.flavour && asker.wish->key == right.key) {
    return true;
  }
  return asker.parent && *asker.parent == right.key && right.flavour == Flavour::directory_lease;
}

std::vector<InTheWay> State::in_the_way(const Asker& asker, const Need& need) const {
  std::vector<InTheWay> found;
  const auto& row = break_table_cells::rows[static_cast<std::size_t>(need.cause)];
  bool any = false;
  for (std::size_t column = 0; column < kHelds; ++column) {
    any = any || (need.file->held[column] != 0 && row[column].how != Breaking::How::keep);
  }
  if (!any) return found;
  for (const auto& [id, right] : need.file->rights) {
    if (right->rights.empty()) continue;
    const Breaking breaking = row[static_cast<std::size_t>(right->held())];
    if (breaking.how == Breaking::How::keep) continue;
    if (is_own(*right, asker) && !breaking.own_too) continue;
    if (need.handles_only && !right->rights.has(RightBit::handle)) continue;
    found.push_back({id, right, breaking, need.cause});
  }
  return found;
}

/// Begins every break that the needs call for, all in one pass. The outcome names the rights whose
/// break has to end first.
Outcome State::break_rights(const Asker& asker, std::span<const Need> needs) {
  if (std::ranges::all_of(needs, [](const Need& need) { return need.file->rights.empty(); })) {
    return {};
  }
  std::vector<InTheWay> all;
  for (bool again = true; again;) {
    again = false;
    all.clear();
    for (const Need& need : needs) {
      for (InTheWay& item : in_the_way(asker, need)) {
        if (expired_holder(item.right->client)) {
          again = true;
          break;
        }
        all.push_back(item);
      }
      if (again) break;
    }
  }
  Outcome outcome;
  for (const InTheWay& item : all) {
    // Nobody is there yet to answer for a recovered right.
    if (item.right->recovered) return {WaitFor::grace, {}};
  }
  for (const InTheWay& item : all) {
    auto known = rights.find(item.id);  // an earlier need may have ended it
    if (known == rights.end() || known->second.rights.empty()) continue;
    Right& right = known->second;
    if (!right.breaking) {
      const bool waits = item.breaking.how == Breaking::How::wait;
      begin_break(right, item.breaking, item.cause, asker);
      if (waits) outcome.breaks.push_back(&right);
    } else if (item.breaking.how == Breaking::How::wait || !item.breaking.to.contains(right.to)) {
      const bool steps = by_open(item.cause) && asker.client->protocol == Protocol::smb;
      if (steps) right.required = right.required & item.breaking.to;
      outcome.breaks.push_back(&right);
    }
  }
  if (!outcome.breaks.empty()) outcome.wait_for = WaitFor::breaks;
  return outcome;
}

namespace {

bool any_counted(const std::array<std::uint32_t, 3>& counts, Access bits) {
  for (std::size_t bit = 0; bit < counts.size(); ++bit) {
    if (counts[bit] != 0 && (bits.bits() >> bit & 1) != 0) return true;
  }
  return false;
}

/// The first open in the way is named; in grace one that is so only by what is unclaimed of it
/// decides, wherever it stands. `denies(access, deny)` is the question about an open's modes.
bool keep_looking(OpenInTheWay& first, const Open& open, bool grace, auto denies) {
  const bool now = !open.recovered && denies(open.access, open.deny);
  if (!now && !denies(open.whole_access(), open.whole_deny())) return true;
  if (!first || !now) first = {&open, !now};
  return grace && now;
}

/// The same for locks, which are recovered or not.
bool keep_looking(const HeldLock*& first, const HeldLock& lock, const File& file) {
  if (!first || lock.recovered) first = &lock;
  return file.recovered > 0 && !lock.recovered;
}

}  // namespace

OpenInTheWay State::share_clash(const File& file, Access access, Access deny,
                                const Open* except) const {
  OpenInTheWay first;
  if (!any_counted(file.denying, access) && !any_counted(file.accessing, deny)) return first;
  for (const auto& [id, open] : file.opens) {
    if (open == except || open->attributes_only) continue;
    const bool on = keep_looking(first, *open, grace, [&](Access its_access, Access its_deny) {
      return access.meets(its_deny) || deny.meets(its_access);
    });
    if (!on) break;
  }
  return first;
}

/// An open whose deny mode forbids an operation that has no open of its own, or a removal.
OpenInTheWay State::deny_clash(const File& file, const Asker& asker, Operation operation,
                               const Policy& policy) const {
  OpenInTheWay first;
  const Protocol protocol = asker.client->protocol;
  Access wanted;
  bool any_open = false;
  switch (operation) {
    case Operation::read:
      wanted = AccessBit::read;
      break;
    case Operation::write:
    case Operation::set_size:
      wanted = AccessBit::write;
      break;
    case Operation::remove:
      wanted = AccessBit::remove;
      break;
    case Operation::rename_target:
      wanted = AccessBit::remove;
      any_open = protocol == Protocol::smb;
      break;
    case Operation::rename_source:
      if (protocol != Protocol::smb) return first;
      wanted = AccessBit::remove;
      break;
    default:
      return first;
  }
  const bool io = wanted != Access(AccessBit::remove);
  if (io && asker.open) return first;
  if (!any_open && !any_counted(file.denying, wanted | Access(AccessBit::write))) return first;
  for (const auto& [id, open] : file.opens) {
    if (open == asker.open || (open->attributes_only && !any_open)) continue;
    const Protocol holder = open->client->protocol;
    const bool by_smb = holder == Protocol::smb;
    auto denies = [&](Access, Access deny) {
      if (any_open) return true;
      if (io) {
        const bool by_policy = by_smb || protocol == Protocol::nfs3;
        return deny.meets(wanted) && (!by_policy || policy.smb_deny_on_nfs_io);
      }
      if (by_smb) return deny.meets(wanted) && !(policy.unlink_while_open && is_nfs(protocol));
      return is_nfs4(holder) && deny.has(AccessBit::write) && operation != Operation::rename_source;
    };
    if (!keep_looking(first, *open, grace, denies)) break;
  }
  return first;
}

/// SMB: a directory is not renamed while anything below it is open.
const Open* State::open_below(const File& file, const Asker& asker, FileId directory) const {
  for (const auto& [id, open] : file.opens) {
    if (open == asker.open || open->attributes_only) continue;
    if (std::ranges::find(open->ancestors, directory) != open->ancestors.end()) return open;
  }
  return nullptr;
}

const HeldLock* State::clashing_lock(const File& file, const LockOwner* owner,
                                     LockElement element) const {
  const HeldLock* first = nullptr;
  file.locks.visit_overlaps(element.range, [&](const HeldLock& lock) {
    bool in_way = clash(lock.mode, element.mode);
    // An open may lay shared locks over its own, but an exclusive one over nothing.
    if (lock.owner == owner) in_way = owner->smb() && element.mode == LockMode::exclusive;
    return !in_way || keep_looking(first, lock, file);
  });
  return first;
}

const QueuedLock* State::clashing_waiter(const File& file, const LockOwner* owner,
                                         LockElement element, Arrival before,
                                         bool reserved_only) const {
  // Reservations are named first, then the earliest in the queue.
  const QueuedLock* best = nullptr;
  bool best_told = false;
  if (file.lock_queue.empty()) return nullptr;
  file.lock_queue.visit_overlaps(element.range, [&](const QueuedLock& queued) {
    if (queued.waiter->owner == owner || !clash(queued.mode, element.mode)) return true;
    const bool told = queued.waiter->told;
    if (!told && (reserved_only || queued.id >= before)) return true;
    const bool better =
        !best || (told && !best_told) || (told == best_told && queued.id < best->id);
    if (better) {
      best = &queued;
      best_told = told;
    }
    return true;
  });
  return best;
}

const HeldLock* State::io_clash(const File& file, const Asker& asker,
                                const AccessRequested& request) const {
  const bool resize = request.target.operation == Operation::set_size;
  const bool smb = asker.client->protocol == Protocol::smb;
  if (file.locks.empty() || request.range.empty() || (resize && smb)) return nullptr;
  const bool write = request.target.operation != Operation::read;
  const Protocol protocol = asker.client->protocol;
  const HeldLock* first = nullptr;
  file.locks.visit_overlaps(request.range, [&](const HeldLock& lock) {
    if (!write && lock.mode == LockMode::shared) return true;
    bool in_way = false;
    const bool own_open = lock.owner->smb() && lock.owner->open == request.open;
    if (protocol == Protocol::smb) {
      in_way = own_open ? write && lock.mode == LockMode::shared : true;
    } else if (lock.owner->smb()) {
      in_way = request.policy.smb_ranges_on_nfs_io;
    } else if (request.policy.nfs_ranges_on_nfs_io) {
      in_way = lock.owner->client != asker.client &&
               lock.owner->client->address != asker.client->address;
    }
    return !in_way || keep_looking(first, lock, file);
  });
  return first;
}

Holder State::holder_of(const HeldLock& lock) const {
  const LockOwner& owner = *lock.owner;
  return {Holder::Kind::lock,
          owner.client->protocol,
          owner.client->id,
          owner.client->label,
          std::string(owner.name),
          owner.open,
          lock.range,
          lock.mode};
}

Holder State::holder_of(const QueuedLock& queued) const {
  const LockOwner& owner = *queued.waiter->owner;
  return {Holder::Kind::reservation,
          owner.client->protocol,
          owner.client->id,
          owner.client->label,
          std::string(owner.name),
          owner.open,
          queued.range,
          queued.mode};
}

Holder State::holder_of(const Open& open) const {
  return {Holder::Kind::open, open.client->protocol,
          open.client->id,    open.client->label,
          open.owner,         open.id,
          Range::whole(),     LockMode::exclusive};
}

Holder State::holder_of(const Right& right) const {
  const LockMode mode = right.rights.has(RightBit::write) ? LockMode::exclusive : LockMode::shared;
  return {Holder::Kind::right,
          right.client->protocol,
          right.client->id,
          right.client->label,
          {},
          right.open,
          Range::whole(),
          mode};
}

}  // namespace lockstep::core
