#include "shell/wire/smb2/header.hpp"

#include <algorithm>

namespace lockstep::wire::smb2 {
namespace {
constexpr std::array<std::uint8_t, 4> kProtocol = {0xFE, 'S', 'M', 'B'};
}

std::optional<Header> decode_header(ByteView message) {
  LittleReader in(message);
  const ByteView protocol = in.take(kProtocol.size());
  const std::uint16_t structure_size = in.u16();
  Header header;
  header.credit_charge = in.u16();
  header.status = in.u32();
  header.command = static_cast<Command>(in.u16());
  header.credits = in.u16();
  header.flags = in.u32();
  header.next = in.u32();
  header.message_id = in.u64();
  if (header.has(kFlagAsync)) {
    header.async_id = in.u64();
  } else {
    header.process_id = in.u32();
    header.tree_id = in.u32();
  }
  header.session_id = in.u64();
  const ByteView signature = in.take(header.signature.size());
  if (in.failed() || structure_size != kHeaderSize ||
      !std::equal(protocol.begin(), protocol.end(), kProtocol.begin())) {
    return std::nullopt;
  }
  std::copy(signature.begin(), signature.end(), header.signature.begin());
  return header;
}

void encode_header(const Header& header, LittleWriter& out) {
  out.bytes(kProtocol);
  out.u16(kHeaderSize);
  out.u16(header.credit_charge);
  out.u32(header.status);
  out.u16(static_cast<std::uint16_t>(header.command));
  out.u16(header.credits);
  out.u32(header.flags);
  out.u32(header.next);
  out.u64(header.message_id);
  if (header.has(kFlagAsync)) {
    out.u64(header.async_id);
  } else {
    out.u32(header.process_id);
    out.u32(header.tree_id);
  }
  out.u64(header.session_id);
  out.bytes(header.signature);
}

}  // namespace lockstep::wire::smb2
