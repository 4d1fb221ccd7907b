// The state of the reference machine: flat lists, nothing indexed, nothing cached (what is shown of
// a thing is its base); and what changes it: replies, wakes, breaks, byte ranges, the end of
// things.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "core/event.hpp"
#include "core/limits.hpp"
#include "core/view.hpp"

namespace lockstep::model {

using namespace core;  // NOLINT: the vocabulary is all that is shared, and all of it is used
using Seen = ConflictSeen;

struct Client : ClientView {
  std::int32_t host_state = 0;
  bool on_record = false;
  bool arrived = false;   ///< showed itself in this run
  bool roster = false;    ///< and had state there
  bool complete = false;  ///< said RECLAIM_COMPLETE
  Nanos lease = 0;        ///< 0: none
};
struct Open : OpenView {
  FileId file;
  Access claim_access = {}, claim_deny = {};          ///< what may be reclaimed of it, in grace
  std::vector<std::pair<Access, Access>> parts = {};  ///< the OPENs that make it up
  bool reclaimed = false;                             ///< was recovered
  std::vector<FileId> ancestors = {};
  bool unclaimed() const { return recovered || !(claim_access | claim_deny).empty(); }
};
struct Lock : LockView {
  FileId file;
  std::uint64_t lock = 0;
};
struct Right : RightView {
  FileId file;
  bool version2 = false;
  std::uint16_t epoch_on_record = 0;    ///< that of the last change of `rights`
  std::vector<RequestId> flushes = {};  ///< acknowledged to `acked` when these writes have ended
  Rights acked = {};
  Nanos break_since = 0;
  Seen seen = {};  ///< how the break began, for the report of its end
};
/// A file that a request touches, and how.
struct Touch {
  FileId file;
  Cause cause = Cause::read;
  Operation operation = Operation::read;
  std::vector<LockElement> bytes = {};  ///< that it locks, tests, reads or writes
  bool breaks = true;
  FileId below = {};          ///< a directory above the file, which is renamed
  bool handles_only = false;  ///< a deny mode is in the way: only Handle caches can help
};

struct Asked : WaiterView {
  std::variant<OpenRequested, LockRequested, LockTested, AccessRequested, DispositionSet> body;
  FileId file;
  Wait wait = Wait::none;
  Reclaim reclaim = Reclaim::none;
  Nanos patience = kNever;
  std::uint64_t arrival = 0;  ///< 0: not in the queue
  bool answered = false;      ///< blocked (callback), denied (reserve)
  std::vector<RightId> breaks;
  std::vector<FileId> files;  ///< where it waits
  // Looked up anew whenever it is judged:
  Protocol protocol = Protocol::nfs3;
  std::optional<LeaseKey> key;  ///< of the lease that it runs under
  std::vector<Touch> touches;
  OpenId again;             ///< the open on record that it reclaims
  bool same_range = false;  ///< the recovered range of an SMB open that was reclaimed

