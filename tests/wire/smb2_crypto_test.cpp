// Known answers: RFC 1320, RFC 4493, the KDF examples that Microsoft published for SMB 3.0 and
// 3.1.1; and that nothing altered is accepted.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "shell/wire/smb2/crypto/cipher.hpp"
#include "shell/wire/smb2/crypto/hash.hpp"
#include "shell/wire/smb2/crypto/keys.hpp"
#include "shell/wire/smb2/crypto/signer.hpp"
#include "shell/wire/smb2/header.hpp"

namespace lockstep::wire::smb2::crypto {
namespace {

Bytes hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}
Bytes bytes(ByteView view) { return {view.begin(), view.end()}; }

TEST(Smb2Hash, Md4OfRfc1320) {
  EXPECT_EQ(bytes(md4(as_bytes(""))), hex("31d6cfe0d16ae931b73c59d7e0c089c0"));
  EXPECT_EQ(bytes(md4(as_bytes("abc"))), hex("a448017aaf21d8525fc10ae87aa6729d"));
  EXPECT_EQ(bytes(md4(as_bytes("1234567890123456789012345678901234567890123456789012345678901234"
                               "5678901234567890"))),
            hex("e33b4ddc9c38f2199c3e7b164fcc0536"));
}

TEST(Smb2Hash, Rc4KnownStream) {
  Rc4 cipher(as_bytes("Key"));
  Bytes first = cipher.apply(as_bytes("Plain"));
  const Bytes second = cipher.apply(as_bytes("text"));
  first.insert(first.end(), second.begin(), second.end());
  EXPECT_EQ(first, hex("bbf316e8d940af0ad3"));
}

TEST(Smb2Hash, HmacMd5OfRfc2202) {
  EXPECT_EQ(
      bytes(hmac_md5(as_bytes("Jefe"), {as_bytes("what do ya want "), as_bytes("for nothing?")})),
      hex("750c783e6ab0b503eaa86e310a5db738"));
}

TEST(Smb2Keys, Example300) {
  const SessionKeys keys =
      derive_session_keys(Dialect::smb300, hex("7CD451825D0450D235424E44BA6E78CC"), {}, 16);
  EXPECT_EQ(keys.signing, hex("0B7E9C5CAC36C0F6EA9AB275298CEDCE"));
  // The published example names the keys from the client's side.
  EXPECT_EQ(keys.client_to_server, hex("FAD27796665B313EBB578F388632B4F7"));
  EXPECT_EQ(keys.server_to_client, hex("B0F0427F7CEB416D1D9DCC0CD4F99447"));
}

TEST(Smb2Keys, Example311) {
  const Bytes preauth =
      hex("0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79"
          "28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01");
  const SessionKeys keys =
      derive_session_keys(Dialect::smb311, hex("270E1BA896585EEB7AF3472D3B4C75A7"), preauth, 16);
  EXPECT_EQ(keys.signing, hex("73FE7A9A77BEF0BDE49C650D8CCB5F76"));
  EXPECT_EQ(keys.client_to_server, hex("629BCBC54422A0F572B97F45989B6073"));
  EXPECT_EQ(keys.server_to_client, hex("E2AF0DCEFAC68DA71A0DFBD0D1350D74"));
}

TEST(Smb2Keys, LongKeysAreNotTheShortOnesPadded) {
  const Bytes key = hex("270E1BA896585EEB7AF3472D3B4C75A7");
  const Bytes preauth(64, 7);
  const SessionKeys a = derive_session_keys(Dialect::smb311, key, preauth, 16);
  const SessionKeys b = derive_session_keys(Dialect::smb311, key, preauth, 32);
  EXPECT_EQ(a.signing, b.signing);
  ASSERT_EQ(b.server_to_client.size(), 32u);
  EXPECT_NE(bytes(ByteView(b.server_to_client).first(16)), a.server_to_client);  // L is mixed in
}

TEST(Smb2Keys, OldDialectsSignWithTheSessionKey) {
  EXPECT_EQ(derive_session_keys(Dialect::smb210, hex("0102"), {}, 0).signing,
            hex("01020000000000000000000000000000"));
}

Bytes message(std::size_t body, Command command = Command::echo, std::uint32_t flags = 0) {
  Header header;
  header.command = command;
  header.flags = flags;
  header.message_id = 0x1122334455667788;
  LittleWriter out;
  encode_header(header, out);
  for (std::size_t i = 0; i < body; ++i) out.u8(static_cast<std::uint8_t>(i * 7));
  return out.take();
}

/// RFC 4493's examples are shorter than an SMB2 header, so ours is compared with OpenSSL's, which
/// is itself checked against them.
Bytes slow_cmac(ByteView key, ByteView text) {
  Bytes result(16);
  std::size_t size = 0;
  EXPECT_NE(EVP_Q_mac(nullptr, "CMAC", nullptr, "AES-128-CBC", nullptr, key.data(), key.size(),
                      text.data(), text.size(), result.data(), result.size(), &size),
            nullptr);
  return result;
}

TEST(Smb2Signer, EveryAlgorithmIgnoresTheFieldAndSeesEveryByte) {
  const Bytes key = hex("2b7e151628aed2a6abf7158809cf4f3c");
  for (const auto algorithm :
       {SigningAlgorithm::hmac_sha256, SigningAlgorithm::aes_cmac, SigningAlgorithm::aes_gmac}) {
    const auto signer = make_signer(algorithm, key);
    for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 32u, 100u, 4096u, 4097u, 9000u}) {
      Bytes text = message(size);
      const Signature signature = signer->sign(text);
      std::copy(signature.begin(), signature.end(), text.begin() + 48);
      EXPECT_EQ(signer->sign(text), signature);
      EXPECT_TRUE(signer->verify(text));
      for (const std::size_t at : {std::size_t{12}, std::size_t{50}, text.size() - 1}) {
        text[at] ^= 1;
        EXPECT_FALSE(signer->verify(text)) << size << " " << at;
        text[at] ^= 1;
      }
      EXPECT_TRUE(signer->verify(text));
    }
  }
}

