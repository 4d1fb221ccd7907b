#include "tests/model/describe.hpp"

#include <sstream>
#include <vector>

namespace lockstep::test {

using namespace core;  // NOLINT: every word of the vocabulary is described here

namespace {

std::string text(std::uint64_t value) { return std::to_string(value); }
std::string time(Nanos t) {
  if (t == kNever) return "never";
  std::ostringstream out;
  out << t / kSecond;
  if (t % kSecond != 0) out << '.' << (1000 + t / kMillisecond % 1000) << '/' << t % kMillisecond;
  return out.str() + "s";
}
// Ids without their epoch: "c1", "o2", and "c1@3" for one of run 3.
std::string id(const char* prefix, std::uint64_t value) {
  if (value == 0) return std::string(prefix) + "-";
  std::string shown = prefix + text(value & ((std::uint64_t{1} << 40) - 1));
  if (value >> 40 > 1) shown += "@" + text(value >> 40);
  return shown;
}
std::string of(ClientId c) { return id("c", c.value); }
std::string of(OpenId o) { return id("o", o.value); }
std::string of(RightId r) { return id("r", r.value); }
std::string of(RequestId q) { return "q" + text(q.value); }
std::string of(FileId f) { return "f" + text(f.node); }
std::string of(const LeaseKey& key) {
  return "k" + text(key.bytes[0]) + (key.bytes[1] != 0 ? "." + text(key.bytes[1]) : "");
}
std::string of(Range r) {
  if (r.never_clashes()) return "[zero at 0]";
  if (r.empty()) return "[zero at " + text(r.first) + "]";
  return "[" + text(r.first) + "-" + (r.last == kEndOfFile ? "eof" : text(r.last)) + "]";
}
std::string of(const LockElement& e) { return of(e.range) + " " + std::string(name(e.mode)); }
const char* name(Wait wait) {
  constexpr const char* names[] = {"try", "queue", "callback", "reserve"};
  return names[static_cast<int>(wait)];
}
const char* name(Reclaim reclaim) {
  constexpr const char* names[] = {"", " RECLAIM", " DELEGATED"};
  return names[static_cast<int>(reclaim)];
}
const char* name(LeaveReason reason) {
  constexpr const char* names[] = {"free_all",  "rebooted", "disconnected",
                                   "destroyed", "expired",  "administrator"};
  return names[static_cast<int>(reason)];
}
const char* name(Cause cause) {
  constexpr const char* names[] = {
      "open",   "open_for_write", "open_security",  "open_conflict",  "overwrite",
      "read",   "write",          "lock_by_smb",    "lock_by_nfs",    "test_lock",
      "rename", "remove",         "set_attributes", "get_attributes", "change_directory"};
  static_assert(std::size(names) == kCauses);
  return names[static_cast<int>(cause)];
}
std::string of(const Policy& p) {
  std::string all;
  if (!p.smb_ranges_on_nfs_io) all += " -smb_ranges";
  if (!p.smb_deny_on_nfs_io) all += " -smb_deny";
  if (p.nfs_ranges_on_nfs_io) all += " +nfs_ranges";
  if (p.unlink_while_open) all += " +unlink";
  if (p.v3_getattr_breaks) all += " +getattr";
  return all;
}
std::string patience(Nanos until) { return until == kNever ? "" : " until " + time(until); }

struct EventText {
  std::string operator()(const Tick&) const { return "Tick"; }
  std::string operator()(const ClientArrived& e) const {
    return "ClientArrived " + of(e.request) + " " + std::string(core::name(e.protocol)) + " " +
           e.identity + " at " + e.address + " lease " + time(e.lease);
  }
  std::string operator()(const ClientRenewed& e) const { return "ClientRenewed " + of(e.client); }
  std::string operator()(const ClientLeft& e) const {
    return "ClientLeft " + of(e.client) + " " + name(e.reason);
  }
  std::string operator()(const HostRebooted& e) const {
    return "HostRebooted '" + e.name + "' '" + e.address + "' state " + std::to_string(e.state);
  }
  std::string operator()(const ReclaimCompleted& e) const {
    return "ReclaimCompleted " + of(e.request) + " " + of(e.client) +
           (e.one_file_system ? " one fs" : "");
  }
  std::string operator()(const OpenRequested& e) const {
    std::string all = "OpenRequested " + of(e.request) + " " + of(e.client) + " " + of(e.file) +
                      " owner '" + e.owner + "' access " + core::name(e.access) + " deny " +
                      core::name(e.deny);
    if (e.attributes_only) all += " attributes_only";
    if (e.reads_security) all += " reads_security";
    if (e.overwrite) all += " overwrite";
    if (e.directory) all += " directory";
    if (e.wish.flavour != Flavour::none)
      all += " wish " + std::string(core::name(e.wish.flavour)) + " " + core::name(e.wish.rights) +
             " " + of(e.wish.key) + (e.wish.version2 ? " v2 epoch " + text(e.wish.epoch) : "");
    all += name(e.reclaim);
    for (FileId f : e.ancestors) all += " under " + of(f);
    return all + patience(e.patience);
  }
  std::string operator()(const OpenDowngraded& e) const {
    return "OpenDowngraded " + of(e.request) + " " + of(e.open) + " to " + core::name(e.access) +
           " deny " + core::name(e.deny);
  }
  std::string operator()(const OpenClosed& e) const {
    return "OpenClosed " + of(e.request) + " " + of(e.open);
  }
  std::string operator()(const ShareReleased& e) const {
    return "ShareReleased " + of(e.request) + " " + of(e.client) + " '" + e.owner + "' " +
           of(e.file);
  }
  std::string operator()(const DispositionSet& e) const {
    return "DispositionSet " + of(e.request) + " " + of(e.open) + (e.remove ? " remove" : " keep");
  }
  std::string operator()(const LockRequested& e) const {
    std::string all = "LockRequested " + of(e.request) + " " + of(e.client) + " " + of(e.open) +
                      " '" + e.owner + "' " + of(e.file) + " " + of(e.element);
    for (const auto& more : e.more) all += " and " + of(more);
    return all + " " + name(e.wait) + name(e.reclaim) + patience(e.patience);
  }
  std::string operator()(const Unlocked& e) const {
    std::string all = "Unlocked " + of(e.request) + " " + of(e.client) + " " + of(e.open) + " '" +
                      e.owner + "' " + of(e.file) + " " + of(e.range);
    for (const auto& more : e.more) all += " and " + of(more);
    return all;
  }
  std::string operator()(const LockCancelled& e) const {
    return "LockCancelled " + of(e.request) + " " + of(e.client) + " '" + e.owner + "' " +
           of(e.file) + " " + of(e.element);
  }
  std::string operator()(const RequestCancelled& e) const {
    return "RequestCancelled " + of(e.target);
  }
  std::string operator()(const LockTested& e) const {
    return "LockTested " + of(e.request) + " " + of(e.client) + " " + of(e.open) + " '" + e.owner +
           "' " + of(e.file) + " " + of(e.element) + patience(e.patience);
  }
  std::string operator()(const GrantAnswered& e) const {
    return "GrantAnswered " + of(e.grant) + (e.accepted ? " accepted" : " refused");
  }
  std::string operator()(const BreakAcknowledged& e) const {
    return "BreakAcknowledged " + of(e.request) + " " + of(e.client) + " " +
           std::string(core::name(e.flavour)) + " " + of(e.key) + " " + of(e.open) + " to " +
           core::name(e.rights);
  }
  std::string operator()(const RightReturned& e) const {
    return "RightReturned " + of(e.request) + " " + of(e.client) + " " + of(e.right);
  }
  std::string operator()(const CallbackPathChanged& e) const {
    return "CallbackPathChanged " + of(e.client) + (e.up ? " up" : " down");
  }
  std::string operator()(const AccessRequested& e) const {
    std::string all = "AccessRequested " + of(e.request) + " " + of(e.client) + " " + of(e.open) +
                      " '" + e.owner + "' " + std::string(core::name(e.target.operation)) + " " +
                      of(e.target.file);
    for (const auto& other : e.others)
      all += " and " + std::string(core::name(other.operation)) + " " + of(other.file);
    all += " " + of(e.range);
    if (e.parent_key != LeaseKey{}) all += " parent " + of(e.parent_key);
    if (e.reclaimed) all += " reclaimed";
    return all + of(e.policy) + patience(e.patience);
  }
  std::string operator()(const AccessEnded& e) const { return "AccessEnded " + of(e.request); }
  std::string operator()(const JournalChanged& e) const {
    return std::string("JournalChanged ") + (e.failed ? "failed" : "works");
  }
};

struct BodyText {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(const ClientReply& b) const {
    return " " + of(b.client) + (b.returned ? " returned" : " new");
  }
  std::string operator()(const OpenReply& b) const {
    std::string all = " " + of(b.open);
    if (b.right)
      all += " " + std::string(core::name(b.flavour)) + " " + of(b.right) + " " +
             core::name(b.rights) + " epoch " + text(b.epoch);
    if (b.breaking) all += " breaking";
    if (b.recall) all += " recall";
    return all;
  }
  std::string operator()(const CloseReply& b) const { return b.remove ? " remove" : ""; }
  std::string operator()(const AckReply& b) const { return " " + core::name(b.rights); }
  std::string operator()(const Holder& h) const {
    constexpr const char* kinds[] = {"lock", "reservation", "open", "right", "access"};
    return std::string(" held by ") + kinds[static_cast<int>(h.kind)] + " of " + of(h.client) +
           " (" + std::string(core::name(h.protocol)) + " " + h.label + ") '" + h.owner + "' " +
           of(h.open) + " " + of(h.range) + " " + std::string(core::name(h.mode));
  }
};

struct EffectText {
  std::string operator()(const Reply& e) const {
    return "Reply " + of(e.request) + " " + std::string(core::name(e.status)) +
           (e.durable ? " durable" : "") + std::visit(BodyText{}, e.body);
  }
  std::string operator()(const Parked& e) const { return "Parked " + of(e.request); }
  std::string operator()(const SendBreak& e) const {
    return "SendBreak " + of(e.client) + " " + std::string(core::name(e.flavour)) + " " +
           of(e.right) + " " + of(e.file) + " " + of(e.key) + " " + of(e.open) + " " +
           core::name(e.from) + "->" + core::name(e.to) + " epoch " + text(e.epoch) +
           (e.ack_required ? " ack" : "") + (e.durable ? " durable" : "");
  }
  std::string operator()(const NotifyGranted& e) const {
    return "NotifyGranted " + of(e.grant) + " " + of(e.client) + " '" + e.owner + "' " +
           of(e.file) + " " + of(e.element) + (e.durable ? " durable" : "");
  }
  std::string operator()(const StopNotifying& e) const {
    return "StopNotifying " + of(e.grant) + " " + of(e.client);
  }
  std::string operator()(const NotifyLock& e) const {
    return "NotifyLock " + of(e.client) + " '" + e.owner + "' " + of(e.file);
  }
  std::string operator()(const Revoked& e) const {
    return "Revoked " + of(e.client) + " " + of(e.file) + " " + of(e.right) + " " + name(e.reason);
  }
  std::string operator()(const Persist& e) const {
    return std::string(e.change.erase ? "Erase " : "Put ") + describe(e.change.record);
  }
  std::string operator()(const ConflictSeen& e) const {
    constexpr const char* things[] = {"nfs_lock",  "nfs_open", "delegation",
                                      "smb_lease", "smb_lock", "smb_open"};
    constexpr const char* ends[] = {"denied", "break_initiated", "break_completed"};
    return std::string("ConflictSeen ") + std::string(core::name(e.initiator)) + " " + of(e.by) +
           " " + name(e.trigger) + " against " + things[static_cast<int>(e.conflicting)] + " of " +
           of(e.with) + " on " + of(e.file) + " " + ends[static_cast<int>(e.resolution)] +
           (e.handle_only ? " handle_only" : "") + " " + time(e.duration);
  }
  std::string operator()(const GraceEnded&) const { return "GraceEnded"; }
};

struct RecordText {
  std::string operator()(const BootRecord& r) const {
    return "boot epoch " + text(r.epoch) + " grace " + time(r.grace);
  }
  std::string operator()(const ClientRecord& r) const {
    return "client " + of(r.client) + " " + std::string(core::name(r.protocol)) + " " + r.identity +
           " " + r.address + " host_state " + std::to_string(r.host_state) +
           (r.lost_state ? " LOST" : "");
  }
  std::string operator()(const OpenRecord& r) const {
    return "open " + of(r.open) + " " + of(r.client) + " " + of(r.file) + " '" + r.owner + "' " +
           core::name(r.access) + " deny " + core::name(r.deny) + " " + of(r.right);
  }
  std::string operator()(const LockRecord& r) const {
    return "lock " + id("l", r.lock) + " " + of(r.client) + " " + of(r.open) + " '" + r.owner +
           "' " + of(r.file) + " " + of(r.range) + " " + std::string(core::name(r.mode));
  }
  std::string operator()(const RightRecord& r) const {
    return "right " + of(r.right) + " " + of(r.client) + " " + of(r.file) + " " +
           std::string(core::name(r.flavour)) + " " + of(r.key) + (r.version2 ? " v2" : "") +
           " epoch " + text(r.epoch) + " " + core::name(r.rights);
  }
};

void describe_file(const FileView& f, std::ostringstream& out) {
  const std::string file = of(f.file);
  out << file << (f.delete_pending ? " delete_pending" : "");
  if (f.no_delegation_until != 0) out << " no_delegation_until " << time(f.no_delegation_until);
  out << "\n";
  for (const auto& o : f.opens)
    out << file << " open " << of(o.open) << " " << of(o.client) << " '" << o.owner << "' "
        << core::name(o.access) << " deny " << core::name(o.deny) << " " << of(o.right)
        << (o.attributes_only ? " attributes_only" : "") << (o.recovered ? " recovered" : "")
        << "\n";
  for (const auto& l : f.locks)
    out << file << " lock " << of(l.range) << " " << core::name(l.mode) << " " << of(l.client)
        << " " << of(l.open) << " '" << l.owner << "'" << (l.recovered ? " recovered" : "")
        << " since " << time(l.since) << "\n";
  for (const auto& r : f.rights)
    out << file << " right " << of(r.right) << " " << core::name(r.flavour) << " " << of(r.client)
        << " " << of(r.key) << " " << of(r.open) << " " << core::name(r.rights)
        << (r.breaking ? " breaking to " + core::name(r.breaking_to) + " required " +
                             core::name(r.required) + " until " + time(r.deadline)
                       : "")
        << " epoch " << r.epoch << (r.recovered ? " recovered" : "") << " since " << time(r.since)
        << "\n";
  for (const auto& w : f.waiters)
    out << file << " waiter " << of(w.request) << " " << of(w.client) << " '" << w.owner << "' "
        << of(w.open) << " " << w.what << " " << of(w.element) << (w.for_breaks ? " breaks" : "")
        << (w.for_locks ? " locks" : "") << (w.for_accesses ? " accesses" : "")
        << (w.for_grace ? " grace" : "") << (w.told ? " told" : "") << " since " << time(w.since)
        << " until " << time(w.until) << "\n";
  for (const auto& a : f.accesses)
    out << file << " access " << of(a.request) << " " << of(a.client) << " "
        << core::name(a.operation) << " " << of(a.range) << "\n";
  for (const auto& g : f.grants)
    out << file << " grant " << of(g.grant) << " " << of(g.client) << " '" << g.owner << "' "
        << of(g.element) << "\n";
  for (const auto& b : f.bars)
    out << file << " bar " << of(b.client) << " " << name(b.cause) << " until " << time(b.until)
        << "\n";
}

}  // namespace

std::string describe(const Event& event) {
  return time(event.now) + " " + std::visit(EventText{}, event.body);
}
std::string describe(const Effect& effect) { return std::visit(EffectText{}, effect); }
std::string describe(const Record& record) { return std::visit(RecordText{}, record); }

std::string describe(const StateView& view) {
  std::ostringstream out;
  if (view.grace) out << "grace until " << time(view.grace_until) << "\n";
  if (view.journal_failed) out << "journal failed\n";
  for (const auto& c : view.clients)
    out << of(c.client) << " " << core::name(c.protocol) << " " << c.identity << " " << c.address
        << " " << c.label << " lease_until " << time(c.lease_until)
        << (c.courtesy ? " courtesy" : "") << (c.lost_state ? " lost_state" : "")
        << (c.callback_up ? " callback_up" : "") << (c.reclaiming ? " reclaiming" : "") << " opens "
        << c.opens << " locks " << c.locks << " rights " << c.rights << " waiters " << c.waiters
        << "\n";
  for (const auto& f : view.files) describe_file(f, out);
  return out.str();
}

std::string difference(const std::string& ours, const std::string& theirs) {
  auto lines = [](const std::string& all) {
    std::vector<std::string> list;
    std::istringstream in(all);
    for (std::string line; std::getline(in, line);) list.push_back(line);
    return list;
  };
  const auto a = lines(ours), b = lines(theirs);
  std::string out;
  auto missing = [](const std::vector<std::string>& from, const std::string& line) {
    for (const auto& each : from)
      if (each == line) return false;
    return true;
  };
  for (const auto& line : a)
    if (missing(b, line)) out += "    model only: " + line + "\n";
  for (const auto& line : b)
    if (missing(a, line)) out += "    core only:  " + line + "\n";
  return out.empty() ? "    (the same lines in another order or number)\n" : out;
}

}  // namespace lockstep::test
