// One export's directory as the pool's threads work on it: blocking calls, under whatever identity
// the thread has. Immutable or locked inside, so any number of threads may use it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "shell/files/handle_map.hpp"
#include "shell/files/host_files.hpp"
#include "shell/files/host_fold.hpp"
#include "shell/files/host_handle.hpp"
#include "shell/files/host_system.hpp"

namespace lockstep::files::host {

/// An inode that a call came upon; becomes a node on the loop's thread.
struct Discovered {
  UniqueFd fd;  ///< O_PATH
  struct statx stat = {};
  core::FileId id;
  KernelHandle kernel;
};

/// Closes a descriptor, on the pool where the close may take long: the last one of a removed file
/// frees its blocks.
void close_apart(IoPool& pool, UniqueFd fd);

class HostNode final : public Node {
 public:
  HostNode(Discovered found, const void* tree, IoPool& pool)
      : fd_(std::move(found.fd)),
        device_{found.stat.stx_dev_major, found.stat.stx_dev_minor},
        id_(found.id),
        type_(type_of(found.stat)),
        kernel_(found.kernel),
        tree_(tree),
        pool_(pool) {}
  ~HostNode() override { close_apart(pool_, std::move(fd_)); }
  core::FileId id() const override { return id_; }
  FileType type() const override { return type_; }

  int fd() const { return fd_.get(); }
  const KernelHandle& kernel() const { return kernel_; }
  const void* tree() const { return tree_; }
  bool is(const struct statx& stat) const {
    return stat.stx_ino == id_.node && stat.stx_dev_major == device_[0] &&
           stat.stx_dev_minor == device_[1];
  }

 private:
  friend class NodeCache;
  friend class HostFileSystem;
  UniqueFd fd_;
  std::uint32_t device_[2];
  core::FileId id_;
  FileType type_;
  KernelHandle kernel_;
  const void* tree_;
  IoPool& pool_;
  mutable wire::Bytes handle_;  ///< sealed when first asked for; the loop's thread alone
};

struct Step {
  Discovered node;
  std::string name;
  bool made = false;
};

struct ListedEntry {
  std::string name;
  std::uint64_t cookie = 0;
  std::uint64_t node = 0;
  Discovered found;  ///< with attributes only
  DosInfo dos;
};
struct Listed {
  std::vector<ListedEntry> entries;
  bool end = false;
};

class HostTree {
 public:
  explicit HostTree(const HostOptions& options);

  Result<Discovered> discover(UniqueFd fd) const;
  Discovered root() const;  ///< throws
  const HandleCodec& codec() const { return codec_; }
  const ProcFd& proc() const { return proc_; }
  Attributes attributes(const struct statx& stat) const { return attributes_of(stat, volume64_); }
  /// True when the file system answers statx of an inode in memory without waiting for a disk.
  bool prompt() const { return prompt_; }

  // host_lookup.cpp
  Result<Discovered> resolve(const HandleCodec::Parts& parts);
  Result<Step> lookup(const Credentials& who, const HostNode& dir, const std::string& name,
                      NameCase fold);
  Result<Discovered> parent(const HostNode& dir) const;
  Result<Step> same(const HostNode& dir) const;  ///< "."
  Result<std::string> read_link(const HostNode& link) const;
  Result<Listed> list(const HostNode& dir, std::uint64_t cookie, std::size_t entries_max,
                      bool with_attributes);

  // host_attributes.cpp
  Result<struct statx> set_attributes(const Credentials& who, const HostNode& node,
                                      const SetAttributes& change) const;
  Result<std::uint32_t> access(const HostNode& node) const;
  Result<DosInfo> dos_info(int fd) const;
  Result<void> set_dos_info(const Credentials& who, const HostNode& node,
                            const DosInfo& info) const;
  Result<UniqueFd> open(const Credentials& who, const HostNode& node, OpenMode mode) const;
  Result<void> commit(const HostNode& node) const;
  Result<Volume> volume() const;

  // host_change.cpp
  Result<Step> create(const Credentials& who, const HostNode& dir, const std::string& name,
                      const CreateOptions& options);
  Result<Step> make_directory(const HostNode& dir, const std::string& name, std::uint32_t mode);
  Result<Step> make_symlink(const HostNode& dir, const std::string& name,
                            const std::string& target);
  Result<Step> make_special(const HostNode& dir, const std::string& name, std::uint32_t mode,
                            std::uint64_t device);
  Result<void> remove(const HostNode& dir, const std::string& name, const HostNode& expected);
  Result<void> remove_directory(const HostNode& dir, const std::string& name);
  Result<void> rename(const HostNode& from_dir, const std::string& from, const HostNode& source,
                      const HostNode& to_dir, const std::string& to, const HostNode* target);
  Result<void> link(const HostNode& node, const HostNode& dir, const std::string& name);

  /// What a change returned, once it is on disk where the export wants that: an inode's
  /// attributes, or a directory's names.
  template <class T>
  Result<T> settled(int fd, Result<T> done) const {
    if (!done || !durable_) return done;
    const Result<void> settling = settle(fd);
    if (!settling) return settling.error();
    return done;
  }

 private:
  Result<void> settle(int fd) const;
  Result<UniqueFd> find_recorded(core::FileId id, int& budget);
  /// `name` in `dir`, found, and on record where handles need that.
  Result<Step> arrive(const HostNode& dir, const std::string& name);
  void record(core::FileId dir, const std::string& name, core::FileId file);
  Result<std::string> folded_name(const HostNode& dir, const std::string& folded);

  Result<Step> create_new(const HostNode& dir, const std::string& name,
                          const CreateOptions& options);
  Result<UniqueFd> create_verified(const HostNode& dir, const std::string& name,
                                   const CreateOptions& options) const;
  Result<void> set_size(const Credentials& who, int fd, const struct statx& stat,
                        std::uint64_t size) const;
  Result<Listed> read_entries(const HostNode& dir, std::uint64_t cookie,
                              std::size_t entries_max) const;
  void add_attributes(const HostNode& dir, Listed& listed);

  HandleCodec codec_;
  ProcFd proc_;
  UniqueFd root_;  ///< readable: open_by_handle_at wants no O_PATH descriptor
  struct statx root_stat_ = {};
  core::FileId root_id_;
  std::uint64_t volume64_ = 0;
  std::uint32_t volume32_ = 0;
  bool prompt_ = false;
  bool kernel_handles_ = false;
  bool durable_ = false;
  std::unique_ptr<HandleMap> map_;
  FoldCache folds_;
};

/// Errors of a refused access that the owner of a file may pass (OpenMode::owner_override).
inline bool owner_may_pass(int error, const Credentials& who, const struct statx& stat) {
  return error == EACCES && who.uid == stat.stx_uid;
}

}  // namespace lockstep::files::host
