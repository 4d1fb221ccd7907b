// MKDIR, SYMLINK, MKNOD (RFC 1813 3.3.9 to 3.3.11).
#include <utility>

#include "shell/wire/nfs3/new_entry.hpp"
#include "shell/wire/nfs3/procedures.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nfs3 {

using files::FileType;
using rpc::Reply;

namespace {

/// What to make; `type` says which of the rest counts.
struct NewEntry {
  FileType type = FileType::directory;
  DirectoryOp where;
  files::SetAttributes attributes;
  std::string target;
  std::uint32_t major = 0, minor = 0;
};

Task<files::Result<files::Found>> make_on_disk(const Subject& dir, const NewEntry& entry) {
  const std::uint32_t mode =
      entry.attributes.mode.value_or(entry.type == FileType::directory ? 0700 : 0600);
  switch (entry.type) {
    case FileType::directory:
      return dir.files().make_directory(dir.who, dir.node, entry.where.name, mode);
    case FileType::symlink:
      return dir.files().make_symlink(dir.who, dir.node, entry.where.name, entry.target);
    default:
      return dir.files().make_special(dir.who, dir.node, entry.where.name, entry.type, mode,
                                      entry.major, entry.minor);
  }
}

Task<Reply> make(Service& service, const rpc::CallContext& call, NewEntry entry) {
  const Subject dir = co_await locate_writable(service, call, std::move(entry.where.handle));
  Prior before;
  files::NodeRef node;
  Status status = check_new_entry(dir, entry.where.name);
  // Size is no attribute of any of these.
  entry.attributes.size.reset();
  if (entry.type == FileType::symlink) entry.attributes.mode.reset();
  if (status == Status::ok) {
    const Gate gate = co_await enter_directory(service, call, dir);
    status = gate.status;
    if (gate.ok()) {
      before = co_await before_change(service, gate, dir);
      const files::Result<files::Found> made = co_await make_on_disk(dir, entry);
      if (made) {
        node = made->node;
        status = co_await finish_attributes(dir, node, entry.attributes, true);
      } else {
        status = status_of_errno(made.error().value());
      }
    }
  }
  co_return co_await reply_created(service, dir, status, node, before);
}

}  // namespace

Task<Reply> mkdir(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  NewEntry entry;
  entry.type = FileType::directory;
  entry.where = get_directory_op(in);
  entry.attributes = get_set_attributes(in);
  if (in.failed()) co_return Reply::garbage();
  co_return co_await make(service, call, std::move(entry));
}

Task<Reply> symlink(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  NewEntry entry;
  entry.type = FileType::symlink;
  entry.where = get_directory_op(in);
  entry.attributes = get_set_attributes(in);
  entry.target = rpc::get_string(in, kPathMax);
  if (in.failed()) co_return Reply::garbage();
  if (entry.target.empty() || entry.target.find('\0') != std::string::npos) {
    co_return reply_wcc(Status::inval, Wcc{});
  }
  co_return co_await make(service, call, std::move(entry));
}

Task<Reply> mknod(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  NewEntry entry;
  entry.where = get_directory_op(in);
  const std::uint32_t type = in.u32();
  bool device = false;
  switch (static_cast<Type>(type)) {
    case Type::chr:
      entry.type = FileType::character;
      device = true;
      break;
    case Type::blk:
      entry.type = FileType::block;
      device = true;
      break;
    case Type::sock:
      entry.type = FileType::socket;
      break;
    case Type::fifo:
      entry.type = FileType::fifo;
      break;
    default:
      // Files, directories and links have procedures of their own (RFC 1813 3.3.11).
      co_return in.ok() ? reply_wcc(Status::badtype, Wcc{}) : Reply::garbage();
  }
  entry.attributes = get_set_attributes(in);
  if (device) {
    entry.major = in.u32();
    entry.minor = in.u32();
  }
  if (in.failed()) co_return Reply::garbage();
  co_return co_await make(service, call, std::move(entry));
}

}  // namespace lockstep::wire::nfs3
