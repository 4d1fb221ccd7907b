// What a request that goes does: opens with their rights, locks, and how an open ends.
#pragma once

#include "model/judge.hpp"

namespace lockstep::model {

struct Grants : Judge {
  using Judge::Judge;

  // ---- Opens ------------------------------------------------------------------------------------

  void open_file(const Waiter& w, const OpenRequested& e) {
    const bool widens = protocol(e.client) != Protocol::nlm;  // an NLM SHARE replaces
    const bool reclaim = reclaimable(e) != nullptr;
    const Open* held = own_open(e);
    OpenId id = held == nullptr ? OpenId{} : held->open;
    if (!id) {
      opens.push_back({{OpenId{++open_counter}, e.client, e.file, e.owner, {}, {}, {}}});
      id = opens.back().open;
      opens.back().attributes_only = e.attributes_only;
    }
    Open& o = *open(id);
    if (o.recovered || !widens) o.access = o.deny = {}, o.parts.clear();
    if (!widens && !reclaim) o.claim_access = o.claim_deny = {};
    o.recovered = false;
    o.reclaimed = o.reclaimed || reclaim;
    o.access = o.access | e.access;
    o.deny = o.deny | e.deny;
    o.parts.push_back({e.access, e.deny});
    o.ancestors = e.ancestors;
    OpenReply body;
    body.open = id;
    grant_wish(e, o, reclaim, body);
    record(o);
    if (e.overwrite) {
      Asked asked = reduce(w.request);
      asked.open = id;
      accesses.push_back({asked, asked.touches[0], Range::whole()});
      accesses.back().touch.operation = Operation::set_size;
    }
    answer(w, Status::ok, body, recorded(o));
  }

  /// What is granted of the wish, by the list in core/README.md.
  void grant_wish(const OpenRequested& e, Open& o, bool reclaim, OpenReply& body) {
    const Flavour flavour = e.wish.flavour;
    const bool lease = is_lease(flavour), delegation = is_delegation(flavour);
    const Rights wanted = normalised(flavour, e.wish.rights);
    Asked asked = reduce(Request{e});
    asked.open = o.open;
    if (flavour == Flavour::none || (wanted.empty() && !lease)) return;
    Right as;  // the right, if it is granted as it is asked for
    as.client = e.client, as.file = e.file, as.flavour = flavour;
    if (lease) as.key = e.wish.key;
    if (flavour == Flavour::oplock) as.open = o.open;
    as.version2 = lease && e.wish.version2;
    as.epoch = as.version2 ? static_cast<std::uint16_t>(e.wish.epoch + 1) : std::uint16_t{0};
    as.since = now;
    Right* held = find(rights, [&](auto& r) {
      return r.file == e.file && r.client == e.client && r.flavour == flavour && r.key == as.key &&
             flavour != Flavour::oplock;
    });
    if (held == nullptr) {
      as.rights = reduced(e, asked, as, wanted);
      if (as.rights.empty() && !lease) return;
      as.right = RightId{++right_counter};
      rights.push_back(as);
      held = &rights.back();
      record(*held);
    } else if (held->recovered) {  // comes back with its open
      held->recovered = false;
      held->rights = normalised(flavour, held->rights & wanted);
      if (held->version2) held->epoch = std::max(held->epoch, e.wish.epoch);
      record(*held);
    } else if (!held->breaking && lease && !reclaim && wanted.contains(held->rights) &&
               wanted != held->rights && reduced(e, asked, as, wanted) == wanted) {
      held->rights = wanted;
      if (held->version2) ++held->epoch;
      record(*held);
    }
    if (!delegation) o.right = held->right;
    body.right = held->right, body.flavour = flavour, body.rights = held->rights;
    body.breaking = held->breaking, body.epoch = held->epoch;
  }

