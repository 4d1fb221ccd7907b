#include "sim/wire/smb2_endpoint.hpp"

#include <algorithm>

#include "shell/wire/smb2/compound.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::sim {

using smb2::Command;
using smb2::Dialect;
using smb2::kHeaderSize;
using wire::Bytes;
using wire::ByteView;
using wire::LittleReader;
using wire::LittleWriter;
namespace crypto = smb2::crypto;

namespace {

constexpr std::uint16_t kHashContext = 1, kCipherContext = 2, kNetnameContext = 5,
                        kSigningContext = 8;
constexpr std::uint16_t kSetupCredits = 64;

}  // namespace

Bytes Smb2Endpoint::encode(std::vector<Ask> asks) {
  std::vector<Bytes> parts;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    Ask& ask = asks[i];
    smb2::Header header;
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
      part[16] |= smb2::kFlagSigned;
      const crypto::Signature signature = keys.signer->sign(part);
      std::copy(signature.begin(), signature.end(), part.begin() + 48);
    }
  }
  Bytes frame(encrypt ? crypto::kTransformSize : 0, 0);
  for (const Bytes& part : parts) frame.insert(frame.end(), part.begin(), part.end());
  if (encrypt) keys.seal->seal(frame, session_id);
  return frame;
}

std::vector<Answer> Smb2Endpoint::decode(Bytes frame, std::string& error) {
  ByteView message = frame;
  std::vector<Answer> answers;
  last_was_encrypted = !frame.empty() && frame[0] == 0xFD;
  if (last_was_encrypted) {
    if (!crypto::decode_transform(frame) || !keys.open) {
      error = "an encrypted frame that is none";
      return answers;
    }
    message = keys.open->open(frame);
    if (message.empty()) {
      error = "cannot decrypt";
      return answers;
    }
  }
  const auto parts = smb2::split_compound(message, 1000);
  if (!parts) {
    error = "a frame that is no SMB2";
    return answers;
  }
  for (const smb2::Part& part : *parts) {
    if (!part.header.has(smb2::kFlagResponse)) error = "not a response";
    if (part.header.has(smb2::kFlagSigned) && keys.signer && !keys.signer->verify(part.message)) {
      error = "wrong signature";
    }
    granted += part.header.credits;
    answers.push_back({part.header, Bytes(part.message.begin(), part.message.end())});
  }
  return answers;
}

// ---- Set-up -------------------------------------------------------------------------------------

Bytes Smb2Endpoint::negotiate_frame(Dialect wanted, const std::vector<std::uint16_t>& ciphers,
                                    const std::vector<std::uint16_t>& signings) {
  std::vector<std::pair<std::uint16_t, Bytes>> contexts;
  if (wanted == Dialect::smb311) {
    contexts.emplace_back(kHashContext, hash_context());
    if (!ciphers.empty()) contexts.emplace_back(kCipherContext, list_context(ciphers));
    if (!signings.empty()) contexts.emplace_back(kSigningContext, list_context(signings));
    contexts.emplace_back(kNetnameContext, smb2::utf16_from_utf8("server"));
  }
  Ask ask;
  ask.command = Command::negotiate;
  ask.body = negotiate_body({wanted}, client_guid, capabilities, security_mode, contexts);
  Bytes frame = encode({ask});
  if (wanted == Dialect::smb311) preauth.add(frame);
  return frame;
}

bool Smb2Endpoint::on_negotiated(const Answer& answer) {
  LittleReader in(answer.message);
  in.skip(kHeaderSize + 4);
  const auto chosen = static_cast<Dialect>(in.u16());
  std::uint16_t contexts = in.u16();
  in.skip(16);
  const std::uint32_t agreed = in.u32();
  in.skip(12 + 16 + 4);
  const std::uint32_t offset = in.u32();
  if (in.failed()) return false;
  dialect = chosen;
  constexpr std::uint32_t kEncryption = 0x40;
  const bool ccm = dialect == Dialect::smb300 || dialect == Dialect::smb302;
  cipher =
      ccm && (agreed & kEncryption) != 0 ? crypto::CipherId::aes128_ccm : crypto::CipherId::none;
  signing = dialect >= Dialect::smb300 ? crypto::SigningAlgorithm::aes_cmac
                                       : crypto::SigningAlgorithm::hmac_sha256;
  if (dialect != Dialect::smb311) return true;
  preauth.add(answer.message);
  in.seek(offset);
  for (; contexts > 0 && in.ok(); --contexts) {
    const std::uint16_t type = in.u16();
    const std::uint16_t size = in.u16();
    in.skip(4);
    const ByteView data = in.take(size);
    if (contexts > 1) in.skip((8 - size % 8) % 8);
    LittleReader list(data);
    list.skip(2);
    if (type == kCipherContext) cipher = static_cast<crypto::CipherId>(list.u16());
    if (type == kSigningContext) signing = static_cast<crypto::SigningAlgorithm>(list.u16());
  }
  return in.ok();
}

Bytes Smb2Endpoint::setup_frame(ByteView token, crypto::PreauthHash& hash, std::uint8_t flags) {
  Ask ask;
  ask.command = Command::session_setup;
  ask.body = setup_body(token, flags, static_cast<std::uint8_t>(security_mode), previous_session);
  ask.credits = kSetupCredits;
  Bytes frame = encode({ask});
  hash.add(frame);
  return frame;
}

void Smb2Endpoint::make_keys(const crypto::PreauthHash& hash) {
  const crypto::SessionKeys made =
      crypto::derive_session_keys(dialect, ntlm.exported, hash.value(), crypto::key_size(cipher));
  keys.signer = crypto::make_signer(signing, made.signing);
  if (cipher == crypto::CipherId::none) return;
  using crypto::Cipher;
  keys.seal = std::make_unique<Cipher>(cipher, Cipher::Direction::seal, made.client_to_server);
  keys.open = std::make_unique<Cipher>(cipher, Cipher::Direction::open, made.server_to_client);
}

Bytes Smb2Endpoint::token_of(const Answer& answer) {
  LittleReader in(answer.message);
  in.skip(kHeaderSize + 4);
  const std::uint16_t offset = in.u16();
  const std::uint16_t size = in.u16();
  in.seek(offset);
  const ByteView token = in.take(size);
  return {token.begin(), token.end()};
}

// ---- Bodies -------------------------------------------------------------------------------------

Bytes Smb2Endpoint::negotiate_body(const std::vector<Dialect>& dialects, const smb2::Guid& guid,
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

Bytes Smb2Endpoint::hash_context() {
  LittleWriter out;
  out.u16(1);
  out.u16(4);
  out.u16(1);
  out.u32(0xDEADBEEF);
  return out.take();
}

Bytes Smb2Endpoint::list_context(const std::vector<std::uint16_t>& ids) {
  LittleWriter out;
  out.u16(static_cast<std::uint16_t>(ids.size()));
  for (const std::uint16_t id : ids) out.u16(id);
  return out.take();
}

Bytes Smb2Endpoint::setup_body(ByteView token, std::uint8_t flags, std::uint8_t mode,
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

Bytes Smb2Endpoint::tree_body(std::string_view path) {
  const Bytes name = smb2::utf16_from_utf8(path);
  LittleWriter out;
  out.u16(9);
  out.u16(0);
  out.u16(static_cast<std::uint16_t>(kHeaderSize + 8));
  out.u16(static_cast<std::uint16_t>(name.size()));
  out.bytes(name);
  return out.take();
}

}  // namespace lockstep::sim
