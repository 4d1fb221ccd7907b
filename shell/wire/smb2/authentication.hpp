// A session set-up in progress: the negotiation of the mechanism, and the hash of what was said.
#pragma once

#include <utility>

#include "shell/wire/smb2/crypto/keys.hpp"
#include "shell/wire/smb2/ntlm/spnego.hpp"

namespace lockstep::wire::smb2 {

struct Authentication {
  ntlm::SpnegoAcceptor acceptor;
  crypto::PreauthHash preauth;  ///< 3.1.1: PreauthSession.PreauthIntegrityHashValue
  Authentication(ntlm::Acceptor ntlm, const crypto::PreauthHash& so_far)
      : acceptor(std::move(ntlm)), preauth(so_far) {}
};

}  // namespace lockstep::wire::smb2
