// What can happen, one function each.
#pragma once

#include "model/steps.hpp"

namespace lockstep::model {

struct Events : Steps {
  using Steps::Steps;

  void on(const Tick&) {}
  void on(const OpenRequested& e) { attempt({e}); }
  void on(const LockRequested& e) { attempt({e}); }
  void on(const LockTested& e) { attempt({e}); }
  void on(const AccessRequested& e) { attempt({e}); }
  void on(const JournalChanged& e) { journal_failed = e.failed; }
  void on(const ClientRenewed& e) { renew(e.client); }

  // ---- Clients ----------------------------------------------------------------------------------

  void on(const ClientArrived& e) {
    auto same = [&](auto& c) { return c.protocol == e.protocol && c.identity == e.identity; };
    const bool returned = any(clients, same);
    if (!returned && clients.size() >= limits.clients_max) return reply(e.request, Status::limit);
    if (!returned)
      clients.push_back({{ClientId{++client_counter}, e.protocol, e.identity, {}, e.identity}});
    Client& c = *find(clients, same);
    c.address = e.address;
    if (!e.label.empty()) c.label = e.label;
    if (e.lease != 0) c.lease = e.lease;
    renew(c.client);
    reply(e.request, Status::ok, ClientReply{c.client, returned}, c.on_record);
  }

  /// Whoever asks for something is alive.
  void renew(ClientId id) {
    Client* c = client(id);
    if (c == nullptr) return;
    c->arrived = true;
    if (!grace) forgive(*c);
    if (c->lease == 0) return;
    c->lease_until = now + c->lease;
    c->courtesy = false;
  }

  void on(const ClientLeft& e) {
    if (client(e.client) == nullptr) return;
    drop_state(e.client);
    if (protocol(e.client) != Protocol::nlm) forget(e.client);
  }

  void on(const HostRebooted& e) {
    for (Client& c : clients) {
      const bool matches = (!e.name.empty() && c.identity == e.name) ||
                           (!e.address.empty() && c.address == e.address);
      if (c.protocol != Protocol::nlm || !matches || c.host_state == e.state) continue;
      c.host_state = e.state;
      if (c.on_record) put_client(c);
      drop_state(c.client);
    }
  }

  void on(const ReclaimCompleted& e) {
    Client* c = client(e.client);
    if (c == nullptr) return reply(e.request, Status::unknown_client);
    const bool again = c->complete && !e.one_file_system;
    c->complete = c->complete || !e.one_file_system;
    reply(e.request, again ? Status::complete_already : Status::ok);
  }

  void on(const CallbackPathChanged& e) {
    if (Client* c = client(e.client)) c->callback_up = e.up;
  }

  // ---- Opens ------------------------------------------------------------------------------------

  /// What is left must be the union of some of the OPENs that made it.
  void on(const OpenDowngraded& e) {
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
    std::erase_if(o->parts, [&](auto& part) {
      return !e.access.contains(part.first) || !e.deny.contains(part.second);
    });
    o->parts.push_back({e.access, e.deny});
    record(*o);
    reply(e.request, Status::ok);
  }

  void on(const OpenClosed& e) {
    if (open(e.open) == nullptr) return reply(e.request, Status::unknown_open);
    const Open o = *open(e.open);
    const bool pending = delete_pending(o.file);
    drop_open(e.open);
    const bool remove = pending && !delete_pending(o.file);  // it was the last
    if (remove) {
      deletes.push_back(o.file);
      AccessInFlight removal;
      removal.asked.request = e.request, removal.asked.client = o.client;
      removal.asked.protocol = Protocol::smb;
      removal.touch = {o.file, Cause::remove, Operation::remove};
      removal.removes_name = true;
      accesses.push_back(removal);
    }
    reply(e.request, Status::ok, CloseReply{remove});
  }

  void on(const ShareReleased& e) {
    if (client(e.client) == nullptr) return reply(e.request, Status::unknown_client);
    const Open* share =
        find(opens, [&](auto& o) { return is_open_of(o, e.client, e.file, e.owner); });
    if (share != nullptr) return on(OpenClosed{e.request, share->open});
    reply(e.request, Status::ok, CloseReply{});
  }

  void on(const DispositionSet& e) {
    if (e.remove || open(e.open) == nullptr) return attempt({e});
    std::erase(deletes, open(e.open)->file);
    reply(e.request, Status::ok);
  }

  // ---- Byte ranges ------------------------------------------------------------------------------

