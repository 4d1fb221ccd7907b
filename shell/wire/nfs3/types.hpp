// The data types of NFSv3 (RFC 1813 2) and the one table that turns errors into nfsstat3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/vocabulary.hpp"
#include "shell/files/files.hpp"
#include "shell/wire/bytes.hpp"

namespace lockstep::wire::nfs3 {

/// RFC 1813 2.6, nfsstat3.
enum class Status : std::uint32_t {
  ok = 0,
  perm = 1,
  noent = 2,
  io = 5,
  nxio = 6,
  access = 13,
  exist = 17,
  xdev = 18,
  nodev = 19,
  notdir = 20,
  isdir = 21,
  inval = 22,
  fbig = 27,
  nospc = 28,
  rofs = 30,
  mlink = 31,
  nametoolong = 63,
  notempty = 66,
  dquot = 69,
  stale = 70,
  remote = 71,
  badhandle = 10001,
  not_sync = 10002,
  bad_cookie = 10003,
  notsupp = 10004,
  toosmall = 10005,
  serverfault = 10006,
  badtype = 10007,
  jukebox = 10008,
};
Status status_of_errno(int error);
Status status_of_core(core::Status status);

/// RFC 1813 2.5, ftype3.
enum class Type : std::uint32_t { reg = 1, dir = 2, blk = 3, chr = 4, lnk = 5, sock = 6, fifo = 7 };
Type type_of(files::FileType type);

inline constexpr std::size_t kNameMax = 255;
inline constexpr std::size_t kPathMax = 4096;           ///< of a symbolic link
inline constexpr std::uint32_t kTransferMax = 1 << 20;  ///< READ and WRITE
/// What a client may read and write up to: a signed offset, as every file system has it.
inline constexpr std::uint64_t kFileSizeMax = 0x7FFFFFFFFFFFFFFF;

inline constexpr std::size_t kAttributesSize = 84;  ///< of a fattr3

/// fattr3.
void put_attributes(BigWriter& out, const files::Attributes& attributes);
/// post_op_attr.
void put_post_op(BigWriter& out, const std::optional<files::Attributes>& attributes);
/// wcc_data: what the file was before, as far as it is known, and what it is now.
struct Wcc {
  std::optional<files::Attributes> before, after;
};
void put_wcc(BigWriter& out, const Wcc& wcc);
/// post_op_fh3.
void put_post_op_handle(BigWriter& out, const Bytes& handle);

files::TimeSpec get_time(BigReader& in);
/// sattr3.
files::SetAttributes get_set_attributes(BigReader& in);
/// Whether anything but the access time is to change.
bool changes_more_than_atime(const files::SetAttributes& change);
bool changes_anything(const files::SetAttributes& change);

}  // namespace lockstep::wire::nfs3
