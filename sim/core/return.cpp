// Coming back: clients after a restart of the server, after a crash of their own, after their lease
// ended; and whether the server remembers what it had promised.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

void World::arrive(Client& client) {
  client.presence = Presence::arriving;
  Op op;
  op.kind = Op::Kind::arrive;
  op.purpose = Op::Purpose::machine;
  op.client = static_cast<std::uint8_t>(index_of(client));
  op.target = RequestId{client.former.value};
  submit(op);
}

void World::on_arrived(Client& client, const Reply& reply) {
  const auto* body = std::get_if<ClientReply>(&reply.body);
  if (reply.status != Status::ok || !body) {
    // No room for it: its applications have an error.
    client.presence = Presence::away;
    for (const std::size_t op : std::exchange(client.when_here, {})) finish_op(client, ops_[op]);
    return;
  }
  client.id = body->client;
  client.former = {};
  client.evicted = false;
  const auto index = static_cast<std::uint8_t>(index_of(client));
  if (client.nfs4()) {
    Op path;
    path.kind = Op::Kind::callback_path;
    path.purpose = Op::Purpose::machine;
    path.client = index;
    path.up = !client.silent;
    submit(path);
    if (client.trait != Trait::never_renews) {
      agenda_.put_after(lease_ / 3 + client.skew,
                        {Due::Kind::renew, index, client.incarnation, client.id.value});
    }
  }
  reclaim(client);
}

void World::renew(Client& client) {
  if (!client.id || client.presence == Presence::away) return;
  Op op;
  op.kind = Op::Kind::renew;
  op.purpose = Op::Purpose::machine;
  op.client = static_cast<std::uint8_t>(index_of(client));
  submit(op);
  agenda_.put_after(lease_ / 3 + client.skew,
                    {Due::Kind::renew, op.client, client.incarnation, client.id.value});
}

/// The server is another run than the one that it talked to.
void World::notice_restart(Client& client) {
  if (!up_ || client.boot_seen == server_->boots() || client.cut || client.down) return;
  const bool was_there = client.presence != Presence::away;
  client.boot_seen = server_->boots();
  client.early_breaks.clear();
  if (client.smb() || client.nfs4()) {  // what it has sent went with the connection
    agenda_.remove_if([index = index_of(client)](const Due& due) {
      return due.kind == Due::Kind::to_server && due.client == index;
    });
  }
  for (Holding& holding : client.holdings) {
    holding.breaking = false;
    holding.flushes = 0;
    for (const std::size_t op : std::exchange(holding.then, {})) ops_[op].done = true;
  }
  // What was under way is asked again when everything is reclaimed; the machine's own affairs are
  // begun anew.
  client.when_here.clear();
  client.outbox.clear();
  client.writing = {};
  client.lanes = {};
  std::vector<Op> unanswered;
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    Op& op = ops_[i];
    if (op.client != index_of(client) || op.done || op.incarnation != client.incarnation) continue;
    // The new run may have heard what came as a datagram.
    const bool heard = client.protocol == Protocol::nlm && op.purpose == Op::Purpose::reclaim;
    if (heard && op.kind == Op::Kind::lock) unanswered.push_back(op);
    const bool void_close = client.smb() && op.kind == Op::Kind::close;  // its handle is gone
    ++op.tries;  // what was put off is not asked before everything is reclaimed
    if (op.purpose != Op::Purpose::application || void_close) {
      op.done = true;
      op.request = {};
      continue;
    }
    op.queued = false;
    if (op.writes()) ++client.writing[op.file];
    client.when_here.push_back(i);
  }
  client.presence = Presence::away;
  for (const Op& op : unanswered) give_back_grant(client, op);
  client.reclaims = 0;
  if (was_there || !client.when_here.empty()) arrive(client);
}

