// Judging a request: the steps of core/README.md, in their order. Breaks begin and expired clients
// lose their state on the way; nothing else changes.
#pragma once

#include "model/ranges.hpp"

namespace lockstep::model {

struct Judge : Ranges {
  using Ranges::Ranges;
  using Kind = Verdict::Kind;

  static Verdict refused(Status status, ReplyBody body = {}) {
    return {Kind::refused, status, std::move(body)};
  }

  Judged judge(const Waiter& w) {
    Asked asked = reduce(w.request);
    asked.answered = w.answered;
    const auto* lock = w.lock();
    const auto* opening = std::get_if<OpenRequested>(&w.request);
    const auto* access = std::get_if<AccessRequested>(&w.request);
    const auto* test = std::get_if<LockTested>(&w.request);
    if (auto status = invalid(w.request, asked)) return refused(*status);
    if (lock != nullptr && w.arrival == 0 && lock->wait == Wait::callback && same_request(*lock))
      return refused(Status::blocked);
    const bool reclaim =
        lock != nullptr ? lock->reclaim == Reclaim::previous || recovered_range(*lock) != nullptr
                        : opening != nullptr && reclaimable(*opening) != nullptr;
    if (!reclaim && (lock != nullptr || opening != nullptr) && gated(asked, opening))
      return for_grace(asked);
    if (auto verdict = judge_deny_modes(w.request, asked, false)) return verdict;
    if (!reclaim)
      if (auto verdict = judge_rights(asked, asked.touches)) return verdict;
    if (auto verdict = judge_deny_modes(w.request, asked, true)) return verdict;
    if (access != nullptr) return judge_io(*access, asked);
    if (test != nullptr) return judge_test(*test, asked);
    if (lock == nullptr || recovered_range(*lock) != nullptr) return std::nullopt;
    if (auto verdict = judge_lock(w, *lock, asked)) return verdict;
    return reclaim ? std::nullopt : judge_accesses(*lock);
  }

  // ---- 1. Valid? --------------------------------------------------------------------------------

