// The client's side of SMB2 and NTLMv2, for tests: builds requests, signs and encrypts them, and
// takes responses apart, checking on the way what a strict client checks.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shell/wire/smb2/crypto/keys.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"
#include "shell/wire/smb2/negotiate.hpp"
#include "shell/wire/smb2/ntlm/der.hpp"
#include "shell/wire/smb2/ntlm/messages.hpp"
#include "shell/wire/smb2/unicode.hpp"
#include "tests/wire/smb2_world.hpp"

namespace lockstep::wire::smb2::test {

/// The client's NTLMv2 (MS-NLMP 3.1.5, 3.3.2).
class NtlmClient {
 public:
  std::string user = "Alice", domain = "HOME", password = "secret";
  bool mic = true, key_exchange = true, anonymous = false;
  Bytes client_challenge = Bytes(8, 0xAA);
  Bytes exported = Bytes(16, 0x55);  ///< the session key that it makes up
  Bytes extra_pairs;                 ///< appended to the AV pairs in front of their end

  std::uint32_t flags() const {
    using namespace ntlm;
    return kUnicode | kRequestTarget | kSign | kSeal | kNtlm | kAlwaysSign | kExtendedSecurity |
           k128 | k56 | (key_exchange ? kKeyExchange : 0);
  }
  Bytes negotiate() {
    LittleWriter out;
    out.text(std::string_view("NTLMSSP\0", 8));
    out.u32(1);
    out.u32(flags());
    out.zeros(16);
    return negotiate_ = out.take();
  }
  Bytes authenticate(ByteView challenge) {
    LittleReader in(challenge);
    in.skip(24);
    const ByteView server_challenge = in.take(8);
    in.skip(8);
    const std::uint16_t size = in.u16();
    in.skip(2);
    const std::uint32_t offset = in.u32();
    EXPECT_TRUE(in.ok());
    const ByteView info = challenge.subspan(offset, size);
    const Bytes blob = client_blob(info);
    const crypto::Digest16 key = crypto::hmac_md5(
        ntlm::nt_hash(password), {utf16_from_utf8(upper_case(user)), utf16_from_utf8(domain)});
    const crypto::Digest16 proof = crypto::hmac_md5(key, {server_challenge, blob});
    crypto::Digest16 base = crypto::hmac_md5(key, {proof});
    Bytes response(proof.begin(), proof.end());
    response.insert(response.end(), blob.begin(), blob.end());
    if (anonymous) {
      base = {};
      response.clear();
    }
    if (!key_exchange) exported.assign(base.begin(), base.end());
    const Bytes sealed = key_exchange ? crypto::Rc4(base).apply(exported) : Bytes();
    Bytes token = encode(response, sealed);
    if (mic && !anonymous) {
      const crypto::Digest16 value = crypto::hmac_md5(exported, {negotiate_, challenge, token});
      std::copy(value.begin(), value.end(), token.begin() + ntlm::kMicAt);
    }
    return token;
  }
  /// GSS_GetMIC with sequence number 0.
  Bytes gss_mic(ByteView text, bool from_client) const {
    const std::string way = from_client ? "client-to-server" : "server-to-client";
    const auto derive = [&](const std::string& what) {
      std::string magic = "session key to " + way + " " + what + " key magic constant";
      magic.push_back('\0');
      return crypto::md5({exported, as_bytes(magic)});
    };
    const Bytes sequence(4, 0);
    const crypto::Digest16 digest = crypto::hmac_md5(derive("signing"), {sequence, text});
    Bytes checksum(digest.begin(), digest.begin() + 8);
    if (key_exchange) checksum = crypto::Rc4(derive("sealing")).apply(checksum);
    LittleWriter out;
    out.u32(1);
    out.bytes(checksum);
    out.u32(0);
    return out.take();
  }

