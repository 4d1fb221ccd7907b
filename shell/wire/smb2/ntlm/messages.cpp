#include "shell/wire/smb2/ntlm/messages.hpp"

#include <algorithm>

#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2::ntlm {
namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};
// NTLM revision 15 and a version number that means nothing to anybody (2.2.2.10).
constexpr std::array<std::uint8_t, 8> kVersionField = {10, 0, 0, 0, 0, 0, 0, 15};
constexpr std::size_t kAuthenticateFixed = 64;

bool starts(LittleReader& in, std::uint32_t type) {
  const ByteView signature = in.take(kSignature.size());
  return in.u32() == type && in.ok() &&
         std::equal(signature.begin(), signature.end(), kSignature.begin());
}

/// A field of 2.2.2: length, maximal length, offset from the start of the message.
struct Field {
  std::uint16_t size = 0;
  std::uint32_t offset = 0;
};
Field read_field(LittleReader& in) {
  Field field;
  field.size = in.u16();
  in.skip(2);
  field.offset = in.u32();
  return field;
}
std::optional<ByteView> content(ByteView token, Field field) {
  if (field.size == 0) return ByteView{};
  if (field.offset > token.size() || field.size > token.size() - field.offset) return std::nullopt;
  return token.subspan(field.offset, field.size);
}

std::optional<std::string> name(ByteView value, bool unicode) {
  if (unicode) return utf8_from_utf16(value);
  return std::string(as_text(value));
}

}  // namespace

bool is_ntlm(ByteView token) {
  return token.size() >= kSignature.size() &&
         std::equal(kSignature.begin(), kSignature.end(), token.begin());
}

std::optional<std::uint32_t> decode_negotiate(ByteView token) {
  LittleReader in(token);
  if (!starts(in, 1)) return std::nullopt;
  const std::uint32_t flags = in.u32();
  if (in.failed()) return std::nullopt;
  return flags;
}

Bytes encode_challenge(const Challenge& challenge) {
  constexpr std::size_t kFixed = 56;
  const Bytes target = utf16_from_utf8(challenge.target_name);
  const auto field = [](LittleWriter& out, std::size_t size, std::size_t offset) {
    out.u16(static_cast<std::uint16_t>(size));
    out.u16(static_cast<std::uint16_t>(size));
    out.u32(static_cast<std::uint32_t>(offset));
  };
  LittleWriter out;
  out.bytes(kSignature);
  out.u32(2);
  field(out, target.size(), kFixed);
  out.u32(challenge.flags);
  out.bytes(challenge.server_challenge);
  out.u64(0);
  field(out, challenge.target_info.size(), kFixed + target.size());
  out.bytes(kVersionField);
  out.bytes(target);
  out.bytes(challenge.target_info);
  return out.take();
}

std::optional<Authenticate> decode_authenticate(ByteView token) {
  LittleReader in(token);
  if (!starts(in, 3)) return std::nullopt;
  const Field fields[6] = {read_field(in), read_field(in), read_field(in),
                           read_field(in), read_field(in), read_field(in)};
  Authenticate result;
  result.flags = in.u32();
  if (in.failed()) return std::nullopt;
  ByteView parts[6];
  std::size_t payload = token.size();
  for (std::size_t i = 0; i < 6; ++i) {
    const std::optional<ByteView> part = content(token, fields[i]);
    if (!part) return std::nullopt;
    parts[i] = *part;
    if (!part->empty()) payload = std::min<std::size_t>(payload, fields[i].offset);
  }
  if (payload < kAuthenticateFixed) return std::nullopt;
  result.has_mic_room = payload >= kMicAt + kMicSize;
  const bool unicode = (result.flags & kUnicode) != 0;
  const auto domain = name(parts[2], unicode);
  const auto user = name(parts[3], unicode);
  const auto workstation = name(parts[4], unicode);
  if (!domain || !user || !workstation) return std::nullopt;
  result.lm_response = parts[0];
  result.nt_response = parts[1];
  result.domain = *domain;
  result.user = *user;
  result.workstation = *workstation;
  result.session_key = parts[5];
  return result;
}

void append_av(LittleWriter& out, Av id, ByteView value) {
  out.u16(static_cast<std::uint16_t>(id));
  out.u16(static_cast<std::uint16_t>(value.size()));
  out.bytes(value);
}

bool well_formed_avs(ByteView list) {
  LittleReader in(list);
  while (in.ok() && in.remaining() != 0) {
    const Av id = static_cast<Av>(in.u16());
    in.skip(in.u16());
    if (in.ok() && id == Av::end) return true;
  }
  return in.ok();
}

std::optional<ByteView> find_av(ByteView list, Av id) {
  LittleReader in(list);
  while (in.remaining() != 0) {
    const Av found = static_cast<Av>(in.u16());
    const std::uint16_t size = in.u16();
    const ByteView value = in.take(size);
    if (in.failed() || found == Av::end) return std::nullopt;
    if (found == id) return value;
  }
  return std::nullopt;
}

}  // namespace lockstep::wire::smb2::ntlm