/// Asks for everything back that it held before the restart.
void World::reclaim(Client& client) {
  client.presence = Presence::reclaiming;
  client.reclaims = 1;  // this loop itself: the end is counted when all is asked
  if (client.trait == Trait::forgets) forget_beliefs(client);
  const auto index = static_cast<std::uint8_t>(index_of(client));
  auto ask = [&](Op op) {
    op.purpose = Op::Purpose::reclaim;
    op.client = index;
    ++client.reclaims;
    submit(op);
  };
  std::vector<Op> opens;
  for (std::size_t i = 0; i < client.handles.size(); ++i) {
    Handle& handle = client.handles[i];
    // A server that it could still reach may have granted this after the restart.
    if (handle.gone || handle.boot == client.boot_seen) continue;
    // A SHARE that was on its way replaces it, and is asked again: the new run may have heard it.
    const bool replaced = client.protocol == Protocol::nlm &&
                          std::ranges::any_of(client.when_here, [&](std::size_t other) {
                            return ops_[other].kind == Op::Kind::open && ops_[other].tries > 1 &&
                                   ops_[other].file == handle.file &&
                                   ops_[other].owner == handle.owner;
                          });
    if (replaced) {
      handle.gone = true;
      continue;
    }
    Op op;
    op.kind = Op::Kind::open;
    op.file = handle.file;
    op.owner = handle.owner;
    op.handle = static_cast<int>(i);
    op.access = handle.access;
    op.deny = handle.deny;
    op.attributes = handle.attributes;
    op.wish = handle.wish;
    const bool leased =
        handle.holding >= 0 &&
        client.holdings[static_cast<std::size_t>(handle.holding)].flavour == Flavour::lease;
    if (client.smb() && !leased) {
      drop_handle(client, handle);  // it was not durable
      continue;
    }
    if (client.smb()) {
      op.wish.rights = client.holdings[static_cast<std::size_t>(handle.holding)].rights;
    } else if (client.nfs4()) {
      op.wish = {};
      for (const Holding& holding : client.holdings) {
        if (holding.gone || holding.file != handle.file) continue;
        op.wish.flavour = Flavour::delegation;
        op.wish.rights = holding.rights;
      }
    }
    if (client.trait == Trait::claims_more) {
      op.access = op.access | Access{AccessBit::read, AccessBit::write};
    }
    opens.push_back(op);
  }
  for (Holding& holding : client.holdings) {
    // A delegation comes back with an open, or not at all.
    const bool comes_back =
        std::ranges::any_of(opens, [&](const Op& op) { return op.file == holding.file; });
    const bool new_one = std::ranges::any_of(client.handles, [&](const Handle& handle) {
      return !handle.gone && handle.file == holding.file && handle.boot == client.boot_seen;
    });
    if (!client.nfs4() || holding.gone || comes_back || new_one) continue;
    if (holding.dirty != 0) marks_.hit(mark::dirty_lost_told);
    lower(holding, kNoRights);
    holding.gone = true;
  }
  for (const Op& op : opens) ask(op);
  for (const SmbLock& lock : std::vector<SmbLock>(client.smb_locks)) {
    auto through = std::ranges::find_if(client.handles, [&](const Handle& handle) {
      return handle.id == lock.open && !handle.gone;
    });
    if (through == client.handles.end()) continue;
    Op op;
    op.kind = Op::Kind::lock;
    op.file = through->file;
    op.handle = static_cast<int>(through - client.handles.begin());
    op.range = lock.range;
    op.mode = lock.mode;
    ask(op);
  }
  client.smb_locks.clear();
  for (std::uint8_t file = 0; file <= kFiles; ++file) {
    for (std::uint8_t owner = 1; owner <= 2; ++owner) {
      const PosixLocks held = std::exchange(client.posix[file][owner - 1U], {});
      auto each = [&](Units units, LockMode mode) {
        for (Range run : runs_of(units)) {
          Op op;
          op.kind = Op::Kind::lock;
          op.file = file;
          op.owner = owner;
          op.mode = mode;
          if (client.trait == Trait::claims_more) run.last = kEndOfFile;
          op.range = run;
          if (client.nfs4()) {
            op.handle = handle_of_owner(client, file, owner);
            if (op.handle < 0) continue;
            // Its open was downgraded under the lock: no open that it may have back allows it.
            const AccessBit needed = mode == LockMode::shared ? AccessBit::read : AccessBit::write;
            const Handle& through = client.handles[static_cast<std::size_t>(op.handle)];
            if (!through.access.has(needed)) continue;
          }
          ask(op);
        }
      };
      each(held.shared, LockMode::shared);
      each(held.exclusive, LockMode::exclusive);
    }
  }
  reclaimed(client);
}

/// One reclaim has ended; after the last one the client says so and goes on.
void World::reclaimed(Client& client) {
  if (client.reclaims == 0 || --client.reclaims > 0) return;
  if (client.presence != Presence::reclaiming) return;
  client.lost = client.evicted;  // whatever was lost before it knows now
  if (client.protocol != Protocol::nfs41) return resume(client);
  Op done;
  done.kind = Op::Kind::complete;
  done.purpose = Op::Purpose::machine;
  done.client = static_cast<std::uint8_t>(index_of(client));
  submit(done);
}

void World::resume(Client& client) {
  client.presence = Presence::here;
  for (const std::size_t op : std::exchange(client.when_here, {})) {
    begin_call(op);
  }
}

// ---- Losing it all -----------------------------------------------------------------------------