  std::optional<Status> invalid(const Request& request, const Asked& asked) {
    const auto* opening = std::get_if<OpenRequested>(&request);
    const auto* lock = std::get_if<LockRequested>(&request);
    const auto* access = std::get_if<AccessRequested>(&request);
    const bool by_smb = smb(asked.client);
    const Client* c = client(asked.client);
    const Open* o = open(asked.open);
    if (std::holds_alternative<DispositionSet>(request) && o == nullptr)
      return Status::unknown_open;
    if (c == nullptr) return Status::unknown_client;
    if ((asked.open || (lock != nullptr && by_smb)) && (o == nullptr || o->client != c->client))
      return Status::unknown_open;
    if (lock != nullptr && o != nullptr && o->file != lock->file) return Status::unknown_open;
    if (o != nullptr && o->recovered && (lock != nullptr || access != nullptr))
      return Status::unknown_open;  // nobody's until it is reclaimed
    if (o != nullptr && !allowed(request, o->access, by_smb)) return Status::bad_mode;

    auto its = [&](auto& each) { return each.client == c->client; };
    auto its_locks = [&](auto& held) { return owner_of(held) == owner_of(*lock); };
    const bool opens_more = opening != nullptr && opening->reclaim != Reclaim::previous &&
                            own_open(*opening) == nullptr;
    if (opens_more &&
        (all(opens, its).size() >= limits.opens_per_client_max || opens.size() >= limits.opens_max))
      return Status::limit;
    if (lock != nullptr && lock->more.size() + 1 > limits.elements_per_request_max)
      return Status::limit;
    // A reclaim takes over what is counted already; a repeat of what is held changes nothing.
    const bool adds = lock != nullptr && lock->reclaim != Reclaim::previous &&
                      recovered_range(*lock) == nullptr && (by_smb || !held_so(*lock));
    if (adds && (locks.size() >= limits.locks_max ||
                 all(locks, its_locks).size() >= limits.locks_per_owner_max))
      return Status::limit;
    const bool on_record = !by_smb || (o != nullptr && leased(*o)) ||
                           (opening != nullptr && opening->wish.flavour == Flavour::lease);
    if (journal_failed && on_record && (opening != nullptr || lock != nullptr))
      return Status::journal_failed;
    const bool again = opening != nullptr &&
                       (opening->reclaim == Reclaim::previous || reclaimable(*opening) != nullptr);
    for (const auto& touch : asked.touches)
      if (delete_pending(touch.file) && ((opening != nullptr && !again) ||
                                         (access != nullptr && touch.operation == Operation::link)))
        return Status::delete_pending;
    const bool keyed = opening != nullptr && (asked.keyed || asked.key != LeaseKey{});
    if (keyed && any(rights, [&](auto& r) {
          return its(r) && is_lease(r.flavour) && r.key == asked.key && r.file != opening->file;
        }))
      return Status::key_in_use;

    if (opening != nullptr && opening->reclaim == Reclaim::previous) {
      if (!may_reclaim(*c)) return Status::no_grace;
      if (reclaimable(*opening) == nullptr) return Status::reclaim_bad;
    }
    if (lock != nullptr && lock->reclaim == Reclaim::previous) {
      if (!may_reclaim(*c)) return Status::no_grace;
      if (!covered(owner_of(*lock), lock->file, lock->element.range, lock->element.mode))
        return Status::reclaim_bad;
    }
    return std::nullopt;
  }
  /// What an open lets its holder do.
  static bool allowed(const Request& request, Access access, bool by_smb) {
    const bool any = access.meets({AccessBit::read, AccessBit::write});
    if (const auto* lock = std::get_if<LockRequested>(&request))
      return by_smb ? any
                    : access.has(lock->element.mode == LockMode::exclusive ? AccessBit::write
                                                                           : AccessBit::read);
    const auto* io = std::get_if<AccessRequested>(&request);
    if (io == nullptr || !is_io(io->target.operation)) return true;
    if (io->target.operation != Operation::read) return access.has(AccessBit::write);
    return by_smb ? access.has(AccessBit::read) : any;
  }
  /// The open that this request is about: reclaimed, widened, or (NLM) replaced.
  const Open* own_open(const OpenRequested& e) const {
    if (const Open* again = reclaimable(e)) return again;
    if (smb(e.client)) return nullptr;
    return find(opens, [&](auto& o) { return is_open_of(o, e.client, e.file, e.owner); });
  }
  /// A NFSv4 OPEN of before a restart is taken over by its reclaim only; a SHARE replaces any.
  bool is_open_of(const Open& o, ClientId c, FileId file, const std::string& owner) const {
    return o.client == c && o.file == file && o.owner == owner &&
           (!o.recovered || protocol(c) == Protocol::nlm);
  }

  // ---- 2. Grace ---------------------------------------------------------------------------------

  bool may_reclaim(const Client& c) const {
    return grace && c.on_record && !c.lost_state && !c.complete;
  }
  bool reclaiming(const Client& c) const {
    auto unclaimed = [&](auto& each) { return each.client == c.client && each.recovered; };
    return c.roster && !c.complete &&
           (c.protocol == Protocol::nfs41 || any(opens, unclaimed) || any(locks, unclaimed) ||
            any(rights, unclaimed));
  }
  /// The open on record that this request takes over: named by NFSv4 and NLM as a reclaim, by SMB
  /// through its lease key.
  const Open* reclaimable(const OpenRequested& e) const {
    const bool by_smb = smb(e.client);
    if (!may_reclaim(*client(e.client)) || (!by_smb && e.reclaim != Reclaim::previous))
      return nullptr;
    if (by_smb && e.overwrite) return nullptr;  // a truncation is no mere reclaim
    return find(opens, [&](auto& o) {
      const Right* r = right(o.right);
      const bool same = by_smb ? o.recovered && r != nullptr && is_lease(r->flavour) &&
                                     r->flavour == e.wish.flavour && r->key == e.wish.key
                               : o.owner == e.owner && (o.recovered || o.reclaimed);
      return same && o.client == e.client && o.file == e.file &&
             o.claim_access.contains(e.access) && o.claim_deny.contains(e.deny);
    });
  }
  /// New opens and locks wait for the end of grace, or for their client's RECLAIM_COMPLETE.
  bool gated(const Asked& asked, const OpenRequested* opening) const {
    const Client& c = *client(asked.client);
    if (c.protocol == Protocol::nfs41 && reclaiming(c)) return true;
    if (grace && limits.grace_scope == GraceScope::all) return true;
    // Its own lease is on record, and this is not the open that it was held with.
    return opening != nullptr && any(rights, [&](auto& r) {
             return r.recovered && r.file == opening->file && own(asked, r);
           });
  }
  static Verdict for_grace(const Asked& asked) {
    const bool has_word = asked.protocol == Protocol::nlm || is_nfs4(asked.protocol);
    if (has_word && !asked.answered) return refused(Status::grace);
    return {Kind::grace};
  }

