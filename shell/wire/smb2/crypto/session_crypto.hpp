// What a session signs and encrypts with, once it is authenticated.
#pragma once

#include <memory>

#include "shell/wire/smb2/crypto/cipher.hpp"
#include "shell/wire/smb2/crypto/signer.hpp"

namespace lockstep::wire::smb2::crypto {

struct SessionCrypto {
  std::unique_ptr<Signer> signer;  ///< null for guests: they have no key
  std::unique_ptr<Cipher> seal;    ///< null when the connection has no cipher
  std::unique_ptr<Cipher> open;
};

}  // namespace lockstep::wire::smb2::crypto
