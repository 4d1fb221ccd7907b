// One file: its opens, ranges, caching rights, accesses in flight and the queue of those who wait.
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/break_table.hpp"
#include "core/event.hpp"
#include "core/lock_table.hpp"
#include "core/view.hpp"

namespace lockstep::core {

using Arrival = std::uint64_t;  ///< a waiter's place in the one queue
/// Who waits, in order of arrival: whoever comes stands at the end.
using Line = std::list<Waiter*>;

/// What is known of a client itself.
struct ClientFacts {
  ClientId id;
  Protocol protocol = Protocol::nfs3;
  std::string identity, address, label;
  Nanos lease = 0;
  Nanos lease_until = kNever;
  bool courtesy = false;
  bool lost_state = false;
  bool callback_up = false;
  bool on_record = false;
  bool present = false;     ///< it has shown itself in this server run
  bool reclaiming = false;  ///< on the roster of grace and not done
  bool completed = false;   ///< RECLAIM_COMPLETE was said in this incarnation
  std::int32_t host_state = 0;
};

/// And what is its own, so that nobody else's is looked at when it goes.
struct Client : ClientFacts {
  LockOwners owners;
  std::set<OpenId> opens;
  std::set<RightId> rights;
  Line waiters;
  std::set<RequestId> accesses;  ///< in flight
  std::set<RequestId> grants;    ///< NLM callbacks that are out
  std::uint64_t locks = 0;
  std::uint32_t unclaimed = 0;  ///< recovered things of its that nobody reclaimed yet
  bool has_state() const { return locks > 0 || !opens.empty() || !rights.empty(); }
};

struct Right {
  RightId id;
  Client* client = nullptr;
  File* file = nullptr;
  Flavour flavour = Flavour::lease;
  LeaseKey key;
  OpenId open;  ///< oplocks
  bool version2 = false;
  std::uint16_t epoch = 0;
  Rights rights;
  bool recovered = false;
  bool on_record = false;
  std::uint32_t opens = 0;       ///< that stand under it
  std::uint32_t data_opens = 0;  ///< of these, not attribute-only
  Nanos since = 0;

  bool breaking = false;
  Rights to;
  /// What the SMB opens that wait for the end of the break leave of the right. An acknowledgment
  /// that keeps more is a step: the break goes on.
  Rights required;
  Nanos deadline = kNever, break_since = 0;
  std::vector<Arrival> waiting;  ///< who waits for the end of the break
  /// Acknowledged, but these writes that the holder sent before are still under way: clients flush
  /// and acknowledge without waiting for the replies. The break ends with the last of them, and
  /// has no deadline any more.
  std::vector<RequestId> flushes;
  Rights acked_rights;
  // Why the break began, for the report of its end; only when it crosses the families.
  bool crossing = false;
  bool handle_only = false;  ///< H was asked for and not W
  Protocol breaker = Protocol::nfs3;
  ClientId breaker_client;
  Cause trigger = Cause::read;

  Held held() const { return held_as(flavour, rights); }
};

struct Open {
  OpenId id;
  Client* client = nullptr;
  File* file = nullptr;
  std::string owner;
  Access access, deny;
  /// NFSv4: the access and deny of each OPEN of the owner, for OPEN_DOWNGRADE.
  std::vector<std::pair<Access, Access>> asked;
  /// What was on record at the restart: until grace ends it may be reclaimed in parts, and what was
  /// not yet is in the way of others as if it were.
  Access recorded_access, recorded_deny;
  Right* right = nullptr;
  std::vector<FileId> ancestors;
  bool attributes_only = false;
  bool recovered = false;
  bool reclaimed = false;
  bool on_record = false;

  Access whole_access() const { return access | recorded_access; }
  Access whole_deny() const { return deny | recorded_deny; }
  bool unclaimed() const { return recovered || !recorded_access.empty() || !recorded_deny.empty(); }
};

/// An open in the way of a request: by what it is, or only by what it may still reclaim.
struct OpenInTheWay {
  const Open* open = nullptr;
  bool unclaimed = false;

