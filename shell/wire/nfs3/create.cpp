// CREATE (RFC 1813 3.3.8).
#include <utility>

#include "shell/wire/nfs3/new_entry.hpp"
#include "shell/wire/nfs3/procedures.hpp"

namespace lockstep::wire::nfs3 {

using core::Operation;
using rpc::Reply;

Task<Gate> enter_directory(Service& service, const rpc::CallContext& call, Subject dir) {
  std::vector<core::Target> targets;
  targets.push_back({dir.node->id(), Operation::change_directory});
  co_return co_await enter(service, call, dir.of, std::move(targets));
}

Task<Status> finish_attributes(Subject dir, files::NodeRef node, files::SetAttributes wanted,
                               bool mode_is_set) {
  if (dir.who.uid != 0) {
    wanted.uid.reset();
    wanted.gid.reset();
  }
  if (mode_is_set) wanted.mode.reset();
  if (!changes_anything(wanted)) co_return Status::ok;
  const files::Result<files::Attributes> done =
      co_await dir.files().set_attributes(dir.who, std::move(node), wanted);
  co_return done ? Status::ok : status_of_errno(done.error().value());
}

Task<Reply> reply_created(Service& service, Subject dir, Status status, files::NodeRef node,
                          Prior prior) {
  const Wcc wcc = co_await wcc_of(service, dir, prior);
  if (status != Status::ok) co_return reply_wcc(status, wcc);
  const std::optional<files::Attributes> attributes = co_await attributes_of(dir.of, node);
  BigWriter out = begin(Status::ok);
  put_post_op_handle(out, dir.files().handle(node));
  put_post_op(out, attributes);
  put_wcc(out, wcc);
  co_return Reply::done(std::move(out));
}

Status check_new_entry(const Subject& dir, const std::string& name) {
  if (!dir.ok()) return dir.status;
  if (dir.node->type() != files::FileType::directory) return Status::notdir;
  const Status status = check_name(name);
  if (status != Status::ok) return status;
  return name == "." || name == ".." ? Status::exist : Status::ok;
}

namespace {

enum CreateMode : std::uint32_t { kUnchecked = 0, kGuarded = 1, kExclusive = 2 };

struct CreateCall {
  DirectoryOp where;
  std::uint32_t mode = kUnchecked;
  files::SetAttributes attributes;
  std::uint64_t verifier = 0;
  bool good = false;
};

CreateCall get_create(const rpc::CallContext& call) {
  BigReader in = call.reader();
  CreateCall create;
  create.where = get_directory_op(in);
  create.mode = in.u32();
  if (create.mode == kExclusive)
    create.verifier = in.u64();
  else
    create.attributes = get_set_attributes(in);
  create.good = in.ok() && create.mode <= kExclusive;
  return create;
}

/// How one try ended.
struct Made {
  Status status = Status::ok;
  bool again = false;  ///< the name appeared or went between question and effect
  files::NodeRef node;
  Prior before;  ///< of the directory
};

Task<Made> make_new(Service& service, const rpc::CallContext& call, const Subject& dir,
                    const CreateCall& what) {
  Made made;
  const Gate gate = co_await enter_directory(service, call, dir);
  made.status = gate.status;
  if (!gate.ok()) co_return made;
  made.before = co_await before_change(service, gate, dir);
  files::CreateOptions options;
  options.exclusive = true;
  // Without a mode only the owner may use the file, until a SETATTR says more.
  options.mode = what.attributes.mode.value_or(0600);
  if (what.mode == kExclusive) options.verifier = what.verifier;
  files::Result<std::pair<bool, files::Found>> result =
      co_await dir.files().create(dir.who, dir.node, what.where.name, options);
  if (!result) {
    made.status = status_of_errno(result.error().value());
    made.again = made.status == Status::exist && what.mode == kUnchecked;
    co_return made;
  }
  made.node = std::move(result->second.node);
  if (result->first) {
    files::SetAttributes rest = what.attributes;
    if (rest.size == 0) rest.size.reset();
    made.status = co_await finish_attributes(dir, made.node, rest, true);
  }
  co_return made;
}

/// UNCHECKED on a file that is there: of the attributes only the size counts.
Task<Made> reuse(Service& service, const rpc::CallContext& call, const Subject& dir,
                 const files::Found& found, const CreateCall& what) {
  Made made;
  made.node = found.node;
  const Gate no_gate;
  made.before = co_await before_change(service, no_gate, dir);
  if (found.node->type() != files::FileType::regular) {
    made.status = Status::exist;
    co_return made;
  }
  if (!what.attributes.size) co_return made;
  std::vector<core::Target> targets;
  targets.push_back({found.node->id(), Operation::set_size});
  const Gate gate = co_await enter(service, call, dir.of, std::move(targets));
  made.status = gate.status;
  if (!gate.ok()) co_return made;
  files::SetAttributes size;
  size.size = what.attributes.size;
  const files::Result<files::Attributes> done =
      co_await dir.files().set_attributes(dir.who, found.node, size);
  if (!done) {
    made.status = status_of_errno(done.error().value());
    made.again = made.status == Status::stale;
  }
  co_return made;
}

Task<Made> try_create(Service& service, const rpc::CallContext& call, const Subject& dir,
                      const CreateCall& what) {
  // An exclusive repeat is recognised by its verifier, which only the file system knows.
  if (what.mode == kExclusive) co_return co_await make_new(service, call, dir, what);
  const files::Result<files::Found> found =
      co_await dir.files().lookup(dir.who, dir.node, what.where.name, files::NameCase::exact);
  if (!found && found.error().value() == ENOENT) {
    co_return co_await make_new(service, call, dir, what);
  }
  Made made;
  if (!found) {
    made.status = status_of_errno(found.error().value());
  } else if (what.mode == kGuarded) {
    made.status = Status::exist;
  } else {
    made = co_await reuse(service, call, dir, *found, what);
  }
  co_return made;
}

}  // namespace

Task<Reply> create(Service& service, const rpc::CallContext& call) {
  CreateCall what = get_create(call);
  if (!what.good) co_return Reply::garbage();
  const Subject dir = co_await locate_writable(service, call, std::move(what.where.handle));
  Made made;
  made.status = check_new_entry(dir, what.where.name);
  if (made.status == Status::ok && what.attributes.size.value_or(0) > kFileSizeMax) {
    made.status = Status::fbig;
  }
  if (made.status == Status::ok) {
    for (int i = 0; i < kRaceRetries; ++i) {
      made = co_await try_create(service, call, dir, what);
      if (!made.again) break;
      made.status = Status::jukebox;
    }
  }
  co_return co_await reply_created(service, dir, made.status, made.node, made.before);
}

}  // namespace lockstep::wire::nfs3
