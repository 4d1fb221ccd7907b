// What a caching right lets its holder do without asking: a delegation opens, a right to write
// locks. The server learns of it when the right is to be given up, and never has to refuse it
// then: nobody else can have come in between.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

namespace {

/// `kept` is of one range; the other may be of several.
bool overlap(const Op& kept, const Op& other) {
  const auto meets = [&](Range range) { return kept.range.overlaps(range); };
  return kept.file == other.file && (meets(other.range) || std::ranges::any_of(other.more, meets));
}

}  // namespace

/// Whether it needs no message; then it is kept until the right goes.
bool World::kept_locally(Client& client, const Op& op) {
  const bool opens = op.kind == Op::Kind::open;
  if (opens && !client.nfs4()) return false;
  const int through = opens ? handle_of(client, op.file, 1) : op.handle;
  const bool reads_only = opens && !op.access.has(AccessBit::write);
  const int index = through < 0 ? -1 : cache_for(client, op.file, through, reads_only ? kR : kRW);
  if (index < 0 || client.presence != Presence::here) return false;
  Holding& holding = client.holdings[static_cast<std::size_t>(index)];
  if (opens) {
    const bool denied = std::ranges::any_of(client.handles, [&](const Handle& handle) {
      return !handle.gone && handle.file == op.file && !handle.deny.empty();
    });
    const bool has_one = handle_of_owner(client, op.file, op.owner) >= 0;
    if (denied || has_one || op.overwriting || !op.deny.empty()) return false;
    if (!client.lanes[op.file][op.owner - 1U].empty()) return false;
  } else {
    // Nothing of its own may be in the way now or when the server hears of it.
    const bool busy = std::ranges::any_of(ops_, [&](const Op& other) {
      return other.client == op.client && other.kind == Op::Kind::lock && !other.done &&
             other.file == op.file;
    });
    const auto& posix = client.posix[op.file];
    const bool has_some =
        client.smb()
            ? !client.smb_locks.empty()
            : (posix[0].shared | posix[0].exclusive | posix[1].shared | posix[1].exclusive) != 0;
    if (busy || has_some || holding.dirty != 0 || op.waiting || !op.more.empty()) return false;
  }
  marks_.hit(mark::kept_locally);
  if (options_.tell) tell(client, "need not ask to " + tell_op(op));
  holding.local.push_back(op);
  return true;
}

/// Its own kernel knows of a lock of another of its owners that is in the way.
bool World::refused_locally(const Client& client, const Op& op) const {
  for (const Holding& holding : client.holdings) {
    if (holding.gone) continue;
    for (const Op& other : holding.local) {
      const bool own = !client.smb() && other.owner == op.owner;
      if (other.kind == Op::Kind::lock && overlap(other, op) && !own) return true;
    }
  }
  return false;
}

/// An unlock or a close: what it ends locally needs no message.
void World::undo_locally(Client& client, const Op& op) {
  for (Holding& holding : client.holdings) {
    std::erase_if(holding.local, [&](const Op& kept) {
      if (kept.file != op.file) return false;
      const bool through = client.smb() ? kept.handle == op.handle : kept.owner == op.owner;
      if (op.kind != Op::Kind::unlock) return through;
      return through && kept.kind == Op::Kind::lock && overlap(kept, op);
    });
  }
}

void World::push_local(Client& client, std::size_t index) {
  for (Op op : std::exchange(client.holdings[index].local, {})) {
    op.pushed = true;
    op.purpose = Op::Purpose::machine;
    op.holding = static_cast<int>(index);
    ++client.holdings[index].flushes;
    submit(std::move(op));
  }
}

void World::pushed(Client& client, Op& op, const Reply& reply, std::uint64_t boot) {
  marks_.hit(mark::pushed);
  const Holding& holding = client.holdings[static_cast<std::size_t>(op.holding)];
  const bool entitled = client.honest() && !client.lost && !holding.gone &&
                        !revoked_.contains(holding.right) && up_ && !orphaned(client, op) &&
                        client.boot_seen == server_->boots();
  // Another open of its own, that denies it, overtook what its server did not know of.
  const bool own_deny =
      reply.status == Status::share_conflict && std::ranges::any_of(ops_, [&](const Op& other) {
        return other.client == op.client && other.kind == Op::Kind::open && other.file == op.file &&
               other.tries > 0 && !other.deny.empty();
      });
  const bool excused = own_deny || reply.status == Status::ok || reply.status == Status::limit ||
                       reply.status == Status::journal_failed ||
                       reply.status == Status::unknown_open || reply.status == Status::bad_mode;
  if (options_.coherence && entitled && !excused) {
    incoherent("HolderPasses: what " + client.name + " did under its right (" + tell_op(op) +
               ") is refused: " + std::string(core::name(reply.status)));
  }
  if (op.kind == Op::Kind::open) return on_open(client, op, reply, boot);
  if (reply.status == Status::ok && !orphaned(client, op) && !op.unlocked) {
    believe_locked(client, op);
  }
  finish_op(client, op);
}

}  // namespace lockstep::sim
