// The words that events, effects, records and views share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/flags.hpp"
#include "core/ids.hpp"
#include "core/range.hpp"

namespace lockstep::core {

enum class Protocol : std::uint8_t { nfs3, nlm, nfs40, nfs41, smb, admin };

constexpr bool is_nfs(Protocol protocol) { return protocol <= Protocol::nfs41; }
constexpr bool is_nfs4(Protocol protocol) {
  return protocol == Protocol::nfs40 || protocol == Protocol::nfs41;
}

/// What an open may do, and what it denies others (share reservations).
enum class AccessBit : std::uint8_t { read = 1, write = 2, remove = 4 };
using Access = Flags<AccessBit>;

/// Caching rights: read cache, write cache, handle cache. Level II is R, exclusive RW, batch RWH,
/// a read delegation R, a write delegation RW; the flavour says how each is broken and timed.
enum class RightBit : std::uint8_t { read = 1, write = 2, handle = 4 };
using Rights = Flags<RightBit>;
inline constexpr Rights kNoRights{};
inline constexpr Rights kR{RightBit::read};
inline constexpr Rights kRH{RightBit::read, RightBit::handle};
inline constexpr Rights kRW{RightBit::read, RightBit::write};
inline constexpr Rights kRWH{RightBit::read, RightBit::write, RightBit::handle};

enum class Flavour : std::uint8_t {
  none,
  lease,                 ///< SMB 2.1+ lease: identity (client, key)
  oplock,                ///< SMB oplock: identity the open
  delegation,            ///< NFSv4: identity (client, file)
  directory_lease,       ///< SMB 3 lease on a directory
  directory_delegation,  ///< NFSv4.1: identity (client, directory)
};
constexpr bool is_lease(Flavour f) { return f == Flavour::lease || f == Flavour::directory_lease; }
/// Held by a client whether it has opens or not, and recalled: an NFSv4 lease period to answer.
constexpr bool is_delegation(Flavour flavour) {
  return flavour == Flavour::delegation || flavour == Flavour::directory_delegation;
}

enum class LockMode : std::uint8_t { shared, exclusive };
constexpr bool clash(LockMode a, LockMode b) {
  return a == LockMode::exclusive || b == LockMode::exclusive;
}

struct LockElement {
  Range range;
  LockMode mode = LockMode::exclusive;
  friend bool operator==(const LockElement&, const LockElement&) = default;
};

/// What a lock request does when somebody else's lock is in its way.
enum class Wait : std::uint8_t {
  none,      ///< denied at once (breaks of rights are waited for, as long as `patience` lasts)
  queue,     ///< parked; the one reply comes when it is decided (SMB)
  callback,  ///< `blocked` at once, NotifyGranted when it is granted (NLM)
  reserve,   ///< `denied` at once; its turn is kept: NotifyLock, then a reservation (NFSv4)
};

enum class Reclaim : std::uint8_t {
  none,
  previous,   ///< what was held before the restart (NLM reclaim, CLAIM_PREVIOUS, SMB lease)
  delegated,  ///< CLAIM_DELEGATE_CUR: state that the holder made under its delegation
};

/// What an operation does to a file. Rows of the break table (core/break_table.hpp).
enum class Operation : std::uint8_t {
  read,
  write,           ///< also allocate, copy target
  set_size,        ///< end of file, allocation size
  set_attributes,  ///< mode, owner, times, extended attributes: recalls delegations only
  get_attributes,  ///< a query for size or change (write delegations; v3 by policy)
  remove,          ///< NFS REMOVE, SMB delete disposition
  rename_source,
  rename_target,     ///< the existing file that a rename replaces
  rename_ancestor,   ///< a directory is renamed: what is open below it counts
  link,              ///< a new name for the file, or a link over it
  change_directory,  ///< entries of the directory are added, removed, renamed
  list_directory,
};
constexpr bool is_write(Operation o) { return o == Operation::write || o == Operation::set_size; }
constexpr bool is_io(Operation o) { return o == Operation::read || is_write(o); }

enum class Status : std::uint8_t {
  ok,
  blocked,         ///< parked; NotifyGranted follows (NLM)
  denied,          ///< a held or reserved lock is in the way; the reply names it
  lock_conflict,   ///< I/O into somebody's byte-range lock
  share_conflict,  ///< access or deny modes of an open
  delete_pending,
  file_open,  ///< remove or replace of a file that must not go
  later,      ///< patience ended before the break did: JUKEBOX, DELAY
  grace,      ///< new state during grace
  no_grace,
  reclaim_bad,       ///< not on record
  reclaim_conflict,  ///< collides with what was reclaimed
  complete_already,
  deadlock,
  cancelled,
  closed,  ///< the open of a parked request went away
  range_not_locked,
  unknown_client,
  unknown_open,
  unknown_right,   ///< no such lease, oplock or delegation of this client
  not_breaking,    ///< an acknowledgment that nobody asked for, or too late
  ack_exceeds,     ///< acknowledged state is more than the break allows
  key_in_use,      ///< the lease key belongs to another file
  bad_mode,        ///< the open does not allow it (write lock without write access, ...)
  limit,           ///< a limit of core/limits.hpp is reached
  journal_failed,  ///< the state cannot be made durable, so it is not promised
};

enum class LeaveReason : std::uint8_t {
  free_all,      ///< NLM FREE_ALL
  rebooted,      ///< SM_NOTIFY, a new incarnation was confirmed
  disconnected,  ///< the last SMB session is gone
  destroyed,     ///< DESTROY_CLIENTID
  expired,
  administrator,
};

/// Per-export policies that requests carry (semantics section 9); breaks are never among them.
struct Policy {
  bool smb_ranges_on_nfs_io = true;
  bool smb_deny_on_nfs_io = true;
  bool nfs_ranges_on_nfs_io = false;
  bool unlink_while_open = false;
  bool v3_getattr_breaks = false;
  friend bool operator==(const Policy&, const Policy&) = default;
};

std::string_view name(Protocol protocol);
std::string_view name(Flavour flavour);
std::string_view name(LockMode mode);
std::string_view name(Operation operation);
std::string_view name(Status status);
std::string name(Rights rights);  ///< "RWH", "RH", ..., "-"
std::string name(Access access);  ///< "rwd", "r", ..., "-"

}  // namespace lockstep::core
