// A stream in pieces of any size: messages stay within the bound and nothing is read twice.
#include <algorithm>
#include <cstdlib>

#include "shell/net/framing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockstep::net;
  if (size < 2) return 0;
  constexpr std::size_t kMax = 40'000;
  Framer framer((data[0] & 1) != 0 ? Framing::rpc : Framing::smb, kMax);
  const std::size_t piece = data[1] + 1u;
  std::size_t out = 0;
  for (std::size_t at = 2; at < size && !framer.bad();) {
    const auto space = framer.space();
    if (space.empty()) std::abort();
    const std::size_t part = std::min({space.size(), piece, size - at});
    std::copy_n(data + at, part, space.begin());
    at += part;
    framer.commit(part);
    while (const auto message = framer.next()) {
      if (message->size() > kMax) std::abort();
      out += message->size();
    }
  }
  if (out > size) std::abort();
  return 0;
}
