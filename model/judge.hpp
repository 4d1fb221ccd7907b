// Judging a request: the steps of core/README.md, in their order. Breaks begin and expired clients
// lose their state on the way; nothing else changes.
#pragma once

#include "model/state.hpp"

namespace lockstep::model {

struct Verdict {
  Status status = Status::ok;
  ReplyBody body = {};
  bool waits = false;  ///< for what is in the request; else it is refused
};
/// Nothing: the next step decides, or the request goes.
using Judged = std::optional<Verdict>;

struct Judge : State {
  using State::State;

  Judged judge(Asked& a) {
    look(a);
    a.for_breaks = a.for_locks = a.for_accesses = a.for_grace = false;
    a.breaks.clear();
    a.again = reclaimable(a) ? reclaimable(a)->open : OpenId{};
    a.same_range = recovered_range(a) != nullptr;
    if (const Status status = valid(a); status != Status::ok) return Verdict{status};
    if (a.arrival == 0 && a.wait == Wait::callback && same_request(a))
      return Verdict{Status::blocked};
    if (gated(a)) return for_grace(a);
    if (auto verdict = deny_modes(a, false)) return verdict;
    if (auto verdict = begin_breaks(a, a.touches)) return verdict;
    if (auto verdict = deny_modes(a, true)) return verdict;
    if (auto verdict = ranges(a)) return verdict;
    if (in_flight(a)) return wait(a.for_accesses);
    return std::nullopt;
  }
  static Verdict wait(bool& why, Status status = Status::ok, ReplyBody body = {}) {
    why = true;
    return {status, std::move(body), true};
  }

  // ---- 1. Valid?
  Status valid(const Asked& a) {
    const OpenRequested* opening = a.opening();
    const Open* o = open(a.open);
    const bool lock = a.lock(), reclaims = a.reclaim == Reclaim::previous;
    if (a.disposition() && !o) return Status::unknown_open;
    if (!client(a.client)) return Status::unknown_client;
    if (a.open || (lock && a.by_smb())) {
      if (!o || o->client != a.client || (lock && o->file != a.file)) return Status::unknown_open;
      if (o->recovered && (lock || a.access())) return Status::unknown_open;  // not reclaimed yet
      if (!allowed(a, o->access)) return Status::bad_mode;
    }
    auto its = [&](auto& held) { return owner_of(held) == owner_of(a); };
    const std::size_t its_opens = count(opens, of(a.client)), its_locks = count(locks, its);
    if (opening && !reclaims && !own_open(a) &&
        (its_opens >= limits.opens_per_client_max || opens.size() >= limits.opens_max))
      return Status::limit;
    if (lock && a.touches[0].bytes.size() > limits.elements_per_request_max) return Status::limit;
    // What its owner holds just so changes nothing.
    const bool held_so = !a.by_smb() && covered(a, a.element, true);
    if (lock && !a.reclaims() && !held_so &&
        (its_locks >= limits.locks_per_owner_max || locks.size() >= limits.locks_max))
      return Status::limit;
    const bool lease = opening && opening->wish.flavour == Flavour::lease;
    if (journal_failed && (opening || lock) && (!a.by_smb() || lease || (o && recorded(*o))))
      return Status::journal_failed;
    for (const Touch& touch : a.touches)
      if (deletes.contains(touch.file) &&
          (opening ? !a.reclaims() : touch.operation == Operation::link))
        return Status::delete_pending;
    auto elsewhere = [&](auto& r) {
      return r.client == a.client && is_lease(r.flavour) && r.key == opening->wish.key &&
             r.file != a.file;
    };
    if (opening && (a.key || opening->wish.key != LeaseKey{}) && any(rights, elsewhere))
      return Status::key_in_use;
    if (!reclaims) return Status::ok;
    if (!may_reclaim(*client(a.client))) return Status::no_grace;
    const bool known = opening ? bool{a.again} : covered(a, a.element);
    return known ? Status::ok : Status::reclaim_bad;
  }
  /// What an open lets its holder do.
  static bool allowed(const Asked& a, Access access) {
    const bool some = access.meets({AccessBit::read, AccessBit::write});
    const auto bit = a.element.mode == LockMode::shared ? AccessBit::read : AccessBit::write;
    if (a.lock()) return a.by_smb() ? some : access.has(bit);
    if (!a.access() || !is_io(a.touches[0].operation)) return true;
    if (is_write(a.touches[0].operation)) return access.has(AccessBit::write);
    return a.by_smb() ? access.has(AccessBit::read) : some;
  }
  /// The open that this request is about: reclaimed, widened, or (NLM) replaced.
  Open* own_open(const Asked& a) {
    return a.again || a.by_smb() ? open(a.again) : open_of(a.client, a.file, a.owner);
  }
  /// A NFSv4 OPEN of before a restart is taken over by its reclaim only; a SHARE replaces any.
  Open* open_of(ClientId id, FileId file, const std::string& owner) {
    return find(opens, [&](auto& o) {
      return o.client == id && o.file == file && o.owner == owner &&
             (!o.recovered || protocol(id) == Protocol::nlm);
    });
  }

