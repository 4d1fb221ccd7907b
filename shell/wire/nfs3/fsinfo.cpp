// FSSTAT, FSINFO, PATHCONF (RFC 1813 3.3.18 to 3.3.20).
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {

using rpc::Reply;

namespace {

/// Attributes of the file that was named, and its volume.
struct Queried {
  Status status = Status::ok;
  std::optional<files::Attributes> attributes;
  files::Volume volume;
};

Task<Queried> query(Service& service, const rpc::CallContext& call, Bytes handle, bool volume) {
  Queried queried;
  const Subject file = co_await locate(service, call, std::move(handle));
  queried.status = file.status;
  if (!file.ok()) co_return queried;
  queried.attributes = co_await attributes_of(file.of, file.node);
  if (!volume) co_return queried;
  const files::Result<files::Volume> found = co_await file.files().volume();
  if (found)
    queried.volume = *found;
  else
    queried.status = status_of_errno(found.error().value());
  co_return queried;
}

}  // namespace

Task<Reply> fsstat(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  if (in.failed()) co_return Reply::garbage();
  const Queried found = co_await query(service, call, std::move(handle), true);
  if (found.status != Status::ok) co_return reply_post_op(found.status, found.attributes);
  BigWriter out = begin(Status::ok);
  put_post_op(out, found.attributes);
  out.u64(found.volume.total_bytes);
  out.u64(found.volume.free_bytes);
  out.u64(found.volume.available_bytes);
  out.u64(found.volume.total_files);
  out.u64(found.volume.free_files);
  out.u64(found.volume.free_files);
  out.u32(0);  // invarsec: the numbers may change at any time
  co_return Reply::done(std::move(out));
}

Task<Reply> fsinfo(Service& service, const rpc::CallContext& call) {
  constexpr std::uint32_t kMultiple = 4096;
  constexpr std::uint32_t kDirectoryPreferred = 64 << 10;
  // FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME
  constexpr std::uint32_t kProperties = 0x01 | 0x02 | 0x08 | 0x10;
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  if (in.failed()) co_return Reply::garbage();
  const Queried found = co_await query(service, call, std::move(handle), false);
  if (found.status != Status::ok) co_return reply_post_op(found.status, found.attributes);
  // A datagram cannot carry more (RFC 1813 2.4 leaves it to the server).
  const std::uint32_t transfer = call.transport == rpc::Transport::udp ? 32 << 10 : kTransferMax;
  BigWriter out = begin(Status::ok);
  put_post_op(out, found.attributes);
  for (int read_then_write = 0; read_then_write < 2; ++read_then_write) {
    out.u32(transfer);
    out.u32(transfer);
    out.u32(kMultiple);
  }
  out.u32(kDirectoryPreferred);
  out.u64(kFileSizeMax);
  out.u32(0);  // time_delta: a nanosecond
  out.u32(1);
  out.u32(kProperties);
  co_return Reply::done(std::move(out));
}

Task<Reply> pathconf(Service& service, const rpc::CallContext& call) {
  constexpr std::uint32_t kLinkMax = 32000;  // the least that a file system in common use has
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  if (in.failed()) co_return Reply::garbage();
  const Queried found = co_await query(service, call, std::move(handle), true);
  if (found.status != Status::ok) co_return reply_post_op(found.status, found.attributes);
  BigWriter out = begin(Status::ok);
  put_post_op(out, found.attributes);
  out.u32(kLinkMax);
  out.u32(found.volume.name_max);
  rpc::put_bool(out, true);   // no_trunc
  rpc::put_bool(out, true);   // chown_restricted
  rpc::put_bool(out, false);  // case_insensitive
  rpc::put_bool(out, true);   // case_preserving
  co_return Reply::done(std::move(out));
}

}  // namespace lockstep::wire::nfs3
