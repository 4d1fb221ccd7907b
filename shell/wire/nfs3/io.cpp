// READ, WRITE, COMMIT (RFC 1813 3.3.6, 3.3.7, 3.3.21).
//
// READ asks as WRITE does: a READ that passed an SMB client's dirty Write lease would return old
// data (bug class 3). The rights of the caller are checked by the open, before anybody's cache is
// broken on the caller's account.
#include <algorithm>
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {

using core::Operation;
using rpc::Reply;

namespace {

Status check_regular(const Subject& file) {
  if (!file.ok()) return file.status;
  if (file.node->type() == files::FileType::directory) return Status::isdir;
  return file.node->type() == files::FileType::regular ? Status::ok : Status::inval;
}

/// RFC 1813 4.4: the owner of a file may read and write it whatever its mode says, because the
/// check at open was the client's and the mode may have changed since.
Task<files::Result<files::FileRef>> open_for(Subject file, bool write) {
  files::OpenMode mode;
  mode.read = !write;
  mode.write = write;
  mode.owner_override = true;
  co_return co_await file.files().open(file.who, file.node, mode);
}

Task<Gate> enter_range(Service& service, const rpc::CallContext& call, const Subject& file,
                       Operation operation, std::uint64_t offset, std::uint32_t count) {
  std::vector<core::Target> targets;
  // Nothing is transferred: nothing is contradicted.
  if (count > 0) targets.push_back({file.node->id(), operation});
  const core::Range range = core::Range::of(offset, std::max<std::uint32_t>(count, 1));
  co_return co_await enter(service, call, file.of, std::move(targets), range);
}

BigWriter begin_read_reply(const std::optional<files::Attributes>& attributes, ByteView data,
                           bool end) {
  BigWriter out = rpc::begin_reply();
  out.buffer().reserve(rpc::kReplyHeaderSize + kAttributesSize + data.size() + 32);
  out.u32(static_cast<std::uint32_t>(Status::ok));
  put_post_op(out, attributes);
  out.u32(static_cast<std::uint32_t>(data.size()));
  rpc::put_bool(out, end);
  rpc::put_opaque(out, data);
  return out;
}

}  // namespace

Task<Reply> read(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  const std::uint64_t offset = in.u64();
  std::uint32_t count = std::min(in.u32(), kTransferMax);
  if (in.failed()) co_return Reply::garbage();
  const Subject file = co_await locate(service, call, std::move(handle));
  Status status = check_regular(file);
  if (status != Status::ok) co_return reply_post_op(status, std::nullopt);

  const files::Result<files::FileRef> open = co_await open_for(file, false);
  if (!open) {
    const auto attributes = co_await attributes_of(file.of, file.node);
    co_return reply_post_op(status_of_errno(open.error().value()), attributes);
  }
  const files::FileRef& opened = *open;
  // Past the largest offset there is nothing to read, and no range to ask about.
  if (offset > kFileSizeMax) count = 0;
  count = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, kFileSizeMax - offset + 1));

  const Gate gate = co_await enter_range(service, call, file, Operation::read, offset, count);
  status = gate.status;
  Bytes data;
  if (gate.ok() && count > 0) {
    files::Result<Bytes> got = co_await opened->read(offset, count);
    if (got)
      data = std::move(*got);
    else
      status = status_of_errno(got.error().value());
  }
  const std::optional<files::Attributes> attributes = co_await attributes_of(file.of, file.node);
  if (status != Status::ok) co_return reply_post_op(status, attributes);
  const bool end = attributes ? offset + data.size() >= attributes->size : data.size() < count;
  co_return Reply::done(begin_read_reply(attributes, data, end));
}

namespace {

enum StableHow : std::uint32_t { kUnstable = 0, kDataSync = 1, kFileSync = 2 };

struct WriteCall {
  Bytes handle;
  std::uint64_t offset = 0;
  std::uint32_t stable = kUnstable;
  ByteView data;  ///< lies in the call's message
  bool good = false;
};

WriteCall get_write(const rpc::CallContext& call) {
  BigReader in = call.reader();
  WriteCall write;
  write.handle = get_handle(in);
  write.offset = in.u64();
  const std::uint32_t count = in.u32();
  write.stable = in.u32();
  write.data = rpc::get_opaque(in, kTransferMax);
  write.good = in.ok() && write.stable <= kFileSync && count <= write.data.size();
  if (write.good) write.data = write.data.first(count);
  return write;
}

}  // namespace

// What is written unstable is committed at the latest by COMMIT; the verifier, this server run's
// number, tells the client whether a restart came between (RFC 1813 3.3.7).
Task<Reply> write(Service& service, const rpc::CallContext& call) {
  WriteCall what = get_write(call);
  if (!what.good) co_return Reply::garbage();
  const Subject file = co_await locate_writable(service, call, std::move(what.handle));
  const auto count = static_cast<std::uint32_t>(what.data.size());
  Status status = check_regular(file);
  if (status == Status::ok && (what.offset > kFileSizeMax || count > kFileSizeMax - what.offset)) {
    status = Status::fbig;
  }
  Prior prior;
  if (status != Status::ok) co_return reply_wcc(status, co_await wcc_of(service, file, prior));
  const files::Result<files::FileRef> open = co_await open_for(file, true);
  if (!open) {
    status = status_of_errno(open.error().value());
    co_return reply_wcc(status, co_await wcc_of(service, file, prior));
  }
  const files::FileRef& opened = *open;
  const Gate gate = co_await enter_range(service, call, file, Operation::write, what.offset, count);
  status = gate.status;
  if (gate.ok()) {
    prior = co_await before_change(service, gate, file);
    if (count > 0) {
      const files::Result<std::uint32_t> done =
          co_await opened->write(what.offset, what.data, what.stable != kUnstable);
      if (!done) status = status_of_errno(done.error().value());
    }
  }
  const Wcc wcc = co_await wcc_of(service, file, prior);
  if (status != Status::ok) co_return reply_wcc(status, wcc);
  BigWriter out = begin(Status::ok);
  put_wcc(out, wcc);
  out.u32(count);
  out.u32(what.stable == kUnstable ? kUnstable : kFileSync);
  out.u64(service.coordinator.epoch());
  co_return Reply::done(std::move(out));
}

// Makes durable what was written; it changes nothing that another client could see, so it asks
// nobody, and never waits for a break that its own client must complete (semantics section 5).
Task<Reply> commit(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  in.u64();
  in.u32();
  if (in.failed()) co_return Reply::garbage();
  const Subject file = co_await locate_writable(service, call, std::move(handle));
  const Gate no_gate;
  Prior prior;
  Status status = check_regular(file);
  if (status == Status::ok) {
    prior = co_await before_change(service, no_gate, file);
    const files::Result<void> done = co_await file.files().commit(file.node);
    if (!done) status = status_of_errno(done.error().value());
  }
  const Wcc wcc = co_await wcc_of(service, file, prior);
  if (status != Status::ok) co_return reply_wcc(status, wcc);
  BigWriter out = begin(Status::ok);
  put_wcc(out, wcc);
  out.u64(service.coordinator.epoch());
  co_return Reply::done(std::move(out));
}

}  // namespace lockstep::wire::nfs3
