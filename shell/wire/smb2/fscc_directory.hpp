// Directory information classes (MS-FSCC 2.4) as QUERY_DIRECTORY lists entries in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/fscc_file.hpp"

namespace lockstep::wire::smb2 {

/// One entry. `name` is the disk's.
struct DirectoryEntry {
  std::string name;
  std::uint64_t node = 0;
  files::Attributes attributes;  ///< not needed for FileNamesInformation
  files::DosInfo dos;
};

/// Bytes of an entry before its name; nothing for a class that lists nothing.
std::optional<std::size_t> directory_fixed_size(FileInfoClass info);

/// Collects entries into a buffer of bounded size: each 8-byte aligned, linked to the next.
class DirectoryBuffer {
 public:
  /// `info` has a fixed size.
  DirectoryBuffer(FileInfoClass info, std::size_t output_max)
      : info_(info), output_max_(output_max) {}

  /// False when the entry does not fit any more; the buffer stays as it was.
  bool append(const DirectoryEntry& entry);
  bool empty() const { return out_.size() == 0; }
  Bytes take() { return out_.take(); }

 private:
  FileInfoClass info_;
  std::size_t output_max_;
  std::size_t last_ = 0;
  LittleWriter out_;
};

}  // namespace lockstep::wire::smb2
