// What goes out: records, replies, wakes.
#pragma once

#include <algorithm>

#include "model/tables.hpp"

namespace lockstep::model {

struct Queue : Tables {
  using Tables::Tables;

  // ---- Records: NLM and NFSv4 all, SMB what stands under a lease --------------------------------

  bool recorded(const Open& o) const { return !smb(o.client) || leased(o); }
  bool recorded(const Right& r) const {
    return r.flavour == Flavour::lease || r.flavour == Flavour::delegation;
  }
  bool recorded(const Lock& l) const {
    return !smb(l.client) || (open(l.open) != nullptr && leased(*open(l.open)));
  }
  void put(Record record) { out->push_back(Persist{{false, std::move(record)}}); }
  void erase(Record record) { out->push_back(Persist{{true, std::move(record)}}); }
  void put_client(Client& c) {
    c.on_record = true;
    put(static_cast<const ClientRecord&>(c));
  }
  /// What it lost is off the record: what it gets from now on may be reclaimed.
  void forgive(Client& c) {
    if (c.lost_state) c.lost_state = false, put_client(c);
  }
  template <class Thing>
  void put_of(const Thing& thing, Record record) {
    if (!recorded(thing)) return;
    if (Client& c = *client(thing.client); !c.on_record) put_client(c);
    put(std::move(record));
  }
  void record(const Lock& l) { put_of(l, static_cast<const LockRecord&>(l)); }
  void record(const Right& r) { put_of(r, static_cast<const RightRecord&>(r)); }
  /// In grace the record keeps what may still be reclaimed: the next crash may come before it is.
  void record(const Open& o) {
    OpenRecord shown = static_cast<const OpenRecord&>(o);
    if (grace && o.reclaimed) {
      shown.access = o.access | o.claim_access;
      shown.deny = o.deny | o.claim_deny;
    }
    put_of(o, shown);
  }

  // ---- Replies ----------------------------------------------------------------------------------

  void reply(RequestId request, Status status, ReplyBody body = {}, bool durable = false) {
    out->push_back(Reply{request, status, durable, std::move(body)});
  }
  /// The one reply of a request; `later` leaves bars, to be let through takes them away.
  void answer(const Waiter& w, Status status, ReplyBody body = {}, bool durable = false) {
    const Asked asked = reduce(w.request);
    if (!w.answered) reply(asked.request, status, std::move(body), durable);
    if (status != Status::ok && status != Status::later) return;
    for (const auto& touch : asked.touches) {
      if (!touch.breaks) continue;
      std::erase_if(bars, [&](auto& bar) {
        return bar.file == touch.file && bar.client == asked.client && bar.cause == touch.cause;
      });
      if (status == Status::later)
        bars.push_back({{asked.client, touch.cause, now + limits.bar}, touch.file});
    }
  }
  /// A waiter leaves the queue without a grant; what is answered already is not answered again.
  void end_waiter(const Waiter& w, Status status, ReplyBody body = {}) {
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): w goes with the next line
    const Waiter gone = w;
    std::erase_if(waiters, [&](auto& each) { return each.arrival == gone.arrival; });
    answer(gone, status, std::move(body));
    if (gone.queued())
      wake_freed(gone.lock()->file, gone.lock()->element.range, gone.told ? 0 : gone.arrival);
  }
  template <class Which>
  void end_waiters(Which which, Status status) {
    for (const Waiter& w : all(waiters, which)) end_waiter(w, status);
  }

  // ---- Wakes: collected here, run at the end of the step ----------------------------------------

  template <class Which>
  void wake_if(Which which) {
    for (const Waiter& w : waiters)
      if (!w.told && which(w)) woken.push_back(w.arrival);
  }
  template <class Which>
  void wake_locks(FileId file, Range range, Which which) {
    wake_if([&](auto& w) {
      return w.for_locks && w.lock()->file == file && w.lock()->element.range.overlaps(range) &&
             which(w);
    });
  }
  /// Lock waiters that overlap what was freed; those behind `behind` only.
  void wake_freed(FileId file, Range range, std::uint64_t behind = 0) {
    wake_locks(file, range, [&](auto& w) { return w.arrival > behind; });
  }
  /// The owner's own: bytes that it holds now let them pass the queue, or a call has ended.
  void wake_own(const Owner& owner, FileId file, Range range) {
    wake_locks(file, range, [&](auto& w) { return owner_of(*w.lock()) == owner; });
  }
  void wake_break_ended(RightId id) {
    for (Waiter& w : waiters)
      if (std::erase(w.breaks, id) != 0 && w.breaks.empty() && w.for_breaks)
        woken.push_back(w.arrival);
  }

  // ---- Rights -----------------------------------------------------------------------------------

