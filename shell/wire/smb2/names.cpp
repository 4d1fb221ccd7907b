#include "shell/wire/smb2/names.hpp"

#include <array>

#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

/// Forbidden by Windows, and where each lives instead. Control characters 1..31 are U+F001..F01F.
struct Moved {
  char plain;
  char16_t moved;
};
constexpr std::array<Moved, 8> kMoved = {{{'"', 0xF020},
                                          {'*', 0xF021},
                                          {':', 0xF022},
                                          {'<', 0xF023},
                                          {'>', 0xF024},
                                          {'?', 0xF025},
                                          {'\\', 0xF026},
                                          {'|', 0xF027}}};
constexpr char16_t kMovedSpace = 0xF028;  ///< only at the end of a name
constexpr char16_t kMovedDot = 0xF029;    ///< likewise

char16_t moved(char16_t plain) {
  if (plain >= 1 && plain <= 31) return static_cast<char16_t>(0xF000 + plain);
  for (const Moved& pair : kMoved) {
    if (static_cast<char16_t>(pair.plain) == plain) return pair.moved;
  }
  return plain;
}

char16_t moved_back(char16_t unit) {
  if (unit >= 0xF001 && unit <= 0xF01F) return static_cast<char16_t>(unit - 0xF000);
  if (unit == kMovedSpace) return ' ';
  if (unit == kMovedDot) return '.';
  for (const Moved& pair : kMoved) {
    if (pair.moved == unit) return static_cast<char16_t>(pair.plain);
  }
  return unit;
}

std::u16string units_of(ByteView utf16le) {
  LittleReader in(utf16le);
  std::u16string units;
  units.reserve(utf16le.size() / 2);
  while (in.remaining() >= 2) units.push_back(static_cast<char16_t>(in.u16()));
  return units;
}

Bytes bytes_of(std::u16string_view units) {
  LittleWriter out;
  for (char16_t unit : units) out.u16(unit);
  return out.take();
}

bool forbidden(char16_t unit) {
  return unit < 32 || unit == '/' || unit == ':' || moved(unit) != unit;
}

/// The disk name of one component, or why it is none.
NtStatus disk_name(std::u16string_view units, std::string& name) {
  if (units.empty() || units == u".") return NtStatus::object_name_invalid;
  if (units == u"..") return NtStatus::object_path_syntax_bad;
  std::u16string plain(units);
  for (char16_t& unit : plain) {
    if (forbidden(unit)) return NtStatus::object_name_invalid;
    unit = moved_back(unit);
  }
  std::optional<std::string> utf8 = utf8_from_utf16(bytes_of(plain));
  if (!utf8 || utf8->size() > kNameBytesMax || *utf8 == "." || *utf8 == "..") {
    return NtStatus::object_name_invalid;
  }
  name = std::move(*utf8);
  return NtStatus::success;
}

bool equal_without_case(std::u16string_view units, std::string_view ascii) {
  if (units.size() != ascii.size()) return false;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const char16_t lower =
        units[i] >= 'A' && units[i] <= 'Z' ? static_cast<char16_t>(units[i] + 32) : units[i];
    if (lower != static_cast<char16_t>(ascii[i])) return false;
  }
  return true;
}

void append_wire_name(std::u16string& out, std::string_view disk) {
  const std::size_t start = out.size();
  out += units_of(utf16_from_utf8(disk));
  for (std::size_t i = start; i < out.size(); ++i) out[i] = moved(out[i]);
  if (out.size() == start || disk == "." || disk == "..") return;
  if (out.back() == ' ') out.back() = kMovedSpace;
  if (out.back() == '.') out.back() = kMovedDot;
}

}  // namespace

ParsedPath parse_path(ByteView utf16le) {
  ParsedPath parsed;
  const auto refuse = [&](NtStatus status) {
    parsed.status = status;
    parsed.path = {};
    return parsed;
  };
  if (utf16le.size() % 2 != 0) return refuse(NtStatus::invalid_parameter);
  const std::u16string units = units_of(utf16le);
  std::u16string_view rest(units);
  if (rest.empty()) return parsed;
  if (rest.front() == '\\') return refuse(NtStatus::invalid_parameter);
  if (rest.size() > 7 && equal_without_case(rest.substr(rest.size() - 7), "::$data")) {
    parsed.path.default_stream = true;
    rest.remove_suffix(7);
  }
  // One backslash at the end is how some clients say that they mean a directory.
  if (rest.back() == '\\') rest.remove_suffix(1);
  for (bool more = true; more;) {
    const std::size_t slash = rest.find(u'\\');
    more = slash != std::u16string_view::npos;
    std::string name;
    const NtStatus status = disk_name(rest.substr(0, slash), name);
    if (status != NtStatus::success) return refuse(status);
    parsed.path.components.push_back(std::move(name));
    if (parsed.path.components.size() > kPathComponentsMax) {
      return refuse(NtStatus::object_name_invalid);
    }
    if (more) rest.remove_prefix(slash + 1);
  }
  return parsed;
}

Bytes wire_name(std::string_view name) {
  std::u16string units;
  append_wire_name(units, name);
  return bytes_of(units);
}

Bytes wire_path(const std::vector<std::string>& components) {
  std::u16string units;
  for (const std::string& component : components) {
    if (!units.empty()) units.push_back('\\');
    append_wire_name(units, component);
  }
  return bytes_of(units);
}

bool is_short_name(std::string_view name) {
  const std::size_t dot = name.find('.');
  const std::string_view stem = name.substr(0, dot);
  const std::string_view extension =
      dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  if (stem.empty() || stem.size() > 8 || extension.size() > 3) return false;
  if (dot != std::string_view::npos && extension.empty()) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) > '~') return false;
    if (std::string_view("+,;=[]\"*:<>?\\|/").find(c) != std::string_view::npos) return false;
  }
  return extension.find('.') == std::string_view::npos;
}

std::optional<SearchPattern> SearchPattern::parse(ByteView utf16le) {
  if (utf16le.size() % 2 != 0) return std::nullopt;
  SearchPattern search;
  const std::u16string units = units_of(utf16le);
  bool wild = false;
  std::u16string plain;
  for (char16_t unit : units) {
    if (unit == 0 || unit == '\\' || unit == '/' || unit == ':' || unit == '|') return std::nullopt;
    wild = wild || unit == '*' || unit == '?' || unit == '<' || unit == '>' || unit == '"';
    plain.push_back(moved_back(unit));
  }
  search.everything_ = units.empty() || units == u"*" || units == u"*.*" || units == u"<.*";
  if (!wild && !units.empty()) {
    search.single_ = utf8_from_utf16(bytes_of(plain));
    if (!search.single_) return std::nullopt;
  }
  std::optional<std::string> text = utf8_from_utf16(bytes_of(units));
  if (!text) return std::nullopt;
  search.pattern_ = units_of(utf16_from_utf8(upper_case(*text)));
  return search;
}

}  // namespace lockstep::wire::smb2
