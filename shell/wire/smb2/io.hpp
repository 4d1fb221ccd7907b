// READ, WRITE, FLUSH (MS-SMB2 3.3.5.12, .13, .11).
//
// Each READ and WRITE is an access that the core lets through: byte-range locks of others are
// FILE_LOCK_CONFLICT, caches of others are broken first, and no right is granted into it while it
// runs.
#pragma once

#include <cstdint>

#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

struct ReadRequest {
  std::uint32_t length = 0;
  std::uint64_t offset = 0;
  FileHandle file;
  std::uint32_t minimum = 0;
};
struct WriteRequest {
  std::uint64_t offset = 0;
  FileHandle file;
  std::uint32_t flags = 0;
  ByteView data;
};

/// Nothing when malformed (INVALID_PARAMETER). `message` with its header.
std::optional<ReadRequest> decode_read(ByteView message);
std::optional<WriteRequest> decode_write(ByteView message);

Task<Response> read_command(FileContext& context, Request& request);
Task<Response> write_command(FileContext& context, Request& request);
Task<Response> flush_command(FileContext& context, Request& request);

/// Offsets are signed on Windows' disks: what ends beyond 2^63-1 is INVALID_PARAMETER.
bool range_is_valid(std::uint64_t offset, std::uint64_t length);

/// Gives back the times that the client froze on this open, after a change through it.
Task<void> restore_frozen_times(OpenRef open);

}  // namespace lockstep::wire::smb2
