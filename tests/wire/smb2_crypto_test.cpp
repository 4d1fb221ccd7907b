// Known answers: RFC 1320, RFC 4493, the keys and messages that Microsoft published for SMB 3.0 and
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

// The messages that Microsoft published with its account of encryption in SMB 3.0 and 3.1.1: a
// WRITE of the client, and the server's answer.
TEST(Smb2Cipher, PublishedMessages) {
  const auto check = [](Dialect dialect, CipherId id, const Bytes& session_key,
                        const Bytes& preauth, Bytes request, const Bytes& clear_end,
                        Bytes response) {
    const SessionKeys keys = derive_session_keys(dialect, session_key, preauth, 16);
    Cipher server(id, Cipher::Direction::open, keys.client_to_server);
    Cipher client(id, Cipher::Direction::open, keys.server_to_client);
    ASSERT_TRUE(decode_transform(request));
    const Bytes clear = bytes(server.open(request));
    ASSERT_EQ(clear.size(), 0x87u);
    EXPECT_EQ(decode_header(clear)->command, Command::write);
    EXPECT_EQ(Bytes(clear.end() - 23, clear.end()), clear_end);
    ASSERT_TRUE(decode_transform(response));
    const Bytes answer = bytes(client.open(response));
    ASSERT_EQ(answer.size(), 0x50u);
    EXPECT_TRUE(decode_header(answer)->has(kFlagResponse));
  };
  const ByteView text = as_bytes("Smb3 encryption testing");
  check(Dialect::smb300, CipherId::aes128_ccm, hex("B4546771B515F766A86735532DD6C4F0"), {},
        hex("FD534D4281A286535415445DAE393921E44FA42E66E69A111892584FB5ED524A"
            "744DA3EE87000000000001001100001400E4080025C8FEE16605A437832D1CD5"
            "2DA9F4645333482A175FE5384563F45FCDAFAEF38BC62BA4D5C62897996625A4"
            "4C29BE5658DE2E6117585779E7B59FFD971278D08580D7FA899E410E910EABF5"
            "AA1DB43050B33B49182637759AC15D84BFCDF5B6B238993C0F4CF4D6012023F6"
            "C627297075D84B7803912D0A9639634453595EF3E33FFE4E7AC2AB"),
        bytes(text),
        hex("FD534D42A6015530A18F6D9AFFE22AFAE8E66484860000000000000011000014"
            "00E4080050000000000001001100001400E40800DBF46435C5F14169293CE079"
            "E344479BF670227E49873F458672C3098DAC467DD5809F369D67409166515787"
            "1483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D1"
            "77309E5B"));
  check(Dialect::smb311, CipherId::aes128_gcm, hex("419FDDF34C1E001909D362AE7FB6AF79"),
        hex("B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDB"
            "A7DB256BA2EA30E977F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770"),
        hex("FD534D42BD73D97D2BC9001BCAFAC0FDFF5FEEBCC7D6822D269CAF48904C664C"
            "00000000870000000000010025000000001000006ECDD2A7AFC7B47763057A04"
            "1B8FD4DAFFE990B70C9E09D36C084E02D14EF247F8BDE38ACF6256F8B1D3B56F"
            "77FBDEB312FEA5E92CBCC1ED8FB2EBBFAA75E49A4A394BB44576545567C24D4C"
            "014D47C9FBDFDAFD2C4F9B72F8D256452620A299F48E29E53D6B61D1C13A19E9"
            "1AF013F00D17E3ABC2FC3D36C8C1B6B93973253852DBD442E46EE8"),
        bytes(text),
        hex("FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B400000000"
            "000000005000000000000100250000000010000026BBBF949983A6C1C796559D"
            "0F2C510CB651D1F7B6AC8DED32A2A0B8F2D793A815C6F6B848D69767A215841A"
            "42D400AE6DDB5F0B44173A014973321FDD7950DA6179159B82E03C9E18A050FF"
            "0EA1C967"));
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
