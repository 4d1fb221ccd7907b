#include "shell/wire/smb2/crypto/signer.hpp"

#include <openssl/params.h>

#include <algorithm>
#include <cassert>

#include "shell/wire/smb2/crypto/hash.hpp"
#include "shell/wire/smb2/crypto/openssl.hpp"
#include "shell/wire/smb2/header.hpp"

namespace lockstep::wire::smb2::crypto {
namespace {

using Block = std::array<std::uint8_t, 16>;
using HeaderBytes = std::array<std::uint8_t, kHeaderSize>;

/// The header as it is signed: with a signature field of zeros.
HeaderBytes unsigned_header(ByteView message) {
  assert(message.size() >= kHeaderSize);
  HeaderBytes header{};
  std::copy_n(message.begin(), kSignatureAt, header.begin());
  return header;
}

class HmacSigner final : public Signer {
 public:
  explicit HmacSigner(ByteView key) {
    static EVP_MAC* const method = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context_.reset(EVP_MAC_CTX_new(method));
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                                 OSSL_PARAM_construct_end()};
    check(context_ && EVP_MAC_init(context_.get(), key.data(), key.size(), params) == 1);
  }
  Signature sign(ByteView message) override {
    const HeaderBytes header = unsigned_header(message);
    const ByteView rest = message.subspan(kHeaderSize);
    Digest32 full{};
    std::size_t size = 0;
    check(EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1);
    check(EVP_MAC_update(context_.get(), header.data(), header.size()) == 1);
    check(EVP_MAC_update(context_.get(), rest.data(), rest.size()) == 1);
    check(EVP_MAC_final(context_.get(), full.data(), &size, full.size()) == 1);
    Signature result{};
    std::copy_n(full.begin(), result.size(), result.begin());
    return result;
  }

 private:
  MacContext context_;
};

/// AES-CMAC (RFC 4493) as what it is: CBC with a last block that is masked. OpenSSL's own CMAC
/// encrypts block by block through the provider, which is several times slower.
class CmacSigner final : public Signer {
 public:
  explicit CmacSigner(ByteView key) : context_(EVP_CIPHER_CTX_new()) {
    static EVP_CIPHER* const method = EVP_CIPHER_fetch(nullptr, "AES-128-CBC", nullptr);
    check(context_ &&
          EVP_EncryptInit_ex2(context_.get(), method, key.data(), kZero.data(), nullptr) == 1 &&
          EVP_CIPHER_CTX_set_padding(context_.get(), 0) == 1);
    Block l{};
    chain(kZero, l);
    k1_ = doubled(l);
    k2_ = doubled(k1_);
  }
  Signature sign(ByteView message) override {
    const HeaderBytes header = unsigned_header(message);
    const ByteView rest = message.subspan(kHeaderSize);
    restart();
    Block state{};
    if (rest.empty()) {  // the header's last block is the message's last
      chain(ByteView(header).first(kSignatureAt), state);
      return last(ByteView(header).subspan(kSignatureAt));
    }
    chain(header, state);
    const std::size_t tail = (rest.size() - 1) / 16 * 16;
    chain(rest.first(tail), state);
    return last(rest.subspan(tail));
  }

 private:
  static constexpr Block kZero{};

  void restart() {
    check(EVP_EncryptInit_ex2(context_.get(), nullptr, nullptr, kZero.data(), nullptr) == 1);
  }
  /// Whole blocks; `state` gets the last cipher block. The context keeps the chaining value.
  void chain(ByteView blocks, Block& state) {
    while (!blocks.empty()) {
      const ByteView part = blocks.first(std::min(blocks.size(), scratch_.size()));
      int written = 0;
      check(EVP_EncryptUpdate(context_.get(), scratch_.data(), &written, part.data(),
                              static_cast<int>(part.size())) == 1);
      std::copy_n(scratch_.begin() + written - 16, 16, state.begin());
      blocks = blocks.subspan(part.size());
    }
  }
  Signature last(ByteView part) {
    Block block{};
    std::copy(part.begin(), part.end(), block.begin());
    const bool whole = part.size() == block.size();
    if (!whole) block[part.size()] = 0x80;
    const Block& mask = whole ? k1_ : k2_;
    for (std::size_t i = 0; i < block.size(); ++i) block[i] ^= mask[i];
    Block result{};
    chain(block, result);
    return result;
  }
  static Block doubled(const Block& value) {
    Block result{};
    for (std::size_t i = 0; i < 16; ++i) {
      const unsigned next = i + 1 < 16 ? value[i + 1] >> 7 : 0;
      result[i] = static_cast<std::uint8_t>((static_cast<unsigned>(value[i]) << 1) | next);
    }
    if ((value[0] & 0x80) != 0) result[15] ^= 0x87;
    return result;
  }

  CipherContext context_;
  Block k1_{}, k2_{};
  std::array<std::uint8_t, 4096> scratch_{};
};

class GmacSigner final : public Signer {
 public:
  explicit GmacSigner(ByteView key) : context_(EVP_CIPHER_CTX_new()) {
    static EVP_CIPHER* const method = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
    check(context_ &&
          EVP_EncryptInit_ex2(context_.get(), method, key.data(), nullptr, nullptr) == 1);
  }
  Signature sign(ByteView message) override {
    const HeaderBytes header = unsigned_header(message);
    const ByteView rest = message.subspan(kHeaderSize);
    const Header fields = *decode_header(message);
    LittleWriter nonce;
    nonce.u64(fields.message_id);
    nonce.u32((fields.has(kFlagResponse) ? 1u : 0u) |
              (fields.command == Command::cancel ? 2u : 0u));
    int size = 0;
    Signature result{};
    EVP_CIPHER_CTX* const context = context_.get();
    check(EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.buffer().data(), nullptr) == 1);
    check(EVP_EncryptUpdate(context, nullptr, &size, header.data(),
                            static_cast<int>(header.size())) == 1);
    check(rest.empty() || EVP_EncryptUpdate(context, nullptr, &size, rest.data(),
                                            static_cast<int>(rest.size())) == 1);
    check(EVP_EncryptFinal_ex(context, result.data(), &size) == 1);
    check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(result.size()),
                              result.data()) == 1);
    return result;
  }

 private:
  CipherContext context_;
};

}  // namespace

bool Signer::verify(ByteView message) {
  return equal_secret(sign(message), message.subspan(kSignatureAt, 16));
}

std::unique_ptr<Signer> make_signer(SigningAlgorithm algorithm, ByteView key) {
  assert(key.size() == 16);
  switch (algorithm) {
    case SigningAlgorithm::hmac_sha256:
      return std::make_unique<HmacSigner>(key);
    case SigningAlgorithm::aes_cmac:
      return std::make_unique<CmacSigner>(key);
    case SigningAlgorithm::aes_gmac:
      return std::make_unique<GmacSigner>(key);
  }
  throw std::invalid_argument("unknown signing algorithm");
}

}  // namespace lockstep::wire::smb2::crypto
