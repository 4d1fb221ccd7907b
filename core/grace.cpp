// Restart: what the journal kept protects the files from the first instant, is given back to those
// who held it, and is durably gone when grace ends.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

namespace {
constexpr unsigned kEpochShift = 40;  ///< ids of one boot: a million million
}

void State::recover(const std::vector<Record>& records, std::uint64_t boot_epoch, Nanos at,
                    Effects& out) {
  out_ = &out;
  now = at;
  epoch = boot_epoch;
  next_client = next_open = next_right = next_lock = epoch << kEpochShift;
  Nanos promised = 0;
  auto each = [&]<typename Kind>(const Kind&) {
    for (const Record& record : records) {
      if (const auto* found = std::get_if<Kind>(&record)) restore(*found);
    }
  };
  for (const Record& record : records) {
    if (const auto* boot = std::get_if<BootRecord>(&record)) promised = boot->grace;
  }
  each(ClientRecord{});
  each(RightRecord{});
  each(OpenRecord{});
  each(LockRecord{});
  persist(BootRecord{epoch, limits.grace});
  for (auto& [id, client] : clients) {
    if (client.unclaimed == 0) continue;
    client.reclaiming = true;
    roster_.insert(id);
  }
  if (!roster_.empty()) {
    grace = true;
    grace_until = now + std::max(limits.grace, promised);
    set_timer(grace_until, TimerKind::grace, 0);
  } else {
    forget_absent();
  }
  out_ = nullptr;
}

void State::restore(const ClientRecord& record) {
  Client& client = clients[record.client];
  client.id = record.client;
  client.protocol = record.protocol;
  client.identity = record.identity;
  client.address = record.address;
  client.label = record.label;
  client.host_state = record.host_state;
  client.lost_state = record.lost_state;
  client.on_record = true;
  identities[{record.protocol, record.identity}] = record.client;
}

void State::restore(const RightRecord& record) {
  Client* client = find_client(record.client);
  if (!client) return erase_record(record);
  File& file = this->file(record.file);
  Right& right = rights[record.right];
  right.id = record.right;
  right.client = client;
  right.file = &file;
  right.flavour = record.flavour;
  right.key = record.key;
  right.version2 = record.version2;
  right.epoch = record.epoch;
  right.since = now;
  right.recovered = true;
  set_rights(right, record.rights);
  right.on_record = true;
  file.rights.emplace(right.id, &right);
  if (right.flavour == Flavour::lease) leases[{client->id, right.key}] = &right;
  client->rights.insert(right.id);
  ++client->unclaimed;
  ++file.recovered;
}

void State::restore(const OpenRecord& record) {
  Client* client = find_client(record.client);
  if (!client) return erase_record(record);
  File& file = this->file(record.file);
  Open& open = add_open(file, *client, record.open);
  open.owner = record.owner;
  open.access = record.access;
  open.deny = record.deny;
  const bool smb = client->protocol == Protocol::smb;
  open.attributes_only = smb && record.access.empty() && record.deny.empty();
  open.asked.emplace_back(record.access, record.deny);
  open.recorded_access = record.access;
  open.recorded_deny = record.deny;
  open.recovered = true;
  open.on_record = true;
  if (auto right = rights.find(record.right); right != rights.end()) {
    open.right = &right->second;
    ++open.right->opens;
  }
  count_open(open, true);
  ++client->unclaimed;
  ++file.recovered;
}

void State::restore(const LockRecord& record) {
  Client* client = find_client(record.client);
  if (!client) return erase_record(record);
  File& file = this->file(record.file);
  LockOwner& owner = owner_of(*client, record.open, record.owner);
  const bool smb = client->protocol == Protocol::smb;
  const OpenId through = smb ? OpenId{} : record.open;
  file.locks.restore(&file, {record.range, record.lock, &owner, now, through, record.mode, true});
  if (!smb) ++file.nfs_locks;
  ++locks_held;
  ++client->locks;
  ++client->unclaimed;
  ++file.recovered;
}

/// Something recovered is so no more: it was reclaimed, given back or dropped.
void State::claimed(Client& client, File& file) {
  --client.unclaimed;
  --file.recovered;
}

/// An open is its client's again. Only NFSv4 has several OPENs in one, of which some may still
/// come; a CREATE or a SHARE is the whole.
void State::take_over(Open& open) {
  if (!open.unclaimed()) return;
  open.recovered = false;
  if (is_nfs4(open.client->protocol) &&
      (open.access != open.whole_access() || open.deny != open.whole_deny())) {
    return;
  }
  open.recorded_access = open.recorded_deny = {};
  claimed(*open.client, *open.file);
}

