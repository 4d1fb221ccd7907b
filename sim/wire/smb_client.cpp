#include "sim/wire/smb_client.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::sim::wired {

using smb2::Command;
using smb2::NtStatus;
using wire::Task;
namespace state = smb2::lease_state;

namespace {

/// GENERIC_READ and GENERIC_WRITE of a file, as they are mapped.
constexpr std::uint32_t kReadAndWrite = 0x0012'019F;

const Mark kCachedRead{Mark::Kind::sometimes, "wire", "an SMB read comes from the cache"};
const Mark kCachedWrite{Mark::Kind::sometimes, "wire", "an SMB write stays in the cache"};
const Mark kCachedOpen{Mark::Kind::sometimes, "wire", "a kept handle is opened again"};
const Mark kSharing{Mark::Kind::reachable, "wire", "an SMB open violates sharing"};
const Mark kLockConflict{Mark::Kind::sometimes, "wire", "SMB I/O meets a lock"};

std::uint32_t lease_of(const std::string& rights) {
  std::uint32_t bits = 0;
  for (const char letter : rights) {
    if (letter == 'r') bits |= state::kRead;
    if (letter == 'h') bits |= state::kHandle;
    if (letter == 'w') bits |= state::kWrite;
  }
  return bits;
}

smb2::OplockLevel oplock_of(std::uint32_t bits) {
  if ((bits & state::kWrite) == 0) {
    return bits == 0 ? smb2::OplockLevel::none : smb2::OplockLevel::level2;
  }
  return (bits & state::kHandle) != 0 ? smb2::OplockLevel::batch : smb2::OplockLevel::exclusive;
}

}  // namespace

std::string smb_word(NtStatus status) {
  switch (status) {
    case NtStatus::success:
      return "ok";
    case NtStatus::sharing_violation:
      return "sharing violation";
    case NtStatus::file_lock_conflict:
      return "meets a lock";
    case NtStatus::lock_not_granted:
      return "refused";
    case NtStatus::cancelled:
      return "cancelled";
    case NtStatus::file_not_available:
      return "not in grace";
    case NtStatus::file_closed:
      return "closed";
    default:
      return "status " + std::to_string(static_cast<std::uint32_t>(status));
  }
}

SmbClient::SmbClient(VirtualTime& time, Network& network, Witness& watching, std::uint64_t seed,
                     std::string name, std::string address, SmbHabits habits, Nanos break_timeout)
    : Client(time, network, watching, std::move(name), std::move(address)),
      habits_(habits),
      break_timeout_(break_timeout),
      chance_(seed, "smb client " + machine.name),
      session_(machine, watching, habits_, seed,
               {[this](const BreakNotice& notice) { on_break(notice); },
                [this] {
                  tell("loses its connection");
                  on_lost();
                }}) {}

SmbClient::~SmbClient() = default;

Task<void> SmbClient::arrive() { co_await session_.ready(); }

Task<void> SmbClient::leave() { co_await session_.leave(); }

void SmbClient::crash(bool silent) {
  on_lost();
  machine.crash(silent);
}

void SmbClient::misbehave(const std::string& how) {
  if (!session_.up()) return;
  const std::shared_ptr<End>& end = session_.connection();
  if (how == "repeats") return end->send(session_.last_frame());
  Bytes garbage(1 + chance_.below(200));
  for (std::uint8_t& byte : garbage) byte = static_cast<std::uint8_t>(chance_.below(256));
  end->send_raw(std::move(garbage));
}

bool SmbClient::is_void(const std::string& owner) const {
  if (machine.dead() || !session_.intact()) return true;
  // A lock that the server has never heard of goes with the right that it was taken under.
  return std::ranges::any_of(opens_, [&](const OpenRef& open) {
    return open->owner == owner && open->cache->breaking &&
           open->cache->broken_at + break_timeout_ <= machine.now() &&
           std::ranges::any_of(open->locks, [](const Lock& lock) { return !lock.answered; });
  });
}

