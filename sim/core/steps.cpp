// What steps do: what befalls clients, network, disk and server; what applications ask of clients.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

void World::befall(const Step& step) {
  switch (step.verb) {
    case Verb::crash:
      return crash(step);
    case Verb::late:
      lateness_ = step.time;
      return watch_deadline();
    case Verb::files_take:
      io_time_ = step.time;
      return;
    case Verb::disk_takes:
      disk_time_ = step.time;
      return;
    case Verb::disk_fails:
      if (disk_failed_) return;
      marks_.hit(mark::journal_fails);
      disk_failed_ = true;
      if (up_) happen(JournalChanged{true});
      return;
    case Verb::disk_works:
      if (!disk_failed_) return;
      disk_failed_ = false;
      if (up_) happen(JournalChanged{false});
      return write_journal();
    default:
      break;
  }
  if (step.who >= clients_.size()) return;
  Client& client = clients_[step.who];
  if (client.dead) return;
  switch (step.verb) {
    case Verb::crashes:
    case Verb::dies:
      return client_crashes(client, step.verb == Verb::dies);
    case Verb::freezes:
      client.frozen = true;
      return;
    case Verb::thaws: {
      client.frozen = false;
      for (const std::size_t message : std::exchange(client.inbox, {})) {
        agenda_.put(now(), {Due::Kind::to_client, step.who, client.incarnation, message});
      }
      return;
    }
    case Verb::skews:
      client.skew = step.time;
      return;
    case Verb::cut:
      client.cut = true;
      return;
    case Verb::mend: {
      client.cut = false;
      for (const std::size_t message : std::exchange(client.inbox, {})) {
        agenda_.put(now(), {Due::Kind::to_client, step.who, client.incarnation, message});
      }
      for (const std::size_t op : std::exchange(client.outbox, {})) send(op);
      if (server_ && client.boot_seen != server_->boots()) {
        agenda_.put_after(client.latency, {Due::Kind::notice, step.who, client.incarnation, 0});
      }
      return;
    }
    case Verb::reset:
      // An SMB session goes with its connection; the others ask again on a new one.
      agenda_.remove_if([&](const Due& due) {
        const bool message = due.kind == Due::Kind::to_server || due.kind == Due::Kind::to_client;
        return message && due.client == step.who;
      });
      if (client.smb()) return client_crashes(client, false);
      for (std::size_t op = 0; op < ops_.size(); ++op) {
        // One that nobody wants any more too: its owner's next ones stand behind it.
        if (ops_[op].client == step.who && ops_[op].request &&
            ops_[op].incarnation == client.incarnation) {
          retry(op, 200 * kMillisecond);
        }
      }
      return;
    case Verb::silence:
      client.silent = true;
      return;
    case Verb::hear:
      if (std::exchange(client.silent, false) && client.nfs4() && client.works()) {
        Op op;
        op.kind = Op::Kind::callback_path;
        op.client = step.who;
        op.purpose = Op::Purpose::machine;
        submit(op);
      }
      return;
    case Verb::latency:
      client.latency = std::max<Nanos>(step.time, 1000);
      return;
    case Verb::revoke:
      if (!up_ || !client.id) return;
      marks_.hit(mark::thrown_out);
      client.lost = client.evicted = true;
      happen(ClientLeft{client.id, LeaveReason::administrator});
      if (client.smb()) {
        Message gone;
        gone.client = step.who;
        gone.incarnation = client.incarnation;
        gone.told_lost = true;
        post(std::move(gone));
      }
      return;
    default:
      if (client.works()) application(step);
  }
}

void World::application(const Step& step) {
  Client& client = clients_[step.who];
  switch (step.verb) {
    case Verb::opens:
      return open_file(step, client);
    case Verb::closes:
      return close_file(step, client);
    case Verb::locks:
    case Verb::tests:
      return lock(step, client);
    case Verb::unlocks:
      return unlock(step, client);
    case Verb::cancels:
      return cancel(step, client);
    case Verb::reads:
      return read(step, client);
    case Verb::writes:
      return write(step, client);
    case Verb::flushes:
      for (std::size_t i = 0; i < client.holdings.size(); ++i) {
        if (client.holdings[i].file == step.file) flush(client, i, std::nullopt);
      }
      return;
    case Verb::returns:
      return give_back(step, client);
    case Verb::claims:
      return claim(step, client);
    case Verb::leaves: {
      if (!up_ || !client.id || client.cut || client.presence != Presence::here) return;
      const LeaveReason reason = client.smb()    ? LeaveReason::disconnected
                                 : client.nfs4() ? LeaveReason::destroyed
                                                 : LeaveReason::free_all;
      const ClientId id = client.id;
      forget_beliefs(client);
      ++client.incarnation;  // what is under way concerns nobody any more
      client.lanes = {};
      client.presence = Presence::away;
      client.id = {};
      return happen(ClientLeft{id, reason});
    }
    default:
      return path_operation(step, client);
  }
}

