// Caches, and the coherence checker: every byte that an honest client reads is a version that it
// may read at that moment, and what it wrote is lost only with notice.
//
// The checker trusts neither core nor model. It knows the content of the files, what was sent and
// not heard yet, what was revoked, and what each client has in its cache.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

std::vector<Range> runs_of(Units units) {
  std::vector<Range> runs;
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    if ((units >> unit & 1) == 0) continue;
    const std::uint64_t last = unit == kBytes ? kEndOfFile : unit;
    const bool goes_on = unit > 0 && (units >> (unit - 1) & 1) != 0;
    if (goes_on) {
      runs.back().last = last;
    } else {
      runs.push_back({unit, last});
    }
  }
  return runs;
}

/// Whether the client, by all it can know, holds the right still.
bool World::trusts(const Client& client, const Holding& holding) const {
  if (holding.gone || holding.breaking) return false;
  return !client.nfs4() || client.trait == Trait::never_renews || now() < client.lease_believed;
}

/// The right under which the client may cache what goes through this handle; -1: none.
int World::cache_for(const Client& client, std::uint8_t file, int handle, Rights need) const {
  if (handle >= 0 && client.smb()) {
    const int holding = client.handles[static_cast<std::size_t>(handle)].holding;
    if (holding < 0) return -1;
    const Holding& held = client.holdings[static_cast<std::size_t>(holding)];
    return held.rights.contains(need) && trusts(client, held) ? holding : -1;
  }
  if (!client.nfs4() || handle < 0) return -1;
  for (std::size_t i = 0; i < client.holdings.size(); ++i) {
    const Holding& held = client.holdings[i];
    if (held.file == file && held.rights.contains(need) && trusts(client, held)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

/// The client gives up rights, and with them what it cached under them.
void World::lower(Holding& holding, Rights rights) {
  holding.rights = rights;
  if (!rights.has(RightBit::read)) holding.cached = holding.dirty = 0;
}

// ---- Reading and writing -----------------------------------------------------------------------

void World::read_cached(Client& client, Holding& holding, Units units) {
  marks_.hit(mark::read_cached);
  if (options_.tell) tell(client, "reads " + file_name(holding.file) + " from its cache");
  // SMB: with its connection cut a client is not entitled to anything, and cannot know it yet.
  const bool checked = options_.coherence && client.honest() && !client.lost &&
                       !(client.cut && client.smb()) && client.boot_seen == server_->boots() &&
                       !revoked_.contains(holding.right);
  if (!checked) return;
  const auto unheard = unheard_.find(holding.right);
  const bool strict = unheard == unheard_.end() || unheard->second.from.has(RightBit::write) ||
                      holding.flavour == Flavour::delegation;
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    if ((units >> unit & 1) == 0 || (holding.dirty >> unit & 1) != 0) continue;
    if (holding.content[unit] == files_[holding.file][unit]) continue;
    if (!strict) {
      marks_.hit(mark::read_stale_allowed);
      return;
    }
    incoherent("NoStaleRead: " + client.name + " reads write " +
               std::to_string(holding.content[unit]) + " at byte " + std::to_string(unit) + " of " +
               file_name(holding.file) + " from its cache; the file holds write " +
               std::to_string(files_[holding.file][unit]));
  }
}

void World::read_file(Op& op) {
  check_nobody_is_dirty(op);
  op.content = files_[op.file];
}

void World::write_file(Op& op) {
  check_nobody_is_dirty(op);
  const Units units = units_of(op.range);
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    if ((units >> unit & 1) != 0) files_[op.file][unit] = op.content[unit];
  }
}

/// What is read or written at the server must not be newer in an honest client's cache.
void World::check_nobody_is_dirty(const Op& op) {
  if (!options_.coherence) return;
  const Units units = units_of(op.range);
  for (const Client& client : clients_) {
    for (const Holding& holding : client.holdings) {
      if (holding.gone || holding.file != op.file || (holding.cached & units) == 0) continue;
      const bool own_client = index_of(client) == op.client;
      const bool own_key =
          own_client &&
          (client.nfs4() ||
           (op.handle >= 0 &&
            &client.holdings[static_cast<std::size_t>(std::max(
                client.handles[static_cast<std::size_t>(op.handle)].holding, 0))] == &holding));
      if (own_key || (own_client && op.kind == Op::Kind::open)) continue;
      marks_.hit(mark::read_passed);
      if ((holding.dirty & units) == 0) continue;
      const bool entitled = client.honest() && !client.lost && !revoked_.contains(holding.right) &&
                            client.boot_seen == server_->boots();
      if (!entitled) continue;
      incoherent("WriteAfterBreak: " + clients_[op.client].name + " goes to " + tell_op(op) +
                 " while " + client.name + " has written to it in its cache");
    }
  }
}

/// No access runs against a right of another key that the table says it must wait for or break.
void World::check_broken(const Op& op) {
  if (!options_.coherence) return;
  const bool data = op.operation == Operation::read || op.operation == Operation::write ||
                    op.operation == Operation::set_size;
  const Client& client = clients_[op.client];
  if (!data || !client.id) return;
  const FileView view = server_->machine().view(file_id(op.file));
  const Handle* through =
      op.handle >= 0 ? &client.handles[static_cast<std::size_t>(op.handle)] : nullptr;
  const OpenId open = through ? through->id : OpenId{};
  const bool leased = through && client.smb() && through->holding >= 0;
  const auto mine = std::ranges::find(view.opens, open, &OpenView::open);
  for (const RightView& right : view.rights) {
    if (right.rights.empty()) continue;
    const bool delegated = right.flavour == Flavour::delegation;
    // Its open may be closed while it runs; its lease key is its own all the same.
    const bool own_key =
        leased && right.client == client.id && right.flavour == Flavour::lease &&
        right.key == client.holdings[static_cast<std::size_t>(through->holding)].key;
    const bool own =
        delegated ? right.client == client.id && !(client.protocol == Protocol::nfs40 && !open)
                  : own_key || (mine != view.opens.end() && mine->right == right.right);
    if (own) continue;
    const Cause cause = op.operation == Operation::read ? Cause::read : Cause::write;
    const Breaking breaking = break_for(cause, right.flavour, right.rights);
    const bool wrong = breaking.how == Breaking::How::wait ||
                       breaking.how == Breaking::How::notice ||
                       (breaking.how == Breaking::How::ack && !right.breaking);
    if (!wrong) continue;
    incoherent("WriteAfterBreak: " + client.name + " goes to " + tell_op(op) + " beside the " +
               std::string(core::name(right.flavour)) + " " + core::name(right.rights) + " of " +
               name_of(right.client));
  }
}

// ---- Flushing ----------------------------------------------------------------------------------

/// Writes what is dirty, then does what waits for it.
void World::flush(Client& client, std::size_t index, std::optional<Op> then) {
  Holding& holding = client.holdings[index];
  if (then) {
    then->incarnation = client.incarnation;
    ops_.push_back(*then);
    holding.then.push_back(ops_.size() - 1);
  }
  int through = -1;
  for (std::size_t i = 0; i < client.handles.size(); ++i) {
    const Handle& handle = client.handles[i];
    const bool its =
        client.smb() ? handle.holding == static_cast<int>(index) : handle.file == holding.file;
    if (its && !handle.gone && handle.access.has(AccessBit::write)) through = static_cast<int>(i);
  }
  const Units dirty = through >= 0 ? holding.dirty : 0;
  for (const Range& run : runs_of(dirty)) {
    Op op = access_op(client, holding.file, Operation::write, through);
    op.purpose = Op::Purpose::flush;
    op.range = run;
    op.holding = static_cast<int>(index);
    op.content = holding.content;
    ++client.writing[holding.file];
    ++holding.flushes;
    submit(op);
  }
  if (holding.flushes > 0) return;
  for (const std::size_t waiting : std::exchange(holding.then, {})) {
    Op& op = ops_[waiting];
    const bool answer = op.kind == Op::Kind::acknowledge || op.kind == Op::Kind::give_back;
    if (answer && holding.gone) {
      op.done = true;
      continue;
    }
    // From here on the client uses no more than what it says that it keeps.
    if (op.kind == Op::Kind::acknowledge) lower(holding, holding.rights & op.rights);
    if (op.kind == Op::Kind::give_back) {
      lower(holding, kNoRights);
      holding.gone = holding.flavour == Flavour::delegation;
    }
    if (client.presence == Presence::here || client.id) {
      send(waiting);
    } else {
      client.when_here.push_back(waiting);
    }
  }
}

void World::flushed(Client& client, Op& op, const Reply& reply) {
  finish_op(client, op);
  Holding& holding = client.holdings[static_cast<std::size_t>(op.holding)];
  if (reply.status == Status::ok) {
    const Units units = units_of(op.range);
    for (unsigned unit = 0; unit < kUnits; ++unit) {
      const bool same = holding.content[unit] == op.content[unit];
      if ((units >> unit & 1) != 0 && same) holding.dirty &= ~(Units{1} << unit);
    }
  } else if (!holding.gone) {
    const bool entitled = client.honest() && !client.lost && !revoked_.contains(holding.right) &&
                          client.boot_seen == server_->boots() && !orphaned(client, op);
    if (options_.coherence && entitled && reply.status != Status::unknown_open) {
      incoherent("NoLostDirty: the flush of " + client.name + " (" + tell_op(op) +
                 ") is refused: " + std::string(core::name(reply.status)));
    }
    marks_.hit(mark::dirty_lost_told);
    holding.dirty &= ~units_of(op.range);
    holding.cached &= ~units_of(op.range);
  }
  if (holding.flushes > 0) --holding.flushes;
  if (holding.flushes == 0) flush(client, static_cast<std::size_t>(op.holding), std::nullopt);
}

}  // namespace lockstep::sim
