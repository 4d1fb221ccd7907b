// One step: what is done with a verdict, who is woken, and what time brings about.
#pragma once

#include "model/grants.hpp"

namespace lockstep::model {

struct Steps : Grants {
  using Grants::Grants;

  struct Deadline {
    Nanos time;
    int kind;
    std::uint64_t id;
    auto operator<=>(const Deadline&) const = default;
  };

  // ---- One request ------------------------------------------------------------------------------

  /// Judges a request, new or woken, and does what the verdict says.
  void attempt(Waiter w) {
    const Judged verdict = judge(w);
    if (verdict && verdict->kind == Kind::refused) return finish(w, verdict->status, verdict->body);
    if (verdict) return park(std::move(w), *verdict);
    std::erase_if(waiters, [&](auto& each) { return each.arrival == w.arrival; });
    if (const auto* e = std::get_if<OpenRequested>(&w.request)) return open_file(w, *e);
    if (w.lock() != nullptr) return take_lock(w, *w.lock());
    const Asked asked = reduce(w.request);
    if (const auto* access = std::get_if<AccessRequested>(&w.request))
      for (const auto& touch : asked.touches)
        if (touch.below == FileId{}) accesses.push_back({asked, touch, access->range});
    if (std::holds_alternative<DispositionSet>(w.request) && !delete_pending(asked.touches[0].file))
      deletes.push_back(asked.touches[0].file);
    answer(w, Status::ok);
  }

  void finish(const Waiter& w, Status status, ReplyBody body = {}) {
    w.arrival != 0 ? end_waiter(w, status, std::move(body)) : answer(w, status, std::move(body));
  }

  void park(Waiter w, const Verdict& verdict) {
    const Asked asked = reduce(w.request);
    const bool for_locks = verdict.kind == Kind::locks, again = w.arrival != 0;
    const bool patient = for_locks || asked.wait == Wait::callback || w.answered;
    // Who waits for its own earlier call has nobody in its way yet.
    const bool blocked = for_locks && verdict.status == Status::denied;
    const bool cycle = blocked && !w.for_locks && on_cycle(w);
    w.for_breaks = verdict.kind == Kind::breaks;
    w.for_locks = for_locks;
    w.for_accesses = verdict.kind == Kind::accesses;
    w.for_grace = verdict.kind == Kind::grace;
    w.breaks = verdict.breaks;
    w.until = patient ? kNever : asked.patience;
    if (w.until <= now) return out_of_patience(w);
    if (for_locks && asked.wait == Wait::reserve)
      if (const Waiter* before = same_request(*w.lock()); before && before->arrival != w.arrival)
        return finish(w, Status::denied, verdict.body);  // its turn is kept already
    if (cycle) return finish(w, Status::deadlock);
    if (!again) {
      for (const auto& touch : asked.touches)
        if (!among(w.files, touch.file)) w.files.push_back(touch.file);
      auto on_file = [&](auto& other) { return among(other.files, w.files[0]); };
      auto its = [&](auto& other) { return asker(other) == asked.client; };
      if (all(waiters, on_file).size() >= limits.waiters_per_file_max ||
          all(waiters, its).size() >= limits.waiters_per_client_max)
        return finish(w, Status::limit);
      w.arrival = ++arrivals;
      w.since = now;
    }
    const bool answers = asked.wait == Wait::callback || (for_locks && asked.wait == Wait::reserve);
    if (!w.answered && answers) {
      const bool callback = asked.wait == Wait::callback;
      reply(asked.request, callback ? Status::blocked : Status::denied,
            callback ? ReplyBody{} : verdict.body);
      w.answered = true;
    } else if (!w.answered && !w.announced) {
      out->push_back(Parked{asked.request});
      w.announced = true;
    }
    if (!again) return waiters.push_back(std::move(w));
    *find(waiters, [&](auto& each) { return each.arrival == w.arrival; }) = w;
  }

  /// Lock requests that go away empty-handed are told of a right that is breaking; for NLM_TEST,
  /// which has no "later", it is the holder.
  void out_of_patience(const Waiter& w) {
    const Asked asked = reduce(w.request);
    const bool test = std::holds_alternative<LockTested>(w.request);
    if (w.told) return finish(w, Status::cancelled);
    if (w.for_grace) return finish(w, Status::grace);
    if (!test && w.lock() == nullptr) return finish(w, Status::later);
    const Right* r = find(rights, [&](auto& each) {
      return each.breaking && each.file == asked.touches[0].file && each.client != asked.client;
    });
    if (r == nullptr) return finish(w, Status::later);
    const auto mode = r->rights.has(RightBit::write) ? LockMode::exclusive : LockMode::shared;
    const Holder holder{Holder::Kind::right,
                        protocol(r->client),
                        r->client,
                        client(r->client)->label,
                        {},
                        r->open,
                        Range::whole(),
                        mode};
    finish(w, test && asked.protocol == Protocol::nlm ? Status::denied : Status::later, holder);
  }