int World::handle_of(const Client& client, std::uint8_t file, unsigned number) const {
  int found = -1;
  for (std::size_t i = 0; i < client.handles.size(); ++i) {
    const Handle& handle = client.handles[i];
    if (handle.gone || handle.lazy || handle.file != file) continue;
    found = static_cast<int>(i);
    if (--number == 0) break;
  }
  return found;
}

int World::handle_of_owner(const Client& client, std::uint8_t file, unsigned owner) const {
  for (std::size_t i = 0; i < client.handles.size(); ++i) {
    const Handle& handle = client.handles[i];
    if (!handle.gone && handle.file == file && handle.owner == owner) return static_cast<int>(i);
  }
  return -1;
}

void World::open_file(const Step& step, Client& client) {
  if (client.protocol == Protocol::nfs3) return path_operation(step, client);
  if (step.file == kDirectory && !client.smb()) return;
  Op op;
  op.kind = Op::Kind::open;
  op.client = step.who;
  op.file = step.file;
  op.owner = client.smb() ? 1 : step.owner;
  op.access = client.smb() ? step.access : step.access.without(AccessBit::remove);
  op.deny = client.smb() ? step.deny : step.deny.without(AccessBit::remove);
  op.attributes = step.attributes && client.smb();
  if (op.attributes) op.access = op.deny = {};
  if (op.access.empty() && !op.attributes) op.access = AccessBit::read;
  op.overwriting = step.overwriting && step.file != kDirectory && client.protocol != Protocol::nlm;
  const bool wishes = step.flavour != Flavour::none && client.protocol != Protocol::nlm;
  if (wishes && client.smb()) {
    const bool lease = step.flavour == Flavour::lease;
    op.wish.flavour = lease ? Flavour::lease : Flavour::oplock;
    if (step.file == kDirectory) op.wish.flavour = lease ? Flavour::directory_lease : Flavour::none;
    op.wish.rights = step.rights;
    if (lease) {
      op.wish.key = key_of(step.file, step.key);
      op.wish.version2 = true;
    }
  } else if (wishes) {
    op.wish.flavour = Flavour::delegation;
    op.wish.rights = step.rights;
  }
  if (step.locally && kept_locally(client, op)) return;
  if (op.writes()) ++client.writing[op.file];
  submit(op);
}

void World::close_file(const Step& step, Client& client) {
  Op op;
  op.client = step.who;
  op.file = step.file;
  op.owner = step.owner;
  if (client.protocol == Protocol::nfs3) return;
  const int handle = client.smb() ? handle_of(client, step.file, step.number)
                                  : handle_of_owner(client, step.file, step.owner);
  op.kind = client.protocol == Protocol::nlm ? Op::Kind::unshare : Op::Kind::close;
  op.handle = handle;
  undo_locally(client, op);
  if (handle < 0) return;
  Handle& closing = client.handles[static_cast<std::size_t>(handle)];
  const int holding = closing.holding;
  const bool keeps =
      holding >= 0 && client.smb() &&
      client.holdings[static_cast<std::size_t>(holding)].rights.has(RightBit::handle);
  if (step.lazily && keeps) {
    closing.lazy = true;
    return;
  }
  const int dirty = holding >= 0 ? holding : cache_for(client, step.file, handle, kRW);
  if (dirty >= 0 && client.holdings[static_cast<std::size_t>(dirty)].dirty != 0) {
    return flush(client, static_cast<std::size_t>(dirty), op);
  }
  submit(op);
}

void World::lock(const Step& step, Client& client) {
  if (client.protocol == Protocol::nfs3) return;
  const bool test = step.verb == Verb::tests;
  if (test && client.smb()) return;
  Op op;
  op.kind = test ? Op::Kind::test : Op::Kind::lock;
  op.client = step.who;
  op.file = step.file;
  op.owner = client.smb() ? 1 : step.owner;
  op.range = step.range;
  op.mode = step.mode;
  if (client.smb()) op.more = step.more;
  op.waiting = step.waiting && op.more.empty();
  if (!client.smb() && op.range.empty()) return;
  if (client.smb()) op.handle = handle_of(client, step.file, step.number);
  if (client.nfs4()) op.handle = handle_of_owner(client, step.file, step.owner);
  if (op.handle < 0 && (client.smb() || (client.nfs4() && !test))) return;
  const int holding =
      client.smb() ? client.handles[static_cast<std::size_t>(op.handle)].holding : -1;
  if (!test && refused_locally(client, op)) return;
  if (client.smb()) client.locked[step.file] = true;
  if (!test && step.locally && kept_locally(client, op)) return;
  if (holding >= 0 && client.holdings[static_cast<std::size_t>(holding)].dirty != 0) {
    return flush(client, static_cast<std::size_t>(holding), op);
  }
  submit(op);
}

