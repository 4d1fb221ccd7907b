// The data types of the Network Lock Manager, versions 1, 3 (32-bit ranges) and 4 (64-bit):
// X/Open XNFS C702 chapters 10 and 14, RFC 1813 appendix II.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/effect.hpp"
#include "core/vocabulary.hpp"
#include "shell/wire/bytes.hpp"

namespace lockstep::wire::nlm {

inline constexpr std::uint32_t kProgram = 100021;

/// nlm4_stats; versions 1 and 3 have the first five only.
enum class Status : std::uint32_t {
  granted = 0,
  denied = 1,
  denied_nolocks = 2,
  blocked = 3,
  denied_grace_period = 4,
  deadlock = 5,
  rofs = 6,
  stale_fh = 7,
  fbig = 8,
  failed = 9,
};
/// The same answer in the words that a version has.
Status in_version(Status status, std::uint32_t version);
Status status_of_core(core::Status status);
Status status_of_errno(int error);

enum Procedure : std::uint32_t {
  kNull = 0,
  kTest = 1,
  kLock = 2,
  kCancel = 3,
  kUnlock = 4,
  kGranted = 5,
  kTestMsg = 6,
  kLockMsg = 7,
  kCancelMsg = 8,
  kUnlockMsg = 9,
  kGrantedMsg = 10,
  kTestRes = 11,
  kLockRes = 12,
  kCancelRes = 13,
  kUnlockRes = 14,
  kGrantedRes = 15,
  kShare = 20,
  kUnshare = 21,
  kNonMonitoredLock = 22,
  kFreeAll = 23,
};

inline constexpr std::size_t kNetObjMax = 1024;  ///< MAXNETOBJ_SZ: cookies, handles, owners
inline constexpr std::size_t kCallerMax = 1024;  ///< LM_MAXSTRLEN

/// nlm_lock, nlm4_lock. Offset and length as they came: a callback repeats them.
struct Lock {
  std::string caller;
  Bytes handle;
  Bytes oh;
  std::int32_t svid = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< 0: to the end of file
};
Lock get_lock(BigReader& in, std::uint32_t version);
void put_lock(BigWriter& out, const Lock& lock, std::uint32_t version);
/// The bytes it means; empty when it passes the end of what can be numbered (FBIG).
std::optional<core::Range> range_of(const Lock& lock);
/// The owner as the core knows it: svid and oh in one.
std::string owner_of(const Lock& lock);

/// Arguments of TEST, LOCK, CANCEL, UNLOCK and GRANTED; each has some of the fields.
struct LockCall {
  Bytes cookie;
  bool block = false;
  bool exclusive = false;
  Lock lock;
  bool reclaim = false;
  std::int32_t state = 0;  ///< the client's NSM state
};
LockCall get_test_call(BigReader& in, std::uint32_t version);  ///< also GRANTED
LockCall get_lock_call(BigReader& in, std::uint32_t version);
LockCall get_cancel_call(BigReader& in, std::uint32_t version);
LockCall get_unlock_call(BigReader& in, std::uint32_t version);
void put_granted_call(BigWriter& out, const LockCall& call, std::uint32_t version);

core::LockElement element_of(const LockCall& call, core::Range range);

/// nlm_res.
Bytes encode_result(const Bytes& cookie, Status status, std::uint32_t version);
/// nlm_testres; `holder` when denied.
Bytes encode_test_result(const Bytes& cookie, Status status,
                         const std::optional<core::Holder>& holder, std::uint32_t version);

/// nlm_shareargs.
struct ShareCall {
  Bytes cookie;
  std::string caller;
  Bytes handle;
  Bytes oh;
  core::Access deny, access;
  bool reclaim = false;
};
ShareCall get_share_call(BigReader& in);
/// nlm_shareres.
Bytes encode_share_result(const Bytes& cookie, Status status, std::uint32_t version);

}  // namespace lockstep::wire::nlm
