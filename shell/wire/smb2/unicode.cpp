#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

void append_utf8(std::string& out, char32_t c) {
  const auto byte = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xC0 | (c >> 6));
  } else if (c < 0x10000) {
    byte(0xE0 | (c >> 12));
    byte(0x80 | ((c >> 6) & 0x3F));
  } else {
    byte(0xF0 | (c >> 18));
    byte(0x80 | ((c >> 12) & 0x3F));
    byte(0x80 | ((c >> 6) & 0x3F));
  }
  byte(0x80 | (c & 0x3F));
}

/// Takes one code point from the front of `text`, which is not empty.
char32_t take_utf8(std::string_view& text) {
  const auto first = static_cast<std::uint8_t>(text.front());
  const std::size_t size = first < 0x80             ? 1
                           : (first & 0xE0) == 0xC0 ? 2
                           : (first & 0xF0) == 0xE0 ? 3
                           : (first & 0xF8) == 0xF0 ? 4
                                                    : 0;
  char32_t c = size == 1 ? first : static_cast<char32_t>(first & (0xFF >> (size + 1)));
  bool good = size != 0 && size <= text.size();
  for (std::size_t i = 1; good && i < size; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    good = (next & 0xC0) == 0x80;
    c = (c << 6) | (next & 0x3F);
  }
  static constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  good = good && c >= kSmallest[size] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
  text.remove_prefix(good ? size : 1);
  return good ? c : kReplacement;
}

char32_t upper(char32_t c) {
  if (c >= 'a' && c <= 'z') return c - 32;
  if (c < 0xE0) return c;
  if (c <= 0xFE && c != 0xF7) return c - 32;
  if (c == 0xFF) return 0x178;
  // Latin Extended-A: neighbours, upper first; the parity changes twice.
  if ((c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14A && c <= 0x177)) {
    return c & ~char32_t{1};
  }
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 0 ? c - 1 : c;
  if (c >= 0x3B1 && c <= 0x3CB && c != 0x3C2) return c - 32;
  if (c >= 0x3AD && c <= 0x3AF) return c - 37;
  if (c == 0x3AC) return 0x386;
  if (c == 0x3CC) return 0x38C;
  if (c == 0x3CD || c == 0x3CE) return c - 63;
  if (c >= 0x430 && c <= 0x44F) return c - 32;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  if (c >= 0x460 && c <= 0x481) return c & ~char32_t{1};
  return c;
}

}  // namespace

std::optional<std::string> utf8_from_utf16(ByteView utf16le) {
  if (utf16le.size() % 2 != 0) return std::nullopt;
  LittleReader in(utf16le);
  std::string out;
  out.reserve(utf16le.size() / 2);
  while (in.remaining() != 0) {
    char32_t c = in.u16();
    if (c == 0 || (c >= 0xDC00 && c <= 0xDFFF)) return std::nullopt;
    if (c >= 0xD800 && c <= 0xDBFF) {
      const char32_t low = in.u16();
      if (in.failed() || low < 0xDC00 || low > 0xDFFF) return std::nullopt;
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, c);
  }
  return out;
}

Bytes utf16_from_utf8(std::string_view utf8) {
  LittleWriter out;
  while (!utf8.empty()) {
    const char32_t c = take_utf8(utf8);
    if (c < 0x10000) {
      out.u16(static_cast<std::uint16_t>(c));
    } else {
      out.u16(static_cast<std::uint16_t>(0xD800 + ((c - 0x10000) >> 10)));
      out.u16(static_cast<std::uint16_t>(0xDC00 + ((c - 0x10000) & 0x3FF)));
    }
  }
  return out.take();
}

std::string upper_case(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  while (!utf8.empty()) append_utf8(out, upper(take_utf8(utf8)));
  return out;
}

bool same_name(std::string_view left, std::string_view right) {
  return upper_case(left) == upper_case(right);
}

}  // namespace lockstep::wire::smb2