  // ---- 2. Grace
  bool may_reclaim(const Client& c) const {
    return grace && c.on_record && !c.lost_state && !c.complete;
  }
  bool on_roster(const Client& c) const {
    auto unclaimed = [&](auto& each) { return each.client == c.client && each.recovered; };
    auto partly = [&](auto& o) { return o.client == c.client && o.unclaimed(); };
    const bool any_left = any(opens, partly) || any(locks, unclaimed) || any(rights, unclaimed);
    return c.roster && !c.complete && (any_left || c.protocol == Protocol::nfs41);
  }
  /// The open on record that this request takes over: named by NFSv4 and NLM as a reclaim, by SMB
  /// through its lease key (but a truncation is no mere reclaim).
  Open* reclaimable(const Asked& a) {
    const OpenRequested* e = a.opening();
    if (!e || !client(a.client) || !may_reclaim(*client(a.client))) return nullptr;
    if (a.by_smb() ? e->overwrite : a.reclaim != Reclaim::previous) return nullptr;
    return find(opens, [&](auto& o) {
      const Right* r = right(o.right);
      const bool same_lease = a.key && r && r->flavour == e->wish.flavour && r->key == a.key;
      return o.client == a.client && o.file == a.file &&
             (a.by_smb() ? same_lease : o.owner == a.owner) && (o.recovered || !a.by_smb()) &&
             whole(o).access.contains(e->access) && whole(o).deny.contains(e->deny);
    });
  }
  /// An SMB LOCK by an open that was reclaimed: the equal recovered range is the same lock.
  Lock* recovered_range(const Asked& a) {
    const Open* o = open(a.open);
    if (!a.lock() || !a.by_smb() || !grace || !o || !o->reclaimed || a.touches[0].bytes.size() > 1)
      return nullptr;
    return find(locks, [&](auto& l) {
      return l.recovered && l.open == a.open && LockElement{l.range, l.mode} == a.element;
    });
  }
  /// New opens and locks wait for the end of grace, or for their client's RECLAIM_COMPLETE.
  bool gated(const Asked& a) {
    if (a.reclaims() || (!a.opening() && !a.lock())) return false;
    // Its own lease is on record, and this is not the open that it was held with.
    auto unclaimed = [&](auto& r) { return r.recovered && r.file == a.file && own(a, r); };
    return (a.protocol == Protocol::nfs41 && on_roster(*client(a.client))) ||
           (grace && limits.grace_scope == GraceScope::all) ||
           (a.opening() && any(rights, unclaimed));
  }
  static Verdict for_grace(Asked& a) {
    const bool has_word = a.protocol == Protocol::nlm || is_nfs4(a.protocol);
    return has_word && !a.answered ? Verdict{Status::grace} : wait(a.for_grace);
  }

