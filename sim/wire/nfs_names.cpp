// What the simulated Linux client does to names and sizes.
#include <algorithm>
#include <set>
#include <utility>

#include "sim/wire/nfs_client.hpp"

namespace lockstep::sim::wired {

using wire::BigWriter;
using wire::Task;
namespace rpc = wire::rpc;
using wire::nfs3::Status;

namespace {

/// So small that a listing takes several calls, and the directory changes between them.
constexpr std::uint32_t kListBytes = 200;
constexpr std::uint32_t kNameMax = 255;

const Mark kCut{Mark::Kind::sometimes, "wire", "a file is cut short over NFS"};
const Mark kListed{Mark::Kind::sometimes, "wire", "a directory is listed over NFS"};
const Mark kStale{Mark::Kind::sometimes, "wire", "an NFS client meets a file that was removed"};

}  // namespace

Task<std::string> NfsClient::change_names(Deed deed) {
  const Nanos asked = machine.now();
  Names::Change& gone = witness.names.begin(machine.name, deed.file, false, asked);
  Results done;
  if (deed.verb == Deed::Verb::remove) {
    done = co_await ask(kRemove, with_name(root_, deed.file).take());
  } else {
    Names::Change& there = witness.names.begin(machine.name, deed.to, true, asked);
    BigWriter out = with_name(root_, deed.file);
    rpc::put_opaque(out, root_);
    rpc::put_string(out, deed.to);
    done = co_await ask(kRename, out.take());
    if (done.ok()) there.done = machine.now();
    forget_name(deed.to);
  }
  // An earlier attempt, whose answer was lost, may be why it is not there any more.
  if (done.ok() || done.status == Status::noent) gone.done = machine.now();
  forget_name(deed.file);
  co_return nfs_word(done.status);
}

/// The next look at the name goes to the server. Whatever is dirty goes with the file: nobody was
/// told that it is safe.
void NfsClient::forget_name(const std::string& name) {
  const auto known = files_.find(name);
  if (known == files_.end()) return;
  for (const auto& [cell, page] : known->second->pages) {
    if (page.dirty != 0) witness.history.lost(page.dirty);
  }
  files_.erase(known);
}

bool NfsClient::is_stale(const File& file, Status status) {
  if (status != Status::stale) return false;
  witness.marks.hit(kStale);
  const auto known = files_.find(file.name);
  if (known != files_.end() && known->second.get() == &file) forget_name(file.name);
  return true;
}

/// What is dirty goes first, as Linux has it.
Task<std::string> NfsClient::truncate(FileRef file, std::uint32_t cell) {
  co_await not_while_flushing(file);
  const Flushing alone(file, changed_);
  co_await write_back(file);
  const Nanos asked = machine.now();
  const auto cuts = witness.history.begin_cut(machine.name, Cell{file->node, cell}, asked);
  BigWriter out = with_handle(file->handle);
  NewAttributes change;
  change.size = std::uint64_t{cell} * kCellSize;
  put_new_attributes(out, change);
  rpc::put_bool(out, false);  // no guard
  Results done = co_await ask(kSetattr, out.take());
  const WccResult wcc = get_wcc(done.in);
  if (is_stale(*file, done.status) || !done.ok()) co_return nfs_word(done.status);
  witness.marks.hit(kCut);
  for (std::uint32_t i = cell; i < kCells; ++i) {
    lose(*file, i);
    file->pages.erase(i);
  }
  ++file->cuts;
  adopt(*file, wcc.after, 0);
  for (const WriteId id : cuts) {
    witness.history.stored(id, asked, machine.now());
    witness.history.visible(id, machine.now());
    witness.history.safe(id);
  }
  co_return "ok";
}

Task<std::string> NfsClient::list() {
  const Nanos asked = machine.now();
  std::set<std::string> names;
  std::uint64_t cookie = 0, verifier = 0;
  for (bool end = false; !end;) {
    BigWriter out = with_handle(root_);
    out.u64(cookie);
    out.u64(verifier);
    out.u32(kListBytes);
    Results got = co_await ask(kReaddir, out.take());
    if (!got.ok()) co_return nfs_word(got.status);
    get_post_op(got.in);
    verifier = got.in.u64();
    while (rpc::get_bool(got.in)) {
      got.in.skip(8);
      names.insert(rpc::get_string(got.in, kNameMax));
      cookie = got.in.u64();
    }
    end = rpc::get_bool(got.in);
    if (got.in.failed()) {
      throw Failure(FailureKind::assertion, machine.name + ": a listing that nobody can read");
    }
  }
  witness.marks.hit(kListed);
  co_return witness.names.listed(machine.name, std::move(names), asked);
}

}  // namespace lockstep::sim::wired
