// Making, removing and renaming entries.
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>

#include "shell/files/host_tree.hpp"

namespace lockstep::files::host {
namespace {

constexpr std::uint32_t kSpecialBits = 07000;  // mkdir(2) leaves set-id bits out

/// Serializes "is it still that inode?" with the removal that follows, against all that this
/// process does: of every export, since two may share a directory. By directory, in stripes.
class EntryLock {
 public:
  explicit EntryLock(core::FileId dir) : first_(stripe(dir)) {}
  EntryLock(core::FileId one, core::FileId other) {
    std::size_t low = index(one), high = index(other);
    if (low > high) std::swap(low, high);
    first_ = std::unique_lock(stripes()[low]);
    if (low != high) second_ = std::unique_lock(stripes()[high]);
  }

 private:
  using Stripes = std::array<std::mutex, 256>;
  static Stripes& stripes() {
    static Stripes all;
    return all;
  }
  static std::size_t index(core::FileId dir) {
    return (dir.node ^ dir.node >> 8 ^ dir.volume) % std::tuple_size_v<Stripes>;
  }
  static std::mutex& stripe(core::FileId dir) { return stripes()[index(dir)]; }
  std::unique_lock<std::mutex> first_, second_;
};

/// ESTALE unless `name` leads to that inode.
Result<void> expect(const HostNode& dir, const std::string& name, const HostNode& expected) {
  struct statx found;
  if (::statx(dir.fd(), name.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_INO, &found)) {
    return last_error();
  }
  if (!expected.is(found)) return fail(ESTALE);
  return {};
}

/// An entry that was made but could not be opened for want of descriptors or memory is taken back,
/// so that the call can be tried again.
template <class T>
Result<T> undo_when_scarce(Result<T> arrived, const HostNode& dir, const std::string& name,
                           int flags) {
  if (arrived) return arrived;
  const int error = arrived.error().value();
  if (error == EMFILE || error == ENFILE || error == ENOMEM) {
    ::unlinkat(dir.fd(), name.c_str(), flags);
  }
  return arrived;
}

/// Where EXCLUSIVE keeps its verifier: 31 bits of it in the seconds of each of atime and mtime,
/// which every file system can hold; clients set the times when they have seen the reply.
struct VerifierTimes {
  explicit VerifierTimes(std::uint64_t verifier)
      : accessed(static_cast<std::int64_t>(verifier >> 32 & 0x7fffffff)),
        modified(static_cast<std::int64_t>(verifier & 0x7fffffff)) {}
  bool match(const struct statx& stat) const {
    return type_of(stat) == FileType::regular && stat.stx_size == 0 &&
           stat.stx_atime.tv_sec == accessed && stat.stx_mtime.tv_sec == modified;
  }
  int store(int fd) const {
    const struct timespec times[2] = {{accessed, 0}, {modified, 0}};
    return ::futimens(fd, times);
  }
  std::int64_t accessed, modified;
};

}  // namespace

/// With its verifier from the first instant: made without a name, then linked; so a crash in
/// between leaves nothing, and the client's repeat finds the file or makes it.
Result<UniqueFd> HostTree::create_verified(const HostNode& dir, const std::string& name,
                                           const CreateOptions& options) const {
  const VerifierTimes times(*options.verifier);
  constexpr int kFlags = O_TMPFILE | O_RDWR | O_CLOEXEC;
  UniqueFd file(::openat(dir.fd(), ".", kFlags, options.mode & 07777U));
  if (file) {
    if (times.store(file.get()) != 0) return last_error();
    const std::string path = ProcFd::path(file.get());
    if (::linkat(AT_FDCWD, path.c_str(), dir.fd(), name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return last_error();
    }
    return file;
  }
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return last_error();
  Result<UniqueFd> plain = step_open(dir.fd(), name, O_RDWR | O_CREAT | O_EXCL, options.mode);
  if (plain && times.store(plain->get()) != 0) return last_error();
  return plain;
}

Result<Step> HostTree::create_new(const HostNode& dir, const std::string& name,
                                  const CreateOptions& options) {
  Result<UniqueFd> file = fail(EEXIST);
  if (options.verifier) {
    file = create_verified(dir, name, options);
  } else {
    file = step_open(dir.fd(), name, O_RDWR | O_CREAT | O_EXCL, options.mode);
  }
  if (!file) return file.error();
  if (options.size && *options.size != 0 &&
      ::ftruncate(file->get(), static_cast<off_t>(*options.size)) != 0) {
    const int error = errno;
    ::unlinkat(dir.fd(), name.c_str(), 0);
    return fail(error);
  }
  Result<UniqueFd> path = undo_when_scarce(proc_.reopen(file->get(), O_PATH), dir, name, 0);
  if (!path) return path.error();
  Result<Discovered> found = discover(std::move(*path));
  if (!found) return found.error();
  record(dir.id(), name, found->id);
  return Step{std::move(*found), name, true};
}

Result<Step> HostTree::create(const Credentials& who, const HostNode& dir, const std::string& name,
                              const CreateOptions& options) {
  if (const int error = component_error(name)) return fail(error);
  if (options.size && *options.size >> 63) return fail(EFBIG);
  for (;;) {
    Result<Step> made = create_new(dir, name, options);
    if (made || made.error() != fail(EEXIST)) return made;
    Result<Step> found = arrive(dir, name);
    if (!found && found.error() == fail(ENOENT)) continue;  // gone again meanwhile
    if (!found) return found.error() == fail(EACCES) ? made.error() : found.error();
    const struct statx& stat = found->node.stat;
    if (options.verifier) {
      if (VerifierTimes(*options.verifier).match(stat)) return found;
      return fail(EEXIST);
    }
    if (options.exclusive) return fail(EEXIST);
    if (type_of(stat) == FileType::directory) return fail(EISDIR);
    if (type_of(stat) != FileType::regular) return fail(EEXIST);
    if (options.size) {
      const Result<void> sized = set_size(who, found->node.fd.get(), stat, *options.size);
      if (!sized) return sized.error();
      const Result<struct statx> after = status(found->node.fd.get());
      if (!after) return after.error();
      found->node.stat = *after;
    }
    return found;
  }
}

Result<Step> HostTree::make_directory(const HostNode& dir, const std::string& name,
                                      std::uint32_t mode) {
  if (const int error = component_error(name)) return fail(error);
  if (::mkdirat(dir.fd(), name.c_str(), mode & 01777U) != 0) return last_error();
  Result<Step> made = undo_when_scarce(arrive(dir, name), dir, name, AT_REMOVEDIR);
  if (!made) return made;
  made->made = true;
  const int fd = made->node.fd.get();
  const std::uint32_t special = mode & kSpecialBits & ~(made->node.stat.stx_mode & kSpecialBits);
  if (special == 0) return made;
  const std::uint32_t wanted = (made->node.stat.stx_mode & 07777U) | special;
  if (::chmod(ProcFd::path(fd).c_str(), wanted) != 0) return last_error();
  const Result<struct statx> after = status(fd);
  if (!after) return after.error();
  made->node.stat = *after;
  return made;
}

Result<Step> HostTree::make_symlink(const HostNode& dir, const std::string& name,
                                    const std::string& target) {
  if (const int error = component_error(name)) return fail(error);
  if (target.empty() || target.find('\0') != std::string::npos) return fail(EINVAL);
  if (::symlinkat(target.c_str(), dir.fd(), name.c_str()) != 0) return last_error();
  return undo_when_scarce(arrive(dir, name), dir, name, 0);
}

Result<Step> HostTree::make_special(const HostNode& dir, const std::string& name,
                                    std::uint32_t mode, std::uint64_t device) {
  if (const int error = component_error(name)) return fail(error);
  if (::mknodat(dir.fd(), name.c_str(), mode, device) != 0) return last_error();
  return undo_when_scarce(arrive(dir, name), dir, name, 0);
}

Result<void> HostTree::remove(const HostNode& dir, const std::string& name,
                              const HostNode& expected) {
  if (const int error = component_error(name)) return fail(error);
  const EntryLock lock(dir.id());
  if (Result<void> same = expect(dir, name, expected); !same) return same;
  if (::unlinkat(dir.fd(), name.c_str(), 0) != 0) return last_error();
  if (map_) map_->forget({expected.id(), dir.id(), name});
  return {};
}

Result<void> HostTree::remove_directory(const HostNode& dir, const std::string& name) {
  if (const int error = component_error(name)) return fail(error);
  const EntryLock lock(dir.id());
  if (::unlinkat(dir.fd(), name.c_str(), AT_REMOVEDIR) == 0) return {};
  return errno == EEXIST ? fail(ENOTEMPTY) : last_error();
}

Result<void> HostTree::rename(const HostNode& from_dir, const std::string& from,
                              const HostNode& source, const HostNode& to_dir, const std::string& to,
                              const HostNode* target) {
  if (const int error = component_error(from)) return fail(error);
  if (const int error = component_error(to)) return fail(error);
  const EntryLock lock(from_dir.id(), to_dir.id());
  if (Result<void> same = expect(from_dir, from, source); !same) return same;
  if (target) {
    if (Result<void> same = expect(to_dir, to, *target); !same) {
      return same.error() == fail(ENOENT) ? fail(ESTALE) : same.error();
    }
  }
  const auto rename_with = [&](unsigned flags) {
    return ::renameat2(from_dir.fd(), from.c_str(), to_dir.fd(), to.c_str(), flags);
  };
  int done = rename_with(target ? 0 : RENAME_NOREPLACE);
  if (done != 0 && errno == EINVAL && !target) {
    // Perhaps the file system knows no flags. EINVAL for another reason comes again.
    struct statx there;
    if (::statx(to_dir.fd(), to.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO, &there) == 0) {
      return fail(EEXIST);
    }
    done = rename_with(0);
  }
  if (done != 0) return errno == EEXIST && target ? fail(ENOTEMPTY) : last_error();
  if (map_) {
    map_->forget({source.id(), from_dir.id(), from});
    if (target) map_->forget({target->id(), to_dir.id(), to});
    record(to_dir.id(), to, source.id());
  }
  return {};
}

Result<void> HostTree::link(const HostNode& node, const HostNode& dir, const std::string& name) {
  if (const int error = component_error(name)) return fail(error);
  if (node.type() == FileType::directory) return fail(EPERM);
  const std::string path = ProcFd::path(node.fd());
  const Result<void> linked =
      checked(::linkat(AT_FDCWD, path.c_str(), dir.fd(), name.c_str(), AT_SYMLINK_FOLLOW));
  if (linked) record(dir.id(), name, node.id());
  return linked;
}

}  // namespace lockstep::files::host
