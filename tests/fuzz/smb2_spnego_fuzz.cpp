// SPNEGO and NTLM tokens as the server takes them: two legs, split at the byte that the first byte
// of the input names.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "shell/wire/smb2/ntlm/spnego.hpp"

using namespace lockstep::wire;
using namespace lockstep::wire::smb2;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  const std::size_t cut = std::min<std::size_t>(rest.size(), std::size_t{data[0]} * 2);
  ntlm::SpnegoAcceptor acceptor(ntlm::Acceptor({"HOST", "host.example"}, {}, 0,
                                               [](std::string_view) { return ntlm::NtHash{}; }));
  if (acceptor.step(rest.first(cut)).outcome == ntlm::SpnegoAcceptor::Outcome::more) {
    acceptor.step(rest.subspan(cut));
  }
  ntlm::Acceptor raw({"HOST", "host.example"}, {}, 0,
                     [](std::string_view) { return ntlm::NtHash{}; });
  raw.challenge(rest.first(cut));
  raw.authenticate(rest.subspan(cut));
  return 0;
}
