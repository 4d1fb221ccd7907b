// What the machine wants done. Imperative; carried out by the shell in the order given.
//
// THE ORDER RULE. An effect that follows a Persist in the list and has `durable` set must not leave
// before that record (and every earlier one) is on disk. Effects without it only give something
// back and may leave at once; the journal keeps its order, so that nobody's grant can become
// durable before the release that made room for it.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/break_table.hpp"
#include "core/record.hpp"
#include "core/vocabulary.hpp"

namespace lockstep::core {

/// Who is in the way, as it is shown to the one who was refused (and by queries).
struct Holder {
  enum class Kind : std::uint8_t { lock, reservation, open, right, access };
  Kind kind = Kind::lock;
  Protocol protocol = Protocol::nlm;
  ClientId client;
  std::string label;  ///< the client, for people
  std::string owner;  ///< raw owner bytes; empty for SMB
  OpenId open;
  Range range;
  LockMode mode = LockMode::exclusive;
  friend bool operator==(const Holder&, const Holder&) = default;
};

struct ClientReply {
  ClientId client;
  bool returned = false;  ///< it was known already, or is on record from before a restart
  friend bool operator==(const ClientReply&, const ClientReply&) = default;
};
struct OpenReply {
  OpenId open;
  RightId right;
  Flavour flavour = Flavour::none;
  Rights rights;          ///< granted (or still held, when the key has the lease already)
  bool breaking = false;  ///< the lease of this key is breaking: SMB2_LEASE_FLAG_BREAK_IN_PROGRESS
  std::uint16_t epoch = 0;
  bool recall = false;  ///< CLAIM_PREVIOUS delegation that is wanted back at once
  friend bool operator==(const OpenReply&, const OpenReply&) = default;
};
struct CloseReply {
  bool remove = false;  ///< the name must go now; AccessEnded{request} when it is done
  friend bool operator==(const CloseReply&, const CloseReply&) = default;
};
struct AckReply {
  Rights rights;
  friend bool operator==(const AckReply&, const AckReply&) = default;
};

using ReplyBody =
    std::variant<std::monostate, ClientReply, OpenReply, CloseReply, AckReply, Holder>;

struct Reply {
  RequestId request;
  Status status = Status::ok;
  bool durable = false;
  ReplyBody body;
  friend bool operator==(const Reply&, const Reply&) = default;
};
/// The request waits; its reply comes later.
struct Parked {
  RequestId request;
  friend bool operator==(const Parked&, const Parked&) = default;
};
/// A break notice or a recall.
struct SendBreak {
  ClientId client;
  RightId right;
  Flavour flavour = Flavour::lease;
  FileId file;
  LeaseKey key;
  OpenId open;  ///< oplocks
  Rights from, to;
  std::uint16_t epoch = 0;
  bool ack_required = true;
  bool durable = false;
  friend bool operator==(const SendBreak&, const SendBreak&) = default;
};
/// NLM_GRANTED for the request as it was asked; the shell repeats it until GrantAnswered.
struct NotifyGranted {
  ClientId client;
  RequestId grant;
  std::string owner;
  FileId file;
  LockElement element;
  bool durable = true;
  friend bool operator==(const NotifyGranted&, const NotifyGranted&) = default;
};
/// The callback for this grant has become pointless (unlocked, repeated LOCK, client gone).
struct StopNotifying {
  ClientId client;
  RequestId grant;
  friend bool operator==(const StopNotifying&, const StopNotifying&) = default;
};
/// CB_NOTIFY_LOCK: the range is kept for this owner for a while.
struct NotifyLock {
  ClientId client;
  std::string owner;
  FileId file;
  friend bool operator==(const NotifyLock&, const NotifyLock&) = default;
};
/// A right or a client's state was taken away without its consent.
struct Revoked {
  ClientId client;
  FileId file;
  RightId right;
  LeaveReason reason = LeaveReason::expired;
  friend bool operator==(const Revoked&, const Revoked&) = default;
};
struct Persist {
  Change change;
  friend bool operator==(const Persist&, const Persist&) = default;
};
/// A conflict across the protocol families (owner's metrics and INFO log): the design working.
struct ConflictSeen {
  enum class Thing : std::uint8_t { nfs_lock, nfs_open, delegation, smb_lease, smb_lock, smb_open };
  enum class Resolution : std::uint8_t { denied, break_initiated, break_completed };
  Protocol initiator = Protocol::nfs3;
  Thing conflicting = Thing::smb_lease;
  Resolution resolution = Resolution::denied;
  Cause trigger = Cause::read;  ///< what asked for it
  FileId file;
  ClientId by, with;
  bool handle_only = false;  ///< the break takes H and not W
  Nanos duration = 0;        ///< break_completed: since the break began
  friend bool operator==(const ConflictSeen&, const ConflictSeen&) = default;
};
struct GraceEnded {
  friend bool operator==(const GraceEnded&, const GraceEnded&) = default;
};

using Effect = std::variant<Reply, Parked, SendBreak, NotifyGranted, StopNotifying, NotifyLock,
                            Revoked, Persist, ConflictSeen, GraceEnded>;
using Effects = std::vector<Effect>;

}  // namespace lockstep::core
