// Accesses: every operation that is no open and no lock; let through only when nothing that it
// contradicts is held, and remembered until it has ended.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

void State::on(const AccessRequested& event) { run(event); }

std::vector<Need> State::needs_of(const AccessRequested& event) {
  std::vector<Need> needs;
  const Client* client = find_client(event.client);
  const Protocol protocol = client ? client->protocol : Protocol::nfs3;
  auto add = [&](const Target& target) {
    const auto cause = cause_of(target.operation, event.policy, protocol);
    if (!cause) return;
    if (target.operation != Operation::rename_ancestor) {
      needs.push_back({&file(target.file), *cause});
      return;
    }
    for (auto at = below.lower_bound({target.file, FileId{}});
         at != below.end() && at->first.first == target.file; ++at) {
      if (File* lower = find_file(at->first.second)) needs.push_back({lower, *cause});
    }
  };
  add(event.target);
  for (const Target& target : event.others) add(target);
  for (const Need& need : needs) untidy(*need.file);
  return needs;
}

Outcome State::attempt(const AccessRequested& event, Waiter*) {
  auto refuse = [&](Status status, ReplyBody body = {}) {
    reply(event.request, status, std::move(body));
    return Outcome{};
  };
  Client* client = find_client(event.client);
  if (!client) return refuse(Status::unknown_client);
  Asker asker;
  asker.client = client;
  if (event.open) {
    auto open = opens.find(event.open);
    const bool mine = open != opens.end() && open->second.client == client;
    // A recovered open is nobody's until it is reclaimed.
    if (!mine || open->second.recovered) return refuse(Status::unknown_open);
    asker.open = &open->second;
    asker.own = open->second.right;
    const Access access = open->second.access;
    const Operation operation = event.target.operation;
    const bool reads =
        access.has(AccessBit::read) || (is_nfs(client->protocol) && access.has(AccessBit::write));
    const bool writes = access.has(AccessBit::write);
    if ((operation == Operation::read && !reads) || (is_write(operation) && !writes)) {
      return refuse(Status::bad_mode);
    }
  }
  asker.anonymous = client->protocol == Protocol::nfs40 && !event.open;
  if (event.parent_key != LeaseKey{}) asker.parent = &event.parent_key;

  const std::vector<Need> needs = needs_of(event);
  // Deny modes. A clash breaks only what may make it go away: Handle caches.
  std::vector<Target> targets{event.target};
  targets.insert(targets.end(), event.others.begin(), event.others.end());
  for (const Target& target : targets) {
    File* known = find_file(target.file);
    if (!known) continue;
    if (target.operation == Operation::link && known->delete_pending) {
      return refuse(Status::delete_pending);
    }
    OpenInTheWay other = deny_clash(*known, asker, target.operation, event.policy);
    while (other && expired_holder(other->client)) {
      other = deny_clash(*known, asker, target.operation, event.policy);
    }
    if (!other) continue;
    if (other.unclaimed && !event.reclaimed) return wait_for_grace(event.request, *client);
    const bool io = is_io(target.operation);
    const Cause cause =
        io ? Cause::open_conflict : *cause_of(target.operation, event.policy, client->protocol);
    const Need need{known, cause, true};
    Outcome outcome = break_rights(asker, {&need, 1});
    if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, *client);
    if (!outcome.done()) return outcome;
    if (crosses(client->protocol, other->client->protocol)) {
      const bool by_smb = other->client->protocol == Protocol::smb;
      emit(ConflictSeen{client->protocol,
                        by_smb ? ConflictSeen::Thing::smb_open : ConflictSeen::Thing::nfs_open,
                        ConflictSeen::Resolution::denied, cause, known->id, client->id,
                        other->client->id, false, 0});
    }
    return refuse(io ? Status::share_conflict : Status::file_open, holder_of(*other));
  }

  Outcome outcome = break_rights(asker, needs);
  if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, *client);
  if (!outcome.done()) return outcome;

  for (const Target& target : targets) {
    if (target.operation != Operation::rename_ancestor || client->protocol != Protocol::smb)
      continue;
    for (auto at = below.lower_bound({target.file, FileId{}});
         at != below.end() && at->first.first == target.file; ++at) {
      const File* lower = find_file(at->first.second);
      const Open* open = lower ? open_below(*lower, asker, target.file) : nullptr;
      if (open) return refuse(Status::file_open, holder_of(*open));
    }
  }

  const Operation operation = event.target.operation;
  if (is_io(operation)) {
    const File* known = find_file(event.target.file);
    const HeldLock* held = known ? io_clash(*known, asker, event) : nullptr;
    while (held && expired_holder(held->owner->client)) {
      held = io_clash(*known, asker, event);
    }
    if (held && held->recovered && !event.reclaimed) return wait_for_grace(event.request, *client);
    if (held) {
      const Protocol holder = held->owner->client->protocol;
      if (crosses(client->protocol, holder)) {
        emit(ConflictSeen{
            client->protocol,
            holder == Protocol::smb ? ConflictSeen::Thing::smb_lock : ConflictSeen::Thing::nfs_lock,
            ConflictSeen::Resolution::denied,
            operation == Operation::read ? Cause::read : Cause::write, known->id, client->id,
            held->owner->client->id, false, 0});
      }
      return refuse(Status::lock_conflict, holder_of(*held));
    }
  }
  pass_bars(*client, needs);
  // A level II oplock may have fallen to its own write: ask the open anew.
  const Right* own = asker.open ? asker.open->right : nullptr;
  InFlight access{event.request,     client,           event.open,
                  lease_key_of(own), event.parent_key, {},
                  event.range,       client->protocol, event.policy};
  for (const Target& target : targets) {
    access.targets.emplace_back(&file(target.file), target.operation);
  }
  start_access(std::move(access));
  reply(event.request, Status::ok);
  return {};
}