  // ---- What is in the way
  struct Obstacle : Holder {
    bool recovered = false;
  };
  Obstacle obstacle(Holder::Kind kind, const Owner& by, const LockElement& held, bool recovered) {
    const auto& [id, open, name] = by;
    const Client& c = *client(id);
    return {{kind, c.protocol, id, c.label, name, open, held.range, held.mode}, recovered};
  }
  /// Something recovered if there is any, else the first. Clients whose lease is over lose their
  /// state when it is in the way.
  std::optional<Obstacle> first(auto obstacles) {
    for (;;) {
      auto met = obstacles();
      std::ranges::stable_partition(met, &Obstacle::recovered);
      if (met.empty()) return std::nullopt;
      if (!client(met[0].client)->courtesy) return met[0];
      revoke_courtesy(met[0].client);
    }
  }
  Verdict conflict(const Asked& a, const Touch& touch, Status status, const Holder& by) {
    using enum Seen::Thing;
    const bool open = by.kind == Holder::Kind::open, of_smb = by.protocol == Protocol::smb;
    const auto thing = of_smb ? (open ? smb_open : smb_lock) : (open ? nfs_open : nfs_lock);
    saw({a.protocol, thing, Seen::Resolution::denied, touch.cause, touch.file, a.client,
         by.client});
    return {status, by};
  }

  // ---- 3. Deny modes
  static Open whole(Open held) {  ///< with what may still be reclaimed of it
    held.access = held.access | held.claim_access, held.deny = held.deny | held.claim_deny;
    return held;
  }
  bool denies(const Asked& a, const Touch& touch, const Open& held) {
    const Operation op = touch.operation;
    const bool of_smb = smb(held.client);
    if (held.file != touch.file) return false;
    if (const OpenRequested* e = a.opening()) {
      const bool replaced = !of_smb && held.client == a.client && held.owner == a.owner &&
                            (a.protocol == Protocol::nlm || a.reclaim == Reclaim::previous);
      const bool none = held.attributes_only || touch.cause == Cause::open_security;
      return !none && !replaced && held.open != a.again &&
             (e->access.meets(held.deny) || e->deny.meets(held.access));
    }
    if (!a.access() || held.open == a.open) return false;
    const Policy& policy = a.access()->policy;
    if (a.by_smb() && op == Operation::rename_target) return true;
    if (held.attributes_only) return false;
    if (is_io(op)) {
      const bool by_policy = of_smb || a.protocol == Protocol::nfs3;
      return !a.open && held.deny.has(is_write(op) ? AccessBit::write : AccessBit::read) &&
             (!by_policy || policy.smb_deny_on_nfs_io);
    }
    if (op == Operation::rename_ancestor) return a.by_smb() && among(held.ancestors, touch.below);
    if (op == Operation::rename_source) return a.by_smb() && held.deny.has(AccessBit::remove);
    if (op != Operation::remove && op != Operation::rename_target) return false;
    if (!of_smb) return is_nfs4(protocol(held.client)) && held.deny.has(AccessBit::write);
    return held.deny.has(AccessBit::remove) && (a.by_smb() || !policy.unlink_while_open);
  }
  /// The first target whose deny modes are in the way decides: only Handle caches can help there.
  /// Opens below a renamed directory are looked at after the rights.
  Judged deny_modes(Asked& a, bool ancestors) {
    for (Touch touch : a.touches) {
      if ((touch.operation == Operation::rename_ancestor) != ancestors) continue;
      const auto met = first([&] {
        std::vector<Obstacle> all;
        for (const Open& o : opens)
          if (const bool is = denies(a, touch, o); is || denies(a, touch, whole(o)))
            all.push_back(
                obstacle(Holder::Kind::open, {o.client, o.open, o.owner}, {}, o.recovered || !is));
        return all;
      });
      if (!met) continue;
      if (a.again) return Verdict{Status::reclaim_conflict, *met};
      if (met->recovered && !(a.access() && a.access()->reclaimed)) return for_grace(a);
      const bool io = a.opening() || is_io(touch.operation);
      if (io) touch.cause = Cause::open_conflict;
      touch.handles_only = true;
      if (auto verdict = begin_breaks(a, {touch})) return verdict;
      return conflict(a, touch, io ? Status::share_conflict : Status::file_open, *met);
    }
    return std::nullopt;
  }

