// The 64-byte header before every SMB2 message (MS-SMB2 2.2.1).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

enum class Dialect : std::uint16_t {
  none = 0,
  smb202 = 0x0202,
  smb210 = 0x0210,
  smb300 = 0x0300,
  smb302 = 0x0302,
  smb311 = 0x0311,
  wildcard = 0x02FF,  ///< the answer to an SMB1 NEGOTIATE that says "SMB 2.???"
};

enum class Command : std::uint16_t {
  negotiate = 0,
  session_setup = 1,
  logoff = 2,
  tree_connect = 3,
  tree_disconnect = 4,
  create = 5,
  close = 6,
  flush = 7,
  read = 8,
  write = 9,
  lock = 10,
  ioctl = 11,
  cancel = 12,
  echo = 13,
  query_directory = 14,
  change_notify = 15,
  query_info = 16,
  set_info = 17,
  oplock_break = 18,
};
inline constexpr std::uint16_t kCommandCount = 19;

inline constexpr std::size_t kHeaderSize = 64;
inline constexpr std::size_t kSignatureAt = 48;
inline constexpr std::uint32_t kFlagResponse = 0x00000001;
inline constexpr std::uint32_t kFlagAsync = 0x00000002;
inline constexpr std::uint32_t kFlagRelated = 0x00000004;
inline constexpr std::uint32_t kFlagSigned = 0x00000008;
inline constexpr std::uint32_t kFlagPriorityMask = 0x00000070;
inline constexpr std::uint32_t kFlagDfs = 0x10000000;
inline constexpr std::uint32_t kFlagReplay = 0x20000000;

/// MessageId of what nobody asked for: break notifications.
inline constexpr std::uint64_t kNoMessageId = ~std::uint64_t{0};

struct Header {
  std::uint16_t credit_charge = 0;
  /// Responses: the status. Requests of 3.x: ChannelSequence in the low 16 bits.
  std::uint32_t status = 0;
  Command command = Command::negotiate;
  std::uint16_t credits = 0;  ///< asked for, or granted
  std::uint32_t flags = 0;
  std::uint32_t next = 0;  ///< offset of the next part of a compound, 0 in the last
  std::uint64_t message_id = 0;
  std::uint32_t process_id = 0;  ///< sync header only
  std::uint32_t tree_id = 0;     ///< sync header only
  std::uint64_t async_id = 0;    ///< async header only
  std::uint64_t session_id = 0;
  std::array<std::uint8_t, 16> signature{};

  bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
  std::uint16_t channel_sequence() const { return static_cast<std::uint16_t>(status); }
};

/// Nothing when the span is shorter than a header or is no SMB2 header. The command may be out of
/// range; who dispatches checks it.
std::optional<Header> decode_header(ByteView message);
/// Appends exactly `kHeaderSize` bytes.
void encode_header(const Header& header, LittleWriter& out);

/// The FileId of an open (2.2.14.1).
struct FileHandle {
  std::uint64_t persistent = 0;
  std::uint64_t volatile_part = 0;
  /// In a related request: "that of my predecessor".
  static constexpr FileHandle inherit() { return {~std::uint64_t{0}, ~std::uint64_t{0}}; }
  friend constexpr auto operator<=>(const FileHandle&, const FileHandle&) = default;
};
inline FileHandle read_handle(LittleReader& in) {
  const std::uint64_t persistent = in.u64();
  return {persistent, in.u64()};
}
inline void write_handle(LittleWriter& out, FileHandle handle) {
  out.u64(handle.persistent);
  out.u64(handle.volatile_part);
}

struct Guid {
  std::array<std::uint8_t, 16> bytes{};
  bool empty() const { return *this == Guid{}; }
  friend constexpr auto operator<=>(const Guid&, const Guid&) = default;
};

}  // namespace lockstep::wire::smb2
