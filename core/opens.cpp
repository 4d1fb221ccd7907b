// Opens: share reservations of SMB, NFSv4 and NLM SHARE in one table.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

namespace {

OpenRecord record_of(const Open& open) {
  // Until grace ends the record keeps what may still be reclaimed of it.
  return {open.id,
          open.client->id,
          open.file->id,
          open.owner,
          open.whole_access(),
          open.whole_deny(),
          open.right ? open.right->id : RightId{}};
}

}  // namespace

void State::on(const OpenRequested& event) { run(event); }
void State::on(const DispositionSet& event) { run(event); }

/// A NFSv4 OPEN of before a restart is taken over by its reclaim only; a SHARE replaces any.
Open* State::open_of_owner(File& file, const Client& client, std::string_view owner) {
  for (const auto& [id, open] : file.opens) {
    if (open->client != &client || open->owner != owner) continue;
    if (!open->recovered || client.protocol == Protocol::nlm) return open;
  }
  return nullptr;
}

Outcome State::attempt(const OpenRequested& event, Waiter*) {
  auto refuse = [&](Status status, ReplyBody body = {}) {
    reply(event.request, status, std::move(body));
    return Outcome{};
  };
  Client* client = find_client(event.client);
  if (!client) return refuse(Status::unknown_client);
  const bool smb = client->protocol == Protocol::smb;
  const bool leased = event.wish.flavour == Flavour::lease;
  File& file = this->file(event.file);
  untidy(file);
  // One that truncates is no mere reclaim: it waits for the end of grace like any change.
  const bool by_itself =
      smb && !event.overwrite && may_reclaim(*client) && recovered_open(file, *client, event);
  const bool reclaim = by_itself || event.reclaim == Reclaim::previous;  // makes no new open
  const bool has_it = reclaim || (!smb && open_of_owner(file, *client, event.owner) != nullptr);
  if (!has_it &&
      (client->opens.size() >= limits.opens_per_client_max || opens.size() >= limits.opens_max)) {
    return refuse(Status::limit);
  }
  if (journal_failed && (!smb || leased)) return refuse(Status::journal_failed);
  if (file.delete_pending && !reclaim) return refuse(Status::delete_pending);
  Asker asker;
  asker.client = client;
  asker.wish = &event.wish;
  const bool keyed = is_lease(event.wish.flavour);
  if (keyed || event.wish.key != LeaseKey{}) {
    auto lease = leases.find({client->id, event.wish.key});
    if (lease != leases.end() && lease->second->file != &file) return refuse(Status::key_in_use);
    if (lease != leases.end() && keyed) asker.own = lease->second;
  }
  if (is_nfs4(client->protocol)) asker.open = open_of_owner(file, *client, event.owner);

  if (reclaim) return reclaim_open(event, *client, file);
  // Its own right is on record, but this is not the open that it was held with.
  const bool own_unclaimed = grace && std::ranges::any_of(file.rights, [&](const auto& item) {
                               return item.second->recovered && is_own(*item.second, asker);
                             });
  if (own_unclaimed || grace_gates(*client)) return wait_for_grace(event.request, *client);

  const Cause cause = cause_of(event);
  if (cause == Cause::open_security && event.reads_security) {
    const Need need{&file, cause};
    Outcome outcome = break_rights(asker, {&need, 1});
    if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, *client);
    if (!outcome.done()) return outcome;
    pass_bars(*client, {&need, 1});
  } else if (cause != Cause::open_security) {
    const Open* replaced =
        client->protocol == Protocol::nlm ? open_of_owner(file, *client, event.owner) : nullptr;
    OpenInTheWay other = share_clash(file, event.access, event.deny, replaced);
    while (other && expired_holder(other->client)) {
      other = share_clash(file, event.access, event.deny, replaced);
    }
    const Need need{&file, other ? Cause::open_conflict : cause};
    if (other.unclaimed) return wait_for_grace(event.request, *client);
    Outcome outcome = break_rights(asker, {&need, 1});
    if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, *client);
    if (!outcome.done()) return outcome;
    if (other) {
      if (crosses(client->protocol, other->client->protocol)) {
        emit(ConflictSeen{client->protocol,
                          other->client->protocol == Protocol::smb ? ConflictSeen::Thing::smb_open
                                                                   : ConflictSeen::Thing::nfs_open,
                          ConflictSeen::Resolution::denied, need.cause, file.id, client->id,
                          other->client->id, false, 0});
      }
      return refuse(Status::share_conflict, holder_of(*other));
    }
    const Need passed{&file, cause};
    pass_bars(*client, {&passed, 1});
  }
  grant_open(event, *client, file, asker);
  return {};
}

