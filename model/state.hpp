// The state of the reference machine: flat lists, nothing indexed, nothing cached.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/break_table.hpp"
#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/limits.hpp"

namespace lockstep::model {

using namespace core;  // NOLINT: the vocabulary is all that is shared, and all of it is used

struct Client {
  ClientId id;
  Protocol protocol = Protocol::nlm;
  std::string identity, address, label;
  Nanos lease = 0;             ///< 0: none
  Nanos lease_until = kNever;  ///< when it ends, or (courtesy) ended
  bool courtesy = false, lost_state = false, callback_up = false;
  bool arrived = false;   ///< showed itself in this run
  bool restored = false;  ///< comes from the journal
  bool roster = false;    ///< and had state there
  bool complete = false;  ///< said RECLAIM_COMPLETE
  bool on_record = false;
  std::int32_t host_state = 0;
};

struct Open {
  OpenId id;
  ClientId client;
  FileId file;
  std::string owner;
  Access access, deny;
  bool attributes_only = false;
  std::vector<std::pair<Access, Access>> parts;  ///< the OPENs that make it up (OPEN_DOWNGRADE)
  std::vector<FileId> ancestors;
  RightId right;
  bool recovered = false;           ///< on record, not reclaimed yet
  bool reclaimed = false;           ///< was recovered
  Access claim_access, claim_deny;  ///< what the record allows to reclaim
};

struct Lock {
  std::uint64_t id = 0;
  ClientId client;
  OpenId open;
  std::string owner;
  FileId file;
  Range range;
  LockMode mode = LockMode::exclusive;
  bool recovered = false;
  Nanos since = 0;
};

struct Right {
  RightId id;
  ClientId client;
  FileId file;
  Flavour flavour = Flavour::lease;
  LeaseKey key;
  OpenId open;
  Rights rights;
  bool version2 = false;
  std::uint16_t epoch = 0;
  bool recovered = false;
  Nanos since = 0;
  bool breaking = false;
  Rights to;
  Nanos deadline = kNever;
};

/// The requests that may wait.
using Request =
    std::variant<OpenRequested, LockRequested, LockTested, AccessRequested, DispositionSet>;

struct Waiter {
  std::uint64_t arrival = 0;  ///< 0: not in the queue
  Request request;
  bool for_breaks = false, for_locks = false, for_accesses = false, for_grace = false;
  std::vector<RightId> breaks;
  bool clashed = false;    ///< waits for the end of breaks that a clash of deny modes began
  bool announced = false;  ///< Parked was said
  bool answered = false;   ///< blocked (callback), denied (reserve)
  bool told = false;
  Nanos since = 0, until = kNever;
};

struct PendingGrant {
  RequestId grant;
  ClientId client;
  std::string owner;
  FileId file;
  LockElement element;
  std::vector<std::pair<Range, bool>>
      undo;  ///< what a refusal puts back: true to shared, else freed
};

struct Bar {
  FileId file;
  ClientId client;
  Cause cause = Cause::read;
  Nanos until = 0;
};

struct Backoff {
  FileId file;
  Nanos until = 0;
};

/// A request reduced to what it needs.
struct Asked {
  RequestId request;
  ClientId client;
  Protocol protocol = Protocol::nfs3;
  OpenId open;
  std::string owner;
  bool keyed = false;
  LeaseKey key, parent_key;
  struct Touch {
    FileId file;
    Cause cause = Cause::read;
    Operation operation = Operation::read;
    bool breaks = true;
  };
  std::vector<Touch> touches;
  Nanos patience = kNever;
  Policy policy;
  Wait wait = Wait::none;
};

struct AccessInFlight {
  Asked asked;         ///< as it was let through
  Asked::Touch touch;  ///< one of its targets
  Range range;
  bool removes_name = false;  ///< the last close of a file that was to go
};

struct Verdict {
  enum class Kind { go, refused, parked } kind = Kind::go;
  Status status = Status::ok;
  ReplyBody body;
  enum class For { breaks, locks, accesses, grace } what = For::breaks;
  std::vector<RightId> breaks;
  bool clashed = false;
};

}  // namespace lockstep::model
