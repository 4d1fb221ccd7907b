// The lists, how things are found in them, and what every request needs.
#pragma once

#include "model/state.hpp"

namespace lockstep::model {

/// The row of an operation; nothing for what breaks nothing.
inline std::optional<Cause> cause_of(Operation operation) {
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
inline bool is_io(Operation o) {
  return o == Operation::read || o == Operation::write || o == Operation::set_size;
}

/// What is left of rights that no protocol grants as they are.
inline Rights normalised(Flavour flavour, Rights rights) {
  if (!rights.has(RightBit::read)) return kNoRights;
  switch (flavour) {
    case Flavour::oplock:
      return rights == kRH ? kR : rights;
    case Flavour::delegation:
      return rights.without(RightBit::handle);
    case Flavour::directory_lease:
      return rights.without(RightBit::write);
    case Flavour::directory_delegation:
      return kR;
    default:
      return rights;
  }
}

struct Tables {
  explicit Tables(Limits l) : limits(l) {}

  const Client* client(ClientId id) const {
    return find(clients, [&](auto& c) { return c.client == id; });
  }
  Client* client(ClientId id) {
    return find(clients, [&](auto& c) { return c.client == id; });
  }
  const Open* open(OpenId id) const {
    return find(opens, [&](auto& o) { return o.open == id; });
  }
  Open* open(OpenId id) {
    return find(opens, [&](auto& o) { return o.open == id; });
  }
  const Right* right(RightId id) const {
    return find(rights, [&](auto& r) { return r.right == id; });
  }
  Right* right(RightId id) {
    return find(rights, [&](auto& r) { return r.right == id; });
  }
  const Waiter* waiter(std::uint64_t arrival) const {
    return find(waiters, [&](auto& w) { return w.arrival == arrival; });
  }
  Protocol protocol(ClientId id) const {
    return client(id) == nullptr ? Protocol::admin : client(id)->protocol;
  }
  bool smb(ClientId id) const { return protocol(id) == Protocol::smb; }
  bool delete_pending(FileId file) const { return among(deletes, file); }
  ClientId asker(const Waiter& w) const { return reduce(w.request).client; }
  bool leased(const Open& o) const {
    const Right* r = right(o.right);
    return r != nullptr && r->flavour == Flavour::lease;
  }
  /// The client's lease is over, and somebody wants what it holds.
  bool yields(ClientId holder, ClientId wants) const {
    return client(holder)->courtesy && holder != wants;
  }

  Owner owner_of(ClientId c, OpenId o, const std::string& name) const {
    return smb(c) ? Owner{c, o, {}} : Owner{c, {}, name};
  }
  Owner owner_of(const LockRecord& l) const { return owner_of(l.client, l.open, l.owner); }
  Owner owner_of(const LockRequested& e) const { return owner_of(e.client, e.open, e.owner); }
  Owner owner_of(const PendingGrant& g) const { return {g.client, {}, g.owner}; }

  Asked reduce(const Request& request) const {
    Asked asked;
    std::visit(
        [&](const auto& e) {
          asked.request = e.request;
          if constexpr (requires { e.client; }) asked.client = e.client;
          if constexpr (requires { e.open; }) asked.open = e.open;
          if constexpr (requires { e.patience; }) asked.patience = e.patience;
          if constexpr (requires { e.wait; }) asked.wait = e.wait;
          if constexpr (requires { e.parent_key; }) asked.parent_key = e.parent_key;
        },
        request);
    const Open* o = open(asked.open);
    if (const Right* r = o == nullptr ? nullptr : right(o->right); r && is_lease(r->flavour))
      asked.keyed = true, asked.key = r->key;
    if (const auto* d = std::get_if<DispositionSet>(&request); d != nullptr && o != nullptr) {
      asked.client = o->client;
      asked.touches = {{o->file, Cause::remove, Operation::remove}};
    }
    asked.protocol = protocol(asked.client);
    if (const auto* e = std::get_if<OpenRequested>(&request)) {
      asked.key = e->wish.key, asked.keyed = is_lease(e->wish.flavour);
      const bool writes = e->access.has(AccessBit::write) || e->deny.has(AccessBit::read);
      const Cause cause = e->overwrite         ? Cause::overwrite
                          : e->attributes_only ? Cause::open_security
                          : writes             ? Cause::open_for_write
                                               : Cause::open;
      asked.touches = {
          {e->file, cause, Operation::read, cause != Cause::open_security || e->reads_security}};
    } else if (const auto* l = std::get_if<LockRequested>(&request)) {
      asked.touches = {{l->file, smb(l->client) ? Cause::lock_by_smb : Cause::lock_by_nfs}};
    } else if (const auto* t = std::get_if<LockTested>(&request)) {
      asked.touches = {{t->file, Cause::test_lock}};
    } else if (const auto* a = std::get_if<AccessRequested>(&request)) {
      asked.anonymous = asked.protocol == Protocol::nfs40 && !a->open;
      const bool v3_breaks = asked.protocol == Protocol::nfs3 && a->policy.v3_getattr_breaks;
      std::vector<Target> targets{a->target};
      targets.insert(targets.end(), a->others.begin(), a->others.end());
      for (const Target& target : targets) {
        auto cause = cause_of(target.operation);
        if (cause == Cause::get_attributes && v3_breaks) cause = Cause::read;
        const bool above = target.operation == Operation::rename_ancestor;
        asked.touches.push_back(
            {target.file, cause.value_or(Cause::read), target.operation, cause && !above});
        std::vector<FileId> lower;
        for (const Open& each : opens)
          if (above && among(each.ancestors, target.file) && !among(lower, each.file))
            lower.push_back(each.file);
        std::sort(lower.begin(), lower.end());
        for (const FileId file : lower)
          asked.touches.push_back({file, *cause, target.operation, true, target.file});
      }
    }
    return asked;
  }

  /// "Same key": what a request does to a right of its own breaks nothing.
  bool own(const Asked& asked, const Right& r) const {
    if (r.flavour == Flavour::oplock) return asked.open && r.open == asked.open;
    if (r.client != asked.client) return false;
    if (is_delegation(r.flavour)) return !asked.anonymous;
    if (r.flavour == Flavour::directory_lease && asked.parent_key != LeaseKey{} &&
        r.key == asked.parent_key)
      return true;
    return asked.keyed && r.key == asked.key;
  }

  Limits limits;
  Nanos now = 0;
  std::uint64_t client_counter = 0, open_counter = 0, right_counter = 0, lock_counter = 0;
  std::uint64_t arrivals = 0;
  bool grace = false, journal_failed = false;
  Nanos grace_until = 0;
  std::vector<Client> clients;
  std::vector<Open> opens;
  std::vector<Lock> locks;
  std::vector<Right> rights;
  std::vector<Waiter> waiters;
  std::vector<AccessInFlight> accesses;
  std::vector<PendingGrant> grants;
  std::vector<Bar> bars;
  std::vector<Backoff> backoffs;
  std::vector<FileId> deletes;  ///< delete pending
  std::vector<std::uint64_t> woken;
  Effects* out = nullptr;
};

}  // namespace lockstep::model
