// LOCK (MS-SMB2 3.3.5.14): arrays of locks or of unlocks, and the LockSequence that lets a client
// send one again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/vocabulary.hpp"
#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

struct LockItem {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t flags = 0;
};
struct LockRequest {
  FileHandle file;
  std::uint8_t sequence_number = 0;  ///< four bits
  std::uint32_t sequence_index = 0;  ///< 1..64: replay is detected
  std::vector<LockItem> items;       ///< never empty
};

/// Nothing when malformed, or without any element (INVALID_PARAMETER).
std::optional<LockRequest> decode_lock(ByteView message);

/// What an array of locks asks of the core; a status other than success when flags contradict or a
/// range cannot be.
struct LockPlan {
  NtStatus status = NtStatus::success;
  std::vector<core::LockElement> elements;
  bool fail_immediately = false;
};
LockPlan plan_locks(const std::vector<LockItem>& items);

struct UnlockPlan {
  /// The ranges before the first element that is no unlock, and the status of that element.
  std::vector<core::Range> ranges;
  NtStatus then = NtStatus::success;
};
UnlockPlan plan_unlocks(const std::vector<LockItem>& items);
bool is_unlock(const LockItem& first);

Task<Response> lock_command(FileContext& context, Request& request);

}  // namespace lockstep::wire::smb2
