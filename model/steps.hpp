// One step: what a request that goes does, how one waits, and what time brings about.
#pragma once

#include "model/judge.hpp"

namespace lockstep::model {

struct Steps : Judge {
  using Judge::Judge;

  void attempt(Asked a) {
    const bool waited = a.for_locks;
    const Judged verdict = judge(a);
    if (verdict && !verdict->waits) return end(a, verdict->status, verdict->body);
    if (verdict) return park(std::move(a), *verdict, waited);
    if (a.wait == Wait::reserve && a.answered) {  // its turn, not the lock: it has to come for it
      a.told = true;
      a.until = now + limits.reservation;
      say(NotifyLock{a.client, a.owner, a.file});
      *waiter(a.arrival) = std::move(a);
      return;
    }
    std::erase_if(waiters, with(&Asked::arrival, a.arrival));
    look(a);  // an own right may have fallen
    if (a.opening()) return open_file(a, *a.opening());
    if (a.lock()) return take_lock(a);
    for (const Touch& touch : a.touches)
      if (a.access() && touch.below == FileId{}) accesses.push_back({a, touch});
    if (a.disposition()) deletes.insert(a.file);
    answer(a, Status::ok);
  }
  void park(Asked a, const Verdict& verdict, bool waited_for_locks) {
    const bool again = a.arrival != 0, callback = a.wait == Wait::callback;
    const bool in_turn = a.for_locks && a.wait == Wait::reserve;
    // Who waits for its own earlier call has nobody in its way yet.
    const bool cycle = verdict.status == Status::denied && !waited_for_locks && on_cycle(a);
    a.until = a.for_locks || callback || a.answered ? kNever : a.patience;
    if (a.until <= now) return out_of_patience(a);
    if (in_turn && same_request(a) && same_request(a)->arrival != a.arrival)
      return end(a, Status::denied, verdict.body);  // its turn is kept already
    if (cycle) return end(a, Status::deadlock);
    if (!again) {
      for (const Touch& touch : a.touches)
        if (!among(a.files, touch.file)) a.files.push_back(touch.file);
      auto here = [&](auto& w) { return among(w.files, a.files[0]); };
      if (count(waiters, here) >= limits.waiters_per_file_max ||
          count(waiters, of(a.client)) >= limits.waiters_per_client_max)
        return end(a, Status::limit);
      a.arrival = ++arrivals;
      a.since = now;
      waiters.push_back(a);
    }
    // Who waits for a range has heard of its last grant.
    auto heard = [&](auto& c) { return same_owner(a)(c) && c.element.range == a.element.range; };
    if (!a.answered && callback) stop_callbacks(heard), reply(a.request, Status::blocked);
    if (!a.answered && in_turn) reply(a.request, Status::denied, verdict.body);
    a.answered = a.answered || callback || in_turn;
    if (!a.answered && !again) say(Parked{a.request});
    *waiter(a.arrival) = std::move(a);
  }
  /// Lock requests that go away empty-handed are told of a right that is breaking; for NLM_TEST,
  /// which has no "later", it is the holder.
  void out_of_patience(const Asked& a) {
    if (a.told) return end(a, Status::cancelled);
    if (a.for_grace) return end(a, Status::grace);
    const Right* r = find(rights, [&](auto& each) {
      return each.breaking && each.file == a.file && each.client != a.client;
    });
    if (!r || (!a.test() && !a.lock())) return end(a, Status::later);
    const auto mode = r->rights.has(RightBit::write) ? LockMode::exclusive : LockMode::shared;
    const bool denied = a.test() && a.protocol == Protocol::nlm;
    end(a, denied ? Status::denied : Status::later,
        obstacle(Holder::Kind::right, {r->client, r->open, {}}, {Range::whole(), mode}, false));
  }
  /// The end of a step: the earliest of the woken is judged again, until nobody is left; then a
  /// cycle that a grant closed is cut at its youngest waiter.
  void settle() {
    for (;;) {
      while (!woken.empty()) {
        const Asked* w = waiter(woken.extract(woken.begin()).value());
        if (w && !w->told) attempt(*w);
      }
      const auto stuck = all(waiters, [&](auto& w) { return w.for_locks && on_cycle(w); });
      if (!stuck.empty())
        end(stuck.back(), Status::deadlock);
      else if (grace && !any(clients, [&](auto& c) { return on_roster(c); }))
        end_grace();
      else if (woken.empty())
        return;
    }
  }
  void open_file(Asked a, const OpenRequested& e) {
    const bool replaces = a.protocol == Protocol::nlm;  // the others widen
    Open* own = own_open(a);
    if (!own) {
      const OpenId id{++open_counter};
      own =
          &opens.emplace_back(Open{{id, e.client, e.owner, {}, {}, e.attributes_only, {}}, e.file});
    }
    Open& o = *own;
    if (o.recovered || replaces) o.access = o.deny = {}, o.parts.clear();
    o.recovered = false;
    o.reclaimed = o.reclaimed || a.again;
    o.access = o.access | e.access;
    o.deny = o.deny | e.deny;
    const bool comes_back = o.access == whole(o).access && o.deny == whole(o).deny;
    if (comes_back || !is_nfs4(a.protocol)) o.claim_access = o.claim_deny = {};
    o.parts.push_back({e.access, e.deny});
    o.ancestors = e.ancestors;
    OpenReply body;
    body.open = o.open;
    a.open = o.open;
    if (const Right* r = grant_wish(a, e)) {
      body = {o.open, r->right, r->flavour, r->rights, r->breaking, r->epoch};
      if (!is_delegation(r->flavour)) o.right = r->right;
    }
    if (recorded(o)) client(o.client)->on_record = true;
    if (e.overwrite) {
      const LockElement all_bytes{Range::whole(), LockMode::exclusive};
      accesses.push_back({a, {e.file, Cause::overwrite, Operation::set_size, {all_bytes}}});
    }
    answer(a, Status::ok, body, recorded(o));
  }
  Right* grant_wish(const Asked& a, const OpenRequested& e) {
    const Flavour flavour = e.wish.flavour;
    const Rights wanted = normalised(flavour, e.wish.rights);
    const bool lease = is_lease(flavour);
    if (flavour == Flavour::none || (wanted.empty() && !lease)) return nullptr;
    Right as;  // the right, if it is granted as it is asked for
    as.client = e.client, as.file = e.file, as.flavour = flavour, as.since = now;
    if (lease) as.key = e.wish.key;
    if (flavour == Flavour::oplock) as.open = a.open;
    Right* held = find(
        rights, [&](auto& r) { return r.file == e.file && r.flavour == flavour && own(a, r); });
    if (held && held->recovered) {  // comes back with its open
      held->recovered = false;
      if (held->version2) held->epoch = std::max(held->epoch, e.wish.epoch);
      lower(*held, normalised(flavour, held->rights & wanted));
    }
    if (held && a.again) return held;
    const Rights left = reduced(e, a, as, wanted);
    if (!held) {
      if (left.empty() && !lease) return nullptr;
      as.right = RightId{++right_counter};
      as.version2 = lease && e.wish.version2;
      as.epoch = as.version2 ? e.wish.epoch : std::uint16_t{0};
      rights.push_back(as);
      held = &rights.back();
    } else if (held->breaking || !lease || left != wanted || wanted == held->rights ||
               !wanted.contains(held->rights)) {
      return held;
    }
    held->rights = left;
    if (held->version2) ++held->epoch;
    held->epoch_on_record = held->epoch;
    return held;
  }
  /// What others leave of the rights. (The open itself is in the list already.)
  Rights reduced(const OpenRequested& e, const Asked& a, const Right& as, Rights left) {
    const bool delegation = is_delegation(as.flavour);
    const bool of_data = as.flavour == Flavour::delegation;  // entries are no open's to change
    const RightBit write = RightBit::write, handle = RightBit::handle;
    for (const Right& r : rights) {
      const bool theirs = is_delegation(r.flavour);
      if (r.file != e.file || own(a, r) || r.rights.empty()) continue;
      if (r.rights.has(write) || (theirs && delegation && r.breaking)) left = kNoRights;
      left = left.without(write);
      if (r.flavour == Flavour::oplock && as.flavour == Flavour::lease) left = left.without(handle);
      if (!theirs && r.rights.has(handle) && as.flavour == Flavour::oplock) left = kNoRights;
    }
    for (const Open& o : opens) {
      const bool same_key = o.open == a.open || (right(o.right) && own(a, *right(o.right)));
      if (o.file != e.file || o.attributes_only || (delegation ? o.client == e.client : same_key))
        continue;
      left = left.without(write);
      if (of_data && (o.access.has(AccessBit::write) || o.deny.has(AccessBit::read)))
        left = kNoRights;
    }
    for (const Lock& l : locks) {
      if (l.file != e.file || (delegation ? l.client == e.client : smb(l.client))) continue;
      if (left.has(write) && !delegation)
        say(Seen{a.protocol, Seen::Thing::nfs_lock, Seen::Resolution::denied, Cause::open, e.file,
                 e.client, ClientId{}});
      left = left.without(write);
    }
    left = by_traffic(e, as, normalised(as.flavour, left));
    Access lets{AccessBit::read};
    if (left.has(write)) lets = lets | AccessBit::write;
    auto denies = [&](auto& o) {
      return of_data && o.file == e.file && smb(o.client) && !o.attributes_only &&
             o.deny.meets(lets);
    };
    const bool barred = !client(e.client)->callback_up || grace ||
                        e.reclaim == Reclaim::delegated || no_delegation_until[e.file] > now ||
                        any(opens, denies);
    return delegation && barred ? kNoRights : left;
  }
  /// What is under way, waits for a break or was just put off must not meet a new right that would
  /// break for it: always the first row of the table that breaks what is left.
  Rights by_traffic(const OpenRequested& e, const Right& as, Rights left) {
    std::set<Cause> causes;
    auto meet = [&](const Touch& touch) {
      if (touch.breaks && touch.file == e.file) causes.insert(touch.cause);
    };
    for (const auto& [by, touch, removes_name] : accesses) {
      if (own(by, as)) continue;
      meet(touch);
      if (touch.operation == Operation::rename_ancestor && among(e.ancestors, touch.file))
        causes.insert(touch.cause);
    }
    for (Asked& w : waiters) {
      if (!w.for_breaks || w.client == e.client || !among(w.files, e.file)) continue;
      look(w);
      std::ranges::for_each(w.touches, meet);
    }
    for (const auto& [bar, until] : bars) {
      const auto& [file, by, cause] = bar;
      if (file == e.file && by != e.client && until > now) causes.insert(cause);
    }
    for (auto cause = causes.begin(); cause != causes.end() && !left.empty();) {
      const Breaking how = break_for(*cause, as.flavour, left);
      const bool keeps = how.how == Breaking::How::keep;
      if (!keeps) left = normalised(as.flavour, left & how.to);
      cause = keeps ? std::next(cause) : causes.begin();
    }
    return left;
  }
  void take_lock(const Asked& a) {
    const auto& [range, mode] = a.element;
    if (a.same_range) recovered_range(a)->recovered = false;
    if (a.by_smb()) {
      for (const auto& [each, its_mode] : a.touches[0].bytes) {
        if (!a.same_range)
          insert_lock({{a.client, a.open, {}, each, its_mode, false, now}, a.file, ++lock_counter});
        wake_own(a, each);
      }
      return answer(a, Status::ok, {}, recorded(*open(a.open)));
    }
    stop_callbacks(calls(a, range));
    std::vector<LockElement> before;
    for (const Lock& held : all(locks, same_owner(a)))
      if (held.range.overlaps(range)) before.push_back({common(held.range, range), held.mode});
    set_range({{a.client, a.open, a.owner, range}, a.file}, mode);
    if (a.wait == Wait::callback && a.answered) {
      grants.push_back({{a.request, a.client, a.owner, a.element}, a.file, before});
      say(NotifyGranted{a.client, a.request, a.owner, a.file, a.element});
    }
    answer(a, Status::ok, {}, true);
    // Turns that were kept for what it has now are used up; its other requests pass the queue.
    auto used_up = [&](auto& w) {
      return w.answered && w.wait == Wait::reserve && same_owner(a)(w) &&
             range.contains(w.element.range) && mode >= w.element.mode;
    };
    if (!a.answered) end_all(used_up, Status::ok);
    wake_own(a, range);
  }