SmbClient::OpenRef SmbClient::find(const std::string& file, unsigned process, bool deferred) const {
  for (const OpenRef& open : opens_) {
    if (open->file == file && open->deferred == deferred && !open->closed &&
        (deferred || open->process == process)) {
      return open;
    }
  }
  return nullptr;
}

Task<std::string> SmbClient::perform(Deed deed, unsigned process) {
  using Verb = Deed::Verb;
  co_await session_.ready();
  if (deed.verb == Verb::open) co_return co_await open(std::move(deed), process);
  if (deed.verb == Verb::remove || deed.verb == Verb::rename) {
    co_return co_await change_names(std::move(deed));
  }
  if (deed.verb == Verb::list) co_return co_await list();
  OpenRef opened = find(deed.file, process);
  const bool needs = deed.verb == Verb::read || deed.verb == Verb::write ||
                     deed.verb == Verb::lock || deed.verb == Verb::truncate;
  if (!opened && needs) {
    Deed first;
    first.file = deed.file;
    first.rights = "rwh";
    const std::string how = co_await open(std::move(first), process);
    opened = find(deed.file, process);
    if (!opened) co_return "cannot open: " + how;
  }
  if (!opened) co_return "not open";
  switch (deed.verb) {
    case Verb::read:
      co_return co_await read(opened, deed.range.first);
    case Verb::write:
      co_return co_await write(opened, deed.range.first);
    case Verb::truncate:
      co_return co_await truncate(opened, deed.range.first);
    case Verb::sync:
      co_return co_await sync(opened);
    case Verb::close:
      co_return co_await close(opened);
    case Verb::lock:
      co_return co_await lock(opened, std::move(deed));
    case Verb::unlock:
      co_return co_await unlock(opened, deed.range);
    default:
      co_return "cannot";
  }
}

// ---- Opens --------------------------------------------------------------------------------------

Task<std::string> SmbClient::open(Deed deed, unsigned process) {
  if (find(deed.file, process)) co_return "is open";
  if (const OpenRef kept = find(deed.file, process, /*deferred=*/true)) {
    if (kept->cache->breaking) {
      co_await not_while_breaking(kept->cache);
    }
    if (!kept->closed && kept->deferred && session_.up()) {
      witness.marks.hit(kCachedOpen);
      kept->deferred = false;
      kept->process = process;
      co_return "ok, kept";
    }
  }
  if (!session_.up()) co_return "no connection";
  const std::uint32_t wanted = lease_of(deed.rights);
  const CacheRef cache = cache_for(deed.file, wanted != 0);
  Creating create;
  create.name = deed.file;
  create.access = kReadAndWrite;
  create.share = smb2::share::kAll;
  for (const char letter : deed.deny) {
    if (letter == 'r') create.share &= ~1u;
    if (letter == 'w') create.share &= ~2u;
    if (letter == 'd') create.share &= ~4u;
  }
  if (habits_.leases && wanted != 0) {
    create.lease =
        Creating::Lease{cache->key, wanted, habits_.dialect >= smb2::Dialect::smb300, cache->epoch};
  } else if (!habits_.leases) {
    create.oplock = oplock_of(wanted);
  }
  create.contexts.emplace_back("QFid", Bytes());
  const std::uint64_t generation = cache->generation;
  Names::Change& there = witness.names.begin(machine.name, deed.file, true, machine.now());
  const bool wants_lease = create.lease.has_value();
  const auto answer = co_await session_.command(Command::create, create_body(std::move(create)));
  if (!answer) {
    if (!any_open(*cache)) leases_.erase(cache->key);
    co_return "connection lost";
  }
  const Created made = created_of(*answer);
  if (made.status != NtStatus::success) {
    if (made.status == NtStatus::sharing_violation) witness.marks.hit(kSharing);
    if (cache->key != 0 && !any_open(*cache)) leases_.erase(cache->key);
    co_return smb_word(made.status);
  }
  there.done = machine.now();
  const auto qfid = made.contexts.find("QFid");
  if (qfid == made.contexts.end() || qfid->second.size() < 8) {
    throw Failure(FailureKind::assertion, machine.name + ": no QFid in the answer");
  }
  auto opened = std::make_shared<Open>();
  opened->file = deed.file;
  opened->owner = machine.name + "#" + std::to_string(++last_open_);
  opened->node = wire::LittleReader(qfid->second).u64();
  opened->process = process;
  opened->handle = made.handle;
  opened->cache = cache;
  leave_cache(*cache, opened->node);
  cache->node = opened->node;
  if (cache->key != 0) leases_[cache->key] = cache;
  opens_.push_back(opened);
  if (cache->generation != generation || cache->breaking) co_return "ok, breaking";
  if (wants_lease || made.lease_state() != ~0u) {
    cache->rights = made.lease_state() == ~0u ? cache->rights : made.lease_state();
  } else if (!habits_.leases) {
    cache->rights = smb2::state_of(smb2::rights_of_level(made.oplock));
  }
  if ((cache->rights & state::kRead) == 0) cache->pages.clear();
  co_return "ok, " + std::to_string(cache->rights);
}

