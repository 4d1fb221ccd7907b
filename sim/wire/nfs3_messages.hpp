// NFSv3 and NLM calls as a client makes them, and results as it reads them (RFC 1813): arguments
// and results after the RPC header.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "shell/files/files.hpp"
#include "shell/wire/nfs3/types.hpp"
#include "shell/wire/nlm/types.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::sim {

/// RFC 1813 3: the procedures.
enum Proc : std::uint32_t {
  kGetattr = 1,
  kSetattr,
  kLookup,
  kAccess,
  kReadlink,
  kRead,
  kWrite,
  kCreate,
  kMkdir,
  kSymlink,
  kMknod,
  kRemove,
  kRmdir,
  kRename,
  kLink,
  kReaddir,
  kReaddirplus,
  kFsstat,
  kFsinfo,
  kPathconf,
  kCommit,
};
inline constexpr std::uint32_t kUnstable = 0, kFileSync = 2;  ///< stable_how

/// fattr3, as much as clients here look at; post_op_attr when `there` counts.
struct PostOp {
  bool there = false;
  std::uint32_t type = 0, mode = 0, links = 0, uid = 0, gid = 0;
  std::uint64_t size = 0, node = 0;
  files::TimeSpec modified, changed;
};
PostOp get_attributes(wire::BigReader& in);
PostOp get_post_op(wire::BigReader& in);

/// wcc_data.
struct WccResult {
  bool before = false;
  std::uint64_t size = 0;
  files::TimeSpec modified, changed;
  PostOp after;
};
WccResult get_wcc(wire::BigReader& in);

/// sattr3.
struct NewAttributes {
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::uint64_t> size;
  int mtime = 0;  ///< 0 keep, 1 now
};
void put_new_attributes(wire::BigWriter& out, const NewAttributes& attributes);

wire::BigWriter with_handle(const wire::Bytes& handle);
wire::BigWriter with_name(const wire::Bytes& dir, const std::string& name);
wire::BigWriter read_call(const wire::Bytes& file, std::uint64_t offset, std::uint32_t count);
wire::BigWriter write_call(const wire::Bytes& file, std::uint64_t offset, std::string_view data,
                           std::uint32_t stable);

/// Arguments of TEST, LOCK, CANCEL and UNLOCK, and of their asynchronous forms.
wire::BigWriter nlm_call(std::uint32_t procedure, const wire::nlm::LockCall& call,
                         std::uint32_t version, std::int32_t state = 3);

}  // namespace lockstep::sim