  explicit operator bool() const { return open != nullptr; }
  const Open* operator->() const { return open; }
  const Open& operator*() const { return *open; }
};

/// What was let through and has not ended.
struct InFlight {
  RequestId request;
  Client* client = nullptr;
  OpenId open;
  std::optional<LeaseKey> key;  ///< of the lease that its open stands under
  LeaseKey parent_key;
  std::vector<std::pair<File*, Operation>> targets;
  Range range;
  Protocol protocol = Protocol::nfs3;  ///< of its client, which it may outlive
  Policy policy;
};

/// An NLM_GRANTED that was not answered yet.
struct PendingGrant {
  RequestId request;
  Client* client = nullptr;
  File* file = nullptr;
  LockOwner* owner = nullptr;
  LockElement element;
  std::vector<EarlierMode> before;  ///< what the owner held in the range before the grant
};

struct Bar {
  ClientId client;
  Cause cause = Cause::read;
  Nanos until = 0;
};

struct QueuedLock {
  Range range;
  Arrival id = 0;
  Waiter* waiter = nullptr;
  LockMode mode = LockMode::exclusive;
};

using WaitingRequest =
    std::variant<OpenRequested, LockRequested, LockTested, AccessRequested, DispositionSet>;

enum class WaitFor : std::uint8_t { nothing, breaks, locks, accesses, grace, reserved };

struct Waiter {
  Arrival arrival = 0;
  RequestId request;
  Client* client = nullptr;
  WaitingRequest body;
  WaitFor wait_for = WaitFor::nothing;
  std::vector<RightId> breaks;  ///< whose ends it waits for
  bool announced = false;       ///< Parked was said, or a reply
  bool answered = false;        ///< it had its reply: blocked (callback), denied (reserve)
  bool told = false;            ///< NFSv4: NotifyLock was sent
  Nanos since = 0, until = kNever;
  LockOwner* owner = nullptr;  ///< of a lock request

  /// A file where it stands, and where it stands there. The first is what it is about.
  struct Place {
    File* file;
    Line::iterator at;
  };
  std::vector<Place> places;
  Line::iterator at_client;
  std::multimap<RequestId, Waiter*>::iterator at_parked;
  File* file() const { return places.front().file; }
};

class File {
 public:
  explicit File(FileId file_id) : id(file_id) {}

  const FileId id;
  LockTable locks;
  std::map<OpenId, Open*> opens;
  std::map<RightId, Right*> rights;
  IntervalTree<QueuedLock> lock_queue;
  Line waiters;                               ///< all requests parked on this file
  std::array<std::uint32_t, 6> parked_for{};  ///< how many of them wait for what (WaitFor)
  std::vector<InFlight*> accesses;
  std::vector<RequestId> grants;  ///< NLM callbacks that are out
  std::vector<Bar> bars;
  Nanos no_delegation_until = 0;
  bool delete_pending = false;
  RequestId removing;   ///< the close that was told to remove the name
  bool untidy = false;  ///< this step may have left nothing of it

  // Counts, so that the usual question needs no search.
  std::array<std::uint32_t, kHelds> held{};  ///< rights by column of the break table
  std::array<std::uint32_t, 3> accessing{};  ///< data opens with the access bit
  std::array<std::uint32_t, 3> denying{};    ///< data opens with the deny bit
  std::uint32_t data_opens = 0;
  std::uint32_t smb_opens = 0;
  std::uint32_t oplocks = 0;
  std::uint32_t nfs_locks = 0;
  std::uint32_t recovered = 0;  ///< opens, locks and rights not reclaimed yet

  std::uint32_t& parked(WaitFor why) { return parked_for[static_cast<std::size_t>(why)]; }
  std::uint32_t parked(WaitFor why) const { return parked_for[static_cast<std::size_t>(why)]; }

  bool idle() const {
    return locks.empty() && opens.empty() && rights.empty() && waiters.empty() &&
           accesses.empty() && grants.empty() && bars.empty() && !delete_pending && !removing &&
           no_delegation_until == 0;
  }
};

}  // namespace lockstep::core
