// Identities. Each is its own type, so that none can be passed for another.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

namespace lockstep::core {

/// Time as the shell tells it: nanoseconds of one monotonic clock of one server run.
using Nanos = std::uint64_t;
inline constexpr Nanos kNever = ~Nanos{0};
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;

template <class Tag>
struct Id {
  std::uint64_t value = 0;  ///< 0 is nobody.
  constexpr explicit operator bool() const { return value != 0; }
  friend constexpr auto operator<=>(Id, Id) = default;
};

/// A client as it stays the same across reconnect and restart (NLM host, v4 owner, SMB ClientGuid).
using ClientId = Id<struct ClientTag>;
/// An open: an SMB FileId, an NFSv4 OPEN, an NLM SHARE. Unique across server boots.
using OpenId = Id<struct OpenTag>;
/// A caching right: a lease, an oplock or a delegation on one file.
using RightId = Id<struct RightTag>;
/// One request; chosen by the shell, unique while it is unanswered or its access is in flight.
using RequestId = Id<struct RequestTag>;

/// A file, the same across restarts: inode, its generation, and the number of its volume.
struct FileId {
  std::uint64_t node = 0;
  std::uint32_t generation = 0;
  std::uint32_t volume = 0;
  friend constexpr auto operator<=>(const FileId&, const FileId&) = default;
};

/// The key of an SMB lease (MS-SMB2 2.2.13.2.8); it names a lease together with its client.
struct LeaseKey {
  std::array<std::uint8_t, 16> bytes{};
  friend constexpr auto operator<=>(const LeaseKey&, const LeaseKey&) = default;
};

}  // namespace lockstep::core