void State::start_access(InFlight access) {
  const RequestId request = access.request;
  if (access.client) access.client->accesses.insert(request);
  InFlight& kept = accesses.insert_or_assign(request, std::move(access)).first->second;
  for (const auto& [file, operation] : kept.targets) {
    const bool listed = !file->accesses.empty() && file->accesses.back() == &kept;
    if (!listed) file->accesses.push_back(&kept);  // a rename may name a file twice
  }
}

void State::on(const AccessEnded& event) {
  auto at = accesses.find(event.request);
  if (at == accesses.end()) return;
  const auto targets = at->second.targets;
  if (Client* client = at->second.client) client->accesses.erase(event.request);
  for (const auto& [file, operation] : targets) {
    std::erase(file->accesses, &at->second);
    if (file->removing == event.request) {  // the removal that a close was told to do
      file->removing = {};
      file->delete_pending = false;
    }
    finish_breaks(*file, event.request);
    wake_accesses(*file);
    untidy(*file);
  }
  accesses.erase(at);
}

/// Whether I/O under way would be contradicted by this lock. SMB locks bind everybody's I/O (by
/// policy also NFS's: waiting for its end costs little), NFS locks bind SMB's.
bool State::access_in_flight_clashes(const File& file, const LockOwner& owner, const Client& client,
                                     LockElement element) const {
  const bool smb = client.protocol == Protocol::smb;
  return std::ranges::any_of(file.accesses, [&](const InFlight* access) {
    if (!access->range.overlaps(element.range)) return false;
    if (owner.smb() && access->open == owner.open) return false;
    if (!smb && access->protocol != Protocol::smb) return false;
    return std::ranges::any_of(access->targets, [&](const auto& target) {
      if (target.first != &file) return false;
      return is_write(target.second) ||
             (target.second == Operation::read && element.mode == LockMode::exclusive);
    });
  });
}

}  // namespace lockstep::core
