#include "shell/wire/smb2/crypto/keys.hpp"

#include <algorithm>

namespace lockstep::wire::smb2::crypto {
namespace {

/// A literal with its terminating NUL, as the labels are counted.
template <std::size_t Size>
ByteView with_nul(const char (&text)[Size]) {
  return {reinterpret_cast<const std::uint8_t*>(text), Size};
}

}  // namespace

Bytes derive_key(ByteView key, ByteView label, ByteView context, std::size_t size) {
  static constexpr std::uint8_t kSeparator[1] = {0};
  Bytes result;
  for (std::uint32_t counter = 1; result.size() < size; ++counter) {
    BigWriter count, bits;
    count.u32(counter);
    bits.u32(static_cast<std::uint32_t>(size * 8));
    const Digest32 block =
        hmac_sha256(key, {count.buffer(), label, kSeparator, context, bits.buffer()});
    const std::size_t take = std::min(block.size(), size - result.size());
    result.insert(result.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(take));
  }
  return result;
}

SessionKeys derive_session_keys(Dialect dialect, ByteView session_key, ByteView preauth,
                                std::size_t cipher_key_size) {
  Bytes short_key(session_key.begin(), session_key.end());
  short_key.resize(16, 0);
  if (dialect < Dialect::smb300) return {short_key, {}, {}};
  const ByteView cipher_source = cipher_key_size == 32 ? session_key : ByteView(short_key);
  SessionKeys keys;
  if (dialect == Dialect::smb311) {
    keys.signing = derive_key(short_key, with_nul("SMBSigningKey"), preauth, 16);
    if (cipher_key_size != 0) {
      keys.server_to_client =
          derive_key(cipher_source, with_nul("SMBS2CCipherKey"), preauth, cipher_key_size);
      keys.client_to_server =
          derive_key(cipher_source, with_nul("SMBC2SCipherKey"), preauth, cipher_key_size);
    }
    return keys;
  }
  keys.signing = derive_key(short_key, with_nul("SMB2AESCMAC"), with_nul("SmbSign"), 16);
  if (cipher_key_size != 0) {
    keys.server_to_client =
        derive_key(cipher_source, with_nul("SMB2AESCCM"), with_nul("ServerOut"), cipher_key_size);
    keys.client_to_server =
        derive_key(cipher_source, with_nul("SMB2AESCCM"), with_nul("ServerIn "), cipher_key_size);
  }
  return keys;
}

}  // namespace lockstep::wire::smb2::crypto
