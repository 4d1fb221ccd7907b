// From the session key to the keys of a session (MS-SMB2 3.1.4.2, 3.3.5.5.3), and the
// pre-authentication integrity hash that 3.1.1 mixes into them (3.3.5.4, 3.3.5.5).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/crypto/hash.hpp"
#include "shell/wire/smb2/header.hpp"

namespace lockstep::wire::smb2::crypto {

/// SP800-108 in counter mode with HMAC-SHA256, r = 32, L = 8 * `size`. The label and a constant
/// context include their terminating NUL.
Bytes derive_key(ByteView key, ByteView label, ByteView context, std::size_t size);

/// SHA-512 over what both sides said so far, one message after the other.
class PreauthHash {
 public:
  void add(ByteView message) { value_ = sha512({value_, message}); }
  ByteView value() const { return value_; }

 private:
  Digest64 value_{};
};

/// Signing keys are 16 bytes; the other two as long as the cipher wants them, 16 or 32.
struct SessionKeys {
  Bytes signing;
  Bytes server_to_client;
  Bytes client_to_server;
};

/// `session_key` is what authentication gave: its first 16 bytes (padded with zeros) sign and make
/// the 128-bit keys; 256-bit cipher keys are made from all of it. `cipher_key_size` 0: no cipher.
/// `preauth` is used by 3.1.1 alone.
SessionKeys derive_session_keys(Dialect dialect, ByteView session_key, ByteView preauth,
                                std::size_t cipher_key_size);

}  // namespace lockstep::wire::smb2::crypto
