// From a path to what it names: one lookup a component, without regard to case.
#pragma once

#include <optional>

#include "shell/files/files.hpp"
#include "shell/wire/smb2/names.hpp"
#include "shell/wire/smb2/ntstatus.hpp"
#include "shell/wire/smb2/open.hpp"

namespace lockstep::wire::smb2 {

struct Walked {
  NtStatus status = NtStatus::success;
  /// Where the last component stands or would stand, under its name on the disk.
  Place place;
  files::Attributes parent_attributes;  ///< of place.parent
  bool found = false;
  files::NodeRef node;           ///< when found
  files::Attributes attributes;  ///< when found
};

/// Symbolic links are followed (they lead no SMB client out of the share: absolute targets and
/// those above the root are refused), the last one only if `follow_last`. A missing directory on
/// the way is OBJECT_PATH_NOT_FOUND; a missing last component is no error.
Task<Walked> walk(files::FileSystem& files, files::Credentials who, Path path, bool follow_last);

}  // namespace lockstep::wire::smb2
