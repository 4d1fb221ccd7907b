// Opens and the rights that come with them.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

/// The open on record that this request takes over: named by NFSv4 and NLM as a reclaim, by SMB
/// through its lease key.
const Open* Model::reclaimable(const OpenRequested& e) const {
  const bool by_key = smb(e.client) && e.wish.flavour == Flavour::lease;
  if (!grace_ || (e.reclaim != Reclaim::previous && !by_key)) return nullptr;
  const Client* c = client(e.client);
  if (c == nullptr || !c->roster || c->lost_state || c->complete) return nullptr;
  for (const Open& o : opens_) {
    if (o.client != e.client || o.file != e.file || !o.claim_access.contains(e.access) ||
        !o.claim_deny.contains(e.deny))
      continue;
    if (smb(e.client)) {
      const Right* r = right(o.right);
      if (o.recovered && by_key && r != nullptr && r->key == e.wish.key) return &o;
    } else if (o.owner == e.owner && (o.recovered || o.reclaimed)) {
      return &o;
    }
  }
  return nullptr;
}

void Model::open_file(const OpenRequested& e) {
  OpenId id;
  if (const Open* claimed = reclaimable(e)) {
    Open& o = *open(claimed->id);
    o.access = o.recovered ? e.access : (o.access | e.access);
    o.deny = o.recovered ? e.deny : (o.deny | e.deny);
    if (o.recovered) o.parts.clear();
    o.recovered = false;
    o.reclaimed = true;
    id = o.id;
  } else if (!smb(e.client)) {
    for (Open& o : opens_) {
      if (id || o.recovered || o.client != e.client || o.file != e.file || o.owner != e.owner)
        continue;
      const bool widen = protocol(e.client) != Protocol::nlm;
      o.access = widen ? (o.access | e.access) : e.access;
      o.deny = widen ? (o.deny | e.deny) : e.deny;
      if (!widen) o.parts.clear();
      id = o.id;
    }
  }
  if (!id) {
    Open fresh;
    fresh.id = id = OpenId{next_id(open_counter_)};
    fresh.client = e.client;
    fresh.file = e.file;
    fresh.owner = e.owner;
    fresh.access = e.access;
    fresh.deny = e.deny;
    fresh.attributes_only = e.attributes_only;
    opens_.push_back(fresh);
  }
  Open& o = *open(id);
  o.ancestors = e.ancestors;
  o.parts.push_back({e.access, e.deny});
  OpenReply body;
  body.open = id;
  grant_wish(e, id, body);
  record(*open(id));
  if (e.overwrite) {
    Asked asked = reduce(Request{e});
    asked.open = id;
    accesses_.push_back({asked, asked.touches[0], Range::whole(), false});
    accesses_.back().touch.operation = Operation::set_size;
  }
  answer(waiter_of(e), Status::ok, body, recorded(*open(id)));
}

/// What is granted of the wish, by the list in core/README.md.
void Model::grant_wish(const OpenRequested& e, OpenId id, OpenReply& body) {
  const Flavour flavour = e.wish.flavour;
  if (flavour == Flavour::none) return;
  const bool lease = flavour == Flavour::lease || flavour == Flavour::directory_lease;
  const bool delegation =
      flavour == Flavour::delegation || flavour == Flavour::directory_delegation;
  Asked asked = reduce(Request{e});
  asked.open = id;
  const Rights wanted = normalised(flavour, e.wish.rights);
  Right* held = nullptr;
  for (Right& r : rights_)
    if (r.file == e.file && r.flavour == flavour && r.client == e.client &&
        ((lease && r.key == e.wish.key) || delegation))
      held = &r;
  if (held != nullptr) {
    if (held->recovered) {  // comes back with its open
      held->recovered = false;
      held->rights = normalised(flavour, held->rights & wanted);
      held->version2 = e.wish.version2;
      if (held->rights.empty() && delegation) return drop_right(held->id);
      record(*held);
    } else if (!held->breaking && lease && wanted.contains(held->rights) &&
               wanted != held->rights && reduced(e, asked, wanted) == wanted) {
      held->rights = wanted;
      if (held->version2) ++held->epoch;
      record(*held);
    }
    if (!delegation) open(id)->right = held->id;
    body.right = held->id, body.flavour = flavour, body.rights = held->rights;
    body.breaking = held->breaking, body.epoch = held->epoch;
    return;
  }
  const Rights granted = reduced(e, asked, wanted);
  if (granted.empty() && !lease) return;
  Right fresh;
  fresh.id = RightId{next_id(right_counter_)};
  fresh.client = e.client;
  fresh.file = e.file;
  fresh.flavour = flavour;
  if (lease) fresh.key = e.wish.key;
  if (flavour == Flavour::oplock) fresh.open = id;
  fresh.rights = granted;
  fresh.version2 = lease && e.wish.version2;
  fresh.epoch = fresh.version2 ? static_cast<std::uint16_t>(e.wish.epoch + 1) : std::uint16_t{0};
  fresh.since = now_;
  rights_.push_back(fresh);
  if (!delegation) open(id)->right = fresh.id;
  record(rights_.back());
  body.right = fresh.id, body.flavour = flavour, body.rights = granted, body.epoch = fresh.epoch;
}

