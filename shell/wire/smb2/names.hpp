// Names as SMB clients write them and as the disk keeps them.
//
// On the wire: UTF-16LE, '\' between components, and a set of forbidden characters. On the disk:
// UTF-8 bytes where all but '/' and NUL may stand. A disk name that Windows forbids is shown with
// those characters moved into Unicode's private range, and comes back from there: the table that
// Linux's cifs (mapposix) and macOS use, so that these clients show the very name of the disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

/// A path below a share's root; no components: the root itself. Names are the disk's (UTF-8).
struct Path {
  std::vector<std::string> components;
  bool default_stream = false;  ///< it ended in "::$DATA", which names the file's own content
};

struct ParsedPath {
  NtStatus status = NtStatus::success;
  Path path;
};

inline constexpr std::size_t kPathComponentsMax = 512;
inline constexpr std::size_t kNameBytesMax = 255;

/// A path of CREATE or of a rename. OBJECT_NAME_INVALID for what no name may be (wildcards, empty
/// components, ".", a named stream), OBJECT_PATH_SYNTAX_BAD for "..", INVALID_PARAMETER for a
/// leading backslash.
ParsedPath parse_path(ByteView utf16le);

/// One component, as the disk has it, in the characters of the wire (UTF-16LE).
Bytes wire_name(std::string_view disk_name);
/// Components joined by '\'.
Bytes wire_path(const std::vector<std::string>& components);

/// Whether MS-DOS would take the name as it is (8.3, no lower-case rule): then it is its own short
/// name. Others have none here.
bool is_short_name(std::string_view disk_name);

/// A search expression of QUERY_DIRECTORY (MS-FSA 2.1.4.4): `*`, `?` and the DOS forms `<`, `>`,
/// `"`, without regard to case.
class SearchPattern {
 public:
  /// Nothing when the bytes are no UTF-16 or the pattern names a path.
  static std::optional<SearchPattern> parse(ByteView utf16le);

  bool matches(std::string_view disk_name) const;
  bool matches_everything() const { return everything_; }
  /// Set when there is no wildcard: the one name (of the disk) that can match.
  const std::optional<std::string>& single_name() const { return single_; }

 private:
  std::u16string pattern_;  ///< upper case
  bool everything_ = false;
  std::optional<std::string> single_;
};

}  // namespace lockstep::wire::smb2
