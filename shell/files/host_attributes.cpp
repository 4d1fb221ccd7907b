// What a file is, and changing that; opening it.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shell/files/host_tree.hpp"

namespace lockstep::files::host {
namespace {

constexpr const char* kDosName = "user.lockstep.dos";
constexpr std::uint8_t kDosVersion = 1, kDosHasCreated = 1, kDosHasRights = 2;
constexpr std::size_t kDosUsual = 256, kDosMax = 64 * 1024 + 64;
constexpr std::uint32_t kDosReadOnly = 0x1;  // MS-FSCC 2.6 FILE_ATTRIBUTE_READONLY
constexpr std::uint64_t kSizeMax = (std::uint64_t{1} << 63) - 1;

/// version, flags, two bytes of zero, attributes, seconds, nanoseconds, and with a list of rights
/// mode, owner, group and the list; little endian.
wire::Bytes encode(const DosInfo& info) {
  wire::LittleWriter out;
  out.u8(kDosVersion);
  out.u8((info.created ? kDosHasCreated : 0) | (info.rights ? kDosHasRights : 0));
  out.u16(0);
  out.u32(info.attributes);
  const TimeSpec created = info.created.value_or(TimeSpec{});
  out.u64(static_cast<std::uint64_t>(created.seconds));
  out.u32(created.nanos);
  if (info.rights) {
    out.u32(info.rights->mode);
    out.u32(info.rights->uid);
    out.u32(info.rights->gid);
    out.bytes(info.rights->acl);
  }
  return out.take();
}

/// What somebody else wrote there, or a later version, counts as nothing.
DosInfo decode(wire::ByteView bytes) {
  wire::LittleReader in(bytes);
  const std::uint8_t version = in.u8();
  const std::uint8_t flags = in.u8();
  in.skip(2);
  DosInfo info;
  info.attributes = in.u32();
  TimeSpec created;
  created.seconds = static_cast<std::int64_t>(in.u64());
  created.nanos = in.u32();
  if (in.failed() || version != kDosVersion || created.nanos >= 1'000'000'000) return {};
  if (flags & kDosHasCreated) info.created = created;
  if (flags & kDosHasRights) {
    StoredRights rights;
    rights.mode = in.u32();
    rights.uid = in.u32();
    rights.gid = in.u32();
    const wire::ByteView acl = in.take(in.remaining());
    rights.acl.assign(acl.begin(), acl.end());
    if (in.ok()) info.rights = std::move(rights);
  }
  return info;
}

bool without_xattrs(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

struct timespec time_argument(SetAttributes::Time how, const TimeSpec& given) {
  struct timespec time = {};
  switch (how) {
    case SetAttributes::Time::keep:
      time.tv_nsec = UTIME_OMIT;
      break;
    case SetAttributes::Time::now:
      time.tv_nsec = UTIME_NOW;
      break;
    case SetAttributes::Time::given:
      time.tv_sec = given.seconds;
      time.tv_nsec = given.nanos;
      break;
  }
  return time;
}

bool has_access(int fd, int what) {
  return syscall(SYS_faccessat2, fd, "", what, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

}  // namespace

Result<void> HostTree::set_size(const Credentials& who, int fd, const struct statx& stat,
                                std::uint64_t size) const {
  if (type_of(stat) == FileType::directory) return fail(EISDIR);
  if (type_of(stat) != FileType::regular) return fail(EINVAL);
  if (size > kSizeMax) return fail(EFBIG);
  const std::string path = ProcFd::path(fd);
  const auto truncate = [&] { return ::truncate(path.c_str(), static_cast<off_t>(size)); };
  if (retry(truncate) == 0) return {};
  if (!owner_may_pass(errno, who, stat)) return last_error();
  if (!Identity::server().assume()) return fail(EACCES);
  const Result<void> done = checked(retry(truncate));
  if (!Identity::of(who).assume()) return fail(EPERM);
  return done;
}

Result<struct statx> HostTree::set_attributes(const Credentials& who, const HostNode& node,
                                              const SetAttributes& change) const {
  const int fd = node.fd();
  const Result<struct statx> before = status(fd);
  if (!before) return before;
  if (change.guard && *change.guard != time_of(before->stx_ctime)) return fail(ECANCELED);
  constexpr std::uint32_t kKeep = 0xffffffff;
  if (change.uid == kKeep || change.gid == kKeep) return fail(EINVAL);

  if (change.size) {
    const Result<void> sized = set_size(who, fd, *before, *change.size);
    if (!sized) return sized.error();
  }
  // Owner before mode: a change of owner clears the set-id bits that the mode may ask for.
  if ((change.uid || change.gid) &&
      ::fchownat(fd, "", change.uid.value_or(kKeep), change.gid.value_or(kKeep),
                 AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    return last_error();
  }
  if (change.mode && ::chmod(ProcFd::path(fd).c_str(), *change.mode & 07777U) != 0) {
    return last_error();
  }
  using Time = SetAttributes::Time;
  if (change.atime != Time::keep || change.mtime != Time::keep) {
    const struct timespec times[2] = {time_argument(change.atime, change.accessed),
                                      time_argument(change.mtime, change.modified)};
    if (::utimensat(fd, "", times, AT_EMPTY_PATH) != 0) return last_error();
  }
  return status(fd);
}

Result<std::uint32_t> HostTree::access(const HostNode& node) const {
  std::uint32_t granted = 0;
  for (const int right : {R_OK, W_OK, X_OK}) {
    if (has_access(node.fd(), right)) granted |= static_cast<std::uint32_t>(right);
  }
  return granted;
}

Result<DosInfo> HostTree::dos_info(int fd) const {
  wire::Bytes stored(kDosUsual);
  const std::string path = ProcFd::path(fd);
  ssize_t size = ::getxattr(path.c_str(), kDosName, stored.data(), stored.size());
  if (size < 0 && errno == ERANGE) {
    stored.resize(kDosMax);
    size = ::getxattr(path.c_str(), kDosName, stored.data(), stored.size());
  }
  if (size >= 0) return decode({stored.data(), static_cast<std::size_t>(size)});
  if (errno == ENODATA || errno == ERANGE || errno == EPERM || errno == EACCES) return DosInfo{};
  if (!without_xattrs(errno)) return last_error();
  const Result<struct statx> stat = status(fd);
  if (!stat) return stat.error();
  DosInfo info;
  if (type_of(*stat) == FileType::regular && (stat->stx_mode & 0222U) == 0) {
    info.attributes = kDosReadOnly;
  }
  return info;
}

Result<void> HostTree::set_dos_info(const Credentials& who, const HostNode& node,
                                    const DosInfo& info) const {
  const wire::Bytes bytes = encode(info);
  const std::string path = ProcFd::path(node.fd());
  const auto store = [&] {
    return ::setxattr(path.c_str(), kDosName, bytes.data(), bytes.size(), 0);
  };
  if (store() == 0) return {};
  const int error = errno;
  const Result<struct statx> stat = status(node.fd());
  if (!stat) return stat.error();
  if (owner_may_pass(error, who, *stat)) {
    // The owner of a file without write permission may still change its attributes.
    if (!Identity::server().assume()) return fail(EACCES);
    return checked(store());
  }
  if (!without_xattrs(error)) return fail(error);
  // No xattrs here: READONLY shows in the mode, and the rest cannot be kept.
  if (node.type() != FileType::regular) return {};
  const std::uint32_t mode = stat->stx_mode & 07777U;
  const bool read_only = (info.attributes & kDosReadOnly) != 0;
  if (read_only == ((mode & 0222U) == 0)) return {};
  return checked(::chmod(path.c_str(), read_only ? mode & ~0222U : mode | 0200U));
}

Result<UniqueFd> HostTree::open(const Credentials& who, const HostNode& node, OpenMode mode) const {
  switch (node.type()) {
    case FileType::regular:
      break;
    case FileType::directory:
      if (mode.write) return fail(EISDIR);
      break;
    case FileType::symlink:
      return fail(ELOOP);
    default:
      return fail(EINVAL);  // opening a device or a pipe would act on it
  }
  if (!mode.read && !mode.write) return UniqueFd();
  const int flags = mode.read && mode.write ? O_RDWR : mode.write ? O_WRONLY : O_RDONLY;
  Result<UniqueFd> fd = proc_.reopen(node.fd(), flags);
  if (fd || !mode.owner_override || fd.error() != fail(EACCES)) return fd;
  const Result<struct statx> stat = status(node.fd());
  if (!stat) return stat.error();
  // Who may execute may read: a client pages a program in without knowing why (RFC 1813 4.4).
  const bool program = !mode.write && has_access(node.fd(), X_OK);
  if (!owner_may_pass(EACCES, who, *stat) && !program) return fd;
  if (!Identity::server().assume()) return fd;
  return proc_.reopen(node.fd(), flags);
}

Result<void> HostTree::commit(const HostNode& node) const {
  if (node.type() != FileType::regular && node.type() != FileType::directory) return {};
  Result<UniqueFd> fd = proc_.reopen(node.fd(), O_RDONLY);
  if (!fd && node.type() == FileType::regular) fd = proc_.reopen(node.fd(), O_WRONLY);
  if (!fd) return fd.error();
  return checked(::fsync(fd->get()));
}

Result<Volume> HostTree::volume() const {
  struct statvfs found;
  if (::fstatvfs(root_.get(), &found) != 0) return last_error();
  Volume volume;
  volume.block_size = static_cast<std::uint32_t>(found.f_bsize);
  volume.total_bytes = found.f_blocks * found.f_frsize;
  volume.free_bytes = found.f_bfree * found.f_frsize;
  volume.available_bytes = found.f_bavail * found.f_frsize;
  volume.total_files = found.f_files;
  volume.free_files = found.f_ffree;
  volume.name_max = static_cast<std::uint32_t>(found.f_namemax);
  volume.serial = volume32_;
  return volume;
}

}  // namespace lockstep::files::host
