#include "sim/wire/nfs_client.hpp"

#include <algorithm>
#include <utility>

#include "shell/wire/mount/mount.hpp"
#include "shell/wire/nfs3/program.hpp"
#include "sim/wire/server_node.hpp"

namespace lockstep::sim::wired {

using wire::BigReader;
using wire::BigWriter;
using wire::Task;
namespace rpc = wire::rpc;
namespace nfs3 = wire::nfs3;
using nfs3::Status;

namespace {

/// What Linux waits before it asks again after JUKEBOX.
constexpr Nanos kJukebox = 5 * kSecond;
constexpr Nanos kMountRetry = 2 * kSecond;
constexpr Nanos kMountPatience = 10 * kSecond;
constexpr std::uint32_t kMountProcedure = 1;
constexpr std::uint32_t kUnmountProcedure = 3;

rpc::Credential root_of(const std::string& machine) {
  rpc::Credential credential;
  credential.flavor = rpc::kAuthSys;
  credential.uid = 0;
  credential.gid = 0;
  credential.machine = machine;
  return credential;
}

rpc::Outgoing mount_call(const std::string& machine, std::uint32_t procedure) {
  rpc::Outgoing call;
  call.program = wire::mount::kProgram;
  call.version = 3;
  call.procedure = procedure;
  call.credential = root_of(machine);
  BigWriter path;
  rpc::put_string(path, "/" + kShare);
  call.arguments = path.take();
  return call;
}

}  // namespace

std::string nfs_word(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::access:
      return "denied";
    case Status::stale:
      return "stale";
    case Status::noent:
      return "no such file";
    default:
      return "error " + std::to_string(static_cast<std::uint32_t>(status));
  }
}

NfsClient::NfsClient(VirtualTime& time, Network& network, Witness& watching, std::uint64_t seed,
                     std::string name, std::string address, NfsHabits habits)
    : Client(time, network, watching, std::move(name), std::move(address)),
      habits_(habits),
      mountd_{kServer, kMountPort},
      lockd_of_server_{kServer, kNlmPort},
      chance_(seed, "nfs " + machine.name + " " + std::to_string(habits.boot)),
      rpc_(machine.clock, machine.dialler, chance_.next()),
      nfs_(machine, {kServer, kNfsPort}, static_cast<std::uint32_t>(chance_.next())),
      nlm_tcp_(machine, {kServer, kNlmPort}, static_cast<std::uint32_t>(chance_.next())),
      dispatcher_(machine.clock) {
  serve();
}

NfsClient::~NfsClient() = default;

void NfsClient::crash(bool silent) {
  for (const auto& [name, file] : files_) {
    for (const auto& [cell, page] : file->pages) {
      if (page.dirty != 0) witness.history.lost(page.dirty);
    }
  }
  machine.crash(silent);
  rpc_.interrupt();
  for (unsigned process = 1; process <= 2; ++process) witness.locks.forget_all(owner(process));
}

void NfsClient::misbehave(const std::string& how) {
  const std::shared_ptr<End>& end = nfs_.connection();
  if (!end) return;
  if (how == "repeats") return end->send(nfs_.last_message());
  Bytes garbage(1 + chance_.below(200));
  for (std::uint8_t& byte : garbage) byte = static_cast<std::uint8_t>(chance_.below(256));
  end->send_raw(std::move(garbage));
}

// ---- Calls --------------------------------------------------------------------------------------

Task<NfsClient::Results> NfsClient::ask(std::uint32_t procedure, Bytes arguments) {
  Results results;
  for (;;) {
    rpc::Outgoing call;
    call.program = nfs3::kProgram;
    call.version = 3;
    call.procedure = procedure;
    call.credential = root_of(machine.name);
    call.arguments = arguments;
    ++witness.requests;
    rpc::CallResult answer = co_await nfs_.call(std::move(call));
    if (!answer.answered()) {
      throw Failure(FailureKind::assertion, machine.name + ": the server refuses a good call");
    }
    results.message = std::move(answer.message);
    results.in = BigReader(wire::ByteView(results.message).subspan(answer.results));
    results.status = static_cast<Status>(results.in.u32());
    if (results.status != Status::jukebox) co_return results;
    co_await machine.sleep(kJukebox);
  }
}

Task<void> NfsClient::arrive() {
  if (habits_.boot > 1) co_await notify_reboot();
  for (;;) {
    rpc::Outgoing call = mount_call(machine.name, kMountProcedure);
    rpc::CallResult answer = co_await rpc_.call_tcp(mountd_, std::move(call), kMountPatience);
    machine.check();
    if (answer.answered()) {
      BigReader in = answer.reader();
      if (in.u32() == 0) {
        root_ = rpc::get_bytes(in, 64);
        co_return;
      }
    }
    co_await machine.sleep(kMountRetry);
  }
}

Task<void> NfsClient::leave() {
  rpc::Outgoing call = mount_call(machine.name, kUnmountProcedure);
  co_await rpc_.call_tcp(mountd_, std::move(call), kMountPatience);
  machine.check();
  nfs_.close();
  nlm_tcp_.close();
}