bool State::may_reclaim(const Client& client) const {
  return grace && client.on_record && !client.lost_state && !client.completed;
}

bool State::grace_gates(const Client& client) const {
  const bool not_done = client.protocol == Protocol::nfs41 && client.reclaiming;
  return not_done || (grace && limits.grace_scope == GraceScope::all);
}

/// NLM and NFSv4 have a word for it; the others wait.
Outcome State::wait_for_grace(RequestId request, const Client& client) {
  const bool has_word = client.protocol == Protocol::nlm || is_nfs4(client.protocol);
  auto at = parked.find(request);
  const bool answered = at != parked.end() && at->second->answered;
  if (!has_word || answered) return {WaitFor::grace, {}};
  reply(request, Status::grace);
  return {};
}

void State::on(const ReclaimCompleted& event) {
  Client* client = find_client(event.client);
  if (!client) return reply(event.request, Status::unknown_client);
  if (event.one_file_system) return reply(event.request, Status::ok);
  if (client->completed) return reply(event.request, Status::complete_already);
  client->completed = true;
  client->reclaiming = false;
  roster_.erase(client->id);
  reply(event.request, Status::ok);
}

// ---- Reclaiming --------------------------------------------------------------------------------

Open* State::recovered_open(File& file, const Client& client, const OpenRequested& event) {
  for (const auto& [id, open] : file.opens) {
    // NFSv4 and NLM may ask again, and in parts; a CREATE is a new open then.
    const bool again = client.protocol != Protocol::smb;
    if (open->client != &client || (!open->recovered && !again)) continue;
    const bool same = client.protocol == Protocol::smb
                          ? open->right && event.wish.flavour == open->right->flavour &&
                                event.wish.key == open->right->key
                          : open->owner == event.owner;
    if (same && open->whole_access().contains(event.access) &&
        open->whole_deny().contains(event.deny)) {
      return open;
    }
  }
  return nullptr;
}

Outcome State::reclaim_open(const OpenRequested& event, Client& client, File& file) {
  Open* open = recovered_open(file, client, event);
  if (!may_reclaim(client) || !open) {
    reply(event.request, may_reclaim(client) ? Status::reclaim_bad : Status::no_grace);
    return {};
  }
  Right* right = open->right;
  if (event.wish.flavour == Flavour::delegation && event.wish.rights.has(RightBit::read)) {
    for (const auto& [id, held] : file.rights) {
      if (held->client == &client && held->flavour == Flavour::delegation) right = held;
    }
  }
  if (right && right->recovered) {
    right->recovered = false;
    claimed(client, file);
    // No more than was held, no more than is asked; the client may have counted breaks that the
    // record does not know.
    if (right->version2) right->epoch = std::max(right->epoch, event.wish.epoch);
    set_rights(*right, normalised(right->flavour, right->rights & event.wish.rights));
  }
  // The open keeps its id, and so its ranges: they are given back one by one as they are asked for.
  const OpenInTheWay other = share_clash(file, event.access, event.deny, open);
  if (other && !other.unclaimed) {
    reply(event.request, Status::reclaim_conflict, holder_of(*other));
    return {};
  }
  count_open(*open, false);
  if (open->recovered || client.protocol == Protocol::nlm) {  // a SHARE replaces
    open->access = open->deny = {};
    open->asked.clear();
  }
  open->access = open->access | event.access;
  open->deny = open->deny | event.deny;
  open->asked.emplace_back(event.access, event.deny);
  move_below(*open, event.ancestors);
  take_over(*open);
  count_open(*open, true);
  open->reclaimed = true;
  put_open_record(*open);
  const Need need{&file, cause_of(event)};
  pass_bars(client, {&need, 1});
  OpenReply answer;
  answer.open = open->id;
  if (right) {
    answer.right = right->id;
    answer.flavour = right->flavour;
    answer.rights = right->rights;
    answer.epoch = right->epoch;
    answer.breaking = right->breaking;
  }
  reply(event.request, Status::ok, answer, true);
  return {};
}

/// What takes over what is counted already, or changes nothing, has no limit in its way.
bool State::counted_already(const LockRequested& event, const LockOwner& owner) const {
  if (event.reclaim == Reclaim::previous) return true;
  const File* file = find_file(event.file);
  if (!file) return false;
  if (!owner.smb()) return file->locks.holds_as(owner, event.element);
  if (!grace || !event.more.empty() || !opens.at(event.open).reclaimed) return false;
  return file->locks.recovered(owner, event.element);
}

