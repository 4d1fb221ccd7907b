// A frame that arrived, split into its requests (MS-SMB2 3.3.5.2.7).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/header.hpp"

namespace lockstep::wire::smb2 {

struct Part {
  Header header;
  ByteView message;  ///< header, body, and the padding up to the next part
};

struct Incoming {
  Bytes frame;  ///< what the parts point into
  std::vector<Part> parts;
  bool encrypted = false;
  std::uint64_t transform_session = 0;  ///< of the transform header
};

/// Nothing when a header is no header, an offset is not a multiple of 8 or leads nowhere, or there
/// are more than `parts_max`.
std::optional<std::vector<Part>> split_compound(ByteView message, std::size_t parts_max);

}  // namespace lockstep::wire::smb2
