// The handles that clients keep across a restart of the server.
//
//   offset size
//        0    1  version (1)
//        1    1  size of the kernel's handle, n <= 24
//        2    2  its type
//        4    4  export
//        8    8  FileId.node
//       16    4  FileId.generation
//       20    4  FileId.volume
//       24    n  the kernel's handle (name_to_handle_at)
//   24 + n   16  HMAC-SHA256 of all before, truncated
// Integers are big endian. The key is derived, for each export, from one secret in the state
// directory (`handle.key`, 32 random bytes, made once, mode 0600), by the export's number and name:
// a handle of one export authenticates in no other, though both lie on one file system.
#pragma once

#include <array>
#include <filesystem>
#include <optional>

#include "shell/files/host_system.hpp"

namespace lockstep::files::host {

class HandleCodec {
 public:
  static constexpr std::size_t kSizeMax = 64;

  /// Reads the secret of `state_dir`, or makes it. Throws std::system_error.
  HandleCodec(const std::filesystem::path& state_dir, const std::string& export_name,
              std::uint32_t export_id);

  struct Parts {
    core::FileId id;
    KernelHandle kernel;
  };

  wire::Bytes seal(const Parts& parts) const;
  /// What the bytes say, if they could be ours at all: nothing is authenticated yet.
  std::optional<Parts> parse(wire::ByteView handle) const;
  /// True when this server made these bytes for this export.
  bool authentic(wire::ByteView handle) const;

 private:
  std::array<std::uint8_t, 16> tag(wire::ByteView head) const;
  std::array<std::uint8_t, 32> key_;
  std::uint32_t export_id_;
};

/// Whether two byte strings are equal, in a time that does not tell where they differ.
bool equal_bytes(wire::ByteView one, wire::ByteView other);

}  // namespace lockstep::files::host
