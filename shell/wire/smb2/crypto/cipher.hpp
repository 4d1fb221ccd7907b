// Encryption of whole messages: SMB2 TRANSFORM_HEADER (MS-SMB2 2.2.41, 3.1.4.3).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2::crypto {

/// The numbers of SMB2_ENCRYPTION_CAPABILITIES (2.2.3.1.2).
enum class CipherId : std::uint16_t {
  none = 0,
  aes128_ccm = 1,
  aes128_gcm = 2,
  aes256_ccm = 3,
  aes256_gcm = 4,
};

constexpr std::size_t key_size(CipherId id) {
  switch (id) {
    case CipherId::none:
      return 0;
    case CipherId::aes128_ccm:
    case CipherId::aes128_gcm:
      return 16;
    case CipherId::aes256_ccm:
    case CipherId::aes256_gcm:
      return 32;
  }
  return 0;
}

inline constexpr std::size_t kTransformSize = 52;

struct TransformHeader {
  std::uint32_t original_size = 0;
  std::uint64_t session_id = 0;
};

/// Nothing when it is too short, no transform header, not marked as encrypted, or the size that it
/// names is not that of what follows.
std::optional<TransformHeader> decode_transform(ByteView frame);

/// One direction of one session. Reuses its OpenSSL context: no fetch, no key schedule a message.
class Cipher {
 public:
  enum class Direction : std::uint8_t { seal, open };
  /// `key` has `key_size(id)` bytes.
  Cipher(CipherId id, Direction direction, ByteView key);
  ~Cipher();
  Cipher(Cipher&&) = delete;

  /// `frame` holds `kTransformSize` bytes of room and then the clear message; afterwards it is the
  /// transformed message. Nonces count up and are never used twice under one key.
  void seal(std::span<std::uint8_t> frame, std::uint64_t session_id);
  /// Decrypts in place behind the transform header; empty when the tag is wrong. `frame` passed
  /// `decode_transform`.
  ByteView open(std::span<std::uint8_t> frame);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  std::uint64_t next_nonce_ = 1;
};

}  // namespace lockstep::wire::smb2::crypto
