// Message signatures (MS-SMB2 3.1.4.1). A Signer keeps its OpenSSL contexts for the life of the
// session key, so that a message costs no fetch, no allocation and no key schedule.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2::crypto {

/// The numbers of SMB2_SIGNING_CAPABILITIES (2.2.3.1.7).
enum class SigningAlgorithm : std::uint16_t { hmac_sha256 = 0, aes_cmac = 1, aes_gmac = 2 };

using Signature = std::array<std::uint8_t, 16>;

class Signer {
 public:
  virtual ~Signer() = default;
  /// Of one SMB2 message (at least a header), whatever stands in its signature field. GMAC takes
  /// its nonce from the header: MessageId, direction, and whether it is a CANCEL.
  virtual Signature sign(ByteView message) = 0;
  bool verify(ByteView message);
};

/// `key` has 16 bytes.
std::unique_ptr<Signer> make_signer(SigningAlgorithm algorithm, ByteView key);

}  // namespace lockstep::wire::smb2::crypto