  void on(const Unlocked& e) {
    if (client(e.client) == nullptr) return reply(e.request, Status::unknown_client);
    const Owner owner = owner_of(e.client, e.open, e.owner);
    LockRequested as;
    as.client = e.client, as.open = e.open, as.owner = e.owner, as.file = e.file;
    if (!smb(e.client)) {
      end_waiters(
          [&](auto& w) {
            return w.lock() != nullptr && w.lock()->file == e.file &&
                   owner_of(*w.lock()) == owner && w.lock()->element.range == e.range;
          },
          Status::cancelled);
      stop_callbacks(owner, e.file, e.range);
      set_range(as, e.range, std::nullopt);
      return reply(e.request, Status::ok);
    }
    if (open(e.open) == nullptr || open(e.open)->client != e.client)
      return reply(e.request, Status::unknown_open);
    std::vector<Range> ranges{e.range};
    ranges.insert(ranges.end(), e.more.begin(), e.more.end());
    for (const Range& range : ranges) {  // exact ranges, the exclusive one first
      auto exact =
          all(locks, [&](auto& held) { return held.open == e.open && held.range == range; });
      if (exact.empty()) return reply(e.request, Status::range_not_locked);
      std::sort(exact.begin(), exact.end(), [](auto& a, auto& b) {
        return std::pair(b.mode, a.lock) < std::pair(a.mode, b.lock);
      });
      erase_lock(exact[0]);
      wake_freed(exact[0].file, range);
    }
    reply(e.request, Status::ok);
  }

  /// Of a cancel and a grant one wins: who finds the lock granted is told so, and it stays.
  void on(const LockCancelled& e) {
    const Owner owner = owner_of(e.client, {}, e.owner);
    auto meant = [&](auto& w) {
      return w.lock() != nullptr && w.lock()->file == e.file && owner_of(*w.lock()) == owner &&
             w.lock()->element == e.element;
    };
    const bool held =
        !any(waiters, meant) && covered(owner, e.file, e.element.range, LockMode::shared);
    end_waiters(meant, Status::cancelled);
    reply(e.request, held ? Status::denied : Status::ok);
  }

  void on(const RequestCancelled& e) {
    end_waiters([&](auto& w) { return reduce(w.request).request == e.target; }, Status::cancelled);
  }

  void on(const GrantAnswered& e) {
    const PendingGrant* found = find(grants, [&](auto& grant) { return grant.grant == e.grant; });
    if (found == nullptr) return;
    const PendingGrant grant = *found;
    std::erase_if(grants, [&](auto& each) { return each.grant == e.grant; });
    wake_own(owner_of(grant), grant.file, grant.element.range);
    if (e.accepted) return;
    LockRequested as;
    as.client = grant.client, as.owner = grant.owner, as.file = grant.file;
    set_range(as, grant.element.range, std::nullopt);
    for (const LockElement& part : grant.before)  // what a shared grant let others share stays so
      set_range(as, part.range, std::min(part.mode, grant.element.mode));
  }

  // ---- Rights and accesses ----------------------------------------------------------------------

  void on(const BreakAcknowledged& e) {
    const bool oplock = e.flavour == Flavour::oplock;
    if (oplock && (open(e.open) == nullptr || open(e.open)->client != e.client))
      return reply(e.request, Status::unknown_open);
    Right* r = find(rights, [&](auto& each) {
      return each.client == e.client && each.flavour == e.flavour && !is_delegation(e.flavour) &&
             (oplock ? each.open == e.open : each.key == e.key);
    });
    if (r == nullptr) return reply(e.request, Status::unknown_right);
    if (!r->breaking || !r->flushes.empty()) return reply(e.request, Status::not_breaking);
    if (!r->to.contains(e.rights)) return reply(e.request, Status::ack_exceeds);
    const Rights left = normalised(r->flavour, e.rights);
    reply(e.request, Status::ok, AckReply{left});
    for (const AccessInFlight& access : accesses) {
      const Operation done = access.touch.operation;
      if (access.touch.file == r->file && own(access.asked, *r) &&
          (done == Operation::write || done == Operation::set_size))
        r->flushes.push_back(access.asked.request);
    }
    r->acked = left;
    r->deadline = kNever;
    if (r->flushes.empty()) finish_break(r->right);
  }

  void on(const RightReturned& e) {
    const Right* r = right(e.right);
    if (r == nullptr || r->client != e.client) return reply(e.request, Status::unknown_right);
    end_break(e.right, kNoRights);
    reply(e.request, Status::ok);
  }

  void on(const AccessEnded& e) {
    auto meant = [&](auto& access) { return access.asked.request == e.request; };
    for (const AccessInFlight& access : all(accesses, meant)) {
      if (access.removes_name) std::erase(deletes, access.touch.file);
      wake_if([&](auto& w) { return w.for_accesses && w.lock()->file == access.touch.file; });
    }
    std::erase_if(accesses, meant);
    auto last = [&](Right& r) { return std::erase(r.flushes, e.request) && r.flushes.empty(); };
    while (const Right* r = find(rights, last)) finish_break(r->right);
  }
};

}  // namespace lockstep::model
