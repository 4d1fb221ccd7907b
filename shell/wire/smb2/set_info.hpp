// SET_INFO (MS-SMB2 3.3.5.21).
#pragma once

#include <cstdint>
#include <optional>

#include "shell/wire/smb2/open_context.hpp"
#include "shell/wire/smb2/query_info.hpp"

namespace lockstep::wire::smb2 {

struct InfoChange {
  InfoType type{};
  std::uint8_t info = 0;
  std::uint32_t additional = 0;
  FileHandle file;
  ByteView buffer;
};

/// Nothing when malformed (INVALID_PARAMETER).
std::optional<InfoChange> decode_info_change(ByteView message);

Task<Response> set_info_command(FileContext& context, Request& request);

// ---- The families of classes, each in a file of its own ----

/// FileBasicInformation.
Task<NtStatus> set_basic(FileContext& context, Request& request, OpenRef open, ByteView buffer);
/// FileEndOfFileInformation and FileAllocationInformation.
Task<NtStatus> set_size(FileContext& context, Request& request, OpenRef open, ByteView buffer,
                        bool allocation);
/// FileDispositionInformation.
Task<NtStatus> set_disposition(FileContext& context, Request& request, OpenRef open,
                               ByteView buffer);
/// FileRenameInformation.
Task<NtStatus> set_rename(FileContext& context, Request& request, OpenRef open, ByteView buffer);
/// FileLinkInformation.
Task<NtStatus> set_link(FileContext& context, Request& request, OpenRef open, ByteView buffer);
/// Owner, group and mode.
Task<NtStatus> set_security(FileContext& context, Request& request, OpenRef open,
                            std::uint32_t parts, ByteView descriptor);

}  // namespace lockstep::wire::smb2