// ---- Files --------------------------------------------------------------------------------------

NfsClient::Seen NfsClient::seen_of(const PostOp& a) { return {a.size, a.modified, a.changed}; }

/// Attributes that the server told, asked for at that time.
void NfsClient::adopt(File& file, const PostOp& attributes, Nanos asked) {
  if (!attributes.there) return;
  const Seen seen = seen_of(attributes);
  if (file.known && *file.known != seen) {
    std::erase_if(file.pages, [](const auto& page) { return page.second.dirty == 0; });
  }
  file.known = seen;
  file.validated = std::max(file.validated, asked);
}

Task<NfsClient::FileRef> NfsClient::look_up(std::string name, std::string* why) {
  const auto known = files_.find(name);
  if (known != files_.end()) co_return known->second;
  Results found = co_await ask(kLookup, with_name(root_, name).take());
  Bytes handle;
  if (found.ok()) {
    handle = rpc::get_bytes(found.in, 64);
  } else if (found.status == Status::noent) {
    Names::Change& made = witness.names.begin(machine.name, name, true, machine.now());
    BigWriter out = with_name(root_, name);
    out.u32(0);  // UNCHECKED
    NewAttributes attributes;
    attributes.mode = 0666;
    put_new_attributes(out, attributes);
    found = co_await ask(kCreate, out.take());
    if (found.ok()) made.done = machine.now();
    if (found.ok() && rpc::get_bool(found.in)) handle = rpc::get_bytes(found.in, 64);
  }
  *why = nfs_word(found.status);
  if (!found.ok() || handle.empty()) co_return nullptr;
  const PostOp attributes = get_post_op(found.in);
  FileRef& file = files_[name];
  if (!file) file = std::make_shared<File>();
  file->name = name;
  file->handle = handle;
  file->node = attributes.node;
  co_return file;
}

Task<std::string> NfsClient::open(FileRef file) {
  const Nanos asked = machine.now();
  Results got = co_await ask(kGetattr, with_handle(file->handle).take());
  if (is_stale(*file, got.status) || !got.ok()) co_return nfs_word(got.status);
  adopt(*file, get_attributes(got.in), asked);
  co_return "ok";
}

Task<std::string> NfsClient::read(FileRef file, std::uint32_t cell) {
  const auto cached = file->pages.find(cell);
  const Cell where{file->node, cell};
  if (cached != file->pages.end()) {
    if (cached->second.dirty == 0) {
      witness.history.read(machine.name, where, cached->second.bytes, file->validated,
                           machine.now(),
                           habits_.getattr_breaks ? History::View::strict : History::View::stored,
                           /*wide=*/false);
    }
    co_return "cached";
  }
  const std::uint64_t cuts = file->cuts;
  const Nanos asked = machine.now();
  Results got = co_await ask(
      kRead, read_call(file->handle, CellRange{cell, cell}.offset(), kCellSize).take());
  if (!got.ok()) co_return nfs_word(got.status);
  const PostOp attributes = get_post_op(got.in);
  got.in.skip(8);
  const Bytes bytes = rpc::get_bytes(got.in, kCellSize);
  const WriteId id = witness.history.read(machine.name, where, bytes, asked, machine.now(),
                                          History::View::strict, /*wide=*/true);
  adopt(*file, attributes, 0);
  if (!file->pages.contains(cell) && file->cuts == cuts)
    file->pages[cell] = Page{bytes, 0, false, 0};
  co_return "sees " + std::to_string(id);
}

std::string NfsClient::write(const FileRef& file, std::uint32_t cell) {
  const auto known = file->pages.find(cell);
  // What it replaces was never told to be done.
  if (known != file->pages.end() && known->second.dirty != 0) {
    witness.history.lost(known->second.dirty);
  }
  const WriteId id = witness.history.begin(machine.name, {file->node, cell}, machine.now());
  file->pages[cell] = Page{cell_bytes(id), id, false, 0};
  return "writes " + std::to_string(id);
}

void NfsClient::lose(File& file, std::uint32_t cell) {
  const auto page = file.pages.find(cell);
  if (page == file.pages.end() || page->second.dirty == 0) return;
  witness.history.lost(page->second.dirty);
  file.pages.erase(page);
}

