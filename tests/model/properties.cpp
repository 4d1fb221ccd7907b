#include "tests/model/properties.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

using Broken = std::optional<std::string>;

// Who owns a range: the open for SMB, the client's lock owner for NLM and NFSv4.
using Owner = std::tuple<ClientId, OpenId, std::string>;

struct Look {
  const StateView& all;
  const FileView& file;

  const ClientView* client(ClientId id) const {
    for (const ClientView& c : all.clients)
      if (c.client == id) return &c;
    return nullptr;
  }
  bool smb(ClientId id) const {
    const ClientView* c = client(id);
    return c != nullptr && c->protocol == Protocol::smb;
  }
  Owner owner(ClientId c, OpenId open, const std::string& name) const {
    return smb(c) ? Owner{c, open, ""} : Owner{c, OpenId{}, name};
  }
  Owner owner(const LockView& l) const { return owner(l.client, l.open, l.owner); }
  Owner owner(const WaiterView& w) const { return owner(w.client, w.open, w.owner); }
  const RightView* right(RightId id) const {
    for (const RightView& r : file.rights)
      if (r.right == id) return &r;
    return nullptr;
  }
};

std::string at(const Look& look, const char* name) {
  return std::string(name) + " on file " + std::to_string(look.file.file.node);
}

bool delegated(Flavour f) { return f == Flavour::delegation || f == Flavour::directory_delegation; }

