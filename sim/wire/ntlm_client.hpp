// The client's half of NTLMv2, for simulated and test clients.
#pragma once

#include <string>

#include "shell/wire/bytes.hpp"

namespace lockstep::sim {

/// One log-on (MS-NLMP 3.1.5, 3.3.2).
class NtlmClient {
 public:
  std::string user = "Alice", domain = "HOME", password = "secret";
  bool mic = true, key_exchange = true, anonymous = false;
  wire::Bytes client_challenge = wire::Bytes(8, 0xAA);
  wire::Bytes exported = wire::Bytes(16, 0x55);  ///< the session key that it makes up
  wire::Bytes extra_pairs;                       ///< appended to the AV pairs in front of their end

  std::uint32_t flags() const;
  wire::Bytes negotiate();
  /// Empty when `challenge` is none.
  wire::Bytes authenticate(wire::ByteView challenge);
  /// GSS_GetMIC with sequence number 0.
  wire::Bytes gss_mic(wire::ByteView text, bool from_client) const;

 private:
  wire::Bytes client_blob(wire::ByteView info) const;
  wire::Bytes encode(wire::ByteView response, wire::ByteView sealed) const;
  wire::Bytes negotiate_;
};

}  // namespace lockstep::sim