/// Whether a range of one array is a range of the other.
bool World::names_one_range(const Op& one, const Op& other) {
  auto has = [](const Op& op, Range range) {
    return op.range == range || std::ranges::find(op.more, range) != op.more.end();
  };
  return has(other, one.range) ||
         std::ranges::any_of(one.more, [&](Range range) { return has(other, range); });
}

void World::unlock(const Step& step, Client& client) {
  if (client.protocol == Protocol::nfs3) return;
  Op op;
  op.kind = Op::Kind::unlock;
  op.client = step.who;
  op.file = step.file;
  op.owner = client.smb() ? 1 : step.owner;
  op.range = step.range;
  if (client.smb()) {
    op.handle = handle_of(client, step.file, step.number);
    if (op.handle < 0) return;
    op.more = step.more;
    const OpenId open = client.handles[static_cast<std::size_t>(op.handle)].id;
    auto forget = [&](Range range) {
      auto held = std::ranges::find_if(client.smb_locks, [&](const SmbLock& lock) {
        return lock.open == open && lock.range == range;
      });
      if (held != client.smb_locks.end()) client.smb_locks.erase(held);
    };
    forget(op.range);
    for (const Range& range : op.more) forget(range);
    for (Op& asked : ops_) {
      const bool same = asked.client == step.who && asked.kind == Op::Kind::lock && !asked.done &&
                        asked.handle == op.handle && names_one_range(asked, op);
      asked.unlocked = asked.unlocked || same;
    }
  } else {
    PosixLocks& held = client.posix[step.file][op.owner - 1U];
    const Units units = units_of(op.range);
    const Units before = held.shared | held.exclusive;
    // A thread does not unlock while it asks: what it still asks for it does not want any more.
    std::vector<Range> given_up;
    for (Op& asked : ops_) {
      const bool same = asked.client == step.who && asked.kind == Op::Kind::lock && !asked.done &&
                        asked.file == op.file && asked.owner == op.owner;
      if (same && asked.purpose == Op::Purpose::application && asked.range.overlaps(op.range)) {
        asked.done = true;
        if (asked.tries > 0 && !op.range.contains(asked.range)) given_up.push_back(asked.range);
      }
    }
    // As a kernel does whose wait was interrupted: it may have been granted on the way.
    for (const Range& range : given_up) {
      Op whole = op;
      whole.range = range;
      held.shared &= ~units_of(range);
      held.exclusive &= ~units_of(range);
      submit(whole);
    }
    held.shared &= ~units;
    held.exclusive &= ~units;
    const Units left = held.shared | held.exclusive;
    if (left != 0 && left != before) marks_.hit(mark::unlock_in_part);
  }
  undo_locally(client, op);
  submit(op);
}

/// The newest of its requests on the file that has no answer yet.
void World::cancel(const Step& step, Client& client) {
  for (std::size_t i = ops_.size(); i-- > 0;) {
    Op& target = ops_[i];
    if (target.client != step.who || target.done || target.file != step.file) continue;
    if (target.purpose != Op::Purpose::application || !target.request) continue;
    if (target.incarnation != client.incarnation) continue;
    Op op;
    op.client = step.who;
    op.file = step.file;
    if (client.protocol == Protocol::nlm && target.kind == Op::Kind::lock && target.waiting) {
      op.kind = Op::Kind::cancel_lock;
      op.owner = target.owner;
      op.range = target.range;
      op.mode = target.mode;
      target.done = true;
    } else if (client.smb() && (target.kind == Op::Kind::lock || target.kind == Op::Kind::open ||
                                target.kind == Op::Kind::access)) {
      op.kind = Op::Kind::cancel_request;
      op.target = target.request;
    } else if (client.nfs4() && target.kind == Op::Kind::lock && target.waiting) {
      target.done = true;  // it just does not come back
      return;
    } else {
      continue;
    }
    submit(op);
    return;
  }
}

