// An open file or directory as the SMB side sees it (MS-SMB2 3.3.1.10). What it may do against
// others, its lease or oplock and its locks are the core's; here is only what a FileId means.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ids.hpp"
#include "core/vocabulary.hpp"
#include "shell/files/files.hpp"
#include "shell/wire/smb2/directory_cursor.hpp"
#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/gate.hpp"
#include "shell/wire/smb2/header.hpp"
#include "shell/wire/smb2/session.hpp"
#include "shell/wire/smb2/tree.hpp"

namespace lockstep::wire::smb2 {

/// Where an entry stands: the directory that holds it, its name there, and the names above.
struct Place {
  files::NodeRef parent;                ///< null for a share's root
  std::string name;                     ///< on the disk; empty for the root
  std::vector<std::string> path;        ///< all components below the root, this name last
  std::vector<core::FileId> ancestors;  ///< directories above, nearest first
};

/// What all SMB opens of one file share.
struct OpenFile {
  bool delete_pending = false;
  /// Which of its names goes with the last close, and on whose behalf: that of the open that said
  /// so.
  Place doomed;
  files::Credentials doomed_by;
};

/// LockSequence replay (3.3.5.14): the number last used with each of 64 indexes.
using LockSequences = std::array<std::optional<std::uint8_t>, 64>;

struct Open {
  core::OpenId id;
  FileHandle handle;
  core::ClientId client;
  SessionRef session;
  TreeRef tree;

  files::NodeRef node;
  files::FileRef data;  ///< null for directories and for opens that neither read nor write
  Place place;
  std::shared_ptr<OpenFile> file;

  std::uint32_t granted = 0;
  std::uint32_t share = 0;
  std::uint32_t options = 0;
  bool delete_on_close = false;

  core::Flavour flavour = core::Flavour::none;  ///< what it asked for: lease, oplock, nothing
  core::LeaseKey lease_key;
  bool lease_version2 = false;
  core::LeaseKey parent_key;  ///< of the directory lease that the opener may hold

  std::uint64_t position = 0;
  std::uint32_t mode = 0;
  /// The client said (by a time of -1) that this open leaves the write time alone.
  std::optional<files::TimeSpec> frozen_modified, frozen_accessed;
  LockSequences lock_sequences;
  DirectoryCursor cursor;

  bool closing = false;
  Gate closed;  ///< opens when the core has let it go and what had to be removed is gone

  bool is_directory() const { return node->type() == files::FileType::directory; }
  bool may(std::uint32_t rights) const { return (granted & rights) != 0; }
  core::FileId file_id() const { return node->id(); }
};
using OpenRef = std::shared_ptr<Open>;

}  // namespace lockstep::wire::smb2