  const OpenRequested* opening() const { return std::get_if<OpenRequested>(&body); }
  const LockRequested* lock() const { return std::get_if<LockRequested>(&body); }
  const LockTested* test() const { return std::get_if<LockTested>(&body); }
  const AccessRequested* access() const { return std::get_if<AccessRequested>(&body); }
  const DispositionSet* disposition() const { return std::get_if<DispositionSet>(&body); }
  bool by_smb() const { return protocol == Protocol::smb; }
  /// Whether it takes over what it held before the restart.
  bool reclaims() const { return again || same_range || reclaim == Reclaim::previous; }
};

struct AccessInFlight {
  Asked by;                   ///< as it was let through
  Touch touch;                ///< one of its targets
  bool removes_name = false;  ///< the last close of a file that was to go
};
struct PendingGrant : GrantView {
  FileId file;
  std::vector<LockElement> before;  ///< what the owner held of these bytes
};
/// Who owns ranges: the open for SMB, the client's lock owner for the others.
using Owner = std::tuple<ClientId, OpenId, std::string>;

auto* find(auto& list, auto which) {
  auto at = std::ranges::find_if(list, which);
  return at == list.end() ? nullptr : &*at;
}
bool any(const auto& list, auto which) { return std::ranges::any_of(list, which); }
std::size_t count(const auto& list, auto which) {
  return static_cast<std::size_t>(std::ranges::count_if(list, which));
}
/// Copies, so that the list may change while they are gone through.
auto all(auto list, auto which) {
  std::erase_if(list, std::not_fn(which));
  return list;
}
bool among(const auto& list, const auto& thing) {
  return std::ranges::find(list, thing) != list.end();
}
auto with(auto member, auto value) {
  return [=](auto& each) { return each.*member == value; };
}
inline auto of(ClientId id) {
  return [id](auto& each) { return each.client == id; };
}

inline bool clashes(const LockElement& a, const LockElement& b) {
  return a.range.overlaps(b.range) && clash(a.mode, b.mode);
}

struct State {
  explicit State(Limits l) : limits(l) {}
  Limits limits;
  Nanos now = 0, grace_until = 0;
  bool grace = false, journal_failed = false;
  std::uint64_t client_counter = 0, open_counter = 0, right_counter = 0, lock_counter = 0;
  std::uint64_t arrivals = 0;
  std::vector<Client> clients;
  std::vector<Open> opens;
  std::vector<Lock> locks;  ///< by (first byte, id): that is how the one in the way is named
  std::vector<Right> rights;
  std::vector<Asked> waiters;  ///< by arrival
  std::vector<AccessInFlight> accesses;
  std::vector<PendingGrant> grants;
  std::map<std::tuple<FileId, ClientId, Cause>, Nanos> bars;
  std::map<FileId, Nanos> no_delegation_until;
  std::set<FileId> deletes;  ///< delete pending
  std::set<std::uint64_t> woken;
  Effects* out = nullptr;

  Client* client(ClientId id) { return find(clients, of(id)); }
  Open* open(OpenId id) { return find(opens, with(&Open::open, id)); }
  Right* right(RightId id) { return find(rights, with(&Right::right, id)); }
  Asked* waiter(std::uint64_t id) { return find(waiters, with(&Asked::arrival, id)); }
  Protocol protocol(ClientId id) { return client(id) ? client(id)->protocol : Protocol::admin; }
  bool smb(ClientId id) { return protocol(id) == Protocol::smb; }
  bool has_state(ClientId id) {
    return any(opens, of(id)) || any(locks, of(id)) || any(rights, of(id));
  }
  Owner owner_of(const auto& thing) {
    if constexpr (requires { thing.open; })
      if (smb(thing.client)) return {thing.client, thing.open, {}};
    return {thing.client, {}, thing.owner};
  }
  /// Things of the same lock owner on the same file.
  auto same_owner(const auto& a) {
    return [this, &a](auto& b) { return b.file == a.file && owner_of(b) == owner_of(a); };
  }
  /// On record is all of NLM and NFSv4, of SMB what stands under a lease.
  bool recorded(const Right& r) {
    return r.flavour == Flavour::lease || r.flavour == Flavour::delegation;
  }
  bool recorded(const auto& open_or_lock) {
    const Open* o = open(open_or_lock.open);
    const Right* r = o ? right(o->right) : nullptr;
    return !smb(open_or_lock.client) || (r && recorded(*r));
  }

