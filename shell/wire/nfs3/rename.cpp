// RENAME and LINK (RFC 1813 3.3.14, 3.3.15).
//
// A rename ends the Handle caches of its source, of the file that it replaces and, for a directory,
// of what is open below; it waits for all of them at once (semantics section 1).
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"

namespace lockstep::wire::nfs3 {

using core::Operation;
using rpc::Reply;

namespace {

struct RenameCall {
  DirectoryOp from, to;
  Subject from_dir, to_dir;
};

struct Renamed {
  Status status = Status::ok;
  bool again = false;
  Prior from, to;
};

std::vector<core::Target> rename_targets(const RenameCall& what, const files::NodeRef& source,
                                         const files::NodeRef& target) {
  std::vector<core::Target> targets;
  targets.push_back({source->id(), Operation::rename_source});
  if (source->type() == files::FileType::directory) {
    targets.push_back({source->id(), Operation::rename_ancestor});
  }
  if (target) targets.push_back({target->id(), Operation::rename_target});
  const core::FileId from = what.from_dir.node->id();
  const core::FileId to = what.to_dir.node->id();
  targets.push_back({from, Operation::change_directory});
  if (to != from) targets.push_back({to, Operation::change_directory});
  return targets;
}

/// What rename(2) would say, before anybody is disturbed for it.
Status check_kinds(const files::NodeRef& source, const files::NodeRef& target) {
  if (!target) return Status::ok;
  const bool source_dir = source->type() == files::FileType::directory;
  const bool target_dir = target->type() == files::FileType::directory;
  if (source_dir == target_dir) return Status::ok;
  return source_dir ? Status::notdir : Status::isdir;
}

Task<Renamed> try_rename(Service& service, const rpc::CallContext& call, const RenameCall& what) {
  Renamed renamed;
  const Subject& from = what.from_dir;
  const Subject& to = what.to_dir;
  const files::Result<files::Found> source =
      co_await from.files().lookup(from.who, from.node, what.from.name, files::NameCase::exact);
  if (!source) {
    renamed.status = status_of_errno(source.error().value());
    co_return renamed;
  }
  files::NodeRef target;
  const files::Result<files::Found> old =
      co_await to.files().lookup(to.who, to.node, what.to.name, files::NameCase::exact);
  if (old) {
    target = old->node;
  } else if (old.error().value() != ENOENT) {
    renamed.status = status_of_errno(old.error().value());
    co_return renamed;
  }
  // Two names of one file: nothing happens (RFC 1813 3.3.14).
  if (target && target->id() == source->node->id()) co_return renamed;
  renamed.status = check_kinds(source->node, target);
  if (renamed.status != Status::ok) co_return renamed;

  const Gate gate =
      co_await enter(service, call, from.of, rename_targets(what, source->node, target));
  renamed.status = gate.status;
  if (!gate.ok()) co_return renamed;
  renamed.from = co_await before_change(service, gate, from);
  renamed.to = co_await before_change(service, gate, to);
  const files::Result<void> done = co_await from.files().rename(
      from.who, from.node, what.from.name, source->node, to.node, what.to.name, target);
  if (!done) {
    const int error = done.error().value();
    renamed.status = status_of_errno(error);
    renamed.again = error == ESTALE || (error == EEXIST && !target);
  }
  co_return renamed;
}

Status check_rename(const RenameCall& what) {
  if (!what.from_dir.ok()) return what.from_dir.status;
  if (!what.to_dir.ok()) return what.to_dir.status;
  if (what.from_dir.of != what.to_dir.of) return Status::xdev;
  for (const Subject* dir : {&what.from_dir, &what.to_dir}) {
    if (dir->node->type() != files::FileType::directory) return Status::notdir;
  }
  for (const std::string* name : {&what.from.name, &what.to.name}) {
    if (*name == "." || *name == "..") return Status::inval;
    const Status status = check_name(*name);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace

Task<Reply> rename(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  RenameCall what;
  what.from = get_directory_op(in);
  what.to = get_directory_op(in);
  if (in.failed()) co_return Reply::garbage();
  what.from_dir = co_await locate_writable(service, call, std::move(what.from.handle));
  what.to_dir = co_await locate_writable(service, call, std::move(what.to.handle));
  Renamed renamed;
  renamed.status = check_rename(what);
  if (renamed.status == Status::ok) {
    for (int i = 0; i < kRaceRetries; ++i) {
      renamed = co_await try_rename(service, call, what);
      if (!renamed.again) break;
      renamed.status = Status::jukebox;
    }
  }
  const Subject& from = what.from_dir;
  const Subject& to = what.to_dir;
  const Wcc from_wcc = co_await wcc_of(service, from, renamed.from);
  const Wcc to_wcc = co_await wcc_of(service, to, renamed.to);
  BigWriter out = begin(renamed.status);
  put_wcc(out, from_wcc);
  put_wcc(out, to_wcc);
  co_return Reply::done(std::move(out));
}

namespace {

Status check_link(const Subject& file, const Subject& dir, const std::string& name) {
  if (!file.ok()) return file.status;
  if (!dir.ok()) return dir.status;
  if (file.of != dir.of) return Status::xdev;
  if (file.node->type() == files::FileType::directory) return Status::isdir;
  if (dir.node->type() != files::FileType::directory) return Status::notdir;
  if (name == "." || name == "..") return Status::exist;
  return check_name(name);
}

struct Linked {
  Status status = Status::ok;
  Prior before;
};

Task<Linked> try_link(Service& service, const rpc::CallContext& call, const Subject& file,
                      const Subject& dir, const std::string& name) {
  Linked linked;
  const files::Result<files::Found> there =
      co_await dir.files().lookup(dir.who, dir.node, name, files::NameCase::exact);
  if (there || there.error().value() != ENOENT) {
    linked.status = there ? Status::exist : status_of_errno(there.error().value());
    co_return linked;
  }
  std::vector<core::Target> targets;
  targets.push_back({file.node->id(), Operation::link});
  targets.push_back({dir.node->id(), Operation::change_directory});
  const Gate gate = co_await enter(service, call, dir.of, std::move(targets));
  linked.status = gate.status;
  if (!gate.ok()) co_return linked;
  linked.before = co_await before_change(service, gate, dir);
  const files::Result<void> done = co_await dir.files().link(dir.who, file.node, dir.node, name);
  if (!done) linked.status = status_of_errno(done.error().value());
  co_return linked;
}

}  // namespace

Task<Reply> link(Service& service, const rpc::CallContext& call) {
  BigReader in = call.reader();
  Bytes handle = get_handle(in);
  DirectoryOp where = get_directory_op(in);
  if (in.failed()) co_return Reply::garbage();
  const Subject file = co_await locate_writable(service, call, std::move(handle));
  const Subject dir = co_await locate_writable(service, call, std::move(where.handle));
  Linked linked;
  linked.status = check_link(file, dir, where.name);
  if (linked.status == Status::ok) {
    linked = co_await try_link(service, call, file, dir, where.name);
  }
  std::optional<files::Attributes> attributes;
  if (file.of) attributes = co_await attributes_of(file.of, file.node);
  const Wcc wcc = co_await wcc_of(service, dir, linked.before);
  BigWriter out = begin(linked.status);
  put_post_op(out, attributes);
  put_wcc(out, wcc);
  co_return Reply::done(std::move(out));
}

}  // namespace lockstep::wire::nfs3
