// File system information classes (MS-FSCC 2.5).
#pragma once

#include <cstdint>
#include <string_view>

#include "shell/wire/smb2/fscc_file.hpp"

namespace lockstep::wire::smb2 {

enum class VolumeInfoClass : std::uint8_t {
  volume = 1,
  label = 2,
  size = 3,
  device = 4,
  attribute = 5,
  control = 6,
  full_size = 7,
  object_id = 8,
  sector_size = 11,
};

/// `label`: the share's name; `read_only`: the share's switch.
InfoBuffer encode_volume_info(VolumeInfoClass info, const files::Volume& volume,
                              std::string_view label, bool read_only);

}  // namespace lockstep::wire::smb2