  Asked asked(const auto& e) {
    static const char* const names[] = {"open", "lock", "test", "", "disposition"};
    Asked a;
    a.body = e;
    a.what = names[a.body.index()];
    a.request = e.request;
    if constexpr (requires { e.client; }) a.client = e.client;
    if constexpr (requires { e.open; }) a.open = e.open;
    if constexpr (requires { e.owner; }) a.owner = e.owner;
    if constexpr (requires { e.element; }) a.element = e.element;
    if constexpr (requires { e.file; }) a.file = e.file;
    if constexpr (requires { e.target; }) a.file = e.target.file, a.what = name(e.target.operation);
    if constexpr (requires { e.patience; }) a.patience = e.patience;
    if constexpr (requires { e.reclaim; }) a.reclaim = e.reclaim;
    if constexpr (requires { e.wait; }) a.wait = e.wait;
    a.queued = a.wait != Wait::none;
    return a;
  }
  void look(Asked& a) {
    const Open* o = open(a.open);
    const Right* under = o ? right(o->right) : nullptr;
    if (a.disposition() && o) a.client = o->client, a.file = o->file;
    a.protocol = protocol(a.client);
    a.key.reset();
    if (under && is_lease(under->flavour)) a.key = under->key;
    a.touches.clear();
    std::visit([&](const auto& e) { touch(a, e); }, a.body);
  }
  void touch(Asked& a, const OpenRequested& e) {
    const bool writes = e.access.has(AccessBit::write) || e.deny.has(AccessBit::read);
    const Cause cause = e.overwrite         ? Cause::overwrite
                        : e.attributes_only ? Cause::open_security
                        : writes            ? Cause::open_for_write
                                            : Cause::open;
    if (is_lease(e.wish.flavour)) a.key = e.wish.key;
    a.touches = {{e.file, cause, {}, {}, cause != Cause::open_security || e.reads_security}};
  }
  void touch(Asked& a, const LockRequested& e) {
    a.touches = {{e.file, a.by_smb() ? Cause::lock_by_smb : Cause::lock_by_nfs, {}, {e.element}}};
    a.touches[0].bytes.insert(a.touches[0].bytes.end(), e.more.begin(), e.more.end());
  }
  void touch(Asked& a, const LockTested& e) {
    a.touches = {{e.file, Cause::test_lock, {}, {e.element}}};
  }
  void touch(Asked& a, const DispositionSet&) {
    a.touches = {{a.file, Cause::remove, Operation::remove}};
  }
  void touch(Asked& a, const AccessRequested& e) {
    std::vector<Target> targets{e.target};
    targets.insert(targets.end(), e.others.begin(), e.others.end());
    const bool reads_size = a.protocol == Protocol::nfs3 && e.policy.v3_getattr_breaks;
    for (const auto& [file, op] : targets) {
      const bool above = op == Operation::rename_ancestor;
      const auto cause = reads_size && op == Operation::get_attributes ? Cause::read : cause_of(op);
      a.touches.push_back({file, cause.value_or(Cause::read), op, {}, cause && !above});
      const auto mode = is_write(op) ? LockMode::exclusive : LockMode::shared;
      if (is_io(op)) a.touches.back().bytes = {{e.range, mode}};
      std::set<FileId> lower;
      for (const Open& o : opens)
        if (above && among(o.ancestors, file)) lower.insert(o.file);
      for (const FileId each : lower) a.touches.push_back({each, *cause, op, {}, true, file});
    }
  }
  /// "Same key": what a request does to a right of its own breaks nothing.
  static bool own(const Asked& a, const Right& r) {
    if (r.flavour == Flavour::oplock) return a.open && r.open == a.open;
    if (r.client != a.client) return false;
    const bool anonymous = a.protocol == Protocol::nfs40 && a.access() && !a.open;
    if (is_delegation(r.flavour)) return !anonymous;
    const LeaseKey parent = a.access() ? a.access()->parent_key : LeaseKey{};
    const bool by_parent = parent != LeaseKey{} && r.key == parent;
    return a.key == r.key || (r.flavour == Flavour::directory_lease && by_parent);
  }

  void say(auto effect) { out->push_back(std::move(effect)); }
  /// A conflict across the families is shown to the owner.
  void saw(const Seen& seen) {
    if (is_nfs(seen.initiator) != is_nfs(protocol(seen.with))) say(seen);
  }
  void reply(RequestId request, Status status, ReplyBody body = {}, bool durable = false) {
    say(Reply{request, status, durable, std::move(body)});
  }
  /// The one reply of a request; `later` leaves bars, to be let through takes them away.
  void answer(Asked a, Status status, ReplyBody body = {}, bool durable = false) {
    if (!a.answered) reply(a.request, status, std::move(body), durable);
    if (status != Status::ok && status != Status::later) return;
    look(a);
    for (const Touch& touch : a.touches) {
      const std::tuple bar{touch.file, a.client, touch.cause};
      if (touch.breaks) bars.erase(bar);
      if (touch.breaks && status == Status::later) bars[bar] = now + limits.bar;
    }
  }
  /// The request ends without a grant; those behind it in the queue may go.
  void end(Asked a, Status status, ReplyBody body = {}) {  // NOLINT: a copy, the waiter goes
    std::erase_if(waiters, with(&Asked::arrival, a.arrival));
    answer(a, status, std::move(body));
    if (a.queued && a.arrival != 0) wake_freed(a.file, a.element.range, a.told ? 0 : a.arrival);
  }
  void end_all(auto which, Status status) {
    for (const Asked& w : all(waiters, which)) end(w, status);
  }