  enum class Timer { breaks, patience, lease, reservation, grace };
  using Deadline = std::tuple<Nanos, Timer, std::uint64_t>;
  Deadline earliest_deadline() const {
    Deadline first{grace ? grace_until : kNever, Timer::grace, 0};
    for (const Right& r : rights)
      first = std::min(first, {r.deadline, Timer::breaks, r.right.value});
    for (const Asked& w : waiters)
      first = std::min(first, {w.until, w.told ? Timer::reservation : Timer::patience, w.arrival});
    for (const Client& c : clients)
      first = std::min(first, {c.lease_until, Timer::lease, c.client.value});
    return first;
  }
  /// Each deadline that is due is a step of its own.
  void fire_deadlines() {
    for (;;) {
      const auto [time, kind, id] = earliest_deadline();
      if (time > now) return;
      if (kind == Timer::breaks) {
        Right& r = *right(RightId{id});
        say(Revoked{r.client, r.file, r.right, LeaveReason::expired});
        end_break(r, kNoRights);
      } else if (kind == Timer::lease) {
        lease_ended(*client(ClientId{id}));
      } else if (kind == Timer::grace) {
        end_grace();
      } else {
        out_of_patience(*waiter(id));
      }
      settle();
    }
  }
  void lease_ended(Client& c) {
    const ClientId id = c.client;
    if (any(waiters, [&](auto& w) { return w.client == id && !w.answered; }) ||
        any(accesses, [&](auto& access) { return access.by.client == id; })) {
      c.lease_until = now + c.lease;  // it runs or is held: nothing ends meanwhile
    } else if (c.courtesy || !has_state(id)) {
      has_state(id) ? revoke_courtesy(id) : drop_state(id);
      forget(id);
    } else {
      c.courtesy = true;
      c.lease_until = now + limits.courtesy;
      end_all(of(id), Status::cancelled);
      for (const Lock& held : all(locks, of(id))) wake_freed(held.file, held.range);
      auto its = [&](RightId r) { return right(r)->client == id; };  // who waits takes it
      wake([&](auto& w) { return any(w.breaks, its); });
    }
  }
  /// What nobody reclaimed is deleted before anything that grace held up goes on.
  void end_grace() {
    grace = false;
    drop_all([](auto& each) { return each.recovered; });
    for (Open& o : opens) o.claim_access = o.claim_deny = {};
    for (Client& c : clients) {
      c.lost_state = c.lost_state && !c.arrived;
      c.roster = c.roster && c.protocol == Protocol::nfs41;
    }
    forget_absent();
    say(GraceEnded{});
    wake([](auto& w) { return w.for_grace; });
  }
  /// Who was on record, did not come and has nothing; hosts of NLM stay for their host_state.
  void forget_absent() {
    std::erase_if(clients, [&](auto& c) {
      return !c.arrived && c.protocol != Protocol::nlm && !has_state(c.client);
    });
  }
};

}  // namespace lockstep::model