Broken lock_exclusion(const Look& look) {
  const auto& locks = look.file.locks;
  for (std::size_t i = 0; i < locks.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      // A zero-length range stands between bytes; an NFS range that was merged says nothing of it.
      if (!locks[i].range.empty() && !locks[j].range.empty() &&
          look.owner(locks[i]) != look.owner(locks[j]) && clash(locks[i].mode, locks[j].mode) &&
          locks[i].range.overlaps(locks[j].range))
        return at(look, "LockExclusion");
  return std::nullopt;
}

Broken range_canonical(const Look& look) {
  const auto& locks = look.file.locks;
  for (std::size_t i = 0; i < locks.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const LockView &a = locks[i], &b = locks[j];
      if (look.owner(a) != look.owner(b)) continue;
      if (look.smb(a.client)) {
        // An exclusive range lies on nothing of its own; shared ones may be laid on it later.
        if (a.mode == LockMode::exclusive && b.mode == LockMode::exclusive &&
            a.range.overlaps(b.range))
          return at(look, "RangeCanonical (stack)");
        continue;
      }
      if (a.range.overlaps(b.range)) return at(look, "RangeCanonical (disjoint)");
      if (a.mode == b.mode && !a.recovered && !b.recovered && a.range.touches(b.range))
        return at(look, "RangeCanonical (merged)");
    }
  return std::nullopt;
}

Broken share_reservation(const Look& look) {
  const auto& opens = look.file.opens;
  for (std::size_t i = 0; i < opens.size(); ++i)
    for (std::size_t j = 0; j < opens.size(); ++j)
      if (i != j && !opens[i].attributes_only && !opens[j].attributes_only &&
          opens[i].access.meets(opens[j].deny))
        return at(look, "ShareReservation");
  return std::nullopt;
}

// While no break of it is out, W stands alone among keys; a delegation among clients.
Broken lease_exclusion(const Look& look) {
  for (const RightView& w : look.file.rights) {
    if (w.breaking || w.rights.empty()) continue;
    const bool write = w.rights.has(RightBit::write);
    const bool delegation = delegated(w.flavour);
    for (const RightView& other : look.file.rights) {
      if (other.right == w.right || other.rights.empty()) continue;
      if (delegation && other.client == w.client) continue;
      if (delegated(other.flavour) && other.client == w.client) continue;
      if (write) return at(look, "LeaseExclusion (right beside W)");
      if (w.flavour == Flavour::delegation && other.rights.has(RightBit::write) && !other.breaking)
        return at(look, "LeaseExclusion (W beside a read delegation)");
    }
    for (const OpenView& o : look.file.opens) {
      if (o.attributes_only || o.right == w.right) continue;
      if (delegation && o.client == w.client) continue;
      if (write) return at(look, "LeaseExclusion (open beside W)");
      if (w.flavour == Flavour::delegation && o.access.has(AccessBit::write))
        return at(look, "LeaseExclusion (write open beside a read delegation)");
    }
  }
  return std::nullopt;
}

Broken lock_vs_lease(const Look& look) {
  for (const LockView& l : look.file.locks) {
    if (look.smb(l.client)) continue;
    for (const RightView& r : look.file.rights)
      if (r.rights.has(RightBit::write) && r.client != l.client) return at(look, "LockVsLease");
  }
  return std::nullopt;
}

Broken lease_needs_open(const Look& look) {
  for (const RightView& r : look.file.rights) {
    if (look.client(r.client) == nullptr) return at(look, "LeaseNeedsOpen (client)");
    if (delegated(r.flavour)) continue;
    const bool open = std::any_of(look.file.opens.begin(), look.file.opens.end(),
                                  [&](const OpenView& o) { return o.right == r.right; });
    if (!open) return at(look, "LeaseNeedsOpen");
  }
  for (const OpenView& o : look.file.opens) {
    if (look.client(o.client) == nullptr) return at(look, "OpenNeedsClient");
    if (o.right && look.right(o.right) == nullptr) return at(look, "OpenNeedsItsRight");
  }
  return std::nullopt;
}

Broken break_is_downgrade(const Look& look) {
  for (const RightView& r : look.file.rights) {
    const bool granted = r.rights.empty() || r.rights.has(RightBit::read);
    if (!granted) return at(look, "GrantedState");
    if (r.breaking && (!r.rights.contains(r.breaking_to) || r.breaking_to == r.rights))
      return at(look, "BreakIsDowngrade");
    // Without a deadline it is acknowledged, and waits for the writes that were sent before.
    if (r.breaking && r.deadline == kNever && look.file.accesses.empty())
      return at(look, "BreakEnds (no deadline)");
    if (r.recovered && r.breaking) return at(look, "RecoveredIsNotBroken");
  }
  return std::nullopt;
}

bool covers(const Look& look, const WaiterView& w) {
  if (w.element.range.empty()) return false;
  std::uint64_t next = w.element.range.first;
  for (bool more = true; more;) {
    more = false;
    for (const LockView& l : look.file.locks) {
      if (look.owner(l) != look.owner(w) || l.range.empty()) continue;
      if (l.range.first > next || l.range.last < next) continue;
      if (l.range.last >= w.element.range.last) return true;
      next = l.range.last + 1, more = true;
    }
  }
  return false;
}

/// Those who stand in the way of a lock waiter, by the view alone.
bool held_up(const Look& look, std::size_t place, std::set<Owner>* by) {
  const WaiterView& w = look.file.waiters[place];
  bool any = false;
  auto clashes = [&](Range range, LockMode mode) {
    return range.overlaps(w.element.range) && clash(mode, w.element.mode);
  };
  for (const LockView& l : look.file.locks) {
    const bool own = look.owner(l) == look.owner(w);
    if (!clashes(l.range, l.mode)) continue;
    if (own && (!look.smb(w.client) || w.element.mode == LockMode::shared)) continue;
    any = true;
    if (!own && by != nullptr) by->insert(look.owner(l));
  }
  const bool passes =
      covers(look, w) ||
      std::any_of(look.file.rights.begin(), look.file.rights.end(),
                  [&](const RightView& r) { return r.breaking && r.client == w.client; });
  for (std::size_t i = 0; i < look.file.waiters.size(); ++i) {
    const WaiterView& other = look.file.waiters[i];
    if (i == place || !other.queued || look.owner(other) == look.owner(w) ||
        !clashes(other.element.range, other.element.mode))
      continue;
    if (!other.told && (i > place || passes)) continue;
    any = true;
    if (by != nullptr) by->insert(look.owner(other));
  }
  return any;
}

Broken no_lost_wakeup(const Look& look) {
  const auto& waiters = look.file.waiters;
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    const WaiterView& w = waiters[i];
    if (look.client(w.client) == nullptr) return at(look, "WaitersOfDead");
    const bool for_something = w.for_breaks || w.for_locks || w.for_accesses || w.for_grace;
    if (for_something == w.told) return at(look, "WaiterWaitsForSomething");
    if (w.for_grace && !look.all.grace) return at(look, "NoLostWakeup (grace)");
    const bool called =
        std::any_of(look.file.grants.begin(), look.file.grants.end(), [&](const GrantView& g) {
          return look.owner(g.client, {}, g.owner) == look.owner(w) &&
                 g.element.range.overlaps(w.element.range);
        });
    if (w.for_locks && !called && !held_up(look, i, nullptr))
      return at(look, "NoLostWakeup (lock)") + " request " + std::to_string(w.request.value);
    if (w.for_accesses && look.file.accesses.empty()) return at(look, "NoLostWakeup (accesses)");
  }
  return std::nullopt;
}