  // ---- Wakes: collected here, run at the end of the step
  void wake(auto which) {
    for (const Asked& w : waiters)
      if (!w.told && which(w)) woken.insert(w.arrival);
  }
  static bool waits_at(const Asked& w, FileId file, Range range) {
    return w.for_locks && w.file == file && w.element.range.overlaps(range);
  }
  /// Lock waiters that overlap what was freed; those behind `behind` only.
  void wake_freed(FileId file, Range range, std::uint64_t behind = 0) {
    wake([&](auto& w) { return waits_at(w, file, range) && w.arrival > behind; });
  }
  /// The owner's own: bytes that it holds now let them pass the queue, or a call has ended.
  void wake_own(const auto& by, Range range) {
    wake([&](auto& w) { return waits_at(w, by.file, range) && same_owner(by)(w); });
  }

  void send_break(const Right& r, Rights to, bool acked) {
    say(SendBreak{r.client, r.right, r.flavour, r.file, r.key, r.open, r.rights, to, r.epoch, acked,
                  recorded(r)});
  }
  void begin_break(Right& r, const Breaking& how, const Asked& by, Cause cause) {
    const bool acked = how.how != Breaking::How::notice, delegation = is_delegation(r.flavour);
    const bool handle_only = how.to.has(RightBit::write) || !r.rights.has(RightBit::write);
    const auto thing = delegation ? Seen::Thing::delegation : Seen::Thing::smb_lease;
    if (r.version2) ++r.epoch;
    r.seen = {by.protocol, thing, {}, cause, r.file, by.client, r.client, handle_only};
    r.seen.resolution = Seen::Resolution::break_initiated;
    saw(r.seen);
    send_break(r, how.to, acked);
    if (!acked) return lower(r, how.to);
    r.breaking = true;
    r.breaking_to = r.required = how.to;
    r.break_since = now;
    r.deadline = now + (delegation ? limits.delegation_timeout : limits.break_timeout);
    // Others wait for this client now: it passes the queue.
    wake([&](auto& w) { return w.for_locks && w.client == r.client && w.file == r.file; });
  }
  /// The right becomes `left`; what has nothing left is gone, but for a lease.
  void lower(Right& r, Rights left) {
    r.rights = left;
    r.epoch_on_record = r.epoch;
    if (left.empty() && !is_lease(r.flavour)) drop_right(r.right);
  }
  void stop_break(Right& r) {
    if (!r.breaking) return;
    r.breaking = false;
    r.flushes.clear();
    r.breaking_to = r.required = kNoRights;
    r.deadline = kNever;
    r.seen.resolution = Seen::Resolution::break_completed;
    r.seen.duration = now - r.break_since;
    saw(r.seen);
    if (is_delegation(r.flavour)) no_delegation_until[r.file] = now + limits.regrant_backoff;
    for (Asked& w : waiters)
      if (std::erase(w.breaks, r.right) != 0 && w.breaks.empty()) woken.insert(w.arrival);
  }
  void end_break(Right& r, Rights left) {
    stop_break(r);
    lower(r, left);
  }
  /// The acknowledgment takes effect. When somebody needs more of the right the same break goes on,
  /// to R before nothing.
  void finish_break(Right& r) {
    if (r.required.contains(r.acked)) return end_break(r, r.acked);
    lower(r, r.acked);
    const bool acked = r.rights != kR;
    r.breaking_to = acked ? r.required | kR : r.required;
    send_break(r, r.breaking_to, acked);
    if (!acked) return end_break(r, r.breaking_to);
    r.deadline = now + limits.break_timeout;
  }
  void drop_right(RightId id) {
    stop_break(*right(id));
    std::erase_if(rights, with(&Right::right, id));
    for (Open& o : opens)
      if (o.right == id) o.right = {};
  }

