// The machine once more, naive and obviously right: flat lists, linear scans, one function for each
// thing that can happen. It is the oracle of `core`: same events in, same effects and view out.
// It shares with core only the words. Layers: steps.hpp on judge.hpp on state.hpp.
#pragma once

#include "model/steps.hpp"

namespace lockstep::model {

class Model : private Steps {
 public:
  explicit Model(Limits l) : Steps(l) {}
  void recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos at, Effects& effects);
  void apply(const Event& event, Effects& effects);
  Nanos next_deadline() const { return std::get<0>(earliest_deadline()); }
  StateView view() const;

 private:
  void write_records(Effects& effects);
  BootRecord boot_{0, limits.grace};
  std::map<std::string, Record> written_;

  void on(const Tick&) {}
  void on(const OpenRequested& e) { attempt(asked(e)); }
  void on(const LockRequested& e) { attempt(asked(e)); }
  void on(const LockTested& e) { attempt(asked(e)); }
  void on(const AccessRequested& e) { attempt(asked(e)); }
  void on(const JournalChanged& e) { journal_failed = e.failed; }
  void on(const ClientRenewed& e) { renew(e.client); }
  void on(const RequestCancelled& e) {
    end_all(with(&Asked::request, e.target), Status::cancelled);
  }

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
    if (!c) return;
    c->arrived = true;
    // What it lost is off the record: what it gets from now on may be reclaimed.
    c->lost_state = c->lost_state && grace;
    if (c->lease == 0) return;
    c->lease_until = now + c->lease, c->courtesy = false;
  }
  void on(const ClientLeft& e) {
    if (!client(e.client)) return;
    drop_state(e.client);
    if (protocol(e.client) != Protocol::nlm) forget(e.client);
  }
  void on(const HostRebooted& e) {
    for (Client& c : clients) {
      const bool at_address = !e.address.empty() && c.address == e.address;
      const bool changed = c.protocol == Protocol::nlm && c.host_state != e.state;
      if (!changed || (c.identity != e.name && !at_address)) continue;
      c.host_state = e.state;
      drop_state(c.client);
    }
  }
  void on(const ReclaimCompleted& e) {
    Client* c = client(e.client);
    if (!c) return reply(e.request, Status::unknown_client);
    const bool again = c->complete && !e.one_file_system;
    c->complete = c->complete || !e.one_file_system;
    reply(e.request, again ? Status::complete_already : Status::ok);
  }
  void on(const CallbackPathChanged& e) {
    if (Client* c = client(e.client)) c->callback_up = e.up;
  }
  /// What is left must be the union of some of the OPENs that made it.
  void on(const OpenDowngraded& e) {
    Open* o = open(e.open);
    if (!o) return reply(e.request, Status::unknown_open);
    Access access, deny;
    std::vector<std::pair<Access, Access>> kept{{e.access, e.deny}};
    for (const auto& part : o->parts) {
      const bool allows = e.access.contains(part.first), denies = e.deny.contains(part.second);
      if (allows) access = access | part.first;
      if (denies) deny = deny | part.second;
      if (allows && denies) kept.push_back(part);
    }
    if (access != e.access || deny != e.deny) return reply(e.request, Status::bad_mode);
    o->access = access, o->deny = deny, o->parts = kept;
    reply(e.request, Status::ok);
  }
  /// All that stands on the open goes with it, the name with the last one of a file to be removed.
  void on(const OpenClosed& e) {
    if (!open(e.open)) return reply(e.request, Status::unknown_open);
    const Open o = *open(e.open);
    auto on_it = [&](auto& each) { return each.open == e.open; };
    const bool pending = deletes.contains(o.file);
    end_all(on_it, Status::closed);
    drop_locks(on_it);
    drop_opens(on_it);
    const bool remove = pending && !deletes.contains(o.file);  // it was the last
    if (remove) {
      deletes.insert(o.file);
      Asked by;
      by.request = e.request, by.client = o.client, by.protocol = Protocol::smb;
      accesses.push_back({by, {o.file, Cause::remove, Operation::remove}, true});
    }
    reply(e.request, Status::ok, CloseReply{remove});
  }
  void on(const ShareReleased& e) {
    if (!client(e.client)) return reply(e.request, Status::unknown_client);
    const Open* share = open_of(e.client, e.file, e.owner);
    if (share) return on(OpenClosed{e.request, share->open});
    reply(e.request, Status::ok, CloseReply{});
  }
  void on(const DispositionSet& e) {
    if (e.remove || !open(e.open)) return attempt(asked(e));
    deletes.erase(open(e.open)->file);
    reply(e.request, Status::ok);
  }
  void on(const Unlocked& e) {
    if (!client(e.client)) return reply(e.request, Status::unknown_client);
    if (!smb(e.client)) {
      auto same = [&](auto& w) {
        return w.lock() && w.element.range == e.range && same_owner(e)(w);
      };
      end_all(same, Status::cancelled);
      stop_callbacks(calls(e, e.range));
      set_range({{e.client, e.open, e.owner, e.range}, e.file}, std::nullopt);
      return reply(e.request, Status::ok);
    }
    if (!open(e.open) || open(e.open)->client != e.client)
      return reply(e.request, Status::unknown_open);
    std::vector<Range> ranges{e.range};
    ranges.insert(ranges.end(), e.more.begin(), e.more.end());
    for (const Range& range : ranges) {  // exact ranges, the exclusive one first
      const Lock* gone = nullptr;
      for (const Lock& l : locks)
        if (l.open == e.open && l.range == range && (!gone || l.mode > gone->mode)) gone = &l;
      if (!gone) return reply(e.request, Status::range_not_locked);
      drop_locks(with(&Lock::lock, gone->lock));
    }
    reply(e.request, Status::ok);
  }
  /// Of a cancel and a grant one wins: who finds the lock granted is told so, and it stays.
  void on(const LockCancelled& e) {
    auto same = [&](auto& w) { return w.lock() && w.element == e.element && same_owner(e)(w); };
    const bool held = !any(waiters, same) && covered(e, {e.element.range, LockMode::shared});
    end_all(same, Status::cancelled);
    reply(e.request, held ? Status::denied : Status::ok);
  }
  void on(const GrantAnswered& e) {
    const auto same = with(&PendingGrant::grant, e.grant);
    if (!any(grants, same)) return;
    const PendingGrant grant = *find(grants, same);
    std::erase_if(grants, same);
    wake_own(grant, grant.element.range);
    if (e.accepted) return;
    Lock part{{grant.client, {}, grant.owner, grant.element.range}, grant.file};
    set_range(part, std::nullopt);
    for (const auto& [range, mode] : grant.before) {
      part.range = range;
      set_range(part, std::min(mode, grant.element.mode));  // what it let others share stays so
    }
  }
  void on(const BreakAcknowledged& e) {
    const bool oplock = e.flavour == Flavour::oplock;
    if (oplock && (!open(e.open) || open(e.open)->client != e.client))
      return reply(e.request, Status::unknown_open);
    Right* r = find(rights, [&](auto& each) {
      return each.client == e.client && each.flavour == e.flavour && !is_delegation(e.flavour) &&
             (oplock ? each.open == e.open : each.key == e.key);
    });
    if (!r) return reply(e.request, Status::unknown_right);
    if (!r->breaking || !r->flushes.empty()) return reply(e.request, Status::not_breaking);
    if (!r->breaking_to.contains(e.rights)) return reply(e.request, Status::ack_exceeds);
    r->acked = normalised(r->flavour, e.rights);
    reply(e.request, Status::ok, AckReply{r->acked});
    for (const auto& [by, touch, removes_name] : accesses)
      if (touch.file == r->file && own(by, *r) && is_write(touch.operation))
        r->flushes.push_back(by.request);
    r->deadline = kNever;
    if (r->flushes.empty()) finish_break(*r);
  }
  void on(const RightReturned& e) {
    Right* r = right(e.right);
    if (!r || r->client != e.client) return reply(e.request, Status::unknown_right);
    end_break(*r, kNoRights);
    reply(e.request, Status::ok);
  }
  void on(const AccessEnded& e) {
    auto meant = [&](auto& access) { return access.by.request == e.request; };
    for (const AccessInFlight& access : all(accesses, meant)) {
      if (access.removes_name) deletes.erase(access.touch.file);
      wake([&](auto& w) { return w.for_accesses && w.file == access.touch.file; });
    }
    std::erase_if(accesses, meant);
    auto last = [&](Right& r) { return std::erase(r.flushes, e.request) && r.flushes.empty(); };
    while (Right* r = find(rights, last)) finish_break(*r);
  }
};

}  // namespace lockstep::model