void World::forget_beliefs(Client& client) {
  for (Handle& handle : client.handles) handle.gone = true;
  for (Holding& holding : client.holdings) {
    if (!holding.gone && holding.dirty != 0) marks_.hit(mark::dirty_lost_told);
    lower(holding, kNoRights);
    holding.gone = true;
    holding.flushes = 0;
    for (const std::size_t op : std::exchange(holding.then, {})) ops_[op].done = true;
  }
  client.posix = {};
  client.smb_locks.clear();
  client.early_breaks.clear();
  client.locked = {};
}

/// What it asked through a session that is gone has failed; no answer comes any more.
void World::connection_lost(Client& client) {
  client.writing = {};
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    Op& op = ops_[i];
    if (op.client != index_of(client) || op.done || op.incarnation != client.incarnation) continue;
    if (std::ranges::find(client.when_here, i) != client.when_here.end()) {
      if (op.writes()) ++client.writing[op.file];
      continue;
    }
    op.done = true;
    op.request = {};
  }
}

void World::told_lost(Client& client) {
  marks_.hit(mark::told_lost);
  if (options_.tell) tell(client, "hears that its state is gone");
  forget_beliefs(client);
  for (Op& op : ops_) {
    const bool claims = op.client == index_of(client) && op.purpose == Op::Purpose::reclaim;
    op.forgotten = op.forgotten || (claims && !op.done);
  }
  client.lost = false;
  client.presence = Presence::away;
  client.id = {};
  if (!client.when_here.empty()) arrive(client);
}

void World::client_crashes(Client& client, bool for_good) {
  const auto index = static_cast<std::uint8_t>(index_of(client));
  marks_.hit(for_good ? mark::client_dies : mark::client_crash);
  ++client.incarnation;
  client.state_number += 2;
  // Its memory is gone, its applications with it; the messages of its connections too.
  client.handles.clear();
  client.holdings.clear();
  client.lanes = {};
  forget_beliefs(client);
  client.writing = {};
  client.when_here.clear();
  client.outbox.clear();
  client.inbox.clear();
  client.reclaims = 0;
  client.lost = client.frozen = false;
  agenda_.remove_if([index](const Due& due) {
    const bool message = due.kind == Due::Kind::to_server || due.kind == Due::Kind::to_client;
    return message && due.client == index;
  });
  if (!for_good) {
    client.down = true;
    agenda_.put_after(kSecond, {Due::Kind::come_back, index, client.incarnation, 0});
    return;
  }
  client.dead = true;
  if (client.smb()) {
    agenda_.put_after(10 * kSecond, {Due::Kind::connection_dead, index, client.incarnation, 0});
  }
}

void World::come_back(Client& client) {
  client.down = false;
  client.boot_seen = server_->boots();
  const ClientId before = std::exchange(client.id, {});
  if (before && client.protocol != Protocol::nfs3) client.former = before;
  arrive(client);
}

// ---- NoAmnesia ---------------------------------------------------------------------------------

/// After a restart: whatever an honest client was told and has not given back protects the files.
void World::check_amnesia() {
  if (!options_.invariants) return;
  for (const Client& client : clients_) {
    const bool asks = client.honest() && client.presence == Presence::here && !client.lost &&
                      client.id && !client.dead && !client.down;
    if (!asks) continue;
    auto forgotten = [&](const std::string& what) {
      throw Failure(
          FailureKind::assertion,
          "NoAmnesia: after the restart the server does not know " + what + " of " + client.name);
    };
    for (std::uint8_t file = 0; file <= kFiles; ++file) {
      const FileView view = server_->machine().view(file_id(file));
      for (std::size_t owner = 0; owner < 2 && !client.smb(); ++owner) {
        Units shared = 0, exclusive = 0;
        for (const LockView& lock : view.locks) {
          if (lock.client != client.id || lock.owner != owner_name(owner + 1)) {
            continue;
          }
          (lock.mode == LockMode::shared ? shared : exclusive) |= units_of(lock.range);
        }
        const PosixLocks& held = client.posix[file][owner];
        if (((held.shared & ~(shared | exclusive)) | (held.exclusive & ~exclusive)) != 0) {
          forgotten("a lock on " + file_name(file));
        }
        if ((held.shared | held.exclusive) != 0) marks_.hit(mark::remembered);
      }
      for (const Handle& handle : client.handles) {
        if (handle.gone || handle.file != file) continue;
        const bool leased =
            handle.holding >= 0 &&
            client.holdings[static_cast<std::size_t>(handle.holding)].flavour == Flavour::lease;
        if (client.smb() && !leased) continue;
        if (std::ranges::find(view.opens, handle.id, &OpenView::open) == view.opens.end()) {
          forgotten("an open of " + file_name(file));
        }
      }
    }
  }
}

}  // namespace lockstep::sim
