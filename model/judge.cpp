// Judging a request: steps 1 to 4 of core/README.md (valid, grace, deny modes, rights). Steps 5 and
// 6 are in ranges.cpp.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

namespace {
Verdict refused(Status status, ReplyBody body = {}) {
  return {Verdict::Kind::refused, status, std::move(body), Verdict::For::breaks, {}, false};
}
Verdict parked_for(Verdict::For what, std::vector<RightId> breaks = {}, bool clashed = false) {
  return {Verdict::Kind::parked, Status::ok, {}, what, std::move(breaks), clashed};
}
}  // namespace

std::optional<Cause> cause_of(Operation operation) {
  switch (operation) {
    case Operation::read:
      return Cause::read;
    case Operation::write:
    case Operation::set_size:
      return Cause::write;
    case Operation::set_attributes:
      return Cause::set_attributes;
    case Operation::get_attributes:
      return Cause::get_attributes;
    case Operation::remove:
      return Cause::remove;
    case Operation::rename_source:
    case Operation::rename_target:
    case Operation::rename_ancestor:
    case Operation::link:
      return Cause::rename;
    case Operation::change_directory:
      return Cause::change_directory;
    case Operation::list_directory:
      break;
  }
  return std::nullopt;
}

Cause cause_of(const OpenRequested& open) {
  if (open.overwrite) return Cause::overwrite;
  const bool writes = open.access.has(AccessBit::write) || open.deny.has(AccessBit::read);
  return writes ? Cause::open_for_write : Cause::open;
}

Asked Model::reduce(const Request& request) const {
  Asked asked;
  auto touch = [&](FileId file, Cause cause, Operation operation, bool breaks = true) {
    asked.touches.push_back({file, cause, operation, breaks});
  };
  if (const auto* e = std::get_if<OpenRequested>(&request)) {
    asked.request = e->request, asked.client = e->client, asked.owner = e->owner;
    asked.patience = e->patience, asked.policy = e->policy, asked.key = e->wish.key;
    asked.keyed = e->wish.flavour == Flavour::lease || e->wish.flavour == Flavour::directory_lease;
    touch(e->file, cause_of(*e), Operation::read, !e->attributes_only || e->overwrite);
  } else if (const auto* l = std::get_if<LockRequested>(&request)) {
    asked.request = l->request, asked.client = l->client, asked.open = l->open;
    asked.owner = l->owner, asked.patience = l->patience, asked.policy = l->policy;
    asked.wait = l->wait;
    touch(l->file, smb(l->client) ? Cause::lock_by_smb : Cause::lock_by_nfs, Operation::read);
  } else if (const auto* t = std::get_if<LockTested>(&request)) {
    asked.request = t->request, asked.client = t->client, asked.open = t->open;
    asked.owner = t->owner, asked.patience = t->patience;
    touch(t->file, Cause::test_lock, Operation::read);
  } else if (const auto* a = std::get_if<AccessRequested>(&request)) {
    asked.request = a->request, asked.client = a->client, asked.open = a->open;
    asked.owner = a->owner, asked.patience = a->patience, asked.policy = a->policy;
    asked.parent_key = a->parent_key;
    std::vector<Target> targets{a->target};
    targets.insert(targets.end(), a->others.begin(), a->others.end());
    const bool v3 = protocol(a->client) == Protocol::nfs3;
    for (const Target& target : targets) {
      auto cause = cause_of(target.operation);
      if (cause == Cause::get_attributes && v3 && a->policy.v3_getattr_breaks) cause = Cause::read;
      touch(target.file, cause.value_or(Cause::read), target.operation, cause.has_value());
    }
  } else if (const auto* d = std::get_if<DispositionSet>(&request)) {
    const Open* o = open(d->open);
    asked.request = d->request, asked.open = d->open;
    if (o != nullptr) asked.client = o->client, touch(o->file, Cause::remove, Operation::remove);
  }
  asked.protocol = protocol(asked.client);
  if (const Open* o = open(asked.open))
    if (const Right* r = right(o->right); r != nullptr && r->flavour != Flavour::oplock)
      asked.keyed = true, asked.key = r->key;
  return asked;
}

Verdict Model::grace_verdict(const Asked& asked) const {
  if (asked.protocol == Protocol::nlm || is_nfs4(asked.protocol)) return refused(Status::grace);
  return parked_for(Verdict::For::grace);
}