  /// The end of a step: the earliest of the woken is judged again, until nobody is left; then a
  /// cycle that a grant closed is cut at its youngest waiter.
  void settle() {
    for (;;) {
      while (!woken.empty()) {
        const std::uint64_t arrival = *std::min_element(woken.begin(), woken.end());
        std::erase(woken, arrival);
        const Waiter* w = waiter(arrival);
        if (w != nullptr && !w->told) attempt(*w);
      }
      const auto stuck = all(waiters, [&](auto& w) { return w.for_locks && on_cycle(w); });
      if (!stuck.empty())
        end_waiter(stuck.back(), Status::deadlock);
      else if (grace && !any(clients, [&](auto& c) { return reclaiming(c); }))
        end_grace();
      else if (woken.empty())
        return;
    }
  }

  // ---- Time -------------------------------------------------------------------------------------

  Deadline earliest_deadline() const {
    enum { breaks, patience, lease, reservation, grace_end };
    Deadline first{kNever, 0, 0};
    auto consider = [&](Nanos time, int kind, std::uint64_t id) {
      if (time != kNever) first = std::min(first, Deadline{time, kind, id});
    };
    for (const Right& r : rights) consider(r.deadline, breaks, r.right.value);
    for (const Waiter& w : waiters) consider(w.until, w.told ? reservation : patience, w.arrival);
    for (const Client& c : clients) consider(c.lease_until, lease, c.client.value);
    if (grace) consider(grace_until, grace_end, 0);
    return first;
  }

  /// Each deadline that is due is a step of its own.
  void fire_deadlines() {
    for (Deadline due = earliest_deadline(); due.time <= now; due = earliest_deadline()) {
      if (due.kind == 0) {
        const Right r = *right(RightId{due.id});
        out->push_back(Revoked{r.client, r.file, r.right, LeaveReason::expired});
        end_break(r.right, kNoRights);
      } else if (due.kind == 2) {
        lease_ended(ClientId{due.id});
      } else if (due.kind == 4) {
        end_grace();
      } else {
        out_of_patience(*waiter(due.id));
      }
      settle();
    }
  }

  bool has_state(ClientId id) const {
    auto its = [&](auto& each) { return each.client == id; };
    return any(opens, its) || any(locks, its) || any(rights, its);
  }

  void lease_ended(ClientId id) {
    Client& c = *client(id);
    auto its = [&](auto& w) { return asker(w) == id; };
    if (any(waiters, [&](auto& w) { return its(w) && !w.answered; }) ||
        any(accesses, [&](auto& access) { return access.asked.client == id; })) {
      c.lease_until = now + c.lease;  // it runs or is held: nothing ends meanwhile
    } else if (!has_state(id)) {
      drop_state(id);
      forget(id);
    } else if (c.courtesy) {
      revoke_courtesy(id);
      forget(id);
    } else {
      c.courtesy = true;
      c.lease_until = now + limits.courtesy;
      end_waiters(its, Status::cancelled);
      // Those whom it is in the way of already take its state.
      for (const Lock& held : locks)
        if (held.client == id) wake_freed(held.file, held.range);
      wake_if([&](auto& w) {
        return any(w.breaks, [&](RightId r) { return right(r)->client == id; });
      });
    }
  }

  /// What nobody reclaimed is deleted before anything that grace held up goes on.
  void end_grace() {
    auto recovered = [](auto& each) { return each.recovered; };
    grace = false;
    drop_locks(recovered);
    drop_opens(recovered);
    drop_rights(recovered);
    for (Open& o : opens) {
      const bool less = o.reclaimed && (o.claim_access != o.access || o.claim_deny != o.deny);
      o.reclaimed = false;
      if (less) record(o);
    }
    for (Client& c : clients) {
      if (c.arrived) forgive(c);
      if (c.protocol != Protocol::nfs41) c.roster = false;
    }
    forget_absent();
    out->push_back(GraceEnded{});
    wake_if([](auto& w) { return w.for_grace; });
  }

  /// Who was on record, did not come and has nothing; hosts of NLM stay for their host_state.
  void forget_absent() {
    for (const Client& c : all(clients, [&](auto& each) {
           return !each.arrived && each.protocol != Protocol::nlm && !has_state(each.client);
         }))
      forget(c.client);
  }
};

}  // namespace lockstep::model
