// QUERY_DIRECTORY and CHANGE_NOTIFY (MS-SMB2 3.3.5.18, .19).
//
// Nothing is kept between two queries but the pattern and the position of the last entry returned:
// each reads on from there, so that what was removed meanwhile is not listed.
#pragma once

#include <cstdint>
#include <optional>

#include "shell/wire/smb2/fscc_file.hpp"
#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

struct DirectoryQuery {
  FileInfoClass info{};
  bool restart = false, single = false, reopen = false;
  FileHandle file;
  std::uint32_t output_max = 0;
  ByteView pattern;  ///< UTF-16LE
};

/// Nothing when malformed (INVALID_PARAMETER).
std::optional<DirectoryQuery> decode_directory_query(ByteView message);

Task<Response> query_directory_command(FileContext& context, Request& request);
/// Declined as 3.3.5.19 has it for object stores without notifications.
Task<Response> change_notify_command(FileContext& context, Request& request);

}  // namespace lockstep::wire::smb2