/// A LOCK in grace of what its owner held before the restart; nothing when it is an ordinary LOCK.
std::optional<Outcome> State::reclaim_lock(const LockRequested& event, File& file,
                                           LockOwner& owner) {
  Client& client = clients.at(event.client);
  const bool smb = client.protocol == Protocol::smb;
  LockChanges changes;
  if (smb) {
    // SMB has no word for it: the equal range through a reclaimed open is the same lock.
    if (!grace || !event.more.empty() || !opens.at(event.open).reclaimed ||
        !file.locks.claim(&file, owner, event.element, changes)) {
      return std::nullopt;
    }
  } else {
    if (event.reclaim != Reclaim::previous) return std::nullopt;
    const bool may = may_reclaim(client);
    if (!may || !file.locks.covers(owner, event.element.range, event.element.mode)) {
      reply(event.request, may ? Status::reclaim_bad : Status::no_grace);
      return Outcome{};
    }
    const HeldLock* other = clashing_lock(file, &owner, event.element);
    if (other && !other->recovered) {
      reply(event.request, Status::reclaim_conflict, holder_of(*other));
      return Outcome{};
    }
    const LockElement& asked = event.element;
    stop_grants(file, owner, asked.range);
    file.locks.set(&file, {asked.range, 0, &owner, now, event.open, asked.mode, false}, next_lock,
                   changes);
  }
  lock_changed(file, changes, &owner);
  const Need need{&file, smb ? Cause::lock_by_smb : Cause::lock_by_nfs};
  pass_bars(client, {&need, 1});
  reply(event.request, Status::ok, {}, true);
  if (is_nfs4(client.protocol)) use_up_turns(owner, file, event.element);
  wake_own(owner, file, event.element.range);
  return granted();
}

// ---- The end -----------------------------------------------------------------------------------

void State::end_grace_if_done() {
  if (!grace) return;
  std::erase_if(roster_, [this](ClientId id) {
    Client* client = find_client(id);
    if (client && (client->unclaimed > 0 || client->protocol == Protocol::nfs41)) return false;
    if (client) client->reclaiming = false;
    return true;
  });
  if (roster_.empty()) end_grace();
}

/// What nobody reclaimed is durably gone before the first grant that grace would have refused.
void State::end_grace() {
  grace = false;
  drop_timer(grace_until, TimerKind::grace, 0);
  drop_unclaimed();
  roster_.clear();
  for (auto& [id, open] : opens) {
    if (!open.unclaimed()) continue;  // the rest of one that was reclaimed in part
    count_open(open, false);
    open.recorded_access = open.recorded_deny = {};
    count_open(open, true);
    claimed(*open.client, *open.file);
    put_open_record(open);
  }
  for (auto& [id, client] : clients) {
    if (client.present) forgive(client);
    // Only 4.1 has still to say that it is done.
    if (client.protocol != Protocol::nfs41) client.reclaiming = false;
  }
  forget_absent();
  emit(GraceEnded{});
  wake_grace();
}

/// Clients of before the restart that did not come back and have nothing left. NLM hosts stay
/// known: they are told of every restart.
void State::forget_absent() {
  std::vector<Client*> absent;
  for (auto& [id, client] : clients) {
    if (!client.present && !client.has_state() && client.protocol != Protocol::nlm) {
      absent.push_back(&client);
    }
  }
  for (Client* client : absent) forget(*client);
}

void State::drop_unclaimed() {
  std::vector<Right*> its_rights;
  std::vector<Open*> its_opens;
  std::vector<std::pair<File*, std::pair<LockOwner*, Range>>> its_locks;
  for (auto& [id, file] : files) {
    if (file.recovered == 0) continue;
    file.locks.visit_all([&](const HeldLock& lock) {
      if (lock.recovered) its_locks.push_back({&file, {lock.owner, lock.range}});
    });
  }
  for (auto& [file, part] : its_locks) {
    LockChanges changes;
    auto& [owner, range] = part;
    if (owner->smb()) {
      file->locks.drop_recovered(file, *owner, range, changes);
    } else {
      file->locks.clear(file, *owner, range, next_lock, changes);
    }
    lock_changed(*file, changes, owner);
  }
  for (auto& [id, open] : opens) {
    if (open.recovered) its_opens.push_back(&open);
  }
  for (Open* open : its_opens) close(*open);
  for (auto& [id, right] : rights) {
    if (right.recovered) its_rights.push_back(&right);
  }
  for (Right* right : its_rights) drop_right(*right);
  std::vector<LockOwner*> idle;
  for (auto& [id, client] : clients) {
    for (auto& [key, owner] : client.owners) idle.push_back(&owner);
  }
  for (LockOwner* owner : idle) tidy(*owner);
}

}  // namespace lockstep::core
