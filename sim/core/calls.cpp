// From a client's operation to the event that the server sees.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

FileId World::file_id(std::uint8_t file) const {
  return file == kDirectory ? FileId{99, 1, 1} : FileId{file + std::uint64_t{1}, 1, 1};
}

/// Keys 1 to 8 are of a file; key 9 is used on every file, which must be refused.
LeaseKey World::key_of(std::uint8_t file, std::uint8_t key) const {
  LeaseKey made;
  made.bytes[0] = key == 9 ? std::uint8_t{9} : key;
  made.bytes[1] = key == 9 ? std::uint8_t{0} : static_cast<std::uint8_t>(file + 1);
  return made;
}

std::size_t World::submit(Op op) {
  Client& client = clients_[op.client];
  op.incarnation = client.incarnation;
  ops_.push_back(op);
  const std::size_t index = ops_.size() - 1;
  const Op& made = ops_.back();
  const bool own_affair = made.purpose == Op::Purpose::reclaim || made.kind == Op::Kind::arrive ||
                          (made.purpose == Op::Purpose::machine && client.id);
  if (own_affair) {
    send(index);
  } else if (client.presence == Presence::here) {
    begin_call(index);
  } else {
    client.when_here.push_back(index);
    if (client.presence == Presence::away) arrive(client);
  }
  return index;
}

std::vector<std::size_t>* World::lane_of(Client& client, const Op& op) {
  const bool ordered = op.kind == Op::Kind::open || op.kind == Op::Kind::close ||
                       op.kind == Op::Kind::unshare || op.kind == Op::Kind::downgrade ||
                       op.kind == Op::Kind::lock || op.kind == Op::Kind::unlock;
  const bool in_order = ordered && !client.smb() && op.purpose == Op::Purpose::application;
  return in_order ? &client.lanes[op.file][op.owner - 1U] : nullptr;
}

/// Sends it, or lets it wait until its owner's earlier calls about the file have ended.
void World::begin_call(std::size_t index) {
  std::vector<std::size_t>* lane = lane_of(clients_[ops_[index].client], ops_[index]);
  if (lane) {
    lane->push_back(index);
    if (lane->size() > 1) return;
  }
  send(index);
}

/// It has ended, or waits for a lock now: its owner goes on.
void World::end_call(Client& client, const Op& op) {
  std::vector<std::size_t>* lane = lane_of(client, op);
  if (!lane) return;
  auto place = std::ranges::find_if(*lane, [&](std::size_t other) { return &ops_[other] == &op; });
  if (place == lane->end()) return;
  const bool first = place == lane->begin();
  lane->erase(place);
  if (first && !lane->empty()) send(lane->front());
}

/// Its handle went away: its application has had an error.
bool World::orphaned(const Client& client, const Op& op) const {
  return op.handle >= 0 && client.handles[static_cast<std::size_t>(op.handle)].gone &&
         op.kind != Op::Kind::close && op.kind != Op::Kind::unshare;
}

void World::send(std::size_t index) {
  Op& op = ops_[index];
  Client& client = clients_[op.client];
  if (op.incarnation != client.incarnation || client.dead) return;
  if (op.done) return end_call(client, op);
  if (orphaned(client, op)) return finish_op(client, op);
  if (client.nfs4() && op.kind == Op::Kind::lock && op.handle >= 0) {
    // Its kernel refuses a lock that the open does not allow, when that would change one it has.
    const AccessBit needed = op.mode == LockMode::shared ? AccessBit::read : AccessBit::write;
    const PosixLocks& held = client.posix[op.file][op.owner - 1U];
    const bool has_some = ((held.shared | held.exclusive) & units_of(op.range)) != 0;
    const Handle& through = client.handles[static_cast<std::size_t>(op.handle)];
    if (has_some && !through.access.has(needed)) return finish_op(client, op);
  }
  if (client.cut) return client.outbox.push_back(index);
  op.request = RequestId{by_request_.size()};
  by_request_.push_back(index);
  answered_.push_back(false);
  op.sent = now();
  op.given_back = 0;
  ++op.tries;
  if (!client.smb()) {
    PosixLocks& held = client.posix[op.file][op.owner - 1U];
    const Units units = units_of(op.range);
    if (op.kind == Op::Kind::lock && op.mode == LockMode::shared) count_on_shared(held, units);
    if (op.kind == Op::Kind::unlock) {
      held.shared &= ~units, held.exclusive &= ~units;
      for (Op& other : ops_) {  // whatever their answers will be, it has given these back
        const bool mine = other.client == op.client && other.incarnation == op.incarnation &&
                          other.file == op.file && other.owner == op.owner;
        const bool waits = other.queued && client.protocol == Protocol::nlm;
        const bool asked = other.kind == Op::Kind::lock && !other.done && other.tries > 0;
        if (mine && asked && !waits) other.given_back |= units;
      }
    }
  }
  if (op.kind == Op::Kind::downgrade) {
    Handle& handle = client.handles[static_cast<std::size_t>(op.handle)];
    handle.access = handle.access & op.access;
    handle.deny = handle.deny & op.deny;
  }
  const int replaced = op.kind == Op::Kind::open && client.protocol == Protocol::nlm
                           ? handle_of_owner(client, op.file, op.owner)
                           : -1;
  if (replaced >= 0) {  // a SHARE replaces: only what both have is sure
    Handle& handle = client.handles[static_cast<std::size_t>(replaced)];
    handle.access = handle.access & op.access;
    handle.deny = handle.deny & op.deny;
  }
  if (op.kind == Op::Kind::close || op.kind == Op::Kind::unshare) {
    drop_handle(client, client.handles[static_cast<std::size_t>(op.handle)]);
  }
  // UNSHARE names the owner: what it was granted since goes too.
  const int unshared =
      op.kind == Op::Kind::unshare ? handle_of_owner(client, op.file, op.owner) : -1;
  if (unshared >= 0) drop_handle(client, client.handles[static_cast<std::size_t>(unshared)]);
  client.last_arrival = std::max(client.last_arrival, now() + client.latency);
  agenda_.put(client.last_arrival,
              {Due::Kind::to_server, op.client, client.incarnation, op.request.value});
}

