// The server's side of NTLMv2 (MS-NLMP 3.2.5, 3.3.2, 3.4): one object for one authentication.
// NTLMv1 and LM responses are refused. Randomness and time are given, not taken.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/crypto/hash.hpp"
#include "shell/wire/smb2/ntlm/messages.hpp"

namespace lockstep::wire::smb2::ntlm {

using NtHash = crypto::Digest16;
/// MD4 of the password in UTF-16LE (3.3.2): what is stored of it.
NtHash nt_hash(std::string_view password);

/// The NT hash of a local user, found without regard to case; nothing: no such user.
using Accounts = std::function<std::optional<NtHash>(std::string_view user)>;

struct Naming {
  std::string netbios_name;  ///< also the domain: a stand-alone server is its own
  std::string dns_name;
};

enum class Verdict : std::uint8_t {
  accepted,
  anonymous,     ///< no name and no proof
  unknown_user,  ///< whether guests are let in is the caller's decision
  refused,       ///< wrong password, wrong MIC, NTLMv1
  malformed,
};

class Acceptor {
 public:
  /// `file_time`: 100 ns since 1601, put into the challenge; a client that sees it sends a MIC.
  Acceptor(Naming naming, std::array<std::uint8_t, 8> challenge, std::uint64_t file_time,
           Accounts accounts);

  /// The CHALLENGE for this NEGOTIATE; empty when it is malformed or has no Unicode.
  Bytes challenge(ByteView negotiate);
  bool challenged() const { return !challenge_.empty(); }
  Verdict authenticate(ByteView token);

  // After `authenticate` said accepted, anonymous or unknown_user:
  const std::string& user() const { return user_; }
  const std::string& domain() const { return domain_; }
  /// ExportedSessionKey, 16 bytes; zeros when anonymous.
  ByteView session_key() const { return session_key_; }
  /// Whether signatures can be made: a session key exists.
  bool has_key() const { return has_key_; }

  /// GSS_GetMIC and GSS_VerifyMIC with sequence number 0 (3.4.4.2): for SPNEGO's mechListMIC,
  /// which each side sends once.
  Bytes make_mic(ByteView text) const { return mic(text, false); }
  bool check_mic(ByteView text, ByteView signature) const;

 private:
  Verdict check_response(const Authenticate& message, const NtHash& hash);
  bool take_session_key(const Authenticate& message, ByteView key_exchange_key);
  bool check_token_mic(ByteView token, const Authenticate& message) const;
  Bytes mic(ByteView text, bool from_client) const;

  Naming naming_;
  std::array<std::uint8_t, 8> server_challenge_;
  std::uint64_t file_time_;
  Accounts accounts_;
  Bytes negotiate_, challenge_;
  std::uint32_t flags_ = 0;
  std::string user_, domain_;
  crypto::Digest16 session_key_{};
  bool has_key_ = false;
};

}  // namespace lockstep::wire::smb2::ntlm
