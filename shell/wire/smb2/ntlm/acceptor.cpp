#include "shell/wire/smb2/ntlm/acceptor.hpp"

#include <algorithm>
#include <utility>

#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2::ntlm {
namespace {

// What we agree to when the client offers it.
constexpr std::uint32_t kOffered = kUnicode | kRequestTarget | kSign | kSeal | kNtlm | kAlwaysSign |
                                   kExtendedSecurity | kVersion | k128 | kKeyExchange | k56;
constexpr std::size_t kProofSize = 16;
/// What precedes the AV pairs in NTLMv2_CLIENT_CHALLENGE (2.2.2.7).
constexpr std::size_t kClientChallengeFixed = 28;

ByteView part(std::string_view literal) { return as_bytes(literal); }
// The constants of 3.4.5.2 and 3.4.5.3 count their terminating NUL.
using namespace std::string_view_literals;
constexpr std::string_view kClientSign =
    "session key to client-to-server signing key magic constant\0"sv;
constexpr std::string_view kServerSign =
    "session key to server-to-client signing key magic constant\0"sv;
constexpr std::string_view kClientSeal =
    "session key to client-to-server sealing key magic constant\0"sv;
constexpr std::string_view kServerSeal =
    "session key to server-to-client sealing key magic constant\0"sv;

/// NTOWFv2 (3.3.2).
crypto::Digest16 response_key(const NtHash& hash, std::string_view user, std::string_view domain) {
  return crypto::hmac_md5(hash, {utf16_from_utf8(upper_case(user)), utf16_from_utf8(domain)});
}

}  // namespace

NtHash nt_hash(std::string_view password) { return crypto::md4(utf16_from_utf8(password)); }

Acceptor::Acceptor(Naming naming, std::array<std::uint8_t, 8> challenge, std::uint64_t file_time,
                   Accounts accounts)
    : naming_(std::move(naming)),
      server_challenge_(challenge),
      file_time_(file_time),
      accounts_(std::move(accounts)) {}

Bytes Acceptor::challenge(ByteView negotiate) {
  const std::optional<std::uint32_t> wanted = decode_negotiate(negotiate);
  if (!wanted || (*wanted & kUnicode) == 0) return {};
  negotiate_.assign(negotiate.begin(), negotiate.end());
  flags_ =
      (*wanted & kOffered) | kNtlm | kTargetInfo | kTargetTypeServer | kRequestTarget | kVersion;

  LittleWriter time;
  time.u64(file_time_);
  LittleWriter info;
  const Bytes netbios = utf16_from_utf8(naming_.netbios_name);
  append_av(info, Av::netbios_domain, netbios);
  append_av(info, Av::netbios_computer, netbios);
  append_av(info, Av::dns_domain, {});
  append_av(info, Av::dns_computer, utf16_from_utf8(naming_.dns_name));
  append_av(info, Av::timestamp, time.buffer());
  append_av(info, Av::end, {});

  Challenge message;
  message.flags = flags_;
  message.server_challenge = server_challenge_;
  message.target_name = naming_.netbios_name;
  message.target_info = info.take();
  challenge_ = encode_challenge(message);
  return challenge_;
}

Verdict Acceptor::authenticate(ByteView token) {
  const std::optional<Authenticate> message = decode_authenticate(token);
  if (!message || !challenged()) return Verdict::malformed;
  user_ = message->user;
  domain_ = message->domain;
  flags_ &= message->flags | ~kOffered;  // both sides must want it

  if (message->user.empty() && message->nt_response.empty() && message->lm_response.size() <= 1) {
    // 3.2.5.1.2: nobody's key is zeros.
    const crypto::Digest16 zeros{};
    return take_session_key(*message, zeros) ? Verdict::anonymous : Verdict::malformed;
  }
  const std::optional<NtHash> hash = accounts_(message->user);
  if (!hash) return Verdict::unknown_user;
  const Verdict verdict = check_response(*message, *hash);
  if (verdict != Verdict::accepted) return verdict;
  if (!check_token_mic(token, *message)) {
    has_key_ = false;
    return Verdict::refused;
  }
  return Verdict::accepted;
}

