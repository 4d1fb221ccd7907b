// File information classes (MS-FSCC 2.4) as QUERY_INFO and CLOSE answer them.
#pragma once

#include <cstdint>
#include <optional>

#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

enum class FileInfoClass : std::uint8_t {
  directory = 1,
  full_directory = 2,
  both_directory = 3,
  basic = 4,
  standard = 5,
  internal = 6,
  ea = 7,
  access = 8,
  name = 9,
  rename = 10,
  link = 11,
  names = 12,
  disposition = 13,
  position = 14,
  full_ea = 15,
  mode = 16,
  alignment = 17,
  all = 18,
  allocation = 19,
  end_of_file = 20,
  alternate_name = 21,
  stream = 22,
  pipe = 23,
  compression = 28,
  network_open = 34,
  attribute_tag = 35,
  id_both_directory = 37,
  id_full_directory = 38,
  valid_data_length = 39,
  short_name = 40,
  normalized_name = 48,
  id = 59,
  id_extd_directory = 60,
  disposition_ex = 64,
  rename_ex = 65,
};

/// An information class as bytes. `fixed` is what a client must have room for at least: less is
/// INFO_LENGTH_MISMATCH, less than all of it BUFFER_OVERFLOW with what fits.
struct InfoBuffer {
  NtStatus status = NtStatus::success;
  Bytes bytes;
  std::size_t fixed = 0;
};

/// What QUERY_INFO may read without a right, and what right it takes else (MS-SMB2 3.3.5.20.1).
std::uint32_t access_for_query(FileInfoClass info);
/// Whether the class tells size, times or change of the file: what a write delegation hides.
bool tells_attributes(FileInfoClass info);

/// INVALID_INFO_CLASS for classes that are not for QUERY_INFO, NOT_SUPPORTED for those that this
/// server has not.
InfoBuffer encode_file_info(FileInfoClass info, const FileFacts& facts);

/// Cuts `info` to what the client takes, with the right status.
InfoBuffer fit(InfoBuffer info, std::uint32_t output_max);

/// The index number of MS-FSCC 2.4.26: unique within the volume.
std::uint64_t index_number(const files::Attributes& attributes);

}  // namespace lockstep::wire::smb2
