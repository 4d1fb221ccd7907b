#include "sim/wire/ntlm_client.hpp"

#include <algorithm>

#include "shell/wire/smb2/crypto/hash.hpp"
#include "shell/wire/smb2/ntlm/acceptor.hpp"
#include "shell/wire/smb2/ntlm/messages.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::sim {

using wire::as_bytes;
using wire::Bytes;
using wire::ByteView;
using wire::LittleReader;
using wire::LittleWriter;
namespace crypto = wire::smb2::crypto;
namespace ntlm = wire::smb2::ntlm;
using wire::smb2::upper_case;
using wire::smb2::utf16_from_utf8;

std::uint32_t NtlmClient::flags() const {
  using namespace ntlm;
  return kUnicode | kRequestTarget | kSign | kSeal | kNtlm | kAlwaysSign | kExtendedSecurity |
         k128 | k56 | (key_exchange ? kKeyExchange : 0);
}

Bytes NtlmClient::negotiate() {
  LittleWriter out;
  out.text(std::string_view("NTLMSSP\0", 8));
  out.u32(1);
  out.u32(flags());
  out.zeros(16);
  return negotiate_ = out.take();
}

Bytes NtlmClient::authenticate(ByteView challenge) {
  LittleReader in(challenge);
  in.skip(24);
  const ByteView server_challenge = in.take(8);
  in.skip(8);
  const std::uint16_t size = in.u16();
  in.skip(2);
  const std::uint32_t offset = in.u32();
  if (in.failed() || size < 4 || offset > challenge.size() || size > challenge.size() - offset) {
    return {};
  }
  const Bytes blob = client_blob(challenge.subspan(offset, size));
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

Bytes NtlmClient::gss_mic(ByteView text, bool from_client) const {
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

Bytes NtlmClient::client_blob(ByteView info) const {
  const auto timestamp = ntlm::find_av(info, ntlm::Av::timestamp);
  LittleWriter out;
  out.u32(0x0101);
  out.u32(0);
  out.u64(timestamp ? LittleReader(*timestamp).u64() : 0);
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

Bytes NtlmClient::encode(ByteView response, ByteView sealed) const {
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

}  // namespace lockstep::sim
