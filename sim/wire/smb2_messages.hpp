// SMB2 requests as a client makes them, and responses as it reads them: bodies from StructureSize
// on. Readers give nothing (or an error status) for what a strict client would not accept.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shell/wire/smb2/create_caching.hpp"
#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/fscc_file.hpp"
#include "sim/wire/smb2_endpoint.hpp"

namespace lockstep::sim {

/// 2.2.13.
struct Creating {
  std::string name;
  std::uint32_t access = smb2::access::kFileAll;
  std::uint32_t share = smb2::share::kAll;
  smb2::Disposition disposition = smb2::Disposition::open_if;
  std::uint32_t options = 0;
  std::uint32_t attributes = 0;
  smb2::OplockLevel oplock = smb2::OplockLevel::none;
  struct Lease {
    std::uint8_t key = 1;  ///< all sixteen bytes of it
    std::uint32_t state = 7;
    bool version2 = false;
    std::uint16_t epoch = 0;
  };
  std::optional<Lease> lease;
  std::vector<std::pair<std::string, wire::Bytes>> contexts;
};
wire::Bytes create_body(Creating create);

/// 2.2.14.
struct Created {
  smb2::NtStatus status = smb2::NtStatus::success;
  smb2::FileHandle handle;
  smb2::OplockLevel oplock = smb2::OplockLevel::none;
  std::uint32_t action = 0;
  std::uint64_t size = 0;
  std::uint32_t attributes = 0;
  std::map<std::string, wire::Bytes> contexts;
  /// ~0: no lease context.
  std::uint32_t lease_state() const;
};
/// Status data_error: not readable.
Created created_of(const Answer& answer);

/// OPLOCK_BREAK that nobody asked for (2.2.23).
struct BreakNotice {
  bool lease = false;
  std::uint8_t level = 0;  ///< oplock
  smb2::FileHandle file;   ///< oplock
  std::uint16_t epoch = 0;
  bool ack = false;
  std::uint8_t key = 0;
  std::uint32_t from = 0, to = 0;
};
std::optional<BreakNotice> break_of(const Answer& answer);

struct SmbLock {
  std::uint64_t offset = 0, length = 0;
  std::uint32_t flags = 0;
};

wire::Bytes simple_body(std::uint16_t size = 4);
wire::Bytes close_body(smb2::FileHandle file, bool query = false);
wire::Bytes flush_body(smb2::FileHandle file);
wire::Bytes read_body(smb2::FileHandle file, std::uint64_t offset, std::uint32_t size,
                      std::uint32_t minimum = 0);
wire::Bytes write_body(smb2::FileHandle file, std::uint64_t offset, wire::ByteView data);
wire::Bytes lock_body(smb2::FileHandle file, const std::vector<SmbLock>& elements,
                      std::uint32_t sequence = 0);
wire::Bytes query_info_body(smb2::FileHandle file, std::uint8_t type, std::uint8_t info,
                            std::uint32_t size, std::uint32_t additional);
wire::Bytes set_info_body(smb2::FileHandle file, std::uint8_t type, std::uint8_t info,
                          wire::ByteView buffer, std::uint32_t additional = 0);
/// FileRenameInformation and FileLinkInformation.
wire::Bytes rename_buffer(std::string_view to, bool replace);
/// FileNamesInformation of everything, from where the last one ended.
wire::Bytes list_body(smb2::FileHandle directory, std::uint32_t output_max);
/// Nothing: not readable.
std::optional<std::vector<std::string>> names_of_list(const Answer& answer);
wire::Bytes lease_ack_body(std::uint8_t key, std::uint32_t state);
wire::Bytes oplock_ack_body(smb2::FileHandle file, smb2::OplockLevel level);

/// READ's data, QUERY_INFO's and QUERY_DIRECTORY's output; nothing: its offsets are wrong.
std::optional<wire::ByteView> data_of_read(const Answer& answer);
std::optional<wire::ByteView> output_of(const Answer& answer);

}  // namespace lockstep::sim