 private:
  Bytes client_blob(ByteView info) const {
    LittleWriter out;
    out.u32(0x0101);
    out.u32(0);
    out.u64(ntlm::find_av(info, ntlm::Av::timestamp)
                ? LittleReader(*ntlm::find_av(info, ntlm::Av::timestamp)).u64()
                : 0);
    out.bytes(client_challenge);
    out.u32(0);
    out.bytes(info.first(info.size() - 4));
    if (mic) {
      LittleWriter value;
      value.u32(ntlm::kAvFlagMic);
      ntlm::append_av(out, ntlm::Av::flags, value.buffer());
    }
    out.bytes(extra_pairs);
    out.u32(0);
    out.u32(0);
    return out.take();
  }
  Bytes encode(ByteView response, ByteView sealed) const {
    const Bytes who = anonymous ? Bytes() : utf16_from_utf8(user);
    const Bytes where = anonymous ? Bytes() : utf16_from_utf8(domain);
    const ByteView parts[] = {{}, response, where, who, {}, sealed};
    std::size_t offset = ntlm::kMicAt + ntlm::kMicSize;
    LittleWriter out;
    out.text(std::string_view("NTLMSSP\0", 8));
    out.u32(3);
    for (const ByteView part : parts) {
      out.u16(static_cast<std::uint16_t>(part.size()));
      out.u16(static_cast<std::uint16_t>(part.size()));
      out.u32(static_cast<std::uint32_t>(offset));
      offset += part.size();
    }
    out.u32(flags() | (anonymous ? ntlm::kAnonymous : 0));
    out.zeros(8 + ntlm::kMicSize);
    for (const ByteView part : parts) out.bytes(part);
    return out.take();
  }
  Bytes negotiate_;
};

struct Answer {
  Header header;
  Bytes message;
  NtStatus status() const { return static_cast<NtStatus>(header.status); }
  ByteView body() const { return ByteView(message).subspan(kHeaderSize); }
};

/// One request of a frame that a test puts together.
struct Ask {
  Command command = Command::echo;
  Bytes body;
  std::uint32_t flags = 0;
  std::optional<std::uint64_t> session, message_id, async_id;
  std::optional<std::uint32_t> tree;
  std::uint16_t charge = 1, credits = 1;
};

class TestClient {
 public:
  explicit TestClient(World& world, std::uint8_t guid = 0xC1)
      : peer(std::make_shared<TestPeer>()),
        connection(std::make_shared<Connection>(*world.server, peer)) {
    client_guid.bytes.fill(guid);
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  ~TestClient() { connection->on_closed(); }  // what a carrier does

  std::shared_ptr<TestPeer> peer;
  std::shared_ptr<Connection> connection;
  Guid client_guid;
  std::uint64_t next_id = 0, session_id = 0;
  std::uint32_t tree_id = 0;
  bool sign = false, encrypt = false;
  crypto::SessionCrypto keys;  ///< seal: client to server; open: server to client
  crypto::PreauthHash preauth;
  crypto::CipherId cipher = crypto::CipherId::none;
  crypto::SigningAlgorithm signing = crypto::SigningAlgorithm::hmac_sha256;
  Dialect dialect = Dialect::none;
  NtlmClient ntlm;
  std::uint16_t security_mode = 1;
  std::uint32_t capabilities = 0x7F;
  std::uint64_t previous_session = 0;

  // ---- Frames -----------------------------------------------------------------------------------

  Bytes encode(std::vector<Ask> asks) {
    std::vector<Bytes> parts;
    for (std::size_t i = 0; i < asks.size(); ++i) {
      Ask& ask = asks[i];
      Header header;
      header.command = ask.command;
      header.credit_charge = ask.charge;
      header.credits = ask.credits;
      header.flags = ask.flags;
      header.session_id = ask.session.value_or(session_id);
      header.tree_id = ask.tree.value_or(tree_id);
      header.async_id = ask.async_id.value_or(0);
      if (ask.message_id) {
        header.message_id = *ask.message_id;
      } else {
        header.message_id = next_id;
        next_id += std::max<std::uint16_t>(ask.charge, 1);
      }
      LittleWriter out;
      encode_header(header, out);
      out.bytes(ask.body);
      if (i + 1 < asks.size()) {
        out.align(8);
        out.patch_u32(20, static_cast<std::uint32_t>(out.size()));
      }
      parts.push_back(out.take());
      if (sign && !encrypt && keys.signer) {
        Bytes& part = parts.back();
        part[16] |= kFlagSigned;
        const crypto::Signature signature = keys.signer->sign(part);
        std::copy(signature.begin(), signature.end(), part.begin() + 48);
      }
    }
    Bytes frame(encrypt ? crypto::kTransformSize : 0, 0);
    for (const Bytes& part : parts) frame.insert(frame.end(), part.begin(), part.end());
    if (encrypt) keys.seal->seal(frame, session_id);
    return frame;
  }
  void send(std::vector<Ask> asks) { connection->on_message(encode(std::move(asks))); }

  /// The next frame that came, decrypted, split; signatures are checked where the flag is set.
  std::vector<Answer> receive() {
    if (peer->sent.empty()) return {};
    Bytes frame = std::move(peer->sent.front());
    peer->sent.pop_front();
    ByteView message = frame;
    last_was_encrypted = !frame.empty() && frame[0] == 0xFD;
    if (last_was_encrypted) {
      EXPECT_TRUE(crypto::decode_transform(frame));
      message = keys.open->open(frame);
      EXPECT_FALSE(message.empty()) << "cannot decrypt";
    }
    std::vector<Answer> answers;
    const auto parts = split_compound(message, 1000);
    EXPECT_TRUE(parts);
    for (const Part& part : *parts) {
      EXPECT_TRUE(part.header.has(kFlagResponse));
      if (part.header.has(kFlagSigned) && keys.signer) {
        EXPECT_TRUE(keys.signer->verify(part.message)) << "wrong signature";
      }
      granted += part.header.credits;
      answers.push_back({part.header, Bytes(part.message.begin(), part.message.end())});
    }
    return answers;
  }
  bool last_was_encrypted = false;
  std::uint64_t granted = 0;

  Answer call(Ask ask) {
    send({std::move(ask)});
    std::vector<Answer> answers = receive();
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? Answer{} : std::move(answers.front());
  }
  Answer call(Command command, Bytes body) {
    Ask ask;
    ask.command = command;
    ask.body = std::move(body);
    return call(std::move(ask));
  }

  // ---- Set-up -----------------------------------------------------------------------------------

  static Bytes negotiate_body(const std::vector<Dialect>& dialects, const Guid& guid,
                              std::uint32_t capabilities, std::uint16_t mode,
                              const std::vector<std::pair<std::uint16_t, Bytes>>& contexts) {
    LittleWriter out;
    out.u16(36);
    out.u16(static_cast<std::uint16_t>(dialects.size()));
    out.u16(mode);
    out.u16(0);
    out.u32(capabilities);
    out.bytes(guid.bytes);
    const std::size_t offset_at = out.size();
    out.u32(0);
    out.u16(static_cast<std::uint16_t>(contexts.size()));
    out.u16(0);
    for (const Dialect each : dialects) out.u16(static_cast<std::uint16_t>(each));
    if (contexts.empty()) return out.take();
    out.align(8);
    out.patch_u32(offset_at, static_cast<std::uint32_t>(kHeaderSize + out.size()));
    for (const auto& [type, data] : contexts) {
      out.align(8);
      out.u16(type);
      out.u16(static_cast<std::uint16_t>(data.size()));
      out.u32(0);
      out.bytes(data);
    }
    return out.take();
  }
  static Bytes hash_context() {
    LittleWriter out;
    out.u16(1);
    out.u16(4);
    out.u16(1);
    out.u32(0xDEADBEEF);
    return out.take();
  }
  static Bytes list_context(const std::vector<std::uint16_t>& ids) {
    LittleWriter out;
    out.u16(static_cast<std::uint16_t>(ids.size()));
    for (const std::uint16_t id : ids) out.u16(id);
    return out.take();
  }

  /// NEGOTIATE with one dialect; ciphers and signing algorithms matter to 3.1.1 alone.
  Answer negotiate(Dialect wanted, std::vector<std::uint16_t> ciphers = {2, 1},
                   std::vector<std::uint16_t> signings = {1}) {
    std::vector<std::pair<std::uint16_t, Bytes>> contexts;
    if (wanted == Dialect::smb311) {
      contexts.emplace_back(1, hash_context());
      if (!ciphers.empty()) contexts.emplace_back(2, list_context(ciphers));
      if (!signings.empty()) contexts.emplace_back(8, list_context(signings));
      contexts.emplace_back(5, utf16_from_utf8("server"));
    }
    Ask ask;
    ask.command = Command::negotiate;
    ask.body = negotiate_body({wanted}, client_guid, capabilities, security_mode, contexts);
    Bytes frame = encode({ask});
    if (wanted == Dialect::smb311) preauth.add(frame);
    connection->on_message(std::move(frame));
    std::vector<Answer> answers = receive();
    EXPECT_EQ(answers.size(), 1u);
    if (answers.empty()) return {};
    if (wanted == Dialect::smb311) preauth.add(answers[0].message);
    dialect = connection->dialect();
    cipher = connection->negotiated().cipher;
    signing = connection->negotiated().signing;
    return answers[0];
  }
  static Bytes setup_body(ByteView token, std::uint8_t flags, std::uint8_t mode,
                          std::uint64_t previous) {
    LittleWriter out;
    out.u16(25);
    out.u8(flags);
    out.u8(mode);
    out.u64(0);
    out.u16(static_cast<std::uint16_t>(kHeaderSize + 24));
    out.u16(static_cast<std::uint16_t>(token.size()));
    out.u64(previous);
    out.bytes(token);
    return out.take();
  }
  static Bytes token_of(const Answer& answer) {
    LittleReader in(answer.message);
    in.skip(kHeaderSize + 4);
    const std::uint16_t offset = in.u16();
    const std::uint16_t size = in.u16();
    in.seek(offset);
    const ByteView token = in.take(size);
    return {token.begin(), token.end()};
  }
  Answer setup_leg(ByteView token, crypto::PreauthHash& hash, std::uint8_t flags = 0) {
    Ask ask;
    ask.command = Command::session_setup;
    ask.body = setup_body(token, flags, static_cast<std::uint8_t>(security_mode), previous_session);
    ask.credits = 64;
    Bytes frame = encode({ask});
    hash.add(frame);
    connection->on_message(std::move(frame));
    std::vector<Answer> answers = receive();
    if (answers.empty()) return {};
    if (answers[0].status() == NtStatus::more_processing_required) {
      hash.add(answers[0].message);
      session_id = answers[0].header.session_id;
    }
    return answers[0];
  }
  /// Raw NTLM, both legs. On success of a first set-up the keys are made and signing begins.
  Answer log_on() {
    crypto::PreauthHash hash = preauth;
    const Answer first = setup_leg(ntlm.negotiate(), hash);
    if (first.status() != NtStatus::more_processing_required) return first;
    const Bytes last = ntlm.authenticate(token_of(first));
    Ask ask;
    ask.command = Command::session_setup;
    ask.body = setup_body(last, 0, static_cast<std::uint8_t>(security_mode), previous_session);
    ask.credits = 64;
    Bytes frame = encode({ask});
    hash.add(frame);
    const bool fresh = !keys.signer;
    if (fresh) make_keys(hash);
    connection->on_message(std::move(frame));
    std::vector<Answer> answers = receive();
    if (answers.empty()) return {};
    if (answers[0].status() == NtStatus::success) sign = true;
    return answers[0];
  }
  void make_keys(const crypto::PreauthHash& hash) {
    const crypto::SessionKeys made =
        crypto::derive_session_keys(dialect, ntlm.exported, hash.value(), crypto::key_size(cipher));
    keys.signer = crypto::make_signer(signing, made.signing);
    if (cipher == crypto::CipherId::none) return;
    using crypto::Cipher;
    keys.seal = std::make_unique<Cipher>(cipher, Cipher::Direction::seal, made.client_to_server);
    keys.open = std::make_unique<Cipher>(cipher, Cipher::Direction::open, made.server_to_client);
  }
  static Bytes tree_body(std::string_view path) {
    const Bytes name = utf16_from_utf8(path);
    LittleWriter out;
    out.u16(9);
    out.u16(0);
    out.u16(static_cast<std::uint16_t>(kHeaderSize + 8));
    out.u16(static_cast<std::uint16_t>(name.size()));
    out.bytes(name);
    return out.take();
  }
  Answer tree_connect(std::string_view path) {
    Answer answer = call(Command::tree_connect, tree_body(path));
    if (answer.status() == NtStatus::success) tree_id = answer.header.tree_id;
    return answer;
  }
  /// All the way to a tree.
  void ready(Dialect wanted = Dialect::smb311, std::string_view share = "\\\\server\\data") {
    ASSERT_EQ(negotiate(wanted).status(), NtStatus::success);
    ASSERT_EQ(log_on().status(), NtStatus::success);
    ASSERT_EQ(tree_connect(share).status(), NtStatus::success);
  }

  // ---- Bodies -----------------------------------------------------------------------------------

  static Bytes simple(std::uint16_t size = 4) {
    LittleWriter out;
    out.u16(size);
    out.u16(0);
    return out.take();
  }
  static Bytes create() {
    LittleWriter out;
    out.u16(57);
    out.zeros(54);
    return out.take();
  }
  static Bytes with_file(FileHandle file, std::uint16_t size = 24) {
    LittleWriter out;
    out.u16(size);
    out.zeros(6);
    write_handle(out, file);
    out.zeros(size > 24 ? size - 24u : 0u);
    return out.take();
  }
  static Bytes read(std::uint32_t length) {
    LittleWriter out;
    out.u16(49);
    out.u16(0);
    out.u32(length);
    out.zeros(41);
    return out.take();
  }
  static Bytes lock() {
    LittleWriter out;
    out.u16(48);
    out.u16(1);
    out.zeros(44);
    return out.take();
  }
  static Bytes ioctl(std::uint32_t code, FileHandle file, ByteView input,
                     std::uint32_t output_max) {
    LittleWriter out;
    out.u16(57);
    out.u16(0);
    out.u32(code);
    write_handle(out, file);
    out.u32(static_cast<std::uint32_t>(kHeaderSize + 56));
    out.u32(static_cast<std::uint32_t>(input.size()));
    out.zeros(12);
    out.u32(output_max);
    out.u32(1);
    out.u32(0);
    out.bytes(input);
    return out.take();
  }
};

inline Ask ask(Command command, Bytes body, std::uint32_t flags = 0) {
  Ask result;
  result.command = command;
  result.body = std::move(body);
  result.flags = flags;
  return result;
}

}  // namespace lockstep::wire::smb2::test
