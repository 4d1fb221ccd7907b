// What the protocols ask of a file system: the one interface that a directory of the host and the
// files in memory implement. Everything is asynchronous (host files run on the I/O pool, never on
// the core's thread), checks rights as the kernel does for the caller, and knows nothing of locks,
// opens or leases: whoever calls has asked the core first.
//
// Errors are errno values in a boost::system::error_code of the generic category; `fail(EACCES)`
// makes one. Names are single components; implementations refuse "", ".", "..", '/' and NUL
// with EINVAL where an entry is made or removed.
#pragma once

#include <boost/system/result.hpp>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.hpp"
#include "shell/wire/bytes.hpp"
#include "shell/wire/task.hpp"

namespace lockstep::files {

template <class T = void>
using Result = boost::system::result<T>;

inline boost::system::error_code fail(int error) {
  return {error, boost::system::generic_category()};
}

template <class T>
using Async = wire::Task<Result<T>>;

/// On whose behalf: what the kernel checks on the I/O thread (fsuid, fsgid, groups).
struct Credentials {
  std::uint32_t uid = 65534;
  std::uint32_t gid = 65534;
  std::vector<std::uint32_t> groups;
  friend bool operator==(const Credentials&, const Credentials&) = default;
  friend auto operator<=>(const Credentials&, const Credentials&) = default;
};

/// Seconds and nanoseconds since 1970.
struct TimeSpec {
  std::int64_t seconds = 0;
  std::uint32_t nanos = 0;
  friend auto operator<=>(const TimeSpec&, const TimeSpec&) = default;
};

enum class FileType : std::uint8_t { regular, directory, symlink, block, character, fifo, socket };

/// A list of rights that an SMB client set (an ACL, MS-DTYP 2.4.5): it says more than the mode that
/// was made from it. It counts while owner, group and mode are what they were made to be then:
/// whoever changes one of them by other means has the last word.
struct StoredRights {
  std::uint32_t mode = 0, uid = 0, gid = 0;
  wire::Bytes acl;  ///< empty: the null list, which lets everybody do everything
};

/// What only Windows knows of a file. Of MS-FSCC 2.6 the bits that are stored (read-only, hidden,
/// system, archive, ...).
struct DosInfo {
  std::uint32_t attributes = 0;     ///< 0: none stored
  std::optional<TimeSpec> created;  ///< the creation time a client set; else the file's btime
  std::optional<StoredRights> rights;
};

struct Attributes {
  FileType type = FileType::regular;
  std::uint32_t mode = 0;  ///< permission bits, 07777
  std::uint32_t links = 1;
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;
  std::uint64_t allocated = 0;  ///< bytes on disk
  std::uint32_t rdev_major = 0, rdev_minor = 0;
  std::uint64_t volume = 0;  ///< NFS fsid, SMB volume serial
  std::uint64_t node = 0;    ///< NFS fileid, SMB index number
  TimeSpec accessed, modified, changed, created;
  std::uint64_t change = 0;  ///< a number that differs after every change (v4 change attribute)
};

/// What to change; what is not set stays.
struct SetAttributes {
  enum class Time : std::uint8_t { keep, now, given };
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::uint64_t> size;
  Time atime = Time::keep, mtime = Time::keep;
  TimeSpec accessed, modified;
  std::optional<TimeSpec> guard;  ///< v3 SETATTR: only if ctime is this, else ECANCELED (NOT_SYNC)
};

/// A file, directory or other inode that was found. Holding one keeps its inode from being reused.
/// Cheap to copy, compared by `id`.
class Node {
 public:
  virtual ~Node() = default;
  virtual core::FileId id() const = 0;
  virtual FileType type() const = 0;
};
using NodeRef = std::shared_ptr<const Node>;

/// What an open is for. Write implies nothing about read.
struct OpenMode {
  bool read = false;
  bool write = false;
  /// NFSv3 has no open: the owner of a file may read and write it whatever its mode says.
  bool owner_override = false;
  friend auto operator<=>(const OpenMode&, const OpenMode&) = default;
};

/// An open file description; I/O through it needs no further check. Closes with its last reference.
class File {
 public:
  virtual ~File() = default;
  virtual const NodeRef& node() const = 0;
  /// At most `size` bytes; fewer only at end of file.
  virtual Async<wire::Bytes> read(std::uint64_t offset, std::uint32_t size) = 0;
  /// Writes all or fails; `data` must stay alive until the task is done. `sync`: on disk on return.
  virtual Async<std::uint32_t> write(std::uint64_t offset, wire::ByteView data, bool sync) = 0;
  virtual Async<void> sync() = 0;
  virtual Async<void> truncate(std::uint64_t size) = 0;
  /// Reserves or gives back space without changing what is read below the end of file.
  virtual Async<void> allocate(std::uint64_t size) = 0;
};
using FileRef = std::shared_ptr<File>;

struct Entry {
  std::string name;
  std::uint64_t cookie = 0;  ///< where the next reading goes on; stays good while entries change
  std::uint64_t node = 0;
  NodeRef ref;  ///< set when attributes were asked for and the entry exists
  std::optional<Attributes> attributes;  ///< likewise
  DosInfo dos;                           ///< likewise
};

struct Listing {
  std::vector<Entry> entries;
  bool end = false;
};

struct Found {
  NodeRef node;
  std::string name;  ///< as it is on disk (differs from what was asked when case is folded)
  Attributes attributes;
};

struct Volume {
  std::uint64_t total_bytes = 0, free_bytes = 0, available_bytes = 0;
  std::uint64_t total_files = 0, free_files = 0;
  std::uint32_t block_size = 4096;
  std::uint32_t name_max = 255;
  std::uint32_t serial = 0;
};

enum class NameCase : std::uint8_t { exact, folded };

struct CreateOptions {
  std::uint32_t mode = 0644;
  bool exclusive = false;                 ///< EEXIST when the name exists
  std::optional<std::uint64_t> verifier;  ///< v3 EXCLUSIVE: kept on disk, a repeat with it succeeds
  std::optional<std::uint64_t> size;      ///< truncate or extend an existing file to this
};

/// One export's tree. All calls come from the loop's thread and complete on it.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual NodeRef root() const = 0;
  /// A handle that survives a restart: at most 64 bytes, authenticated, of this export alone.
  virtual wire::Bytes handle(const NodeRef& node) const = 0;
  /// Where a file is, for people: relative to the root; empty when that is not known at hand.
  virtual std::string path(core::FileId id) {
    (void)id;
    return {};
  }
  /// ESTALE for a handle that is forged, of another export, or of a file that is gone.
  virtual Async<NodeRef> resolve(wire::Bytes handle) = 0;