  // ---- 3. Deny modes ----------------------------------------------------------------------------

  bool deny_clash(const Request& request, const Asked& asked, const Asked::Touch& touch,
                  const Open& held) const {
    const bool by_smb = asked.protocol == Protocol::smb, of_smb = smb(held.client);
    const bool mine = asked.open && held.open == asked.open;
    if (const auto* e = std::get_if<OpenRequested>(&request)) {
      if (touch.cause == Cause::open_security || held.attributes_only || held.file != e->file)
        return false;
      if (held.client == e->client && held.owner == e->owner && !of_smb &&
          (asked.protocol == Protocol::nlm || e->reclaim == Reclaim::previous))
        return false;
      const Open* again = reclaimable(*e);
      return (again == nullptr || again->open != held.open) &&
             (e->access.meets(held.deny) || e->deny.meets(held.access));
    }
    const auto* access = std::get_if<AccessRequested>(&request);
    if (access == nullptr || mine) return false;
    const Policy& policy = access->policy;
    switch (touch.operation) {
      case Operation::read:
      case Operation::write:
      case Operation::set_size: {
        const auto bit = touch.operation == Operation::read ? AccessBit::read : AccessBit::write;
        const bool by_policy = of_smb || asked.protocol == Protocol::nfs3;
        return held.file == touch.file && !asked.open && !held.attributes_only &&
               held.deny.has(bit) && (!by_policy || policy.smb_deny_on_nfs_io);
      }
      case Operation::rename_target:
        if (by_smb) return held.file == touch.file;
        [[fallthrough]];
      case Operation::remove:
        if (held.file != touch.file || held.attributes_only) return false;
        return of_smb ? held.deny.has(AccessBit::remove) && (by_smb || !policy.unlink_while_open)
                      : is_nfs4(protocol(held.client)) && held.deny.has(AccessBit::write);
      case Operation::rename_source:
        return by_smb && held.file == touch.file && !held.attributes_only &&
               held.deny.has(AccessBit::remove);
      case Operation::rename_ancestor:
        return by_smb && held.file == touch.file && !held.attributes_only &&
               among(held.ancestors, touch.below);
      default:
        return false;
    }
  }
  /// The first target whose deny modes are in the way decides: only Handle caches can help there.
  /// Opens below a renamed directory are looked at after the rights.
  Judged judge_deny_modes(const Request& request, const Asked& asked, bool ancestors) {
    const auto* access = std::get_if<AccessRequested>(&request);
    const auto* opening = std::get_if<OpenRequested>(&request);
    for (Asked::Touch touch : asked.touches) {
      if ((touch.operation == Operation::rename_ancestor) != ancestors) continue;
      auto clash = [&](auto& held) { return deny_clash(request, asked, touch, held); };
      const Open* held = find_clash(opens, clash);
      for (; held != nullptr && yields(held->client, asked.client); held = find_clash(opens, clash))
        revoke_courtesy(held->client);
      if (held == nullptr) continue;
      if (opening != nullptr && reclaimable(*opening) != nullptr)
        return refused(Status::reclaim_conflict);
      const bool io = opening != nullptr || is_io(touch.operation);
      if (io) touch.cause = Cause::open_conflict;
      touch.handles_only = true;
      if (held->recovered && !(access != nullptr && access->reclaimed)) return for_grace(asked);
      Holder holder = holder_of(LockRecord{0, held->client, held->open, held->owner, held->file,
                                           Range::whole(), LockMode::exclusive},
                                Holder::Kind::open);
      holder.owner = held->owner, holder.open = held->open;
      if (auto verdict = judge_rights(asked, {touch})) return verdict;
      return refused(io ? Status::share_conflict : Status::file_open, holder);
    }
    return std::nullopt;
  }