Task<std::string> SmbClient::close(OpenRef open) {
  co_await not_while_breaking(open->cache);
  if (open->closed) co_return "closed";
  const CacheRef cache = open->cache;
  if (habits_.defers_close && open->locks.empty() && (cache->rights & state::kHandle) != 0 &&
      !cache->breaking) {
    open->deferred = true;
    co_return "kept";
  }
  bool last = true;
  for (const OpenRef& other : opens_) {
    if (other != open && other->cache == cache && !other->closed) last = false;
  }
  if (last) {
    co_await flush(cache);
    cache->pages.clear();
  }
  if (open->closed) co_return "closed";
  co_await send_close(open);
  co_return "ok";
}

// ---- Data ---------------------------------------------------------------------------------------

bool SmbClient::is_cut_off() const {
  return is_unheard() || std::ranges::any_of(opens_, [&](const OpenRef& open) {
           return open->cache->breaking && open->cache->broken_at + break_timeout_ <= machine.now();
         });
}

/// What the server says does not get here, or may not have.
bool SmbClient::is_unheard() const {
  return !session_.up() || session_.connection()->half_open() ||
         session_.heard_until() + break_timeout_ <= machine.now();
}

/// From when on a read out of the cache must have seen everything. A right with Write is broken
/// before anybody else gets through; until a break can have timed out unheard, that is now.
Nanos SmbClient::may_be_old_since(const Cache& cache) const {
  const bool waits = (cache.rights & state::kWrite) != 0;
  return waits && !is_unheard() ? machine.now() : session_.heard_until();
}

Task<std::string> SmbClient::read(OpenRef open, std::uint32_t cell) {
  const CacheRef cache = open->cache;
  co_await not_while_breaking(cache);
  if (open->closed) co_return "closed";
  if (conflicts_here(*open, {cell, cell}, /*exclusive=*/false)) co_return "meets a lock here";
  const Cell where{open->node, cell};
  const auto page = cache->pages.find(cell);
  if ((cache->rights & state::kRead) != 0 && page != cache->pages.end()) {
    witness.marks.hit(kCachedRead);
    if (honest()) {
      witness.history.read(machine.name, where, page->second.bytes, may_be_old_since(*cache),
                           machine.now(), History::View::strict, /*wide=*/false);
    }
    co_return "cached";
  }
  const std::uint64_t generation = cache->generation;
  const Nanos asked = machine.now();
  const auto answer = co_await session_.command(
      Command::read, read_body(open->handle, CellRange{cell, cell}.offset(), kCellSize));
  if (!answer) co_return "connection lost";
  Bytes bytes;
  if (answer->status() == NtStatus::success) {
    const auto data = data_of_read(*answer);
    if (!data) throw Failure(FailureKind::assertion, machine.name + ": a READ without data");
    bytes.assign(data->begin(), data->end());
  } else if (answer->status() != NtStatus::end_of_file) {
    if (answer->status() == NtStatus::file_lock_conflict) witness.marks.hit(kLockConflict);
    co_return smb_word(answer->status());
  }
  witness.locks.mandatory_io(open->owner, open->node, cell, /*writes=*/false, asked);
  // A page that is dirty by now is newer than what came.
  if (cache->pages.contains(cell) && cache->pages[cell].dirty != 0) co_return "overtaken";
  const WriteId id = witness.history.read(machine.name, where, bytes, asked, machine.now(),
                                          History::View::strict, /*wide=*/true);
  bytes.resize(kCellSize);
  const bool keep = (cache->rights & state::kRead) != 0 && !open->closed;
  if (keep && cache->generation == generation && !cache->pages.contains(cell)) {
    cache->pages[cell] = Page{bytes, 0};
  }
  co_return "sees " + std::to_string(id);
}

