// The state of the reference machine: flat lists, nothing indexed, nothing cached. What is made
// durable of a thing is its base.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/break_table.hpp"
#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/limits.hpp"
#include "core/view.hpp"

namespace lockstep::model {

using namespace core;  // NOLINT: the vocabulary is all that is shared, and all of it is used

struct Client : ClientRecord {
  Nanos lease = 0;             ///< 0: none
  Nanos lease_until = kNever;  ///< when it ends; in courtesy: when that ends
  bool courtesy = false, callback_up = false;
  bool arrived = false;   ///< showed itself in this run
  bool roster = false;    ///< and had state there
  bool complete = false;  ///< said RECLAIM_COMPLETE
  bool on_record = false;
};
struct Open : OpenRecord {
  bool attributes_only = false;
  std::vector<std::pair<Access, Access>> parts =
      {};  ///< the OPENs that make it up (OPEN_DOWNGRADE)
  std::vector<FileId> ancestors = {};
  bool recovered = false;                     ///< on record, not reclaimed yet
  bool reclaimed = false;                     ///< was recovered
  Access claim_access = {}, claim_deny = {};  ///< what the record allows to reclaim
};
struct Lock : LockRecord {
  bool recovered = false;
  Nanos since = 0;
};
struct Right : RightRecord {
  OpenId open = {};  ///< oplocks
  bool recovered = false;
  Nanos since = 0;
  bool breaking = false;
  Rights to = {};
  Rights required = {};  ///< what the SMB opens that wait for the break leave
  Nanos deadline = kNever;
  std::vector<RequestId> flushes = {};  ///< acknowledged to `acked` when these writes have ended
  Rights acked = {};
};

/// The requests that may wait.
using Request =
    std::variant<OpenRequested, LockRequested, LockTested, AccessRequested, DispositionSet>;

struct Waiter {
  Request request;
  std::uint64_t arrival = 0;  ///< 0: not in the queue
  bool for_breaks = false, for_locks = false, for_accesses = false, for_grace = false;
  std::vector<RightId> breaks = {};
  std::vector<FileId> files = {};  ///< where it waits
  bool announced = false;          ///< Parked was said
  bool answered = false;           ///< blocked (callback), denied (reserve)
  bool told = false;               ///< its turn came, the range is kept
  Nanos since = 0, until = kNever;

  const LockRequested* lock() const { return std::get_if<LockRequested>(&request); }
  bool queued() const { return lock() != nullptr && lock()->wait != Wait::none; }
};

/// A request reduced to what it needs.
struct Asked {
  RequestId request;
  ClientId client;
  Protocol protocol = Protocol::nfs3;
  OpenId open;
  bool keyed = false;  ///< it runs under the lease of `key`
  LeaseKey key, parent_key;
  bool anonymous = false;  ///< NFSv4.0 without a stateid: breaks everybody's
  struct Touch {
    FileId file;
    Cause cause = Cause::read;
    Operation operation = Operation::read;
    bool breaks = true;
    FileId below = {};          ///< a directory above the file, which is renamed
    bool handles_only = false;  ///< a deny mode is in the way: only Handle caches can help
  };
  std::vector<Touch> touches;
  Nanos patience = kNever;
  Wait wait = Wait::none;
  bool answered =
      false;  ///< it had its reply, `blocked` or `denied`: so it waits for what it meets
};
struct AccessInFlight {
  Asked asked;         ///< as it was let through
  Asked::Touch touch;  ///< one of its targets
  Range range;
  bool removes_name = false;  ///< the last close of a file that was to go
};
struct PendingGrant {
  RequestId grant;
  ClientId client;
  std::string owner;
  FileId file;
  LockElement element;
  std::vector<LockElement> before;  ///< what the owner held of these bytes
};
struct Bar : BarView {
  FileId file;
};
struct Backoff {
  FileId file;
  Nanos until = 0;
};

/// Who owns ranges: the open for SMB, the client's lock owner for the others.
struct Owner {
  ClientId client;
  OpenId open;
  std::string name;
  auto operator<=>(const Owner&) const = default;
};

struct Verdict {
  enum class Kind { refused, breaks, locks, accesses, grace } kind = Kind::refused;
  Status status = Status::ok;
  ReplyBody body = {};
  std::vector<RightId> breaks = {};
};
/// Nothing: the next step decides, or the request goes.
using Judged = std::optional<Verdict>;

template <class List, class Which>
auto* find(List& list, Which which) {
  decltype(&list[0]) found = nullptr;
  for (auto& each : list)
    if (found == nullptr && which(each)) found = &each;
  return found;
}
/// What stands in the way: something recovered if there is any, else the first.
template <class List, class Which>
auto* find_clash(List& list, Which which) {
  auto* found = find(list, [&](auto& each) { return each.recovered && which(each); });
  return found != nullptr ? found : find(list, which);
}
template <class List, class Which>
bool any(const List& list, Which which) {
  return find(list, which) != nullptr;
}
/// Copies, so that the list may change while they are gone through.
template <class List, class Which>
List all(const List& list, Which which) {
  List found;
  for (const auto& each : list)
    if (which(each)) found.push_back(each);
  return found;
}
template <class Thing>
bool among(const std::vector<Thing>& list, const Thing& thing) {
  return any(list, [&](const Thing& each) { return each == thing; });
}

constexpr bool is_lease(Flavour f) { return f == Flavour::lease || f == Flavour::directory_lease; }

}  // namespace lockstep::model