Rights Model::reduced(const OpenRequested& e, const Asked& asked, Rights rights) const {
  const Flavour flavour = e.wish.flavour;
  const bool delegation =
      flavour == Flavour::delegation || flavour == Flavour::directory_delegation;
  auto without = [&](RightBit bit) { rights = rights.without(bit); };
  for (const Right& r : rights_) {
    if (r.file != e.file || own(asked, r) || r.rights.empty()) continue;
    if (r.flavour == Flavour::delegation) {
      if (r.rights.has(RightBit::write)) rights = kNoRights;
      without(RightBit::write);
      if (delegation && r.breaking) rights = kNoRights;
      continue;
    }
    if (r.flavour == Flavour::directory_delegation) continue;
    if (r.rights.has(RightBit::write)) rights = kNoRights;
    without(RightBit::write);
    if (r.flavour == Flavour::oplock && flavour == Flavour::lease) without(RightBit::handle);
    if (r.rights.has(RightBit::handle) && flavour == Flavour::oplock) rights = kNoRights;
  }
  for (const Open& o : opens_) {
    if (o.file != e.file || o.attributes_only || o.id == asked.open) continue;
    const Right* under = right(o.right);
    if (delegation) {
      if (o.client == e.client) continue;
      without(RightBit::write);
      if (o.access.has(AccessBit::write) || o.deny.has(AccessBit::read)) rights = kNoRights;
    } else if (under == nullptr || !own(asked, *under)) {
      without(RightBit::write);
    }
  }
  for (const Lock& held : locks_) {
    if (held.file != e.file) continue;
    if (delegation ? held.client != e.client : is_nfs(protocol(held.client)))
      without(RightBit::write);
  }
  rights = normalised(flavour, rights);
  Right as;
  as.client = e.client;
  as.flavour = flavour;
  as.key = e.wish.key;
  as.open = asked.open;
  std::vector<Cause> causes;
  for (const AccessInFlight& access : accesses_)
    if (access.touch.breaks && touched(access.touch, e.file) && !own(access.asked, as))
      causes.push_back(access.touch.cause);
  for (const Waiter& w : waiters_) {
    if (!w.for_breaks) continue;
    const Asked other = reduce(w.request);
    for (const auto& touch : other.touches) {
      if (!touch.breaks || !touched(touch, e.file) || other.client == e.client) continue;
      causes.push_back(touch.cause);
      if (w.clashed) causes.push_back(Cause::open_conflict);
    }
  }
  for (const Bar& bar : bars_)
    if (bar.file == e.file && bar.client != e.client && bar.until > now_)
      causes.push_back(bar.cause);
  for (bool again = true; again && !rights.empty();) {
    again = false;
    for (Cause cause : causes) {
      if (rights.empty()) break;
      const Breaking how = break_for(cause, flavour, rights);
      if (how.how == Breaking::How::keep) continue;
      rights = normalised(flavour, rights & how.to);
      again = true;
    }
  }
  if (!delegation || rights.empty()) return rights;
  if (!client(e.client)->callback_up || grace_ || e.reclaim == Reclaim::delegated) return kNoRights;
  for (const Backoff& each : backoffs_)
    if (each.file == e.file && each.until > now_) return kNoRights;
  Access lets{AccessBit::read};
  if (rights.has(RightBit::write)) lets = lets | AccessBit::write;
  for (const Open& o : opens_)
    if (o.file == e.file && o.client != e.client && smb(o.client) && !o.attributes_only &&
        o.deny.meets(lets))
      return kNoRights;
  return rights;
}

// ---- Downgrade and close ----------------------------------------------------------------------

/// What is left must be the union of some of the OPENs that made it.
void Model::on(const OpenDowngraded& e) {
  Open* o = open(e.open);
  if (o == nullptr) return reply(e.request, Status::unknown_open);
  Access access, deny;
  for (const auto& [part_access, part_deny] : o->parts) {
    if (e.access.contains(part_access)) access = access | part_access;
    if (e.deny.contains(part_deny)) deny = deny | part_deny;
  }
  if (access != e.access || deny != e.deny) return reply(e.request, Status::bad_mode);
  o->access = e.access;
  o->deny = e.deny;
  for (auto& [part_access, part_deny] : o->parts) {
    part_access = part_access & e.access;
    part_deny = part_deny & e.deny;
  }
  record(*o);
  reply(e.request, Status::ok);
}

void Model::on(const OpenClosed& e) {
  const Open* found = open(e.open);
  if (found == nullptr) return reply(e.request, Status::unknown_open);
  const Open o = *found;
  drop_open(e.open);
  const bool last = std::none_of(opens_.begin(), opens_.end(), [&](const Open& other) {
    return other.file == o.file && smb(other.client);
  });
  CloseReply body{last && delete_pending(o.file)};
  if (body.remove) {
    AccessInFlight removal;
    removal.asked.request = e.request;
    removal.asked.client = o.client;
    removal.asked.protocol = protocol(o.client);
    removal.touch = {o.file, Cause::remove, Operation::remove, true};
    removal.range = {};
    removal.removes_name = true;
    accesses_.push_back(removal);
  }
  reply(e.request, Status::ok, body);
}

void Model::on(const ShareReleased& e) {
  if (client(e.client) == nullptr) return reply(e.request, Status::unknown_client);
  for (const Open& o : opens_) {
    if (o.client == e.client && o.owner == e.owner && o.file == e.file)
      return on(OpenClosed{e.request, o.id});
  }
  reply(e.request, Status::ok, CloseReply{});
}

/// The open with all that stands on it.
void Model::drop_open(OpenId id) {
  end_waiters([&](const Waiter& w) { return reduce(w.request).open == id; }, Status::closed);
  std::vector<Lock> mine;
  for (const Lock& held : locks_)
    if (held.open == id) mine.push_back(held);
  for (const Lock& held : mine) {
    erase_lock(held.id);
    wake_freed(held.file, held.range);
  }
  const Open o = *open(id);
  if (recorded(o)) erase(&OpenRecord::open, id);
  std::erase_if(opens_, [&](const Open& each) { return each.id == id; });
  const bool others = std::any_of(opens_.begin(), opens_.end(),
                                  [&](const Open& each) { return each.right == o.right; });
  if (o.right && !others) drop_right(o.right);
}

}  // namespace lockstep::model