/// Later, unless it is sent for another reason before.
void World::retry(std::size_t op, Nanos after) {
  const std::uint64_t attempt = std::uint64_t{ops_[op].tries} << 32;
  agenda_.put_after(after, {Due::Kind::retry, ops_[op].client,
                            clients_[ops_[op].client].incarnation, attempt | op});
}

/// Its end, however it came about.
void World::finish_op(Client& client, Op& op) {
  if (std::exchange(op.done, true)) return end_call(client, op);
  end_call(client, op);
  if (op.writes() && client.writing[op.file] > 0) --client.writing[op.file];
  if (op.purpose == Op::Purpose::reclaim && !op.by_hand) reclaimed(client);
  if (!op.pushed) return;
  Holding& holding = client.holdings[static_cast<std::size_t>(op.holding)];
  if (holding.flushes > 0) --holding.flushes;
  if (holding.flushes == 0) flush(client, static_cast<std::size_t>(op.holding), std::nullopt);
}

void World::arrive_at_server(const Due& due) {
  const RequestId request{due.what};
  Op& op = ops_[by_request_[static_cast<std::size_t>(due.what)]];
  Client& client = clients_[due.client];
  if (!up_ || due.incarnation != client.incarnation) return;
  // A connection to another run of the server is none; datagrams do not care.
  const bool connected = client.smb() || client.nfs4();
  if (connected && client.boot_seen != server_->boots() && op.kind != Op::Kind::arrive) return;
  if (options_.tell) tell("server", "hears " + client.name + " " + tell_op(op));
  if (op.kind == Op::Kind::arrive && op.target) {
    // It comes back without its memory: what it had before goes first.
    const ClientId before{op.target.value};
    op.target = {};
    if (client.protocol == Protocol::nlm) {
      marks_.hit(mark::host_rebooted);
      happen(HostRebooted{client.name, "10.0.0." + std::to_string(due.client + 1),
                          static_cast<std::int32_t>(client.state_number)});
    } else {
      const bool v4 = client.nfs4();
      happen(ClientLeft{before, v4 ? LeaveReason::rebooted : LeaveReason::disconnected});
    }
    if (!up_) return;
  }
  if (op.kind == Op::Kind::grant_answer) notifying_.erase(op.target);
  EventBody body = event_of(op, request);
  if (options_.explain) {
    const bool asks = op.kind == Op::Kind::open || op.kind == Op::Kind::lock ||
                      op.kind == Op::Kind::test || op.kind == Op::Kind::access;
    const std::string why =
        asks ? explain(server_->machine().explain({now(), body}), *this) : std::string();
    if (!why.empty()) tell("server", "  because: " + why);
  }
  happen(std::move(body));
  if (op.kind == Op::Kind::renew && up_) {
    const auto known = server_->machine().clients();
    const bool gone = std::ranges::find(known, client.id, &ClientView::client) == known.end();
    if (client.lost || gone) {
      Message told;
      told.client = due.client;
      told.incarnation = client.incarnation;
      told.told_lost = true;
      post(std::move(told));
    } else if (client.nfs4()) {
      client.lease_believed = std::max(client.lease_believed, op.sent + lease_);
    }
  }
  const bool without_reply = op.kind == Op::Kind::renew || op.kind == Op::Kind::callback_path ||
                             op.kind == Op::Kind::grant_answer ||
                             op.kind == Op::Kind::cancel_request;
  if (without_reply) op.done = true;
}

