// What can happen to the machine. Past tense: each event is a fact that the shell (or the
// simulator) reports, with the time at which it reports it.
//
// Every event with a `request` gets exactly one Reply (semantics 5 says when); a request that must
// wait is announced by Parked first. The shell chooses request ids, unique while unanswered; for
// an AccessRequested and an OpenClosed that was told to remove, until AccessEnded.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "core/vocabulary.hpp"

namespace lockstep::core {

// ---- Clients -----------------------------------------------------------------------------------

/// A client showed itself: first mount or call (NFSv3: identity is the address), first NLM request,
/// SMB NEGOTIATE, NFSv4 EXCHANGE_ID/SETCLIENTID confirmed. The same identity is the same client.
/// Reply: ClientReply.
struct ClientArrived {
  RequestId request;
  Protocol protocol = Protocol::nfs3;
  std::string identity;  ///< NLM caller_name, co_ownerid, ClientGuid (16 raw bytes), address
  std::string address;   ///< text form, no port: how NLM and NFSv3 of one host are recognised
  std::string label;     ///< for people
  Nanos lease = 0;       ///< NFSv4 lease time; 0: no lease, the client goes only by ClientLeft
};
struct ClientRenewed {
  ClientId client;
};
/// All state of the client goes, its parked requests are answered `cancelled`.
struct ClientLeft {
  ClientId client;
  LeaveReason reason = LeaveReason::disconnected;
};
/// SM_NOTIFY: matched with NLM clients by name or address; acts once for each (host, state).
struct HostRebooted {
  std::string name;
  std::string address;
  std::int32_t state = 0;
};
/// NFSv4.1 RECLAIM_COMPLETE (`one_file_system` ends nothing).
struct ReclaimCompleted {
  RequestId request;
  ClientId client;
  bool one_file_system = false;
};

// ---- Opens -------------------------------------------------------------------------------------

/// The caching right that an open asks for.
struct Wish {
  Flavour flavour = Flavour::none;
  Rights rights;
  LeaseKey key;             ///< leases; without one (a directory) it only must not be in use
  bool version2 = false;    ///< leases: epochs are kept
  std::uint16_t epoch = 0;  ///< v2: what the client counted so far
  friend bool operator==(const Wish&, const Wish&) = default;
};

/// SMB CREATE on a file that exists (or was just made), NFSv4 OPEN, NLM SHARE.
/// Breaks first (semantics 2), then share modes, then the grant. Reply: OpenReply.
/// NFSv4: a further OPEN of the same owner widens the open it has; NLM: replaces it.
struct OpenRequested {
  RequestId request;
  ClientId client;
  FileId file;
  std::string owner;  ///< NFSv4 open_owner, NLM share oh; SMB: empty
  Access access, deny;
  bool attributes_only = false;  ///< takes no share mode and breaks nothing
  bool reads_security = false;   ///< attributes and descriptor: it breaks oplocks, but no lease
  bool overwrite = false;        ///< overwrite, supersede, truncate: the file is in flight until
                                 ///< AccessEnded{request}
  bool directory = false;
  bool created = false;  ///< this very request made the file
  Wish wish;
  Reclaim reclaim = Reclaim::none;
  Nanos patience = kNever;        ///< until when it may be parked; 0: not at all
  std::vector<FileId> ancestors;  ///< SMB: directories above, nearest first (rename of an ancestor)
  Policy policy;
};
struct OpenDowngraded {
  RequestId request;
  OpenId open;
  Access access, deny;
};
/// Also NLM UNSHARE. Locks of the open go, its oplock, and its lease with the last open of the key.
/// Reply: CloseReply.
struct OpenClosed {
  RequestId request;
  OpenId open;
};
/// NLM UNSHARE names the owner, not the open.
struct ShareReleased {
  RequestId request;
  ClientId client;
  std::string owner;
  FileId file;
};
/// SMB delete disposition or delete-on-close: breaks Handle rights, then marks the file; its name
/// goes with the last open.
struct DispositionSet {
  RequestId request;
  OpenId open;
  bool remove = true;
};

// ---- Byte ranges -------------------------------------------------------------------------------

/// NLM LOCK, NFSv4 LOCK: owner is (client, owner bytes), ranges merge. SMB LOCK: owner is the open,
/// ranges stack, `more` holds further elements (all or nothing, wait none).
/// Reply: ok, blocked, or denied with the Holder.
struct LockRequested {
  RequestId request;
  ClientId client;
  OpenId open;        ///< SMB: the owner. NFSv4: the open it was made through. NLM: none
  std::string owner;  ///< raw bytes (NLM: svid and oh); SMB: empty
  FileId file;
  LockElement element;
  std::vector<LockElement> more;
  Wait wait = Wait::none;
  Reclaim reclaim = Reclaim::none;
  Nanos patience = kNever;  ///< how long breaks may be waited for
  Policy policy;
};
/// Never waits. SMB: exact ranges, in order, stops at the first that is not held.
struct Unlocked {
  RequestId request;
  ClientId client;
  OpenId open;
  std::string owner;
  FileId file;
  Range range;
  std::vector<Range> more;
};
/// NLM CANCEL: matches owner, range and mode exactly; a granted lock stays. An UNLOCK of the owner
/// cancels its matching waiters by itself.
struct LockCancelled {
  RequestId request;
  ClientId client;
  std::string owner;
  FileId file;
  LockElement element;
};
/// Any parked request: SMB CANCEL, a connection that is gone. The request is answered `cancelled`
/// unless it was answered before; this event has no reply of its own.
struct RequestCancelled {
  RequestId target;
};
/// NLM TEST, NFSv4 LOCKT. Reply: ok or denied with the Holder.
struct LockTested {
  RequestId request;
  ClientId client;
  OpenId open;
  std::string owner;
  FileId file;
  LockElement element;
  Nanos patience = 0;
};
/// The client's answer to NotifyGranted: accepted ends the callback, refused releases what this
/// grant added. `grant` is the request of the LockRequested.
struct GrantAnswered {
  RequestId grant;
  bool accepted = true;
};

// ---- Caching rights ----------------------------------------------------------------------------

/// Lease (by client and key) or oplock (by open) acknowledged down to `rights`. Reply: AckReply.
struct BreakAcknowledged {
  RequestId request;
  ClientId client;
  Flavour flavour = Flavour::lease;
  LeaseKey key;
  OpenId open;
  Rights rights;
};
/// DELEGRETURN, or a lease given back.
struct RightReturned {
  RequestId request;
  ClientId client;
  RightId right;
};
/// NFSv4: whether the path to the client's callback is proven; no delegation without.
struct CallbackPathChanged {
  ClientId client;
  bool up = false;
};

// ---- Accesses ----------------------------------------------------------------------------------

struct Target {
  FileId file;
  Operation operation = Operation::read;
  friend bool operator==(const Target&, const Target&) = default;
};

/// Any I/O or namespace operation that is not an open or a lock. All targets are judged together;
/// after `ok` the access is in flight until AccessEnded{request}.
struct AccessRequested {
  RequestId request;
  ClientId client;
  OpenId open;        ///< SMB, NFSv4 with a stateid; none: NFSv3, special stateid, path operation
  std::string owner;  ///< NFSv4: lock_owner of the stateid
  Target target;
  std::vector<Target> others;
  Range range;             ///< of reads and writes
  LeaseKey parent_key;     ///< SMB: the directory lease that the caller itself holds
  bool reclaimed = false;  ///< I/O under reclaimed state: allowed in grace
  Nanos patience = kNever;
  Policy policy;
};
struct AccessEnded {
  RequestId request;
};

// ---- The world ---------------------------------------------------------------------------------

/// Time passed: deadlines up to now are due.
struct Tick {};
/// The journal cannot write (new grants are refused), or can again.
struct JournalChanged {
  bool failed = false;
};

using EventBody =
    std::variant<Tick, ClientArrived, ClientRenewed, ClientLeft, HostRebooted, ReclaimCompleted,
                 OpenRequested, OpenDowngraded, OpenClosed, ShareReleased, DispositionSet,
                 LockRequested, Unlocked, LockCancelled, RequestCancelled, LockTested,
                 GrantAnswered, BreakAcknowledged, RightReturned, CallbackPathChanged,
                 AccessRequested, AccessEnded, JournalChanged>;

struct Event {
  Nanos now = 0;
  EventBody body;
};

}  // namespace lockstep::core
