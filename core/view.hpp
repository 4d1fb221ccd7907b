// The one projection of the machine: queries, replay against the spec, comparison with the model,
// the state hash and pictures are all made from it. Everything is sorted as the comments say.
#pragma once

#include <string>
#include <vector>

#include "core/break_table.hpp"
#include "core/effect.hpp"
#include "core/vocabulary.hpp"

namespace lockstep::core {

struct OpenView {
  OpenId open;
  ClientId client;
  std::string owner;
  Access access, deny;
  bool attributes_only = false;
  RightId right;           ///< the lease or oplock it stands under
  bool recovered = false;  ///< from before the restart, not reclaimed yet
  friend bool operator==(const OpenView&, const OpenView&) = default;
};
struct LockView {
  ClientId client;
  OpenId open;
  std::string owner;
  Range range;
  LockMode mode = LockMode::exclusive;
  bool recovered = false;
  Nanos since = 0;
  friend auto operator<=>(const LockView&, const LockView&) = default;
};
struct RightView {
  RightId right;
  ClientId client;
  Flavour flavour = Flavour::lease;
  LeaseKey key;
  OpenId open;  ///< oplocks
  Rights rights;
  bool breaking = false;
  Rights breaking_to;
  Rights required;          ///< what the SMB opens that wait for the break leave of it
  Nanos deadline = kNever;  ///< of the break
  std::uint16_t epoch = 0;
  bool recovered = false;
  Nanos since = 0;
  friend bool operator==(const RightView&, const RightView&) = default;
};
struct WaiterView {
  RequestId request;
  ClientId client;
  std::string owner;
  OpenId open;
  std::string what;     ///< "lock", "open", "read", "write", ...: the event or operation
  LockElement element;  ///< of a lock
  bool queued = false;  ///< it stands in the lock queue: nobody overtakes it
  bool for_breaks = false, for_locks = false, for_accesses = false, for_grace = false;
  bool told = false;                ///< NFSv4: NotifyLock was sent, the range is reserved
  Nanos since = 0, until = kNever;  ///< until: patience, or the lapse of the reservation
  friend bool operator==(const WaiterView&, const WaiterView&) = default;
};
struct AccessView {
  RequestId request;
  ClientId client;
  Operation operation = Operation::read;
  Range range;
  friend bool operator==(const AccessView&, const AccessView&) = default;
};
/// An NLM_GRANTED that was not answered yet.
struct GrantView {
  RequestId grant;
  ClientId client;
  std::string owner;
  LockElement element;  ///< as it was asked
  friend bool operator==(const GrantView&, const GrantView&) = default;
};
/// An operation was put off (`later`): no other client gets a right that would break for it.
struct BarView {
  ClientId client;
  Cause cause = Cause::read;
  Nanos until = 0;
  friend auto operator<=>(const BarView&, const BarView&) = default;
};
struct FileView {
  FileId file;
  bool delete_pending = false;
  std::vector<OpenView> opens;       ///< by open
  std::vector<LockView> locks;       ///< by range, client, open, owner, mode
  std::vector<RightView> rights;     ///< by right
  std::vector<WaiterView> waiters;   ///< in order of arrival
  std::vector<AccessView> accesses;  ///< by request
  std::vector<GrantView> grants;     ///< by grant
  std::vector<BarView> bars;         ///< by client, cause; those that are over are left out
  Nanos no_delegation_until = 0;     ///< after a recall; 0 when that is over
  friend bool operator==(const FileView&, const FileView&) = default;
};
struct ClientView {
  ClientId client;
  Protocol protocol = Protocol::nlm;
  std::string identity, address, label;
  Nanos lease_until = kNever;
  bool courtesy = false;  ///< its lease ended; its state stays until somebody conflicts
  bool lost_state = false;
  bool callback_up = false;  ///< NFSv4: a delegation may be given
  bool reclaiming = false;   ///< on the roster of grace and not done
  std::uint64_t opens = 0, locks = 0, rights = 0, waiters = 0;
  friend bool operator==(const ClientView&, const ClientView&) = default;
};
struct StateView {
  bool grace = false;
  Nanos grace_until = 0;
  bool journal_failed = false;
  std::vector<ClientView> clients;  ///< by client
  std::vector<FileView> files;      ///< by file; only files with state
  friend bool operator==(const StateView&, const StateView&) = default;
};

/// The answer to "why": what stands in the way of a request now.
struct Explanation {
  Status status = Status::ok;       ///< what it would get if it could not wait
  std::vector<Holder> held_by;      ///< locks, opens, reservations
  std::vector<RightView> to_break;  ///< rights that would be broken (or are breaking)
  bool waits_for_grace = false;
  Nanos since = 0, until = kNever;
};

}  // namespace lockstep::core