void State::grant_open(const OpenRequested& event, Client& client, File& file, const Asker& asker) {
  Open* open = nullptr;
  OpenReply answer;
  if (client.protocol != Protocol::smb) open = open_of_owner(file, client, event.owner);
  if (!open) {
    open = &add_open(file, client, OpenId{++next_open});
    open->owner = event.owner;
    open->attributes_only = event.attributes_only;
    move_below(*open, event.ancestors);
  } else {
    count_open(*open, false);
    if (client.protocol == Protocol::nlm) {  // a SHARE replaces, an OPEN widens
      open->access = open->deny = {};
      open->asked.clear();
    }
  }
  // The right is judged against what others have: this open is counted after it.
  Right* right = open->right ? open->right : grant_right(*open, event, asker, answer);
  open->access = open->access | event.access;
  open->deny = open->deny | event.deny;
  open->asked.emplace_back(event.access, event.deny);
  take_over(*open);
  if (!open->right && right && !is_delegation(right->flavour)) {
    open->right = right;
    ++right->opens;
  }
  count_open(*open, true);
  const bool recorded = client.protocol != Protocol::smb || (right && right->on_record);
  if (recorded) put_open_record(*open);
  if (event.overwrite) {
    start_access({event.request,
                  &client,
                  open->id,
                  lease_key_of(right),
                  {},
                  {{&file, Operation::set_size}},
                  Range::whole(),
                  client.protocol,
                  event.policy});
  }
  answer.open = open->id;
  reply(event.request, Status::ok, answer, recorded);
}

Open& State::add_open(File& file, Client& client, OpenId id) {
  Open& open = opens[id];
  open.id = id;
  open.client = &client;
  open.file = &file;
  file.opens.emplace(id, &open);
  client.opens.insert(id);
  if (client.protocol == Protocol::smb) ++file.smb_opens;
  return open;
}

/// The directories above an open, as its request names them.
void State::move_below(Open& open, const std::vector<FileId>& ancestors) {
  for (const FileId& directory : open.ancestors) {
    const auto at = below.find({directory, open.file->id});
    if (--at->second == 0) below.erase(at);
  }
  open.ancestors = ancestors;
  for (const FileId& directory : open.ancestors) ++below[{directory, open.file->id}];
}

/// Takes an open's modes into the counts of its file and its right, or out of them.
void State::count_open(Open& open, bool in) {
  if (open.attributes_only) return;
  auto move = [in](std::uint32_t& count) { in ? ++count : --count; };
  File& file = *open.file;
  move(file.data_opens);
  if (open.right) move(open.right->data_opens);
  for (std::size_t bit = 0; bit < file.accessing.size(); ++bit) {
    if ((open.whole_access().bits() >> bit & 1) != 0) move(file.accessing[bit]);
    if ((open.whole_deny().bits() >> bit & 1) != 0) move(file.denying[bit]);
  }
}

void State::put_open_record(Open& open) {
  record_client(*open.client);
  open.on_record = true;
  persist(record_of(open));
}

/// The locks that stand and fall with an open: all of an SMB open, those made through it of NFSv4.
void State::release_locks_of(Open& open) {
  File& file = *open.file;
  if (open.client->protocol == Protocol::smb) {
    auto owner = open.client->owners.find(OwnerNamed{open.id, {}});
    if (owner == open.client->owners.end()) return;
    release_locks(file, owner->second);
    return tidy(owner->second);
  }
  if (!is_nfs4(open.client->protocol) || open.client->locks == 0) return;
  std::vector<HeldLock> through;
  file.locks.visit_all([&](const HeldLock& lock) {
    if (!lock.owner->smb() && lock.through == open.id) through.push_back(lock);
  });
  std::vector<LockOwner*> owners;
  for (const HeldLock& lock : through) {
    LockChanges changes;
    file.locks.clear(&file, *lock.owner, lock.range, next_lock, changes);
    lock_changed(file, changes, lock.owner);
    if (std::ranges::find(owners, lock.owner) == owners.end()) owners.push_back(lock.owner);
  }
  for (LockOwner* owner : owners) tidy(*owner);
}