  // ---- 4. Rights
  /// Whether the table says anything about this right.
  static bool breaks(const Asked& a, const Touch& touch, const Right& r) {
    if (!touch.breaks || r.file != touch.file || r.rights.empty()) return false;
    if (touch.handles_only && !r.rights.has(RightBit::handle)) return false;
    const Breaking how = break_for(touch.cause, r.flavour, r.rights);
    return how.how != Breaking::How::keep && (!own(a, r) || how.own_too);
  }
  /// Clients whose lease is over lose what is in the way; then all breaks begin.
  Judged begin_breaks(Asked& a, const std::vector<Touch>& touches) {
    if (a.reclaims()) return std::nullopt;
    auto over = [&](auto& r) { return client(r.client)->courtesy; };
    for (const Touch& touch : touches)
      while (auto* r = find(rights, [&](auto& x) { return over(x) && breaks(a, touch, x); }))
        revoke_courtesy(r->client);
    for (const Touch& touch : touches)
      if (any(rights, [&](auto& r) { return r.recovered && breaks(a, touch, r); }))
        return for_grace(a);  // nobody is there yet to answer for it
    for (const Touch& touch : touches)
      for (const Right& r : all(rights, [&](auto& each) { return breaks(a, touch, each); })) {
        const Breaking how = break_for(touch.cause, r.flavour, r.rights);
        // At most one break of a right is out: who wants more waits for its end.
        const bool more = r.breaking && !how.to.contains(r.breaking_to);
        if (!r.breaking) begin_break(*right(r.right), how, a, touch.cause);
        if (how.how != Breaking::How::wait && !more) continue;
        Rights& required = right(r.right)->required;
        if (by_open(touch.cause) && a.by_smb()) required = required & how.to;
        if (!among(a.breaks, r.right)) a.breaks.push_back(r.right);
      }
    if (a.breaks.empty()) return std::nullopt;
    return wait(a.for_breaks);
  }