Verdict Model::judge(const Waiter& waiter) {
  const Request& request = waiter.request;
  const Asked asked = reduce(request);
  if (auto status = invalid(request, asked)) return refused(*status);
  const auto* lock = std::get_if<LockRequested>(&request);
  const auto* opening = std::get_if<OpenRequested>(&request);
  if (lock != nullptr && waiter.arrival == 0 && lock->wait == Wait::callback &&
      same_request(*lock) != nullptr)
    return refused(Status::blocked);
  if (waits_for_grace(request, asked)) return grace_verdict(asked);

  const bool reclaim =
      (lock != nullptr && (lock->reclaim == Reclaim::previous || takes_over(*lock))) ||
      (opening != nullptr && reclaimable(*opening) != nullptr);
  if (auto verdict = judge_deny_modes(request, asked)) return *verdict;
  if (!reclaim)
    if (auto verdict = judge_rights(asked)) return *verdict;
  if (lock != nullptr)
    if (auto verdict = judge_lock(waiter, *lock)) return *verdict;
  if (const auto* access = std::get_if<AccessRequested>(&request))
    if (auto verdict = judge_io(*access, asked)) return *verdict;
  if (const auto* test = std::get_if<LockTested>(&request))
    if (auto verdict = judge_test(*test)) return *verdict;
  if (lock != nullptr && !reclaim)
    if (auto verdict = judge_accesses(*lock)) return *verdict;
  return {};
}

// ---- 1. Valid? --------------------------------------------------------------------------------

std::optional<Status> Model::invalid(const Request& request, const Asked& asked) const {
  if (std::holds_alternative<DispositionSet>(request) && open(asked.open) == nullptr)
    return Status::unknown_open;
  const Client* c = client(asked.client);
  if (c == nullptr) return Status::unknown_client;
  const Open* o = open(asked.open);
  const bool needs_open = std::holds_alternative<LockRequested>(request) && smb(asked.client);
  if ((asked.open || needs_open) && (o == nullptr || o->client != asked.client))
    return Status::unknown_open;

  Access needs;
  bool either = false;
  if (const auto* l = std::get_if<LockRequested>(&request); l != nullptr && o != nullptr) {
    either = smb(asked.client);
    needs = either                                   ? Access{AccessBit::read, AccessBit::write}
            : l->element.mode == LockMode::exclusive ? Access{AccessBit::write}
                                                     : Access{AccessBit::read};
  } else if (const auto* a = std::get_if<AccessRequested>(&request); a != nullptr && o != nullptr) {
    if (a->target.operation == Operation::write || a->target.operation == Operation::set_size)
      needs = AccessBit::write;
    if (a->target.operation == Operation::read) {
      either = !smb(asked.client);
      needs = either ? Access{AccessBit::read, AccessBit::write} : Access{AccessBit::read};
    }
  }
  if (!needs.empty() && (either ? !o->access.meets(needs) : !o->access.contains(needs)))
    return Status::bad_mode;

  const auto* opening = std::get_if<OpenRequested>(&request);
  const auto* lock = std::get_if<LockRequested>(&request);
  auto count = [](const auto& list, auto which) {
    return static_cast<std::uint64_t>(std::count_if(list.begin(), list.end(), which));
  };
  if (opening != nullptr) {
    const bool widens = !smb(asked.client) && count(opens_, [&](const Open& other) {
                                                return other.client == asked.client &&
                                                       other.file == opening->file &&
                                                       other.owner == opening->owner;
                                              }) != 0;
    const auto mine =
        count(opens_, [&](const Open& other) { return other.client == asked.client; });
    if (!widens && reclaimable(*opening) == nullptr &&
        (opens_.size() >= limits_.opens_max || mine >= limits_.opens_per_client_max))
      return Status::limit;
  }
  if (lock != nullptr) {
    const Owner owner = owner_of(*lock);
    const auto mine = count(locks_, [&](const Lock& held) { return owner_of(held) == owner; });
    if (lock->more.size() + 1 > limits_.elements_per_request_max ||
        locks_.size() >= limits_.locks_max || mine >= limits_.locks_per_owner_max)
      return Status::limit;
  }
  if (journal_failed_ && (opening != nullptr || lock != nullptr)) return Status::journal_failed;
  const auto* access = std::get_if<AccessRequested>(&request);
  auto links = [](const Asked::Touch& touch) { return touch.operation == Operation::link; };
  for (const auto& touch : asked.touches)
    if (delete_pending(touch.file) && (opening != nullptr || (access != nullptr && links(touch))))
      return Status::delete_pending;
  if (opening != nullptr && asked.keyed)
    for (const Right& r : rights_)
      if (r.client == asked.client && r.key == asked.key && r.file != opening->file &&
          (r.flavour == Flavour::lease || r.flavour == Flavour::directory_lease))
        return Status::key_in_use;

  const bool reclaims = (opening != nullptr && opening->reclaim == Reclaim::previous) ||
                        (lock != nullptr && lock->reclaim == Reclaim::previous);
  if (!reclaims) return std::nullopt;
  if (!grace_ || !c->restored || c->lost_state || c->complete) return Status::no_grace;
  const bool on_record = opening != nullptr ? reclaimable(*opening) != nullptr
                                            : covered(owner_of(*lock), lock->file,
                                                      lock->element.range, lock->element.mode);
  if (!on_record) return Status::reclaim_bad;
  return std::nullopt;
}

