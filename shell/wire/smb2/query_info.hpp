// QUERY_INFO (MS-SMB2 3.3.5.20): files, file systems, security.
#pragma once

#include <cstdint>
#include <optional>

#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

enum class InfoType : std::uint8_t { file = 1, file_system = 2, security = 3, quota = 4 };

struct InfoQuery {
  InfoType type{};
  std::uint8_t info = 0;
  std::uint32_t output_max = 0;
  std::uint32_t additional = 0;
  FileHandle file;
};

/// Nothing when malformed (INVALID_PARAMETER).
std::optional<InfoQuery> decode_info_query(ByteView message);

Task<Response> query_info_command(FileContext& context, Request& request);

}  // namespace lockstep::wire::smb2
