// UTF-16LE as SMB sends it, UTF-8 as everything else here keeps it, and names compared without
// case. No locale: the same bytes give the same answer everywhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::smb2 {

/// Nothing for an odd size, a surrogate without its partner, or a NUL inside.
std::optional<std::string> utf8_from_utf16(ByteView utf16le);
/// What is no valid UTF-8 becomes U+FFFD.
Bytes utf16_from_utf8(std::string_view utf8);

/// The simple upper-case mapping of Latin, Greek and Cyrillic letters; others stay. Enough for
/// names of users and shares (file names are folded by shell/files).
std::string upper_case(std::string_view utf8);
bool same_name(std::string_view left, std::string_view right);

}  // namespace lockstep::wire::smb2