// ---- 2. Grace ---------------------------------------------------------------------------------

bool Model::waits_for_grace(const Request& request, const Asked& asked) const {
  const auto* opening = std::get_if<OpenRequested>(&request);
  const auto* lock = std::get_if<LockRequested>(&request);
  if (opening == nullptr && lock == nullptr) return false;  // judged by what is on record
  if (opening != nullptr && reclaimable(*opening) != nullptr) return false;
  if (lock != nullptr && (lock->reclaim == Reclaim::previous || takes_over(*lock))) return false;
  const Client& c = *client(asked.client);
  if (c.protocol == Protocol::nfs41 && reclaiming(c)) return true;
  if (grace_ && limits_.grace_scope == GraceScope::all) return true;
  if (opening == nullptr) return false;
  // Its own lease is on record and this is not the open that it was held with.
  return std::any_of(rights_.begin(), rights_.end(), [&](const Right& r) {
    return r.recovered && r.file == opening->file && own(asked, r);
  });
}

// ---- 3. Deny modes ----------------------------------------------------------------------------

bool Model::touched(const Asked::Touch& touch, FileId file) const {
  if (touch.operation != Operation::rename_ancestor) return touch.file == file;
  return std::any_of(opens_.begin(), opens_.end(), [&](const Open& below) {
    return below.file == file && std::find(below.ancestors.begin(), below.ancestors.end(),
                                           touch.file) != below.ancestors.end();
  });
}

bool Model::deny_clash(const Request& request, const Asked& asked, const Asked::Touch& touch,
                       const Open& held) const {
  const bool by_smb = asked.protocol == Protocol::smb;
  const bool of_smb = smb(held.client);
  const bool mine = asked.open && held.id == asked.open;
  if (const auto* e = std::get_if<OpenRequested>(&request)) {
    if ((e->attributes_only && !e->overwrite) || held.attributes_only || held.file != e->file)
      return false;
    const bool same_owner = held.client == e->client && held.owner == e->owner && !of_smb;
    if (same_owner && (asked.protocol == Protocol::nlm || e->reclaim == Reclaim::previous))
      return false;
    if (const Open* mine_again = reclaimable(*e);
        mine_again != nullptr && mine_again->id == held.id)
      return false;
    return e->access.meets(held.deny) || e->deny.meets(held.access);
  }
  if (!std::holds_alternative<AccessRequested>(request)) return false;
  if (touch.operation == Operation::rename_ancestor) {
    return by_smb && !mine && !held.attributes_only &&
           std::find(held.ancestors.begin(), held.ancestors.end(), touch.file) !=
               held.ancestors.end();
  }
  if (held.file != touch.file) return false;
  switch (touch.operation) {
    case Operation::read:
    case Operation::write:
    case Operation::set_size: {
      const bool by_policy = of_smb || !is_nfs4(asked.protocol);
      if (asked.open || (by_policy && !asked.policy.smb_deny_on_nfs_io)) return false;
      return !held.attributes_only &&
             held.deny.has(touch.operation == Operation::read ? AccessBit::read : AccessBit::write);
    }
    case Operation::rename_target:
      if (by_smb) return !mine;
      [[fallthrough]];
    case Operation::remove:
      if (mine || held.attributes_only) return false;
      if (of_smb)
        return held.deny.has(AccessBit::remove) && (by_smb || !asked.policy.unlink_while_open);
      return is_nfs4(protocol(held.client)) && held.deny.has(AccessBit::write);
    case Operation::rename_source:
      return by_smb && !mine && !held.attributes_only && held.deny.has(AccessBit::remove);
    default:
      return false;
  }
}