/// False: the server refused it, and the program is told.
Task<bool> NfsClient::write_page(FileRef file, std::uint32_t cell) {
  const WriteId id = file->pages[cell].dirty;
  const Bytes bytes = file->pages[cell].bytes;
  const Nanos asked = machine.now();
  const std::uint32_t stable = habits_.stable_writes ? kFileSync : kUnstable;
  Results wrote = co_await ask(
      kWrite, write_call(file->handle, CellRange{cell, cell}.offset(), wire::as_text(bytes), stable)
                  .take());
  const WccResult wcc = get_wcc(wrote.in);
  if (!wrote.ok()) {
    if (file->pages.contains(cell) && file->pages[cell].dirty == id) lose(*file, cell);
    co_return false;
  }
  wrote.in.u32();
  const std::uint32_t committed = wrote.in.u32();
  const std::uint64_t verifier = wrote.in.u64();
  witness.history.stored(id, asked, machine.now());
  // Ours alone changed it: the cache is still good. Else the next open finds out.
  if (wcc.before && wcc.after.there && file->known &&
      Seen{wcc.size, wcc.modified, wcc.changed} == *file->known) {
    file->known = seen_of(wcc.after);
  } else {
    adopt(*file, wcc.after, 0);
  }
  const auto page = file->pages.find(cell);
  if (page == file->pages.end() || page->second.dirty != id) co_return true;
  page->second.unstable = committed == kUnstable;
  page->second.verifier = verifier;
  if (!page->second.unstable) {
    witness.history.visible(id, machine.now());
    witness.history.safe(id);
    page->second.dirty = 0;
  }
  co_return true;
}

/// False: COMMIT failed; what was not committed is given up, and the program is told.
Task<bool> NfsClient::commit(FileRef file) {
  std::map<std::uint32_t, WriteId> covered;
  for (const auto& [cell, page] : file->pages) {
    if (page.unstable) covered[cell] = page.dirty;
  }
  if (covered.empty()) co_return true;
  BigWriter out = with_handle(file->handle);
  out.u64(0);
  out.u32(0);
  Results done = co_await ask(kCommit, out.take());
  get_wcc(done.in);
  const std::uint64_t verifier = done.ok() ? done.in.u64() : 0;
  for (const auto& [cell, id] : covered) {
    const auto page = file->pages.find(cell);
    if (page == file->pages.end() || page->second.dirty != id) continue;
    if (!done.ok()) {
      lose(*file, cell);
    } else if (page->second.verifier == verifier) {
      witness.history.visible(id, machine.now());
      witness.history.safe(id);
      page->second.dirty = 0;
      page->second.unstable = false;
    } else {
      page->second.unstable = false;  // the server restarted: write again
      witness.history.again(id);
    }
  }
  co_return done.ok();
}

Task<void> NfsClient::not_while_flushing(FileRef file) {
  while (file->flushing) co_await changed_.wait();
}

Task<std::string> NfsClient::flush(FileRef file) {
  co_await not_while_flushing(file);
  const Flushing alone(file, changed_);
  const bool good = co_await write_back(file);
  co_return good ? "ok" : "lost data, told";
}

Task<bool> NfsClient::write_back(FileRef file) {
  bool good = true;
  for (;;) {
    std::vector<std::uint32_t> dirty;
    bool unstable = false;
    for (const auto& [cell, page] : file->pages) {
      if (page.dirty != 0 && !page.unstable) dirty.push_back(cell);
      unstable = unstable || page.unstable;
    }
    if (dirty.empty() && !unstable) break;
    for (const std::uint32_t cell : dirty) {
      const auto page = file->pages.find(cell);
      if (page == file->pages.end() || page->second.dirty == 0 || page->second.unstable) continue;
      const bool written = co_await write_page(file, cell);
      good = good && written;
    }
    const bool committed = co_await commit(file);
    good = good && committed;
  }
  co_return good;
}

Task<std::string> NfsClient::perform(Deed deed, unsigned process) {
  using Verb = Deed::Verb;
  if (deed.verb == Verb::remove || deed.verb == Verb::rename) {
    co_return co_await change_names(std::move(deed));
  }
  if (deed.verb == Verb::list) co_return co_await list();
  std::string why;
  const std::string name = deed.file;
  const FileRef file = co_await look_up(name, &why);
  if (!file) co_return why;
  switch (deed.verb) {
    case Verb::open:
      co_return co_await open(file);
    case Verb::read:
      co_return co_await read(file, deed.range.first);
    case Verb::write:
      co_return write(file, deed.range.first);
    case Verb::truncate:
      co_return co_await truncate(file, deed.range.first);
    case Verb::sync:
    case Verb::close:
      co_return co_await flush(file);
    case Verb::lock:
      co_return co_await lock(deed, file, process);
    case Verb::unlock:
      co_await flush(file);
      co_await unlock(file, deed.range, process);
      co_return "ok";
    case Verb::test: {
      const Lock asked{file, process, deed.range, deed.exclusive, machine.now(), witness.run};
      const auto status = co_await nlm(wire::nlm::kTest, asked, false, false);
      co_return !status ? "no answer" : *status == wire::nlm::Status::granted ? "free" : "held";
    }
    default:
      co_return "cannot";
  }
}

Task<void> NfsClient::finish(unsigned process) {
  const auto files = files_;
  for (const auto& [name, file] : files) co_await flush(file);
  for (;;) {  // also of files whose name is gone
    const auto held = std::ranges::find(held_, process, &Lock::process);
    if (held == held_.end()) co_return;
    const FileRef file = held->file;
    const CellRange whole;
    co_await unlock(file, whole, process);
  }
}

}  // namespace lockstep::sim::wired