  void insert_lock(const Lock& added) {
    auto key = [](auto& l) { return std::pair(l.range.first, l.lock); };
    locks.insert(std::ranges::upper_bound(locks, key(added), {}, key), added);
    if (recorded(added)) client(added.client)->on_record = true;
  }
  /// POSIX: the owner's bytes of `set.range` become `mode`, or free. What lies beside in the same
  /// mode is merged (and gives its id); of a lock that is cut the first part keeps it.
  void set_range(Lock set, std::optional<LockMode> mode) {
    const Range range = set.range;
    auto near = all(locks, same_owner(set));
    std::erase_if(near, [&](auto& held) { return !held.range.touches(range); });
    auto alike = [&](auto& held) { return mode == held.mode && !held.recovered; };
    if (any(near, [&](auto& held) { return alike(held) && held.range.contains(range); })) return;
    for (Lock held : near) {
      if (!alike(held) && !held.range.overlaps(range)) continue;
      std::erase_if(locks, with(&Lock::lock, held.lock));
      if (alike(held)) {
        set.lock = set.lock == 0 ? held.lock : set.lock;
        set.range = hull(set.range, held.range);
        continue;
      }
      if (!mode || *mode < held.mode) wake_freed(set.file, common(held.range, range));
      const Range whole = held.range;
      auto keep = [&](Range rest, Range between) {  // who stands between bytes may go
        held.range = rest;
        insert_lock(held);
        wake([&](auto& w) { return w.element.range.empty() && waits_at(w, set.file, between); });
      };
      const bool left = whole.first < range.first;
      if (left) keep({whole.first, range.first - 1}, {range.first - 1, range.first});
      if (whole.last <= range.last) continue;
      if (left) held.lock = ++lock_counter;
      keep({range.last + 1, whole.last}, {range.last, range.last + 1});
    }
    if (!mode) return;
    if (set.lock == 0) set.lock = ++lock_counter;
    set.mode = *mode;
    set.since = now;
    insert_lock(set);
  }
  auto calls(const auto& by, Range range) {
    return [=, this, &by](auto& c) { return same_owner(by)(c) && c.element.range.overlaps(range); };
  }
  /// The client has shown that it knows better: its calls about these bytes stop.
  void stop_callbacks(auto which) {
    for (const PendingGrant& call : all(grants, which)) {
      say(StopNotifying{call.client, call.grant});
      wake_own(call, call.element.range);
    }
    std::erase_if(grants, which);
  }

  void drop_locks(auto which) {
    for (const Lock& held : all(locks, which)) {
      std::erase_if(locks, with(&Lock::lock, held.lock));
      wake_freed(held.file, held.range);
    }
  }
  /// A lease and an oplock stand on opens; a pending delete falls with the last SMB open.
  void drop_opens(auto which) {
    for (const Open& gone : all(opens, which)) {
      std::erase_if(opens, with(&Open::open, gone.open));
      if (right(gone.right) && !any(opens, with(&Open::right, gone.right))) drop_right(gone.right);
      if (!any(opens, [&](auto& o) { return o.file == gone.file && smb(o.client); }) &&
          !any(accesses, [&](auto& a) { return a.removes_name && a.touch.file == gone.file; }))
        deletes.erase(gone.file);
    }
  }
  void drop_all(auto which) {
    drop_locks(which);
    drop_opens(which);
    for (const Right& r : all(rights, which)) drop_right(r.right);
  }
  void drop_state(ClientId id) {
    end_all(of(id), Status::cancelled);
    auto its_calls = all(grants, of(id));
    std::ranges::sort(its_calls, {}, &PendingGrant::grant);
    for (const PendingGrant& call : its_calls) say(StopNotifying{call.client, call.grant});
    std::erase_if(grants, of(id));
    drop_all(of(id));
    std::erase_if(bars, [id](auto& bar) { return std::get<ClientId>(bar.first) == id; });
  }
  void forget(ClientId id) {
    std::erase_if(clients, of(id));
    for (AccessInFlight& access : accesses)  // its I/O still ends one day
      if (access.by.client == id) access.by.client = {};
  }
  /// The mark goes on record before what takes the place of its state.
  void revoke_courtesy(ClientId id) {
    client(id)->lost_state = client(id)->on_record = true;
    say(Revoked{id, {}, {}, LeaveReason::expired});
    drop_state(id);
  }
};

}  // namespace lockstep::model
