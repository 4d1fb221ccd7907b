// The few pieces of DER that SPNEGO needs, bounded: a value never reaches beyond its parent.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2::ntlm {

class DerReader {
 public:
  explicit DerReader(ByteView bytes) : in_(bytes) {}

  bool at_end() const { return in_.failed() || in_.remaining() == 0; }
  bool failed() const { return in_.failed(); }
  /// The tag of the next value, 0 at the end.
  std::uint8_t peek() const { return at_end() ? 0 : in_.rest()[0]; }
  /// The content of the next value, which must have this tag; else everything fails.
  ByteView take(std::uint8_t tag) {
    if (in_.u8() != tag) in_.fail();
    return in_.take(length());
  }
  /// The same with tag and length in front.
  ByteView take_whole(std::uint8_t tag) {
    const std::size_t start = in_.position();
    take(tag);
    if (in_.failed()) return {};
    return in_.all().subspan(start, in_.position() - start);
  }
  /// The content, or nothing when the next value has another tag (it stays).
  std::optional<ByteView> take_if(std::uint8_t tag) {
    if (peek() != tag) return std::nullopt;
    return take(tag);
  }

 private:
  std::size_t length() {
    const std::uint8_t first = in_.u8();
    if (first < 0x80) return first;
    const unsigned count = first & 0x7F;
    if (count == 0 || count > 4) in_.fail();
    std::size_t size = 0;
    for (unsigned i = 0; i < count && in_.ok(); ++i) size = size << 8 | in_.u8();
    return size;
  }
  LittleReader in_;
};

/// Wraps `content` into one value.
inline Bytes der(std::uint8_t tag, ByteView content) {
  LittleWriter out;
  out.u8(tag);
  const std::size_t size = content.size();
  if (size < 0x80) {
    out.u8(static_cast<std::uint8_t>(size));
  } else if (size <= 0xFF) {
    out.u8(0x81);
    out.u8(static_cast<std::uint8_t>(size));
  } else if (size <= 0xFFFF) {
    out.u8(0x82);
    out.u8(static_cast<std::uint8_t>(size >> 8));
    out.u8(static_cast<std::uint8_t>(size));
  } else {
    out.u8(0x84);
    for (int shift = 24; shift >= 0; shift -= 8) out.u8(static_cast<std::uint8_t>(size >> shift));
  }
  out.bytes(content);
  return out.take();
}

inline Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes out;
  for (const ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace lockstep::wire::smb2::ntlm