Broken one_waiter_each(const Look& look) {
  const auto& waiters = look.file.waiters;
  for (std::size_t i = 0; i < waiters.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      if (waiters[i].request == waiters[j].request)
        return at(look, "GrantOnce (one request twice)");
      if (waiters[i].what == "lock" && waiters[j].what == "lock" && waiters[i].for_locks &&
          waiters[j].for_locks && !look.smb(waiters[i].client) &&
          look.owner(waiters[i]) == look.owner(waiters[j]) &&
          waiters[i].element == waiters[j].element)
        return at(look, "WaitersLive (one entry each)");
    }
  return std::nullopt;
}

Broken grants_are_held(const Look& look) {
  for (const GrantView& g : look.file.grants) {
    const bool held =
        std::any_of(look.file.locks.begin(), look.file.locks.end(), [&](const LockView& l) {
          return look.owner(l) == look.owner(g.client, {}, g.owner) &&
                 l.range.overlaps(g.element.range);
        });
    if (!held) return at(look, "GrantedOnce");
  }
  return std::nullopt;
}

// Deadlock completeness: lock waits only, over all files.
Broken acyclic(const StateView& view) {
  std::map<Owner, std::set<Owner>> edges;
  for (const FileView& f : view.files) {
    const Look look{view, f};
    for (std::size_t i = 0; i < f.waiters.size(); ++i)
      if (f.waiters[i].for_locks) held_up(look, i, &edges[look.owner(f.waiters[i])]);
  }
  for (const auto& [start, next] : edges) {
    std::set<Owner> reached = next;
    for (bool grew = true; grew;) {
      grew = false;
      for (const Owner& o : std::set<Owner>(reached))
        if (const auto more = edges.find(o); more != edges.end())
          for (const Owner& n : more->second) grew = reached.insert(n).second || grew;
    }
    if (reached.count(start) != 0) return "Acyclic";
  }
  return std::nullopt;
}

Broken counts_agree(const StateView& view) {
  for (const ClientView& c : view.clients) {
    std::uint32_t opens = 0, locks = 0, rights = 0;
    std::set<RequestId> requests;
    for (const FileView& f : view.files) {
      for (const auto& each : f.opens) opens += each.client == c.client;
      for (const auto& each : f.locks) locks += each.client == c.client;
      for (const auto& each : f.rights) rights += each.client == c.client;
      for (const auto& each : f.waiters)
        if (each.client == c.client) requests.insert(each.request);
    }
    const auto waiters = static_cast<std::uint32_t>(requests.size());  // one may wait on two files
    if (opens != c.opens || locks != c.locks || rights != c.rights || waiters != c.waiters)
      return "ViewComplete: counts of client " + std::to_string(c.client.value);
  }
  return std::nullopt;
}

Broken recovered_only_in_grace(const Look& look) {
  if (look.all.grace) return std::nullopt;
  auto recovered = [](const auto& each) { return each.recovered; };
  const FileView& f = look.file;
  if (std::any_of(f.opens.begin(), f.opens.end(), recovered) ||
      std::any_of(f.locks.begin(), f.locks.end(), recovered) ||
      std::any_of(f.rights.begin(), f.rights.end(), recovered))
    return at(look, "OneGrace (recovered state outside grace)");
  return std::nullopt;
}

}  // namespace

std::optional<std::string> broken_property(const StateView& view) {
  for (const FileView& file : view.files) {
    const Look look{view, file};
    for (auto* property : {&lock_exclusion, &range_canonical, &share_reservation, &lease_exclusion,
                           &lock_vs_lease, &lease_needs_open, &break_is_downgrade, &no_lost_wakeup,
                           &one_waiter_each, &grants_are_held, &recovered_only_in_grace})
      if (auto broken = (*property)(look)) return broken;
  }
  if (auto broken = counts_agree(view)) return broken;
  return acyclic(view);
}

}  // namespace lockstep::test
