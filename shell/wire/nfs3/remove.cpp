// REMOVE and RMDIR (RFC 1813 3.3.12, 3.3.13).
//
// The core is asked about the file that the name leads to; the file system is told which file that
// was. When the name moved in between, the question is asked again about the new one.
#include <utility>

#include "shell/wire/nfs3/procedures.hpp"

namespace lockstep::wire::nfs3 {

using core::Operation;
using rpc::Reply;

namespace {

struct Removed {
  Status status = Status::ok;
  bool again = false;
  Prior before;
};

Task<Removed> try_remove(Service& service, const rpc::CallContext& call, const Subject& dir,
                         const std::string& name, bool directory) {
  Removed removed;
  const files::Result<files::Found> found =
      co_await dir.files().lookup(dir.who, dir.node, name, files::NameCase::exact);
  if (!found) {
    removed.status = status_of_errno(found.error().value());
    co_return removed;
  }
  const bool is_directory = found->node->type() == files::FileType::directory;
  if (is_directory != directory) {
    removed.status = directory ? Status::notdir : Status::isdir;
    co_return removed;
  }
  std::vector<core::Target> targets;
  targets.push_back({found->node->id(), Operation::remove});
  targets.push_back({dir.node->id(), Operation::change_directory});
  const Gate gate = co_await enter(service, call, dir.of, std::move(targets));
  removed.status = gate.status;
  if (!gate.ok()) co_return removed;
  removed.before = co_await before_change(service, gate, dir);
  files::Result<void> done;
  if (directory) {
    done = co_await dir.files().remove_directory(dir.who, dir.node, name);
  } else {
    done = co_await dir.files().remove(dir.who, dir.node, name, found->node);
  }
  if (!done) {
    removed.status = status_of_errno(done.error().value());
    removed.again = !directory && removed.status == Status::stale;
  }
  co_return removed;
}

Status check_removal(const Subject& dir, const std::string& name, bool directory) {
  if (!dir.ok()) return dir.status;
  if (dir.node->type() != files::FileType::directory) return Status::notdir;
  if (name == ".") return directory ? Status::inval : Status::isdir;
  if (name == "..") return directory ? Status::exist : Status::isdir;
  return check_name(name);
}

Task<Reply> remove_entry(Service& service, const rpc::CallContext& call, bool directory) {
  BigReader in = call.reader();
  DirectoryOp what = get_directory_op(in);
  if (in.failed()) co_return Reply::garbage();
  const Subject dir = co_await locate_writable(service, call, std::move(what.handle));
  Removed removed;
  removed.status = check_removal(dir, what.name, directory);
  if (removed.status == Status::ok) {
    for (int i = 0; i < kRaceRetries; ++i) {
      removed = co_await try_remove(service, call, dir, what.name, directory);
      if (!removed.again) break;
      removed.status = Status::jukebox;
    }
  }
  co_return reply_wcc(removed.status, co_await wcc_of(service, dir, removed.before));
}

}  // namespace

Task<Reply> remove(Service& service, const rpc::CallContext& call) {
  co_return co_await remove_entry(service, call, false);
}

Task<Reply> rmdir(Service& service, const rpc::CallContext& call) {
  co_return co_await remove_entry(service, call, true);
}

}  // namespace lockstep::wire::nfs3
