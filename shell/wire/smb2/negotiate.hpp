// NEGOTIATE: what client and server can do (MS-SMB2 2.2.3, 2.2.4, 3.3.5.3, 3.3.5.4). Pure:
// decoding, choosing, encoding; the connection keeps the outcome.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/crypto/cipher.hpp"
#include "shell/wire/smb2/crypto/signer.hpp"
#include "shell/wire/smb2/header.hpp"

namespace lockstep::wire::smb2 {

struct Options;

inline constexpr std::uint16_t kSigningEnabled = 0x0001;
inline constexpr std::uint16_t kSigningRequired = 0x0002;

inline constexpr std::uint32_t kCapLeasing = 0x00000002;
inline constexpr std::uint32_t kCapLargeMtu = 0x00000004;
inline constexpr std::uint32_t kCapEncryption = 0x00000040;

/// What everybody may send at once in 2.0.2, and what one credit pays for.
inline constexpr std::uint32_t kCreditUnit = 65'536;

struct NegotiateRequest {
  std::uint16_t security_mode = 0;
  std::uint32_t capabilities = 0;
  Guid client_guid;
  std::vector<Dialect> dialects;
  // Negotiate contexts, present when 3.1.1 is among the dialects (2.2.3.1).
  std::optional<std::vector<std::uint16_t>> hashes, ciphers, signings;
  bool duplicate_context = false;
};

/// Nothing when a length does not fit.
std::optional<NegotiateRequest> decode_negotiate_request(ByteView message);

/// An SMB1 NEGOTIATE that asks for SMB2 (3.3.5.3): whether it says "SMB 2.002" and "SMB 2.???".
struct MultiProtocolRequest {
  bool smb202 = false;
  bool wildcard = false;
};
std::optional<MultiProtocolRequest> decode_smb1_negotiate(ByteView frame);

/// What was agreed on; also what VALIDATE_NEGOTIATE_INFO is compared with.
struct Negotiated {
  Dialect dialect = Dialect::none;
  std::uint16_t security_mode = 0;  ///< ours
  std::uint32_t capabilities = 0;   ///< ours
  std::uint32_t transact_max = kCreditUnit, read_max = kCreditUnit, write_max = kCreditUnit;
  crypto::CipherId cipher = crypto::CipherId::none;
  crypto::SigningAlgorithm signing = crypto::SigningAlgorithm::hmac_sha256;
  bool answer_encryption = false, answer_signing = false;  ///< contexts to send back

  std::uint16_t client_security_mode = 0;
  std::uint32_t client_capabilities = 0;
  Guid client_guid;
  bool multi_credit() const { return (capabilities & kCapLargeMtu) != 0; }
};

/// The highest dialect of the list that is allowed; `none` when there is none.
Dialect choose_dialect(const std::vector<Dialect>& offered, const Options& options);

/// Success, or why the request is refused.
NtStatus negotiate(const NegotiateRequest& request, const Options& options, Negotiated& result);
/// What an SMB1 NEGOTIATE leads to: 2.0.2, or the wildcard that asks for an SMB2 NEGOTIATE.
Negotiated negotiate_multi_protocol(Dialect dialect, const Options& options);

/// The response body, from StructureSize on. `now`: FILETIME.
Bytes encode_negotiate_response(const Negotiated& agreed, const Guid& server_guid,
                                std::uint64_t now, ByteView security_buffer,
                                const std::array<std::uint8_t, 32>& salt);

}  // namespace lockstep::wire::smb2
