// Digests and the two old algorithms that NTLM is made of.
//
// SHA-256, SHA-512, MD5 and HMAC come from OpenSSL's default provider. MD4 and RC4 are here: they
// live in OpenSSL's legacy provider, which many systems do not install, and NTLM needs them only
// for small inputs (a password, a 16-byte key).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2::crypto {

using Digest16 = std::array<std::uint8_t, 16>;
using Digest32 = std::array<std::uint8_t, 32>;
using Digest64 = std::array<std::uint8_t, 64>;

/// RFC 1320.
Digest16 md4(ByteView data);
/// The parts are hashed as if they were one message.
Digest16 md5(std::initializer_list<ByteView> parts);
Digest64 sha512(std::initializer_list<ByteView> parts);
Digest16 hmac_md5(ByteView key, std::initializer_list<ByteView> parts);
Digest32 hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

/// The stream cipher of NTLM: keeps its position from call to call.
class Rc4 {
 public:
  explicit Rc4(ByteView key);
  Bytes apply(ByteView data);

 private:
  std::array<std::uint8_t, 256> state_{};
  std::uint8_t i_ = 0, j_ = 0;
};

/// Compares without telling by its duration where the first difference is.
bool equal_secret(ByteView left, ByteView right);

}  // namespace lockstep::wire::smb2::crypto