Task<std::string> SmbClient::write(OpenRef open, std::uint32_t cell) {
  const CacheRef cache = open->cache;
  co_await not_while_breaking(cache);
  if (open->closed) co_return "closed";
  if (conflicts_here(*open, {cell, cell}, /*exclusive=*/true)) co_return "meets a lock here";
  const WriteId id = witness.history.begin(machine.name, {open->node, cell}, machine.now());
  if ((cache->rights & state::kWrite) != 0) {
    witness.marks.hit(kCachedWrite);
    const auto old = cache->pages.find(cell);
    if (old != cache->pages.end() && old->second.dirty != 0) {
      witness.history.lost(old->second.dirty);  // nobody but us has ever seen it
    }
    cache->pages[cell] = Page{cell_bytes(id), id};
    if (honest()) {
      witness.history.visible(id, machine.now());
    } else {
      witness.history.lost(id);
    }
    co_return "caches " + std::to_string(id);
  }
  const std::uint64_t generation = cache->generation;
  const bool good = co_await write_through(open, cell, cell_bytes(id), id);
  if (!good) {
    cache->pages.erase(cell);
    co_return "failed";
  }
  if (cache->generation == generation && (cache->rights & state::kRead) != 0) {
    cache->pages[cell] = Page{cell_bytes(id), 0};
  } else {
    cache->pages.erase(cell);
  }
  co_return "writes " + std::to_string(id);
}

Task<bool> SmbClient::write_through(OpenRef open, std::uint32_t cell, Bytes bytes, WriteId id) {
  const Nanos asked = machine.now();
  const auto answer = co_await session_.command(
      Command::write, write_body(open->handle, CellRange{cell, cell}.offset(), bytes));
  if (!answer) co_return false;
  if (answer->status() != NtStatus::success) {
    if (answer->status() == NtStatus::file_lock_conflict) witness.marks.hit(kLockConflict);
    co_return false;
  }
  witness.locks.mandatory_io(open->owner, open->node, cell, /*writes=*/true, asked);
  witness.history.stored(id, asked, machine.now());
  witness.history.visible(id, machine.now());
  open->unsafe.push_back(id);
  co_return true;
}

Task<std::string> SmbClient::sync(OpenRef open) {
  co_await not_while_breaking(open->cache);
  if (open->closed) co_return "closed";
  co_await flush(open->cache);
  if (open->closed) co_return "closed";
  const std::vector<WriteId> covered = open->unsafe;
  const auto answer = co_await session_.command(Command::flush, flush_body(open->handle));
  if (!answer) co_return "connection lost";
  if (answer->status() != NtStatus::success) co_return smb_word(answer->status());
  for (const WriteId id : covered) witness.history.safe(id);
  std::erase_if(open->unsafe, [&](WriteId id) { return std::ranges::count(covered, id) != 0; });
  co_return "ok";
}

Task<void> SmbClient::finish(unsigned process) {
  for (;;) {
    OpenRef own;
    for (const OpenRef& open : opens_) {
      if (!open->closed && (open->deferred || open->process == process)) own = open;
    }
    if (!own) co_return;
    co_await not_while_breaking(own->cache);
    if (own->closed) continue;
    co_await flush(own->cache);
    if (!own->closed) co_await send_close(own);
  }
}

}  // namespace lockstep::sim::wired