Verdict Acceptor::check_response(const Authenticate& message, const NtHash& hash) {
  // Shorter is NTLMv1 (24 bytes) or nonsense.
  if (message.nt_response.size() < kProofSize + kClientChallengeFixed) return Verdict::refused;
  const ByteView proof = message.nt_response.first(kProofSize);
  const ByteView blob = message.nt_response.subspan(kProofSize);
  if (blob[0] != 1 || blob[1] != 1) return Verdict::malformed;
  // Some clients send a challenge whose pairs are noise: that is no wrong password.
  if (!well_formed_avs(blob.subspan(kClientChallengeFixed))) return Verdict::malformed;
  // The specification takes the domain as it was sent; some clients hash it in upper case.
  for (const std::string& domain : {message.domain, upper_case(message.domain)}) {
    const crypto::Digest16 key = response_key(hash, message.user, domain);
    const crypto::Digest16 expected = crypto::hmac_md5(key, {server_challenge_, blob});
    if (!crypto::equal_secret(expected, proof)) continue;
    const crypto::Digest16 base = crypto::hmac_md5(key, {proof});
    return take_session_key(message, base) ? Verdict::accepted : Verdict::malformed;
  }
  return Verdict::refused;
}

bool Acceptor::take_session_key(const Authenticate& message, ByteView key_exchange_key) {
  std::copy_n(key_exchange_key.begin(), session_key_.size(), session_key_.begin());
  has_key_ = true;
  if ((flags_ & kKeyExchange) == 0 || message.session_key.empty()) return true;
  if (message.session_key.size() != session_key_.size()) return false;
  const Bytes clear = crypto::Rc4(key_exchange_key).apply(message.session_key);
  std::copy(clear.begin(), clear.end(), session_key_.begin());
  return true;
}

bool Acceptor::check_token_mic(ByteView token, const Authenticate& message) const {
  const ByteView pairs = message.nt_response.subspan(kProofSize + kClientChallengeFixed);
  const std::optional<ByteView> value = find_av(pairs, Av::flags);
  if (!value || value->size() != 4) return true;
  LittleReader in(*value);
  if ((in.u32() & kAvFlagMic) == 0) return true;  // the proof covers this flag
  if (!message.has_mic_room || token.size() < kMicAt + kMicSize) return false;
  static constexpr std::array<std::uint8_t, kMicSize> kNothing{};
  const crypto::Digest16 expected = crypto::hmac_md5(
      session_key_,
      {negotiate_, challenge_, token.first(kMicAt), kNothing, token.subspan(kMicAt + kMicSize)});
  return crypto::equal_secret(expected, token.subspan(kMicAt, kMicSize));
}

Bytes Acceptor::mic(ByteView text, bool from_client) const {
  const std::size_t strength = (flags_ & k128) != 0 ? 16 : (flags_ & k56) != 0 ? 7 : 5;
  const crypto::Digest16 sign =
      crypto::md5({session_key_, part(from_client ? kClientSign : kServerSign)});
  const crypto::Digest16 seal = crypto::md5(
      {ByteView(session_key_).first(strength), part(from_client ? kClientSeal : kServerSeal)});
  static constexpr std::array<std::uint8_t, 4> kSequence{};
  const crypto::Digest16 digest = crypto::hmac_md5(sign, {kSequence, text});
  Bytes checksum(digest.begin(), digest.begin() + 8);
  if ((flags_ & kKeyExchange) != 0) checksum = crypto::Rc4(seal).apply(checksum);
  LittleWriter out;
  out.u32(1);
  out.bytes(checksum);
  out.bytes(kSequence);
  return out.take();
}

bool Acceptor::check_mic(ByteView text, ByteView signature) const {
  return crypto::equal_secret(mic(text, true), signature);
}

}  // namespace lockstep::wire::smb2::ntlm