std::optional<Verdict> Model::judge_deny_modes(const Request& request, const Asked& asked) {
  const auto* access = std::get_if<AccessRequested>(&request);
  const auto* opening = std::get_if<OpenRequested>(&request);
  const bool reclaim = opening != nullptr && reclaimable(*opening) != nullptr;
  const bool ignores_grace = reclaim || (access != nullptr && access->reclaimed);
  std::vector<Asked::Touch> clashing;
  for (const auto& touch : asked.touches) {
    bool clashes = false;
    for (std::size_t i = 0; i < opens_.size();) {
      const Open held = opens_[i];
      if (!deny_clash(request, asked, touch, held)) {
        ++i;
      } else if (held.recovered && !ignores_grace) {
        return grace_verdict(asked);
      } else if (client(held.client)->courtesy && held.client != asked.client) {
        revoke_courtesy(held.client);
        i = 0;
      } else {
        clashes = true;
        ++i;
      }
    }
    if (clashes) clashing.push_back(touch);
  }
  if (clashing.empty()) return std::nullopt;
  if (reclaim) return refused(Status::reclaim_conflict);
  std::vector<RightId> waits;
  bool name_goes = false;
  for (auto& touch : clashing) {
    const bool io = opening != nullptr || touch.operation == Operation::read ||
                    touch.operation == Operation::write || touch.operation == Operation::set_size;
    if (io) touch.cause = Cause::open_conflict;
    name_goes = name_goes || !io;
    if (recovered_in_the_way(asked, touch)) return grace_verdict(asked);
  }
  for (const auto& touch : clashing) break_for_touch(asked, touch, waits);
  if (!waits.empty()) return parked_for(Verdict::For::breaks, waits, true);
  return refused(name_goes ? Status::file_open : Status::share_conflict);
}

// ---- 4. Rights --------------------------------------------------------------------------------

bool Model::own(const Asked& asked, const Right& r) const {
  switch (r.flavour) {
    case Flavour::oplock:
      return asked.open && r.open == asked.open;
    case Flavour::delegation:
    case Flavour::directory_delegation:
      return r.client == asked.client;
    default:
      break;
  }
  if (r.client != asked.client) return false;
  if (r.flavour == Flavour::directory_lease && asked.parent_key != LeaseKey{} &&
      r.key == asked.parent_key)
    return true;
  return asked.keyed && r.key == asked.key;
}

bool Model::recovered_in_the_way(const Asked& asked, const Asked::Touch& touch) const {
  return std::any_of(rights_.begin(), rights_.end(), [&](const Right& r) {
    return r.recovered && !r.rights.empty() && touch.breaks && touched(touch, r.file) &&
           !own(asked, r) && break_for(touch.cause, r.flavour, r.rights).how != Breaking::How::keep;
  });
}

void Model::break_for_touch(const Asked& asked, const Asked::Touch& touch,
                            std::vector<RightId>& waits) {
  if (!touch.breaks) return;
  std::vector<RightId> ids;
  for (const Right& r : rights_)
    if (touched(touch, r.file)) ids.push_back(r.id);
  std::sort(ids.begin(), ids.end());
  for (RightId id : ids) {
    Right* r = right(id);
    if (r == nullptr || r->rights.empty()) continue;
    const Breaking how = break_for(touch.cause, r->flavour, r->rights);
    if (how.how == Breaking::How::keep || (own(asked, *r) && !how.own_too)) continue;
    if (client(r->client)->courtesy && r->client != asked.client) {
      revoke_courtesy(r->client);
      continue;
    }
    const bool waited = how.how == Breaking::How::wait;
    if (r->breaking) {
      const bool tighter = !how.to.contains(r->to);
      if ((waited || tighter) && std::find(waits.begin(), waits.end(), id) == waits.end())
        waits.push_back(id);
      continue;
    }
    begin_break(id, how);
    if (waited) waits.push_back(id);
  }
}

std::optional<Verdict> Model::judge_rights(const Asked& asked) {
  for (const auto& touch : asked.touches)
    if (recovered_in_the_way(asked, touch)) return grace_verdict(asked);
  std::vector<RightId> waits;
  for (const auto& touch : asked.touches) break_for_touch(asked, touch, waits);
  if (waits.empty()) return std::nullopt;
  return parked_for(Verdict::For::breaks, waits);
}

}  // namespace lockstep::model
