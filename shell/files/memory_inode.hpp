// An inode of the files in memory: its content in blocks, its rights, its entries.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "shell/files/files.hpp"

namespace lockstep::files::memory {

/// What all inodes of one file system share.
struct World {
  std::function<TimeSpec()> now;
  std::uint64_t capacity = 0;
  std::uint64_t used = 0;
  std::uint64_t changes = 0;  ///< numbers every change
  std::uint32_t volume = 0;
};

/// Sparse content: blocks that were never written read as zeros and take no space.
class Content {
 public:
  static constexpr std::uint64_t kBlock = 4096;
  static constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 44;

  explicit Content(World& world) : world_(world) {}
  ~Content() { world_.used -= allocated(); }
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;

  std::uint64_t size() const { return size_; }
  std::uint64_t allocated() const { return (blocks_.size() + reserved_) * kBlock; }
  wire::Bytes read(std::uint64_t offset, std::uint32_t size) const;
  int write(std::uint64_t offset, wire::ByteView data);  ///< 0 or errno
  int resize(std::uint64_t size);
  int reserve(std::uint64_t size);

 private:
  using Block = std::array<std::uint8_t, kBlock>;
  int add_blocks(std::uint64_t first, std::uint64_t last);

  World& world_;
  std::uint64_t size_ = 0;
  std::uint64_t reserved_ = 0;  ///< blocks
  std::map<std::uint64_t, std::unique_ptr<Block>> blocks_;
};

class Inode;
using InodeRef = std::shared_ptr<Inode>;

class Inode final : public Node, public std::enable_shared_from_this<Inode> {
 public:
  static constexpr std::uint32_t kRead = 4, kWrite = 2, kExecute = 1;
  static constexpr std::uint32_t kSetUid = 04000, kSetGid = 02000, kGroupExecute = 010;

  Inode(std::shared_ptr<World> world, std::uint64_t number, FileType type, std::uint32_t mode,
        const Credentials& owner);

  core::FileId id() const override { return {number_, 1, world_->volume}; }
  FileType type() const override { return type_; }
  bool is_directory() const { return type_ == FileType::directory; }
  const World* world() const { return world_.get(); }
  Attributes attributes() const;

  bool owned_by(const Credentials& who) const { return who.uid == 0 || who.uid == uid; }
  /// All of `rights`, as the kernel's generic_permission decides without ACLs.
  bool permits(const Credentials& who, std::uint32_t rights) const;
  /// Whether `who` may take `entry` out of this directory (write, search, the sticky bit); 0 or
  /// errno.
  int may_remove(const Credentials& who, const Inode& entry) const;

  /// As chown(2), chmod(2), truncate(2) and utimensat(2) do it; 0 or errno, then nothing changed.
  int change_attributes(const Credentials& who, const SetAttributes& change);
  /// Whoever is not root takes the set-id bits away by writing and by changing the owner.
  void drop_set_id();

  void touch_accessed() { accessed = world_->now(); }
  void touch_modified();  ///< content: mtime and ctime
  void touch_changed();   ///< attributes: ctime

  struct Slot {
    InodeRef inode;
    std::uint64_t cookie = 0;
  };
  const Slot* find(const std::string& name) const;
  /// These count the links of this directory, and of the entry unless that is a directory: its
  /// own two stay as long as it only moves.
  void insert(const std::string& name, InodeRef inode);
  void erase(const std::string& name);

 private:
  // The world outlives the content, which gives its blocks back to it.
  std::shared_ptr<World> world_;

 public:
  std::uint32_t mode, uid, gid;
  std::uint32_t links = 0;
  std::uint32_t major = 0, minor = 0;
  TimeSpec accessed, modified, changed, created;
  std::uint64_t version = 0;  ///< a number that differs after every change
  DosInfo dos;
  std::optional<std::uint64_t> verifier;
  std::string target;  ///< of a symlink
  Content content;
  std::map<std::string, Slot> entries;
  std::map<std::uint64_t, std::string> by_cookie;  ///< in the order in which they were made
  std::weak_ptr<Inode> parent;                     ///< of a directory

 private:
  int check_change(const Credentials& who, const SetAttributes& change) const;
  bool in_group(const Credentials& who, std::uint32_t group) const;

  std::uint64_t next_cookie_ = 3;  // after those of "." and ".."
  std::uint64_t number_;
  FileType type_;
};

/// An open file on an inode.
FileRef make_memory_file(InodeRef inode, Credentials who, OpenMode mode);

}  // namespace lockstep::files::memory