  void send_break(const Right& r, Rights to, bool acked) {
    out->push_back(SendBreak{r.client, r.right, r.flavour, r.file, r.key, r.open, r.rights, to,
                             r.epoch, acked, recorded(r)});
  }
  void begin_break(RightId id, const Breaking& how) {
    Right& r = *right(id);
    if (r.version2) ++r.epoch;
    const bool acked = how.how != Breaking::How::notice;
    send_break(r, how.to, acked);
    if (!acked) return lower_right(id, how.to);
    r.breaking = true;
    r.to = r.required = how.to;
    r.deadline =
        now + (is_delegation(r.flavour) ? limits.delegation_timeout : limits.break_timeout);
    wake_if([&](auto& w) {  // others wait for this client now: it passes the queue
      return w.for_locks && w.lock()->client == r.client && w.lock()->file == r.file;
    });
  }
  /// The right becomes `left`, on record too; what has nothing left is gone, but for a lease.
  void lower_right(RightId id, Rights left) {
    Right& r = *right(id);
    r.rights = left;
    if (left.empty() && !is_lease(r.flavour)) return drop_right(id);
    record(r);
  }
  void end_break(RightId id, Rights left) {
    Right& r = *right(id);
    if (r.breaking && is_delegation(r.flavour)) back_off(r.file);
    r.breaking = false;
    r.flushes.clear();
    r.to = r.required = kNoRights;
    r.deadline = kNever;
    lower_right(id, left);
    wake_break_ended(id);
  }
  /// The acknowledgment takes effect.
  void finish_break(RightId id) {
    const Right r = *right(id);
    r.required.contains(r.acked) ? end_break(id, r.acked) : next_step(id, r.acked);
  }
  /// Acknowledged, but somebody needs more of it: the same break goes on, to R before nothing.
  void next_step(RightId id, Rights left) {
    lower_right(id, left);
    Right& r = *right(id);
    const bool acked = left != kR;
    const Rights to = acked ? r.required | kR : r.required;
    send_break(r, to, acked);
    if (!acked) return end_break(id, to);
    r.to = to;
    r.deadline = now + limits.break_timeout;
  }
  void drop_right(RightId id) {
    const Right r = *right(id);
    if (r.breaking && is_delegation(r.flavour)) back_off(r.file);
    if (recorded(r)) erase(static_cast<const RightRecord&>(r));
    std::erase_if(rights, [&](auto& each) { return each.right == id; });
    for (Open& o : opens)
      if (o.right == id) o.right = {};
    wake_break_ended(id);
  }
  /// No delegation for a while after a recall.
  void back_off(FileId file) {
    std::erase_if(backoffs, [&](auto& each) { return each.file == file; });
    backoffs.push_back({file, now + limits.regrant_backoff});
  }

  // ---- The end of state -------------------------------------------------------------------------

  void erase_lock(const Lock& held) {
    if (recorded(held)) erase(static_cast<const LockRecord&>(held));
    const std::uint64_t id = held.lock;
    std::erase_if(locks, [&](auto& l) { return l.lock == id; });
  }
  template <class Which>
  void drop_locks(Which which) {
    for (const Lock& held : all(locks, which)) {
      erase_lock(held);
      wake_freed(held.file, held.range);
    }
  }
  template <class Which>
  void drop_opens(Which which) {
    for (const Open& o : all(opens, which)) {
      if (recorded(o)) erase(static_cast<const OpenRecord&>(o));
      std::erase_if(opens, [&](auto& each) { return each.open == o.open; });
    }
    drop_rights([&](auto& r) {  // a lease and an oplock stand on opens
      return !is_delegation(r.flavour) && !any(opens, [&](auto& o) { return o.right == r.right; });
    });
    std::erase_if(deletes, [&](FileId file) {  // falls with the last SMB open, or with the name
      return !any(opens, [&](auto& o) { return o.file == file && smb(o.client); }) &&
             !any(accesses, [&](auto& a) { return a.removes_name && a.touch.file == file; });
    });
  }
  template <class Which>
  void drop_rights(Which which) {
    for (const Right& r : all(rights, which)) drop_right(r.right);
  }
  void drop_state(ClientId id) {
    auto its = [&](auto& each) { return each.client == id; };
    end_waiters([&](auto& w) { return asker(w) == id; }, Status::cancelled);
    auto calls = all(grants, its);
    std::sort(calls.begin(), calls.end(), [](auto& a, auto& b) { return a.grant < b.grant; });
    for (const PendingGrant& grant : calls) out->push_back(StopNotifying{grant.grant});
    std::erase_if(grants, its);
    drop_locks(its);
    drop_opens(its);
    drop_rights(its);
    std::erase_if(bars, its);
  }
  void forget(ClientId id) {
    if (client(id)->on_record) erase(static_cast<const ClientRecord&>(*client(id)));
    std::erase_if(clients, [&](auto& c) { return c.client == id; });
    for (AccessInFlight& access : accesses)  // its I/O still ends one day
      if (access.asked.client == id) access.asked.client = {};
  }
  /// The mark goes on record before what takes the place of its state.
  void revoke_courtesy(ClientId id) {
    client(id)->lost_state = true;
    put_client(*client(id));
    out->push_back(Revoked{id, {}, {}, LeaveReason::expired});
    drop_state(id);
  }
};

}  // namespace lockstep::model
