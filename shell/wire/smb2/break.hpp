// OPLOCK_BREAK acknowledgments (MS-SMB2 3.3.5.22), for oplocks and for leases.
#pragma once

#include <variant>

#include "shell/wire/smb2/create_caching.hpp"
#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

struct OplockAck {
  OplockLevel level = OplockLevel::none;
  FileHandle file;
};
struct LeaseAck {
  core::LeaseKey key;
  core::Rights rights;
};

/// Which of the two it is its StructureSize says; nothing when it is neither.
std::optional<std::variant<OplockAck, LeaseAck>> decode_break_ack(ByteView message);

Task<Response> break_command(FileContext& context, Request& request);

}  // namespace lockstep::wire::smb2
