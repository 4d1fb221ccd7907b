// What every use of OpenSSL's EVP interface here needs: contexts that free themselves, and failures
// that do not pass unnoticed.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

namespace lockstep::wire::smb2::crypto {

struct Free {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Free>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Free>;

/// Throws std::runtime_error: what is asked for here needs nothing but the default provider.
inline void check(bool good) {
  if (!good) throw std::runtime_error("OpenSSL refused an operation of its default provider");
}

}  // namespace lockstep::wire::smb2::crypto
