#include "shell/wire/smb2/crypto/cipher.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include "shell/wire/smb2/crypto/openssl.hpp"

namespace lockstep::wire::smb2::crypto {
namespace {

// Offsets in the transform header; what is authenticated with the message starts at the nonce.
constexpr std::size_t kTagAt = 4;
constexpr std::size_t kNonceAt = 20;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kNonceRoom = 16;
constexpr std::array<std::uint8_t, 4> kProtocol = {0xFD, 'S', 'M', 'B'};
constexpr std::uint16_t kEncrypted = 1;

EVP_CIPHER* method(CipherId id) {
  static EVP_CIPHER* const methods[] = {EVP_CIPHER_fetch(nullptr, "AES-128-CCM", nullptr),
                                        EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
                                        EVP_CIPHER_fetch(nullptr, "AES-256-CCM", nullptr),
                                        EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)};
  return methods[static_cast<std::size_t>(id) - 1];
}

}  // namespace

struct Cipher::Context {
  EVP_CIPHER_CTX* evp = EVP_CIPHER_CTX_new();
  bool ccm = false;
  Context() = default;
  Context(Context&&) = delete;
  ~Context() { EVP_CIPHER_CTX_free(evp); }
  int nonce_size() const { return ccm ? 11 : 12; }
};

Cipher::Cipher(CipherId id, Direction direction, ByteView key)
    : context_(std::make_unique<Context>()) {
  assert(key.size() == key_size(id) && !key.empty());
  EVP_CIPHER_CTX* const evp = context_->evp;
  const int seals = direction == Direction::seal ? 1 : 0;
  context_->ccm = id == CipherId::aes128_ccm || id == CipherId::aes256_ccm;
  check(evp && EVP_CipherInit_ex2(evp, method(id), nullptr, nullptr, seals, nullptr) == 1);
  check(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_IVLEN, context_->nonce_size(), nullptr) == 1);
  // CCM mixes the size of its tag into the first block, so it must be known before the key is set.
  if (context_->ccm) check(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, kTagSize, nullptr) == 1);
  check(EVP_CipherInit_ex2(evp, nullptr, key.data(), nullptr, seals, nullptr) == 1);
}

Cipher::~Cipher() = default;

void Cipher::seal(std::span<std::uint8_t> frame, std::uint64_t session_id) {
  assert(frame.size() > kTransformSize);
  const std::span<std::uint8_t> message = frame.subspan(kTransformSize);
  LittleWriter header;
  header.bytes(kProtocol);
  header.zeros(kTagSize);
  header.u64(next_nonce_++);
  header.zeros(kNonceRoom - 8);
  header.u32(static_cast<std::uint32_t>(message.size()));
  header.u16(0);
  header.u16(kEncrypted);
  header.u64(session_id);
  assert(header.size() == kTransformSize);
  std::copy(header.buffer().begin(), header.buffer().end(), frame.begin());

  EVP_CIPHER_CTX* const evp = context_->evp;
  const int size = static_cast<int>(message.size());
  int done = 0;
  check(EVP_EncryptInit_ex2(evp, nullptr, nullptr, frame.data() + kNonceAt, nullptr) == 1);
  if (context_->ccm) check(EVP_EncryptUpdate(evp, nullptr, &done, nullptr, size) == 1);
  check(EVP_EncryptUpdate(evp, nullptr, &done, frame.data() + kNonceAt,
                          static_cast<int>(kTransformSize - kNonceAt)) == 1);
  check(EVP_EncryptUpdate(evp, message.data(), &done, message.data(), size) == 1);
  check(EVP_EncryptFinal_ex(evp, message.data() + done, &done) == 1);
  check(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, kTagSize, frame.data() + kTagAt) == 1);
}

ByteView Cipher::open(std::span<std::uint8_t> frame) {
  const std::span<std::uint8_t> message = frame.subspan(kTransformSize);
  EVP_CIPHER_CTX* const evp = context_->evp;
  const int size = static_cast<int>(message.size());
  int done = 0;
  check(EVP_DecryptInit_ex2(evp, nullptr, nullptr, frame.data() + kNonceAt, nullptr) == 1);
  check(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, kTagSize, frame.data() + kTagAt) == 1);
  if (context_->ccm) check(EVP_DecryptUpdate(evp, nullptr, &done, nullptr, size) == 1);
  check(EVP_DecryptUpdate(evp, nullptr, &done, frame.data() + kNonceAt,
                          static_cast<int>(kTransformSize - kNonceAt)) == 1);
  // CCM tells of a wrong tag here, GCM at the end.
  if (EVP_DecryptUpdate(evp, message.data(), &done, message.data(), size) != 1) return {};
  if (!context_->ccm && EVP_DecryptFinal_ex(evp, message.data() + done, &done) != 1) return {};
  return message;
}

std::optional<TransformHeader> decode_transform(ByteView frame) {
  LittleReader in(frame);
  const ByteView protocol = in.take(kProtocol.size());
  in.skip(kTagSize + kNonceRoom);
  TransformHeader header;
  header.original_size = in.u32();
  in.skip(2);
  const std::uint16_t flags = in.u16();
  header.session_id = in.u64();
  if (in.failed() || !std::equal(protocol.begin(), protocol.end(), kProtocol.begin())) return {};
  if (flags != kEncrypted || in.remaining() == 0 || header.original_size != in.remaining()) {
    return {};
  }
  return header;
}

}  // namespace lockstep::wire::smb2::crypto
