// The client's end of an SMB2 connection, sans I/O: what it counts, signs and encrypts with. Frames
// are made and taken apart here, and checked on the way as a strict client checks them; simulated
// clients and the wire tests put commands on top.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shell/wire/smb2/crypto/keys.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"
#include "shell/wire/smb2/header.hpp"
#include "sim/wire/ntlm_client.hpp"

namespace lockstep::sim {

namespace smb2 = wire::smb2;

/// One message from the server.
struct Answer {
  smb2::Header header;
  wire::Bytes message;
  smb2::NtStatus status() const { return static_cast<smb2::NtStatus>(header.status); }
  wire::ByteView body() const { return wire::ByteView(message).subspan(smb2::kHeaderSize); }
};

/// One request of a frame.
struct Ask {
  smb2::Command command = smb2::Command::echo;
  wire::Bytes body;
  std::uint32_t flags = 0;
  std::optional<std::uint64_t> session, message_id, async_id;
  std::optional<std::uint32_t> tree;
  std::uint16_t charge = 1, credits = 1;
};

class Smb2Endpoint {
 public:
  smb2::Guid client_guid;
  std::uint64_t next_id = 0, session_id = 0;
  std::uint32_t tree_id = 0;
  bool sign = false, encrypt = false;
  smb2::crypto::SessionCrypto keys;  ///< seal: client to server; open: server to client
  smb2::crypto::PreauthHash preauth;
  smb2::crypto::CipherId cipher = smb2::crypto::CipherId::none;
  smb2::crypto::SigningAlgorithm signing = smb2::crypto::SigningAlgorithm::hmac_sha256;
  smb2::Dialect dialect = smb2::Dialect::none;
  NtlmClient ntlm;
  std::uint16_t security_mode = 1;
  std::uint32_t capabilities = 0x7F;
  std::uint64_t previous_session = 0;
  bool last_was_encrypted = false;
  std::uint64_t granted = 0;  ///< credits, in all

  // ---- Frames
  /// MessageIds are counted; each part is signed, or the whole is encrypted, as the flags say.
  wire::Bytes encode(std::vector<Ask> asks);
  /// The messages of a frame. `error` says what a strict client would not accept; then there may be
  /// fewer.
  std::vector<Answer> decode(wire::Bytes frame, std::string& error);

  // ---- Set-up: what is sent is encoded here, what comes back is given to the next step.
  wire::Bytes negotiate_frame(smb2::Dialect wanted, const std::vector<std::uint16_t>& ciphers,
                              const std::vector<std::uint16_t>& signings);
  /// Takes over what the server chose; false: the answer is no NEGOTIATE response.
  bool on_negotiated(const Answer& answer);
  wire::Bytes setup_frame(wire::ByteView token, smb2::crypto::PreauthHash& hash,
                          std::uint8_t flags = 0);
  void make_keys(const smb2::crypto::PreauthHash& hash);
  static wire::Bytes token_of(const Answer& answer);

  // ---- Bodies, from StructureSize on
  static wire::Bytes negotiate_body(
      const std::vector<smb2::Dialect>& dialects, const smb2::Guid& guid,
      std::uint32_t capabilities, std::uint16_t mode,
      const std::vector<std::pair<std::uint16_t, wire::Bytes>>& contexts);
  static wire::Bytes hash_context();
  static wire::Bytes list_context(const std::vector<std::uint16_t>& ids);
  static wire::Bytes setup_body(wire::ByteView token, std::uint8_t flags, std::uint8_t mode,
                                std::uint64_t previous);
  static wire::Bytes tree_body(std::string_view path);
};

}  // namespace lockstep::sim