TEST(Smb2Signer, CmacEqualsTheOneOfRfc4493) {
  const Bytes key = hex("2b7e151628aed2a6abf7158809cf4f3c");
  EXPECT_EQ(slow_cmac(key, {}), hex("bb1d6929e95937287fa37d129b756746"));
  EXPECT_EQ(slow_cmac(key, hex("6bc1bee22e409f96e93d7e117393172a")),
            hex("070a16b46b4d4144f79bdd9dd04a287c"));
  EXPECT_EQ(slow_cmac(key, hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                               "30c81c46a35ce411")),
            hex("dfa66747de9ae63030ca32611497c827"));
  const auto signer = make_signer(SigningAlgorithm::aes_cmac, key);
  for (const std::size_t size : {0u, 1u, 16u, 31u, 4096u, 70'000u}) {
    const Bytes text = message(size);
    EXPECT_EQ(bytes(signer->sign(text)), slow_cmac(key, text)) << size;
  }
}

TEST(Smb2Signer, GmacNonceTellsDirectionAndCancel) {
  const auto signer = make_signer(SigningAlgorithm::aes_gmac, Bytes(16, 9));
  const Signature plain = signer->sign(message(8, Command::echo, kFlagSigned));
  EXPECT_NE(plain, signer->sign(message(8, Command::echo, kFlagSigned | kFlagResponse)));
  EXPECT_NE(plain, signer->sign(message(8, Command::cancel, kFlagSigned)));
}

TEST(Smb2Cipher, RoundTripAndTampering) {
  for (const auto id :
       {CipherId::aes128_ccm, CipherId::aes128_gcm, CipherId::aes256_ccm, CipherId::aes256_gcm}) {
    const Bytes key(key_size(id), 0x42);
    Cipher seal(id, Cipher::Direction::seal, key);
    Cipher open(id, Cipher::Direction::open, key);
    Bytes before;
    for (const std::size_t size : {1u, 64u, 200u, 70'000u}) {
      Bytes frame(kTransformSize, 0);
      const Bytes clear = message(size);
      frame.insert(frame.end(), clear.begin(), clear.end());
      seal.seal(frame, 77);
      EXPECT_NE(bytes(ByteView(frame).subspan(kTransformSize)), clear);
      EXPECT_NE(bytes(ByteView(frame).subspan(20, 16)), before) << "a nonce came twice";
      before = bytes(ByteView(frame).subspan(20, 16));
      const auto header = decode_transform(frame);
      ASSERT_TRUE(header);
      EXPECT_EQ(header->session_id, 77u);
      EXPECT_EQ(header->original_size, clear.size());
      for (const std::size_t at :
           {std::size_t{4}, std::size_t{20}, std::size_t{44}, frame.size() - 1}) {
        Bytes altered = frame;
        altered[at] ^= 1;
        EXPECT_TRUE(open.open(altered).empty()) << "byte " << at;
      }
      EXPECT_EQ(bytes(open.open(frame)), clear);
    }
  }
}

TEST(Smb2Cipher, TransformHeaderLiesAreRefused) {
  Cipher seal(CipherId::aes128_gcm, Cipher::Direction::seal, Bytes(16, 1));
  Bytes frame(kTransformSize + 80, 0);
  seal.seal(frame, 5);
  ASSERT_TRUE(decode_transform(frame));
  for (std::size_t size = 0; size < frame.size(); ++size) {
    EXPECT_FALSE(decode_transform(ByteView(frame).first(size))) << size;
  }
  Bytes unencrypted = frame;
  unencrypted[42] = 0;
  EXPECT_FALSE(decode_transform(unencrypted));
}

RC_GTEST_PROP(Smb2Header, RoundTrip, ()) {
  Header header;
  header.credit_charge = *rc::gen::arbitrary<std::uint16_t>();
  header.status = *rc::gen::arbitrary<std::uint32_t>();
  header.command = static_cast<Command>(*rc::gen::inRange(0, 19));
  header.credits = *rc::gen::arbitrary<std::uint16_t>();
  header.flags = *rc::gen::arbitrary<std::uint32_t>();
  header.next = *rc::gen::arbitrary<std::uint32_t>();
  header.message_id = *rc::gen::arbitrary<std::uint64_t>();
  header.session_id = *rc::gen::arbitrary<std::uint64_t>();
  if (header.has(kFlagAsync))
    header.async_id = *rc::gen::arbitrary<std::uint64_t>();
  else
    header.tree_id = *rc::gen::arbitrary<std::uint32_t>();
  LittleWriter out;
  encode_header(header, out);
  RC_ASSERT(out.size() == kHeaderSize);
  const auto back = decode_header(out.buffer());
  RC_ASSERT(back.has_value());
  LittleWriter again;
  encode_header(*back, again);
  RC_ASSERT(again.buffer() == out.buffer());
}

}  // namespace
}  // namespace lockstep::wire::smb2::crypto