  // ---- 5. Locks
  /// Whether the owner holds every byte in (at least) that mode. No empty range is held.
  bool covered(const auto& by, const LockElement& element, bool just_so = false) {
    Range left = element.range;
    for (const Lock& l : all(locks, same_owner(by))) {
      const bool strong = just_so ? l.mode == element.mode : l.mode >= element.mode;
      if (!strong || left.empty() || !l.range.contains({left.first, left.first})) continue;
      if (l.range.last >= left.last) return true;
      left.first = l.range.last + 1;
    }
    return false;
  }
  /// A request of NLM or NFSv4 that waits already.
  Asked* same_request(const Asked& a) {
    return find(waiters, [&](auto& w) {
      return !a.by_smb() && w.queued && w.element == a.element && same_owner(a)(w);
    });
  }
  /// Before which place others are ahead in the queue: none of a try-lock; of a request for bytes
  /// that its owner holds; of a client that others wait for.
  std::uint64_t place(const Asked& a) {
    auto holds_up = [&](auto& r) { return r.breaking && r.client == a.client && r.file == a.file; };
    const LockElement any_mode{a.element.range, LockMode::shared};
    if (!a.queued || any(rights, holds_up) || covered(a, any_mode)) return 0;
    const std::uint64_t own = a.arrival != 0 ? a.arrival : ~std::uint64_t{0};
    return same_request(a) ? std::min(own, same_request(a)->arrival) : own;
  }
  /// Whether a lock that clashes stands in the way: not the owner's own (but SMB's own stack
  /// refuses what is exclusive, and its shared ranges stop its writes); in that of NFS I/O by
  /// policy.
  bool binds(const Asked& a, const Lock& l, const LockElement& element) {
    const bool mine = owner_of(l) == owner_of(a);
    if (!a.access()) return !mine || (a.by_smb() && element.mode == LockMode::exclusive);
    if (a.by_smb()) return !mine || l.mode == LockMode::shared;
    const Policy& policy = a.access()->policy;
    if (smb(l.client)) return policy.smb_ranges_on_nfs_io;
    const std::string& address = client(a.client)->address;
    const bool same_host = !address.empty() && client(l.client)->address == address;
    return policy.nfs_ranges_on_nfs_io && l.client != a.client && !same_host;
  }
  /// Locks that clash; for locks and tests also turns that are kept and, behind these, requests
  /// that stand ahead in the queue.
  std::vector<Obstacle> obstacles(const Asked& a, FileId file, const LockElement& element) {
    using enum Holder::Kind;
    std::vector<Obstacle> met;
    for (const Lock& l : locks)
      if (l.file == file && clashes({l.range, l.mode}, element) && binds(a, l, element))
        met.push_back(obstacle(lock, owner_of(l), {l.range, l.mode}, l.recovered));
    const std::uint64_t before = place(a);
    for (const bool told : {true, false})
      for (const Asked& w : waiters)
        if (w.queued && w.told == told && (told || w.arrival < before) && w.file == file &&
            clashes(w.element, element) && owner_of(w) != owner_of(a) && !a.access())
          met.push_back(obstacle(reservation, owner_of(w), w.element, false));
    return met;
  }
  /// Locks and tests, reads and writes.
  Judged ranges(Asked& a) {
    if (a.same_range) return std::nullopt;
    if (a.wait == Wait::callback && a.answered && any(grants, calls(a, a.element.range)))
      return wait(a.for_locks);  // one call at a time about the same bytes
    for (const Touch& touch : a.touches)
      for (const LockElement& element : touch.bytes) {
        const bool resize = a.by_smb() && touch.operation == Operation::set_size;
        if (a.access() && (element.range.empty() || resize)) continue;
        const auto met = first([&] { return obstacles(a, touch.file, element); });
        if (!met) continue;
        const bool reclaimed = a.reclaims() || (a.access() && a.access()->reclaimed);
        return met->recovered && !reclaimed ? for_grace(a) : denied(a, touch, *met);
      }
    for (const LockElement& element : a.touches[0].bytes)  // of this very request
      for (const LockElement& earlier : a.touches[0].bytes) {
        if (&earlier == &element) break;
        if (element.mode == LockMode::exclusive && clashes(element, earlier))
          return denied(a, a.touches[0], obstacle(Holder::Kind::lock, owner_of(a), earlier, false));
      }
    return std::nullopt;
  }
  Verdict denied(Asked& a, const Touch& touch, const Holder& by) {
    if (a.reclaims()) return {Status::reclaim_conflict, by};
    if (a.test()) return {Status::denied, by};
    if (a.access()) return conflict(a, touch, Status::lock_conflict, by);
    if (a.wait == Wait::none) return conflict(a, touch, Status::denied, by);
    return wait(a.for_locks, Status::denied, by);
  }

  // ---- 6. Accesses in flight
  bool in_flight(const Asked& a) {
    if (!a.lock() || a.reclaims()) return false;
    return any(accesses, [&](auto& access) {
      const bool binding = a.by_smb() ? access.by.open != a.open : access.by.by_smb();
      return binding && access.touch.file == a.file && any(a.touches[0].bytes, [&](auto& one) {
               return any(access.touch.bytes, [&](auto& other) { return clashes(one, other); });
             });
    });
  }
  /// The wait-for graph of lock waits: whether following who waits for whom leads from the waiter
  /// back to its owner. Nobody waits for himself.
  bool on_cycle(const Asked& start) {
    std::vector<Owner> reached;
    auto reach = [&](const Asked& w) {
      for (const Obstacle& met : obstacles(w, w.file, w.element)) {
        const Owner next{met.client, met.open, met.owner};
        if (next != owner_of(w) && !among(reached, next)) reached.push_back(next);
      }
    };
    reach(start);
    for (std::size_t i = 0; i < reached.size(); ++i)
      for (const Asked& w : waiters)
        if (w.for_locks && owner_of(w) == reached[i]) reach(w);
    return among(reached, owner_of(start));
  }
};

}  // namespace lockstep::model
