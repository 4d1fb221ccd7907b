// GETATTR, SETATTR, ACCESS (RFC 1813 3.3.1, 3.3.2, 3.3.4).
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {

using core::Operation;
using rpc::Reply;

// Size and change of a file under a write delegation belong to its holder; under an SMB Write
// lease policy decides (v3_getattr_on_write_lease). Both are the core's to say.
Task<Reply> getattr(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  if (in.failed()) co_return Reply::garbage();
  const Subject file = co_await locate(service, call, std::move(handle));
  if (!file.ok()) co_return fail_plain(file.status);

  std::vector<core::Target> targets;
  if (file.node->type() == files::FileType::regular) {
    targets.push_back({file.node->id(), Operation::get_attributes});
  }
  const Gate gate = co_await enter(service, call, file.of, std::move(targets));
  if (!gate.ok()) co_return fail_plain(gate.status);
  const files::Result<files::Attributes> found = co_await file.files().attributes(file.node);
  if (!found) co_return fail_plain(status_of_errno(found.error().value()));
  BigWriter out = begin(Status::ok);
  put_attributes(out, *found);
  co_return Reply::done(std::move(out));
}

namespace {

/// The size goes through an open of the owner's kind: who may write the file through an open that
/// it has may also set its size, whatever the mode says by now.
Task<Status> set_size(Subject file, std::uint64_t size) {
  files::OpenMode mode;
  mode.write = true;
  mode.owner_override = true;
  const files::Result<files::FileRef> open = co_await file.files().open(file.who, file.node, mode);
  if (!open) co_return status_of_errno(open.error().value());
  const files::FileRef& opened = *open;
  files::Result<void> done = co_await opened->truncate(size);
  // What is answered is on disk (RFC 1813 4.7: modifying operations are synchronous).
  if (done) done = co_await opened->sync();
  co_return done ? Status::ok : status_of_errno(done.error().value());
}

Task<Status> apply(Subject file, files::SetAttributes change) {
  const bool guarded = change.guard.has_value();
  if (change.size) {
    const Status status = co_await set_size(file, *change.size);
    if (status != Status::ok) co_return status;
    // The size moved the time that the guard speaks of; it was checked before.
    change.size.reset();
    change.guard.reset();
    if (!changes_anything(change)) co_return Status::ok;
  }
  const files::Result<files::Attributes> done =
      co_await file.files().set_attributes(file.who, file.node, change);
  if (done) co_return Status::ok;
  const Status status = status_of_errno(done.error().value());
  co_return guarded&& status == Status::stale ? Status::not_sync : status;
}

Status check_size(const Subject& file, std::uint64_t size) {
  if (file.node->type() == files::FileType::directory) return Status::isdir;
  if (file.node->type() != files::FileType::regular) return Status::inval;
  return size > kFileSizeMax ? Status::fbig : Status::ok;
}

}  // namespace

Task<Reply> setattr(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  files::SetAttributes change = get_set_attributes(in);
  if (rpc::get_bool(in)) change.guard = get_time(in);
  if (in.failed()) co_return Reply::garbage();
  const Subject file = co_await locate_writable(service, call, std::move(handle));
  Status status = file.status;
  if (file.ok() && change.size) status = check_size(file, *change.size);
  Prior prior;
  if (status != Status::ok) co_return reply_wcc(status, co_await wcc_of(service, file, prior));

  std::vector<core::Target> targets;
  if (change.size) targets.push_back({file.node->id(), Operation::set_size});
  if (!change.size && changes_more_than_atime(change)) {
    targets.push_back({file.node->id(), Operation::set_attributes});
  }
  const Gate gate = co_await enter(service, call, file.of, std::move(targets));
  status = gate.status;
  if (gate.ok()) {
    prior = co_await before_change(service, gate, file);
    std::optional<files::Attributes> now = prior.attributes;
    if (change.guard && !now) now = co_await attributes_of(file.of, file.node);
    if (change.guard && (!now || now->changed != *change.guard)) {
      status = Status::not_sync;
    } else if (changes_anything(change)) {
      status = co_await apply(file, change);
    }
  }
  co_return reply_wcc(status, co_await wcc_of(service, file, prior));
}

namespace {

enum AccessBits : std::uint32_t {
  kRead = 0x01,
  kLookup = 0x02,
  kModify = 0x04,
  kExtend = 0x08,
  kDelete = 0x10,
  kExecute = 0x20,
};

std::uint32_t granted_bits(files::FileType type, std::uint32_t rwx, bool read_only) {
  const bool read = rwx & 4;
  const bool write = (rwx & 2) && !read_only;
  const bool execute = rwx & 1;
  std::uint32_t bits = 0;
  if (read) bits |= kRead;
  if (type == files::FileType::directory) {
    // Entries are changed through the directory's name space: that takes search as well.
    if (execute) bits |= kLookup;
    if (write && execute) bits |= kModify | kExtend | kDelete;
  } else {
    if (write) bits |= kModify | kExtend;
    if (execute) bits |= kExecute;
  }
  return bits;
}

}  // namespace

Task<Reply> access(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  const std::uint32_t asked = in.u32();
  if (in.failed()) co_return Reply::garbage();
  const Subject file = co_await locate(service, call, std::move(handle));
  if (!file.ok()) co_return reply_post_op(file.status, std::nullopt);
  const files::Result<std::uint32_t> rwx = co_await file.files().access(file.who, file.node);
  const std::optional<files::Attributes> attributes = co_await attributes_of(file.of, file.node);
  if (!rwx) co_return reply_post_op(status_of_errno(rwx.error().value()), attributes);
  BigWriter out = begin(Status::ok);
  put_post_op(out, attributes);
  out.u32(asked & granted_bits(file.node->type(), *rwx, file.of->read_only));
  co_return Reply::done(std::move(out));
}

}  // namespace lockstep::wire::nfs3