EventBody World::event_of(Op& op, RequestId request) {
  Client& client = clients_[op.client];
  const std::string owner = client.smb() ? "" : owner_name(op.owner);
  const Nanos patience = client.smb() || client.protocol == Protocol::nlm ? kNever : now() + hold_;
  const OpenId open =
      op.handle >= 0 ? client.handles[static_cast<std::size_t>(op.handle)].id : OpenId{};
  const FileId file = file_id(op.file);
  Holding* holding =
      op.holding >= 0 ? &client.holdings[static_cast<std::size_t>(op.holding)] : nullptr;
  const bool again = op.purpose == Op::Purpose::reclaim;
  auto asking = [&](auto event) {
    event.request = request;
    event.client = client.id;
    event.open = open;
    event.owner = owner;
    event.file = file;
    event.element = {op.range, op.mode};
    return event;
  };
  switch (op.kind) {
    case Op::Kind::arrive:
      return ClientArrived{request,     client.protocol,
                           client.name, "10.0.0." + std::to_string(op.client + 1),
                           client.name, client.nfs4() ? lease_ : 0};
    case Op::Kind::complete:
      return ReclaimCompleted{request, client.id, false};
    case Op::Kind::renew:
      return ClientRenewed{client.id};
    case Op::Kind::callback_path:
      return CallbackPathChanged{client.id, op.up};
    case Op::Kind::open: {
      OpenRequested event;
      event.request = request;
      event.client = client.id;
      event.file = file;
      event.owner = owner;
      event.access = op.access;
      event.deny = op.deny;
      event.attributes_only = op.attributes;
      event.overwrite = op.overwriting;
      event.directory = op.file == kDirectory;
      event.wish = op.wish;
      if (again && !client.smb()) event.reclaim = Reclaim::previous;
      if (op.pushed) event.reclaim = Reclaim::delegated;
      event.patience = patience;
      if (client.smb() && op.file != kDirectory) event.ancestors = {file_id(kDirectory)};
      event.policy = policy_;
      return event;
    }
    case Op::Kind::close:
      return OpenClosed{request, open};
    case Op::Kind::unshare:
      return ShareReleased{request, client.id, owner, file};
    case Op::Kind::downgrade:
      return OpenDowngraded{request, open, op.access, op.deny};
    case Op::Kind::disposition:
      return DispositionSet{request, open, op.remove};
    case Op::Kind::lock: {
      LockRequested event = asking(LockRequested{});
      for (const Range& range : op.more) event.more.push_back({range, op.mode});
      if (op.waiting) {
        event.wait = client.smb()                       ? Wait::queue
                     : client.protocol == Protocol::nlm ? Wait::callback
                                                        : Wait::reserve;
      }
      if (again && !client.smb()) event.reclaim = Reclaim::previous;
      event.patience = patience;
      event.policy = policy_;
      return event;
    }
    case Op::Kind::unlock:
      return Unlocked{request, client.id, open, owner, file, op.range, op.more};
    case Op::Kind::test: {
      LockTested event = asking(LockTested{});
      event.patience = now() + hold_;
      return event;
    }
    case Op::Kind::cancel_lock:
      return LockCancelled{request, client.id, owner, file, {op.range, op.mode}};
    case Op::Kind::cancel_request:
      return RequestCancelled{op.target};
    case Op::Kind::grant_answer:
      return GrantAnswered{op.target, op.accepted};
    case Op::Kind::acknowledge:
      return BreakAcknowledged{request,      client.id,     holding->flavour,
                               holding->key, holding->open, op.rights};
    case Op::Kind::give_back:
      return RightReturned{request, client.id, holding->right};
    case Op::Kind::access:
      break;
  }
  AccessRequested event;
  event.request = request;
  event.client = client.id;
  event.open = open;
  if (client.nfs4() && open) event.owner = owner;
  event.target = {file, op.operation};
  if (op.operation == Operation::rename_source && op.other != op.file) {
    event.others.push_back({file_id(op.other), Operation::rename_target});
  }
  const bool names = op.operation == Operation::remove || op.operation == Operation::link ||
                     op.operation == Operation::rename_source;
  if (names) event.others.push_back({file_id(kDirectory), Operation::change_directory});
  event.range = op.range;
  event.reclaimed = static_cast<bool>(open);
  event.patience = patience;
  event.policy = policy_;
  return event;
}

}  // namespace lockstep::sim