  // ---- 4. Rights --------------------------------------------------------------------------------

  static Breaking row(const Asked::Touch& touch, const Right& r) {
    return break_for(touch.cause, r.flavour, r.rights);
  }
  /// Whether the table says anything about this right.
  bool breaks(const Asked& asked, const Asked::Touch& touch, const Right& r) const {
    if (!touch.breaks || r.file != touch.file || r.rights.empty()) return false;
    if (touch.handles_only && !r.rights.has(RightBit::handle)) return false;
    const Breaking how = row(touch, r);
    return how.how != Breaking::How::keep && (!own(asked, r) || how.own_too);
  }
  /// Clients whose lease is over lose what is in the way; then all breaks begin.
  Judged judge_rights(const Asked& asked, const std::vector<Asked::Touch>& touches) {
    for (const auto& touch : touches)
      while (const Right* r = find(rights, [&](auto& each) {
               return breaks(asked, touch, each) && yields(each.client, asked.client);
             }))
        revoke_courtesy(r->client);
    for (const auto& touch : touches)
      if (any(rights, [&](auto& r) { return r.recovered && breaks(asked, touch, r); }))
        return for_grace(asked);  // nobody is there yet to answer for it
    std::vector<RightId> waits;
    for (const auto& touch : touches)
      for (const Right& r : all(rights, [&](auto& each) { return breaks(asked, touch, each); })) {
        const Breaking how = row(touch, r);
        // At most one break of a right is out: who wants more waits for its end.
        const bool more = r.breaking && !how.to.contains(r.to);
        if (!r.breaking) begin_break(r.right, how);
        if (how.how != Breaking::How::wait && !more) continue;
        if (by_open(touch.cause) && asked.protocol == Protocol::smb)
          right(r.right)->required = right(r.right)->required & how.to;
        if (!among(waits, r.right)) waits.push_back(r.right);
      }
    if (waits.empty()) return std::nullopt;
    return Verdict{Kind::breaks, {}, {}, waits};
  }

  // ---- 5. Locks ---------------------------------------------------------------------------------

