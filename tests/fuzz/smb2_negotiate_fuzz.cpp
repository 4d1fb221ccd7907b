// NEGOTIATE of SMB2 and SMB1, compounds and transform headers, straight into their decoders.
#include <cstddef>
#include <cstdint>

#include "shell/wire/smb2/compound.hpp"
#include "shell/wire/smb2/crypto/cipher.hpp"
#include "shell/wire/smb2/negotiate.hpp"
#include "shell/wire/smb2/server.hpp"
#include "shell/wire/smb2/unicode.hpp"

using namespace lockstep::wire;
using namespace lockstep::wire::smb2;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto request = decode_negotiate_request(input)) {
    Negotiated agreed;
    if (negotiate(*request, Options{}, agreed) == NtStatus::success) {
      encode_negotiate_response(agreed, Guid{}, 0, {}, {});
    }
  }
  decode_smb1_negotiate(input);
  crypto::decode_transform(input);
  if (const auto parts = split_compound(input, 256)) {
    std::size_t total = 0;
    for (const Part& part : *parts) total += part.message.size();
    if (total != size) __builtin_trap();
  }
  if (const auto text = utf8_from_utf16(input)) {
    const Bytes back = utf16_from_utf8(*text);
    if (!std::equal(back.begin(), back.end(), input.begin(), input.end())) __builtin_trap();
  }
  return 0;
}