Op World::access_op(const Client& client, std::uint8_t file, Operation operation, int handle) {
  Op op;
  op.kind = Op::Kind::access;
  op.client = static_cast<std::uint8_t>(index_of(client));
  op.file = op.other = file;
  op.operation = operation;
  op.range = Range::whole();
  op.handle = handle;
  return op;
}

void World::read(const Step& step, Client& client) {
  if (client.protocol == Protocol::nlm || step.file == kDirectory) return;
  const bool stateless = client.protocol == Protocol::nfs3 || (client.nfs4() && step.special);
  const int handle = stateless ? -1 : handle_of(client, step.file, step.number);
  if (handle < 0 && !stateless) return;
  const int holding = cache_for(client, step.file, handle, kR);
  const Units units = units_of(step.range);
  if (holding >= 0) {
    Holding& cache = client.holdings[static_cast<std::size_t>(holding)];
    // Not while something of its own is on the way to the file: the order would be anybody's guess.
    const bool calm = client.writing[step.file] == 0;
    if (calm && (cache.cached & units) == units) return read_cached(client, cache, units);
  }
  Op op = access_op(client, step.file, Operation::read, handle);
  op.range = step.range;
  op.special = stateless;
  op.holding = holding;
  submit(op);
}

void World::write(const Step& step, Client& client) {
  if (client.protocol == Protocol::nlm || step.file == kDirectory) return;
  const bool stateless = client.protocol == Protocol::nfs3 || (client.nfs4() && step.special);
  const int handle = stateless ? -1 : handle_of(client, step.file, step.number);
  if (handle < 0 && !stateless) return;
  const bool may =
      stateless || client.handles[static_cast<std::size_t>(handle)].access.has(AccessBit::write);
  const bool truncate = step.verb == Verb::truncates;
  const Range range = truncate ? Range{8, kEndOfFile} : step.range;
  const Units units = units_of(range);
  const std::uint32_t number = ++writes_;
  const int holding = cache_for(client, step.file, handle, kRW);
  if (holding >= 0 && may && !truncate && !stateless && !client.locked[step.file]) {
    Holding& cache = client.holdings[static_cast<std::size_t>(holding)];
    for (unsigned unit = 0; unit < kUnits; ++unit) {
      if ((units >> unit & 1) != 0) cache.content[unit] = number;
    }
    cache.cached |= units;
    cache.dirty |= units;
    marks_.hit(mark::wrote_cached);
    if (options_.tell) tell(client, "keeps the write to " + range_text(range) + " in its cache");
    return;
  }
  Op op = access_op(client, step.file, truncate ? Operation::set_size : Operation::write, handle);
  op.range = range;
  op.special = stateless;
  for (unsigned unit = 0; unit < kUnits; ++unit) op.content[unit] = number;
  // What it caches of these bytes is no good until the write is through.
  for (Holding& cache : client.holdings) {
    if (cache.file == step.file && !cache.gone) cache.cached &= ~(units & ~cache.dirty);
  }
  const int covering = cache_for(client, step.file, handle, kR);
  op.holding = covering;
  ++client.writing[step.file];
  if (covering >= 0 && client.holdings[static_cast<std::size_t>(covering)].dirty != 0) {
    return flush(client, static_cast<std::size_t>(covering), op);
  }
  submit(op);
}

void World::give_back(const Step& step, Client& client) {
  for (std::size_t i = 0; i < client.holdings.size(); ++i) {
    Holding& holding = client.holdings[i];
    if (holding.gone || holding.file != step.file || holding.breaking) continue;
    if (holding.flavour == Flavour::oplock) continue;
    Op op;
    op.kind = Op::Kind::give_back;
    op.client = step.who;
    op.file = step.file;
    op.holding = static_cast<int>(i);
    op.purpose = Op::Purpose::machine;
    push_local(client, i);
    return flush(client, i, op);
  }
}

/// A reclaim by hand: whatever the script says, rightly or not.
void World::claim(const Step& step, Client& client) {
  if (client.smb() || client.protocol == Protocol::nfs3 || step.range.empty()) return;
  Op op;
  op.kind = Op::Kind::lock;
  op.purpose = Op::Purpose::reclaim;
  op.by_hand = true;
  op.client = step.who;
  op.file = step.file;
  op.owner = step.owner;
  op.range = step.range;
  op.mode = step.mode;
  if (client.nfs4()) op.handle = handle_of_owner(client, step.file, step.owner);
  if (client.nfs4() && op.handle < 0) return;
  submit(op);
}

}  // namespace lockstep::sim