  /// The lock that clashes and does not yield.
  const Lock* firm_lock(const Owner& owner, FileId file, const LockElement& element) {
    const Lock* held = clashing_lock(owner, file, element);
    for (; held != nullptr && yields(held->client, owner.client);
         held = clashing_lock(owner, file, element))
      revoke_courtesy(held->client);
    return held;
  }
  Judged judge_lock(const Waiter& w, const LockRequested& lock, const Asked& asked) {
    const Owner owner = owner_of(lock);
    auto conflict = [&](Holder holder) {
      if (lock.reclaim == Reclaim::previous) return refused(Status::reclaim_conflict);
      return Verdict{lock.wait == Wait::none ? Kind::refused : Kind::locks, Status::denied, holder};
    };
    if (lock.wait == Wait::callback && w.answered && any(grants, [&](auto& grant) {
          return grant.file == lock.file && owner_of(grant) == owner &&
                 grant.element.range.overlaps(lock.element.range);
        }))
      return Verdict{Kind::locks};  // one call at a time about the same bytes
    for (const LockElement& element : elements(lock)) {
      if (const Lock* held = firm_lock(owner, lock.file, element)) {
        if (held->recovered && lock.reclaim != Reclaim::previous) return for_grace(asked);
        return conflict(holder_of(*held));
      }
      if (const Waiter* turn = clashing_turn(owner, lock.file, element))
        return conflict(holder_of(*turn));
    }
    std::vector<LockElement> earlier;  // of this very request
    for (const LockElement& element : elements(lock)) {
      for (const LockElement& other : earlier)
        if (element.mode == LockMode::exclusive && clashes(element, other))
          return conflict(holder_of(
              LockRecord{0, lock.client, lock.open, {}, lock.file, other.range, other.mode}));
      earlier.push_back(element);
    }
    if (lock.wait == Wait::none) return std::nullopt;
    std::uint64_t place = w.arrival != 0 ? w.arrival : ~std::uint64_t{0};
    if (const Waiter* before = same_request(lock)) place = std::min(place, before->arrival);
    const auto queue = ahead(lock, place);
    if (queue.empty()) return std::nullopt;
    return conflict(holder_of(queue[0]));
  }
  Judged judge_test(const LockTested& test, const Asked& asked) {
    const Owner owner = owner_of(test.client, test.open, test.owner);
    if (const Lock* held = firm_lock(owner, test.file, test.element)) {
      if (held->recovered) return for_grace(asked);
      return refused(Status::denied, holder_of(*held));
    }
    const Waiter* turn = clashing_turn(owner, test.file, test.element);
    if (turn == nullptr) return std::nullopt;
    return refused(Status::denied, holder_of(*turn));
  }
  /// Reads and writes against ranges: always for SMB, by policy for NFS.
  Judged judge_io(const AccessRequested& access, const Asked& asked) {
    const Client& by = *client(access.client);
    const bool by_smb = by.protocol == Protocol::smb;
    auto stops = [&](const Asked::Touch& touch, const Lock& held) {
      const bool write = touch.operation == Operation::write ||
                         (touch.operation == Operation::set_size && !by_smb);
      if (!write && (touch.operation != Operation::read || held.mode == LockMode::shared))
        return false;
      if (held.file != touch.file || access.range.empty() || !held.range.overlaps(access.range))
        return false;
      const Client& holder = *client(held.client);
      const bool of_smb = holder.protocol == Protocol::smb;
      if (by_smb && of_smb && held.open == access.open) return held.mode == LockMode::shared;
      if (by_smb) return true;
      if (of_smb) return access.policy.smb_ranges_on_nfs_io;
      const bool same_host = !by.address.empty() && holder.address == by.address;
      return access.policy.nfs_ranges_on_nfs_io && holder.client != by.client && !same_host;
    };
    for (const auto& touch : asked.touches) {
      auto in_the_way = [&](auto& held) { return stops(touch, held); };
      const Lock* held = find_clash(locks, in_the_way);
      for (; held != nullptr && yields(held->client, by.client);
           held = find_clash(locks, in_the_way))
        revoke_courtesy(held->client);
      if (held == nullptr) continue;
      if (held->recovered && !access.reclaimed) return for_grace(asked);
      return refused(Status::lock_conflict, holder_of(*held));
    }
    return std::nullopt;
  }

  // ---- 6. Accesses in flight --------------------------------------------------------------------

  Judged judge_accesses(const LockRequested& lock) const {
    const bool by_smb = smb(lock.client);
    for (const AccessInFlight& access : accesses) {
      if (!is_io(access.touch.operation) || access.touch.file != lock.file) continue;
      const bool of_smb = access.asked.protocol == Protocol::smb;
      if (by_smb ? access.asked.open == lock.open : !of_smb) continue;
      const bool write = access.touch.operation != Operation::read;
      for (const LockElement& element : elements(lock))
        if (element.range.overlaps(access.range) && (write || element.mode == LockMode::exclusive))
          return Verdict{Kind::accesses};
    }
    return std::nullopt;
  }
};

}  // namespace lockstep::model