  /// What others leave of the rights. (The open itself is in the list already.)
  Rights reduced(const OpenRequested& e, const Asked& asked, const Right& as, Rights left) const {
    const bool delegation = is_delegation(as.flavour);
    const bool of_data = as.flavour == Flavour::delegation;  // entries are no open's to change
    const RightBit write = RightBit::write, handle = RightBit::handle;
    auto here = [&](auto& each) { return each.file == e.file; };
    for (const Right& r : all(rights, here)) {
      const bool theirs = is_delegation(r.flavour);
      if (own(asked, r) || r.rights.empty()) continue;
      if (r.rights.has(write) || (theirs && delegation && r.breaking)) left = kNoRights;
      left = left.without(write);
      if (r.flavour == Flavour::oplock && as.flavour == Flavour::lease) left = left.without(handle);
      if (!theirs && r.rights.has(handle) && as.flavour == Flavour::oplock) left = kNoRights;
    }
    for (const Open& o : all(opens, here)) {
      const Right* under = right(o.right);
      const bool own_open =
          delegation ? o.client == e.client : o.open == asked.open || (under && own(asked, *under));
      if (own_open || o.attributes_only) continue;
      left = left.without(write);
      if (of_data && (o.access.has(AccessBit::write) || o.deny.has(AccessBit::read)))
        left = kNoRights;
    }
    for (const Lock& held : all(locks, here))
      if (delegation ? held.client != e.client : is_nfs(protocol(held.client)))
        left = left.without(write);
    left = by_traffic(e, as, normalised(as.flavour, left));
    if (!delegation || left.empty()) return left;
    Access lets{AccessBit::read};
    if (left.has(write)) lets = lets | AccessBit::write;
    const bool barred =
        !client(e.client)->callback_up || grace || e.reclaim == Reclaim::delegated ||
        any(backoffs, [&](auto& each) { return here(each) && each.until > now; }) ||
        any(opens, [&](auto& o) {
          return of_data && here(o) && smb(o.client) && !o.attributes_only && o.deny.meets(lets);
        });
    return barred ? kNoRights : left;
  }
  /// What is under way, waits for a break or was just put off must not meet a new right that would
  /// break for it.
  Rights by_traffic(const OpenRequested& e, const Right& as, Rights left) const {
    std::vector<Cause> causes;
    for (const AccessInFlight& access : accesses) {
      const auto& touch = access.touch;
      const bool above =
          touch.operation == Operation::rename_ancestor && among(e.ancestors, touch.file);
      if ((above || (touch.breaks && touch.file == e.file)) && !own(access.asked, as))
        causes.push_back(touch.cause);
    }
    for (const Waiter& w : waiters)
      if (w.for_breaks && among(w.files, e.file) && asker(w) != e.client)
        for (const auto& touch : reduce(w.request).touches)
          if (touch.breaks && touch.file == e.file) causes.push_back(touch.cause);
    for (const Bar& bar : bars)
      if (bar.file == e.file && bar.client != e.client && bar.until > now)
        causes.push_back(bar.cause);
    std::sort(causes.begin(), causes.end());
    for (std::size_t i = 0; i < causes.size() && !left.empty();) {
      const Breaking how = break_for(causes[i], as.flavour, left);
      if (how.how == Breaking::How::keep) {
        ++i;
      } else {
        left = normalised(as.flavour, left & how.to);
        i = 0;
      }
    }
    return left;
  }

  /// The open with all that stands on it.
  void drop_open(OpenId id) {
    end_waiters([&](auto& w) { return reduce(w.request).open == id; }, Status::closed);
    drop_locks([&](auto& held) { return held.open == id; });
    drop_opens([&](auto& o) { return o.open == id; });
  }

  // ---- Locks ------------------------------------------------------------------------------------

  void take_lock(const Waiter& w, const LockRequested& lock) {
    const Owner owner = owner_of(lock);
    if (lock.wait == Wait::reserve &&
        w.answered) {  // its turn, not the lock: it has to come for it
      Waiter told = w;
      told.for_breaks = told.for_locks = told.for_accesses = told.for_grace = false;
      told.told = true;
      told.until = now + limits.reservation;
      waiters.insert(std::find_if(waiters.begin(), waiters.end(),
                                  [&](auto& each) { return each.arrival > w.arrival; }),
                     told);
      out->push_back(NotifyLock{lock.client, lock.owner, lock.file});
      return;
    }
    if (smb(lock.client)) {
      if (Lock* same = recovered_range(lock))
        same->recovered = false;
      else
        for (const LockElement& element : elements(lock)) add_lock(lock, element, ++lock_counter);
      for (const LockElement& element : elements(lock)) wake_own(owner, lock.file, element.range);
      return answer(w, Status::ok, {}, leased(*open(lock.open)));
    }
    stop_callbacks(owner, lock.file, lock.element.range);
    PendingGrant call{lock.request, lock.client,  lock.owner,
                      lock.file,    lock.element, held_before(lock)};
    set_range(lock, lock.element.range, lock.element.mode);
    if (lock.wait == Wait::callback && w.answered) {
      grants.push_back(call);
      out->push_back(NotifyGranted{lock.client, lock.request, lock.owner, lock.file, lock.element});
    }
    answer(w, Status::ok, {}, true);
    // Turns that were kept for what it has now are used up; its other requests pass the queue.
    if (!w.answered)
      end_waiters(
          [&](auto& other) {
            return other.queued() && other.answered && other.lock()->wait == Wait::reserve &&
                   other.lock()->file == lock.file && owner_of(*other.lock()) == owner &&
                   lock.element.range.contains(other.lock()->element.range) &&
                   (lock.element.mode == LockMode::exclusive ||
                    other.lock()->element.mode == LockMode::shared);
          },
          Status::ok);
    wake_own(owner, lock.file, lock.element.range);
  }
};

}  // namespace lockstep::model
