// XDR (RFC 4506) on top of the bounded readers and writers: opaques, strings, booleans, optionals.
//
// Reading follows BasicReader: nothing throws, a bad length marks the reader as failed and the
// decoder checks once at its end. Every variable length is given its limit by the caller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::rpc {

inline constexpr std::size_t padding(std::size_t size) { return (4 - size % 4) % 4; }

/// opaque[size]: the bytes themselves, padded to a multiple of four (RFC 4506 4.9).
inline ByteView get_fixed(BigReader& in, std::size_t size) {
  const ByteView part = in.take(size);
  in.skip(padding(size));
  return in.ok() ? part : ByteView{};
}
/// opaque<max>: a length, the bytes, padding (RFC 4506 4.10). Longer than `max` is a failure.
inline ByteView get_opaque(BigReader& in, std::size_t max) {
  const std::uint32_t size = in.u32();
  if (size > max) {
    in.fail();
    return {};
  }
  return get_fixed(in, size);
}
inline Bytes get_bytes(BigReader& in, std::size_t max) {
  const ByteView part = get_opaque(in, max);
  return {part.begin(), part.end()};
}
inline std::string get_string(BigReader& in, std::size_t max) {
  return std::string(as_text(get_opaque(in, max)));
}
/// A bool is an enum of 0 and 1 (RFC 4506 4.4); anything else is not XDR.
inline bool get_bool(BigReader& in) {
  const std::uint32_t value = in.u32();
  if (value > 1) in.fail();
  return value == 1;
}

inline void put_fixed(BigWriter& out, ByteView part) {
  out.bytes(part);
  out.zeros(padding(part.size()));
}
inline void put_opaque(BigWriter& out, ByteView part) {
  out.u32(static_cast<std::uint32_t>(part.size()));
  put_fixed(out, part);
}
inline void put_string(BigWriter& out, std::string_view text) { put_opaque(out, as_bytes(text)); }
inline void put_bool(BigWriter& out, bool value) { out.u32(value ? 1 : 0); }

/// Bytes that put_opaque takes for `size` bytes of content.
inline constexpr std::size_t opaque_size(std::size_t size) { return 4 + size + padding(size); }

}  // namespace lockstep::wire::rpc
