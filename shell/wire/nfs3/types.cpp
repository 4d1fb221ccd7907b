#include "shell/wire/nfs3/types.hpp"

#include <array>

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {
namespace {

struct ErrnoRow {
  int error;
  Status status;
};
constexpr std::array kErrnoTable{
    ErrnoRow{0, Status::ok},
    ErrnoRow{EPERM, Status::perm},
    ErrnoRow{ENOENT, Status::noent},
    ErrnoRow{EIO, Status::io},
    ErrnoRow{ENXIO, Status::nxio},
    ErrnoRow{EBADF, Status::badhandle},
    ErrnoRow{EACCES, Status::access},
    ErrnoRow{EBUSY, Status::access},
    ErrnoRow{ETXTBSY, Status::access},
    ErrnoRow{EEXIST, Status::exist},
    ErrnoRow{EXDEV, Status::xdev},
    ErrnoRow{ENODEV, Status::nodev},
    ErrnoRow{ENOTDIR, Status::notdir},
    ErrnoRow{ELOOP, Status::inval},  // an open met a symbolic link
    ErrnoRow{EISDIR, Status::isdir},
    ErrnoRow{EINVAL, Status::inval},
    ErrnoRow{EFBIG, Status::fbig},
    ErrnoRow{EOVERFLOW, Status::fbig},
    ErrnoRow{ENOSPC, Status::nospc},
    ErrnoRow{EROFS, Status::rofs},
    ErrnoRow{EMLINK, Status::mlink},
    ErrnoRow{ENAMETOOLONG, Status::nametoolong},
    ErrnoRow{ENOTEMPTY, Status::notempty},
    ErrnoRow{EDQUOT, Status::dquot},
    ErrnoRow{ESTALE, Status::stale},
    ErrnoRow{ENOTSUP, Status::notsupp},
    ErrnoRow{EAGAIN, Status::jukebox},
    ErrnoRow{ENOMEM, Status::jukebox},
    ErrnoRow{EMFILE, Status::jukebox},
    ErrnoRow{ENFILE, Status::jukebox},
};

void put_time(BigWriter& out, const files::TimeSpec& time) {
  // nfstime3 is unsigned 32-bit seconds: what lies outside shows as the nearest that can be said.
  const std::int64_t seconds =
      time.seconds < 0 ? 0 : (time.seconds > 0xFFFFFFFF ? 0xFFFFFFFF : time.seconds);
  out.u32(static_cast<std::uint32_t>(seconds));
  out.u32(time.nanos);
}

files::SetAttributes::Time get_time_choice(BigReader& in, files::TimeSpec& given) {
  using Time = files::SetAttributes::Time;
  switch (in.u32()) {
    case 0:
      return Time::keep;
    case 1:
      return Time::now;
    case 2:
      given = get_time(in);
      return Time::given;
    default:
      in.fail();
      return Time::keep;
  }
}

}  // namespace

Status status_of_errno(int error) {
  for (const ErrnoRow& row : kErrnoTable) {
    if (row.error == error) return row.status;
  }
  return Status::serverfault;
}

// What the core says to an access (semantics section 5 and 9).
Status status_of_core(core::Status status) {
  switch (status) {
    case core::Status::ok:
      return Status::ok;
    case core::Status::later:
    case core::Status::grace:
    case core::Status::cancelled:
    case core::Status::limit:
      return Status::jukebox;
    case core::Status::lock_conflict:
    case core::Status::share_conflict:
    case core::Status::file_open:
    case core::Status::delete_pending:
      return Status::access;
    case core::Status::journal_failed:
      return Status::io;
    default:
      return Status::serverfault;
  }
}

Type type_of(files::FileType type) {
  switch (type) {
    case files::FileType::regular:
      return Type::reg;
    case files::FileType::directory:
      return Type::dir;
    case files::FileType::symlink:
      return Type::lnk;
    case files::FileType::block:
      return Type::blk;
    case files::FileType::character:
      return Type::chr;
    case files::FileType::fifo:
      return Type::fifo;
    case files::FileType::socket:
      return Type::sock;
  }
  return Type::reg;
}

void put_attributes(BigWriter& out, const files::Attributes& a) {
  out.u32(static_cast<std::uint32_t>(type_of(a.type)));
  out.u32(a.mode & 07777);
  out.u32(a.links);
  out.u32(a.uid);
  out.u32(a.gid);
  out.u64(a.size);
  out.u64(a.allocated);
  out.u32(a.rdev_major);
  out.u32(a.rdev_minor);
  out.u64(a.volume);
  out.u64(a.node);
  put_time(out, a.accessed);
  put_time(out, a.modified);
  put_time(out, a.changed);
}

void put_post_op(BigWriter& out, const std::optional<files::Attributes>& attributes) {
  rpc::put_bool(out, attributes.has_value());
  if (attributes) put_attributes(out, *attributes);
}

void put_wcc(BigWriter& out, const Wcc& wcc) {
  rpc::put_bool(out, wcc.before.has_value());
  if (wcc.before) {
    out.u64(wcc.before->size);
    put_time(out, wcc.before->modified);
    put_time(out, wcc.before->changed);
  }
  put_post_op(out, wcc.after);
}

void put_post_op_handle(BigWriter& out, const Bytes& handle) {
  rpc::put_bool(out, !handle.empty());
  if (!handle.empty()) rpc::put_opaque(out, handle);
}

files::TimeSpec get_time(BigReader& in) {
  files::TimeSpec time;
  time.seconds = in.u32();
  time.nanos = in.u32();
  if (time.nanos >= 1'000'000'000) in.fail();
  return time;
}

files::SetAttributes get_set_attributes(BigReader& in) {
  files::SetAttributes change;
  if (rpc::get_bool(in)) change.mode = in.u32() & 07777;
  if (rpc::get_bool(in)) change.uid = in.u32();
  if (rpc::get_bool(in)) change.gid = in.u32();
  if (rpc::get_bool(in)) change.size = in.u64();
  change.atime = get_time_choice(in, change.accessed);
  change.mtime = get_time_choice(in, change.modified);
  return change;
}

bool changes_more_than_atime(const files::SetAttributes& change) {
  return change.mode || change.uid || change.gid || change.size ||
         change.mtime != files::SetAttributes::Time::keep;
}

bool changes_anything(const files::SetAttributes& change) {
  return changes_more_than_atime(change) || change.atime != files::SetAttributes::Time::keep;
}

}  // namespace lockstep::wire::nfs3
