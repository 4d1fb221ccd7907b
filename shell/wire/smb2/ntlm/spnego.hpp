// SPNEGO around NTLM (RFC 4178, MS-SPNG): the hint in the NEGOTIATE response, and the server's side
// of one negotiation. Raw NTLM without SPNEGO is taken too (MS-SMB2 3.3.5.5.3, Linux's cifs).
#pragma once

#include <cstdint>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/ntlm/acceptor.hpp"

namespace lockstep::wire::smb2::ntlm {

/// NegTokenInit2 that offers NTLM alone: the security buffer of the NEGOTIATE response.
Bytes negotiate_hint();

class SpnegoAcceptor {
 public:
  enum class Outcome : std::uint8_t {
    more,    ///< send `token`, wait for the next
    done,    ///< send `token`; `verdict` is accepted, anonymous or unknown_user
    failed,  ///< `verdict` says why
  };
  struct Step {
    Outcome outcome = Outcome::failed;
    Verdict verdict = Verdict::malformed;
    Bytes token;
  };

  explicit SpnegoAcceptor(Acceptor ntlm) : ntlm_(std::move(ntlm)) {}
  /// The client's next token.
  Step step(ByteView token);
  const Acceptor& ntlm() const { return ntlm_; }

 private:
  enum class State : std::uint8_t { start, mechanism_chosen, challenged, finished };
  Step first(ByteView token);
  Step later(ByteView token);
  Step challenge(ByteView negotiate);
  Step finish(ByteView authenticate, ByteView mechanism_mic);

  Acceptor ntlm_;
  State state_ = State::start;
  bool raw_ = false;           ///< NTLM without SPNEGO around it
  bool mic_required_ = false;  ///< NTLM was not the client's first choice (RFC 4178 5)
  Bytes mechanisms_;           ///< the client's list, encoded: what the MICs protect
};

}  // namespace lockstep::wire::smb2::ntlm