void State::close(Open& open) {
  File& file = *open.file;
  std::vector<Waiter*> parked_by_it;
  for (Waiter* waiter : open.client->waiters) {
    const OpenId by = std::visit(
        [](const auto& body) {
          if constexpr (requires { body.open; })
            return body.open;
          else
            return OpenId{};
        },
        waiter->body);
    if (by == open.id) parked_by_it.push_back(waiter);
  }
  for (Waiter* waiter : parked_by_it) cancel(*waiter, Status::closed);

  release_locks_of(open);
  count_open(open, false);
  if (open.on_record) erase_record(record_of(open));
  if (Right* right = open.right) {
    open.right = nullptr;
    if (--right->opens == 0) drop_right(*right);
  }
  move_below(open, {});
  if (open.unclaimed()) claimed(*open.client, file);
  if (open.client->protocol == Protocol::smb && --file.smb_opens == 0 && !file.removing) {
    file.delete_pending = false;  // a close that takes the name with it sets it again
  }
  open.client->opens.erase(open.id);
  file.opens.erase(open.id);
  untidy(file);
  opens.erase(open.id);
}

void State::on(const OpenClosed& event) {
  auto at = opens.find(event.open);
  if (at == opens.end()) return reply(event.request, Status::unknown_open);
  File& file = *at->second.file;
  Client& client = *at->second.client;
  const bool smb = client.protocol == Protocol::smb;
  const bool remove = smb && file.delete_pending && file.smb_opens == 1 && !file.removing;
  close(at->second);
  if (remove) {
    file.delete_pending = true;
    file.removing = event.request;
    start_access({event.request,
                  &client,
                  {},
                  {},
                  {},
                  {{&file, Operation::remove}},
                  Range::whole(),
                  client.protocol,
                  {}});
  }
  reply(event.request, Status::ok, CloseReply{remove});
}

void State::on(const ShareReleased& event) {
  Client* client = find_client(event.client);
  if (!client) return reply(event.request, Status::unknown_client);
  File* file = find_file(event.file);
  Open* open = file ? open_of_owner(*file, *client, event.owner) : nullptr;
  if (open) close(*open);
  reply(event.request, Status::ok, CloseReply{});
}

/// RFC 8881 18.18: each of access and deny must be the union of a subset of what was opened.
void State::on(const OpenDowngraded& event) {
  auto at = opens.find(event.open);
  if (at == opens.end()) return reply(event.request, Status::unknown_open);
  Open& open = at->second;
  Access access, deny;
  std::vector<std::pair<Access, Access>> kept;
  for (const auto& [asked_access, asked_deny] : open.asked) {
    if (event.access.contains(asked_access)) access = access | asked_access;
    if (event.deny.contains(asked_deny)) deny = deny | asked_deny;
    if (event.access.contains(asked_access) && event.deny.contains(asked_deny)) {
      kept.emplace_back(asked_access, asked_deny);
    }
  }
  if (access != event.access || deny != event.deny) {
    return reply(event.request, Status::bad_mode);
  }
  count_open(open, false);
  open.access = event.access;
  open.deny = event.deny;
  const std::pair<Access, Access> whole{event.access, event.deny};
  if (std::ranges::find(kept, whole) == kept.end()) kept.push_back(whole);
  open.asked = std::move(kept);
  count_open(open, true);
  if (open.on_record) put_open_record(open);
  reply(event.request, Status::ok);
}

Outcome State::attempt(const DispositionSet& event, Waiter*) {
  auto at = opens.find(event.open);
  if (at == opens.end()) {
    reply(event.request, Status::unknown_open);
    return {};
  }
  Open& open = at->second;
  File& file = *open.file;
  if (event.remove) {
    Asker asker;
    asker.client = open.client;
    asker.open = &open;
    asker.own = open.right;
    const Need need{&file, Cause::remove};
    Outcome outcome = break_rights(asker, {&need, 1});
    if (outcome.wait_for == WaitFor::grace) return wait_for_grace(event.request, *open.client);
    if (!outcome.done()) return outcome;
    pass_bars(*open.client, {&need, 1});
  }
  file.delete_pending = event.remove;
  untidy(file);
  reply(event.request, Status::ok);
  return {};
}

}  // namespace lockstep::core
