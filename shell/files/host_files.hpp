// A directory of the host as a file system: `host_file_system` makes one for each export.
//
// What it promises
// - Nothing outside the root is ever reached: every step is one openat2 of one component (beneath,
//   over no symlink, magic link or mount point), so no "..", symlink or rename race leads out. A
//   mount point inside the root answers EACCES: an export is one file system.
// - The kernel checks every call under the caller's fsuid, fsgid and groups (io_identity.hpp).
//   Without root everything is done as the server's own user.
// - A FileId and a handle stay good across restarts and kill -9; two exports on one file system
//   give the same file the same FileId, and never open each other's handles. As with knfsd's
//   no_subtree_check, a file that somebody on the host moves out of the export keeps its handle.
// - `remove` and `rename` check the inodes they were told to expect. That is exact against
//   everybody who comes through this process; a process on the host may slip between.
//
// What it leaves in the files: the xattr `user.lockstep.dos` (DOS attributes, creation time, list
// of rights); the verifier of an EXCLUSIVE create in atime and mtime until the client sets them.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "shell/files/files.hpp"
#include "shell/files/io_pool.hpp"

namespace lockstep::files {

/// How files are found again from their handles.
enum class HandleMode : std::uint8_t {
  automatic,  ///< kernel handles where they work, else the recorded map
  kernel,     ///< open_by_handle_at: needs CAP_DAC_READ_SEARCH and a file system with handles
  recorded,   ///< a table of the state directory
};

struct HostOptions {
  std::filesystem::path root;
  std::filesystem::path state_dir;  ///< the handles' secret and the recorded map; must exist
  std::string export_name;
  std::uint32_t export_id = 0;  ///< must stay the same as long as handles are to be good
  HandleMode handles = HandleMode::automatic;
  /// Inodes and open files kept ready beyond those in use; 0: by the limit on descriptors.
  std::size_t nodes_max = 0;
  std::size_t files_max = 0;
  /// Has every change of names and attributes on disk before it is answered, as RFC 1813 4.8 wants
  /// it against a loss of power (knfsd's `sync`). Without, a crash of the host, not of the server,
  /// may undo the last seconds of them; COMMIT and FILE_SYNC data is safe either way.
  bool durable_changes = false;
  /// How long an unused open file is kept for the next NFS call.
  std::chrono::milliseconds file_idle{2000};
};

/// Raises the soft limit on descriptors to the hard one. `host_file_system` calls it.
void raise_descriptor_limit();

/// Throws std::exception with one line that names the export and what is wrong. `pool` must outlive
/// the file system and all its files; the file system must outlive its unfinished tasks.
std::unique_ptr<FileSystem> host_file_system(const HostOptions& options, IoPool& pool);

}  // namespace lockstep::files
