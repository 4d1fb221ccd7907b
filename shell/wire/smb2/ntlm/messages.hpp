// The three messages of NTLM (MS-NLMP 2.2.1) and the AV pairs in them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2::ntlm {

// NEGOTIATE flags (2.2.2.5).
inline constexpr std::uint32_t kUnicode = 0x00000001;
inline constexpr std::uint32_t kOem = 0x00000002;
inline constexpr std::uint32_t kRequestTarget = 0x00000004;
inline constexpr std::uint32_t kSign = 0x00000010;
inline constexpr std::uint32_t kSeal = 0x00000020;
inline constexpr std::uint32_t kNtlm = 0x00000200;
inline constexpr std::uint32_t kAnonymous = 0x00000800;
inline constexpr std::uint32_t kAlwaysSign = 0x00008000;
inline constexpr std::uint32_t kTargetTypeServer = 0x00020000;
inline constexpr std::uint32_t kExtendedSecurity = 0x00080000;
inline constexpr std::uint32_t kTargetInfo = 0x00800000;
inline constexpr std::uint32_t kVersion = 0x02000000;
inline constexpr std::uint32_t k128 = 0x20000000;
inline constexpr std::uint32_t kKeyExchange = 0x40000000;
inline constexpr std::uint32_t k56 = 0x80000000;

// AV pairs (2.2.2.1).
enum class Av : std::uint16_t {
  end = 0,
  netbios_computer = 1,
  netbios_domain = 2,
  dns_computer = 3,
  dns_domain = 4,
  flags = 6,
  timestamp = 7,
  target_name = 9,
  channel_bindings = 10,
};
inline constexpr std::uint32_t kAvFlagMic = 0x2;

/// Where the MIC stands in an AUTHENTICATE message that has one.
inline constexpr std::size_t kMicAt = 72;
inline constexpr std::size_t kMicSize = 16;

bool is_ntlm(ByteView token);

/// NEGOTIATE: its flags are all that matters to us.
std::optional<std::uint32_t> decode_negotiate(ByteView token);

struct Challenge {
  std::uint32_t flags = 0;
  std::array<std::uint8_t, 8> server_challenge{};
  std::string target_name;
  Bytes target_info;  ///< AV pairs, with their end
};
Bytes encode_challenge(const Challenge& challenge);

struct Authenticate {
  std::uint32_t flags = 0;
  ByteView lm_response;
  ByteView nt_response;
  std::string domain, user, workstation;  ///< UTF-8
  ByteView session_key;                   ///< encrypted
  bool has_mic_room = false;              ///< the payload starts behind where a MIC would be
};
/// The views are into `token`. Nothing when a field lies outside of it or a name is no UTF-16.
std::optional<Authenticate> decode_authenticate(ByteView token);

void append_av(LittleWriter& out, Av id, ByteView value);
/// Whether every pair up to the end lies inside the list.
bool well_formed_avs(ByteView list);
/// The value of the first pair with this id; nothing when there is none or the list is broken.
std::optional<ByteView> find_av(ByteView list, Av id);

}  // namespace lockstep::wire::smb2::ntlm