  virtual Async<Attributes> attributes(NodeRef node) = 0;
  virtual Async<Attributes> set_attributes(Credentials who, NodeRef node, SetAttributes change) = 0;
  /// Which of R=4, W=2, X=1 the kernel would grant.
  virtual Async<std::uint32_t> access(Credentials who, NodeRef node) = 0;
  virtual Async<DosInfo> dos_info(NodeRef node) = 0;
  virtual Async<void> set_dos_info(Credentials who, NodeRef node, DosInfo info) = 0;

  /// One step down; never follows a symlink. ".." of a directory is its parent, of the root itself.
  virtual Async<Found> lookup(Credentials who, NodeRef dir, std::string name, NameCase fold) = 0;
  virtual Async<std::string> read_link(Credentials who, NodeRef link) = 0;

  virtual Async<FileRef> open(Credentials who, NodeRef node, OpenMode mode) = 0;
  /// Makes (or, unless exclusive, finds) a regular file; `first` tells whether it was made.
  virtual Async<std::pair<bool, Found>> create(Credentials who, NodeRef dir, std::string name,
                                               CreateOptions options) = 0;
  virtual Async<Found> make_directory(Credentials who, NodeRef dir, std::string name,
                                      std::uint32_t mode) = 0;
  virtual Async<Found> make_symlink(Credentials who, NodeRef dir, std::string name,
                                    std::string target) = 0;
  virtual Async<Found> make_special(Credentials who, NodeRef dir, std::string name, FileType type,
                                    std::uint32_t mode, std::uint32_t major,
                                    std::uint32_t minor) = 0;
  /// `expected`: fails with ESTALE when the name now leads to another inode than the one that the
  /// core was asked about.
  virtual Async<void> remove(Credentials who, NodeRef dir, std::string name, NodeRef expected) = 0;
  virtual Async<void> remove_directory(Credentials who, NodeRef dir, std::string name) = 0;
  /// `target` null: the new name must not exist (EEXIST); else it must be that inode.
  virtual Async<void> rename(Credentials who, NodeRef from_dir, std::string from, NodeRef source,
                             NodeRef to_dir, std::string to, NodeRef target) = 0;
  virtual Async<void> link(Credentials who, NodeRef node, NodeRef dir, std::string name) = 0;

  /// Entries after `cookie` (0: from the start; "." and ".." first), about `max_bytes` of names.
  virtual Async<Listing> list(Credentials who, NodeRef dir, std::uint64_t cookie,
                              std::size_t entries_max, bool with_attributes) = 0;
  virtual Async<Volume> volume() = 0;
  /// Forces a whole file to disk (v3 COMMIT, which has no open).
  virtual Async<void> commit(NodeRef node) = 0;
};

}  // namespace lockstep::files
