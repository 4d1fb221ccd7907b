#include "shell/wire/smb2/crypto/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/params.h>

#include <bit>
#include <utility>

#include "shell/wire/smb2/crypto/openssl.hpp"

namespace lockstep::wire::smb2::crypto {
namespace {

template <class Digest>
Digest digest(const EVP_MD* method, std::initializer_list<ByteView> parts) {
  const DigestContext context(EVP_MD_CTX_new());
  check(context && EVP_DigestInit_ex(context.get(), method, nullptr) == 1);
  for (const ByteView part : parts) {
    check(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  Digest result{};
  check(EVP_DigestFinal_ex(context.get(), result.data(), nullptr) == 1);
  return result;
}

template <class Digest>
Digest hmac(const char* name, ByteView key, std::initializer_list<ByteView> parts) {
  static EVP_MAC* const method = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  const MacContext context(EVP_MAC_CTX_new(method));
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string("digest", const_cast<char*>(name), 0),
      OSSL_PARAM_construct_end()};
  static constexpr std::uint8_t kEmpty = 0;  // a null key would mean "the key of before"
  check(context &&
        EVP_MAC_init(context.get(), key.empty() ? &kEmpty : key.data(), key.size(), params) == 1);
  for (const ByteView part : parts) {
    check(EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
  }
  Digest result{};
  std::size_t size = 0;
  check(EVP_MAC_final(context.get(), result.data(), &size, result.size()) == 1);
  return result;
}

const EVP_MD* fetch(const char* name) { return EVP_MD_fetch(nullptr, name, nullptr); }

/// The three rounds of RFC 1320 3.4 on one block of 64 bytes.
void md4_block(std::array<std::uint32_t, 4>& state, const std::uint8_t* block) {
  std::array<std::uint32_t, 16> x{};
  for (std::size_t i = 0; i < 16; ++i) {
    x[i] = wire::detail::load<std::endian::little, std::uint32_t>(block + 4 * i);
  }
  static constexpr std::uint8_t kOrder[3][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
      {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
      {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}};
  static constexpr int kShift[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
  static constexpr std::uint32_t kAdd[3] = {0, 0x5A827999, 0x6ED9EBA1};
  auto [a, b, c, d] = state;
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t mix = round == 0   ? (b & c) | (~b & d)
                                : round == 1 ? (b & c) | (b & d) | (c & d)
                                             : b ^ c ^ d;
      const std::uint32_t sum = a + mix + x[kOrder[round][i]] + kAdd[round];
      a = std::exchange(d,
                        std::exchange(c, std::exchange(b, std::rotl(sum, kShift[round][i % 4]))));
    }
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

}  // namespace

Digest16 md4(ByteView data) {
  Bytes padded(data.begin(), data.end());
  padded.push_back(0x80);
  while (padded.size() % 64 != 56) padded.push_back(0);
  LittleWriter out(std::move(padded));
  out.u64(static_cast<std::uint64_t>(data.size()) * 8);
  std::array<std::uint32_t, 4> state = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
  for (std::size_t at = 0; at < out.size(); at += 64) md4_block(state, out.buffer().data() + at);
  OPENSSL_cleanse(out.buffer().data(), out.size());
  Digest16 result{};
  for (std::size_t i = 0; i < 4; ++i) {
    wire::detail::store<std::endian::little>(result.data() + 4 * i, state[i]);
  }
  return result;
}

Digest16 md5(std::initializer_list<ByteView> parts) {
  static const EVP_MD* const method = fetch("MD5");
  return digest<Digest16>(method, parts);
}
Digest64 sha512(std::initializer_list<ByteView> parts) {
  static const EVP_MD* const method = fetch("SHA512");
  return digest<Digest64>(method, parts);
}
Digest16 hmac_md5(ByteView key, std::initializer_list<ByteView> parts) {
  return hmac<Digest16>("MD5", key, parts);
}
Digest32 hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  return hmac<Digest32>("SHA256", key, parts);
}

Rc4::Rc4(ByteView key) {
  for (std::size_t i = 0; i < 256; ++i) state_[i] = static_cast<std::uint8_t>(i);
  std::uint8_t j = 0;
  for (std::size_t i = 0; i < 256; ++i) {
    j = static_cast<std::uint8_t>(j + state_[i] + key[i % key.size()]);
    std::swap(state_[i], state_[j]);
  }
}

Bytes Rc4::apply(ByteView data) {
  Bytes result(data.begin(), data.end());
  for (std::uint8_t& byte : result) {
    i_ = static_cast<std::uint8_t>(i_ + 1);
    j_ = static_cast<std::uint8_t>(j_ + state_[i_]);
    std::swap(state_[i_], state_[j_]);
    byte ^= state_[static_cast<std::uint8_t>(state_[i_] + state_[j_])];
  }
  return result;
}

bool equal_secret(ByteView left, ByteView right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace lockstep::wire::smb2::crypto
