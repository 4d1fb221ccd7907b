// Clients: identity, leases with courtesy, and what happens when one is gone.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

void State::on(const ClientArrived& event) {
  const auto key = std::make_pair(event.protocol, event.identity);
  auto known = identities.find(key);
  if (known != identities.end()) {
    Client& client = clients.at(known->second);
    const bool other =
        client.address != event.address || (!event.label.empty() && client.label != event.label);
    client.address = event.address;
    if (!event.label.empty()) client.label = event.label;
    if (event.lease != 0) client.lease = event.lease;
    touch_lease(client);
    if (other && client.on_record) put_client_record(client);  // where SM_NOTIFY goes
    reply(event.request, Status::ok, ClientReply{client.id, true}, client.on_record);
    return;
  }
  if (clients.size() >= limits.clients_max) return reply(event.request, Status::limit);
  const ClientId id{++next_client};
  Client& client = clients[id];
  client.id = id;
  client.protocol = event.protocol;
  client.identity = event.identity;
  client.address = event.address;
  client.label = event.label.empty() ? event.identity : event.label;
  client.lease = event.lease;
  identities.emplace(key, id);
  touch_lease(client);
  reply(event.request, Status::ok, ClientReply{id, false});
}

void State::touch_lease(Client& client) {
  client.present = true;
  if (!grace) forgive(client);
  if (client.lease == 0) return;
  drop_timer(client.lease_until, TimerKind::lease, client.id.value);
  client.courtesy = false;
  client.lease_until = now + client.lease;
  set_timer(client.lease_until, TimerKind::lease, client.id.value);
}

/// What it lost is no longer on record: what it gets from now on may be reclaimed.
void State::forgive(Client& client) {
  if (!client.lost_state) return;
  client.lost_state = false;
  put_client_record(client);
}

/// The lease ran out: nothing is taken from the client until somebody wants it (RFC 8881 8.4.2.4).
void State::lease_ended(Client& client) {
  auto unanswered = [](const Waiter* waiter) { return !waiter->answered; };
  if (!client.accesses.empty() || std::ranges::any_of(client.waiters, unanswered)) {
    client.lease_until = now + client.lease;
    return set_timer(client.lease_until, TimerKind::lease, client.id.value);
  }
  if (!client.has_state()) {
    drop_state(client);
    return forget(client);
  }
  if (client.courtesy) {
    expire(client);
    return forget(client);
  }
  client.courtesy = true;
  client.lease_until = now + limits.courtesy;
  set_timer(client.lease_until, TimerKind::lease, client.id.value);
  cancel_all(client);
  // Those who wait for anything of its are judged again: they may take it now.
  for (const RightId id : client.rights) {
    for (const Arrival arrival : rights.at(id).waiting) {
      if (auto at = waiters.find(arrival); at != waiters.end()) wake(at->second);
    }
  }
  for (auto& [key, owner] : client.owners) {
    for (const auto& holding : owner.holdings) {
      holding.file->locks.visit_all([&](const HeldLock& lock) {
        if (lock.owner == &owner) wake_range(*holding.file, lock.range);
        return true;
      });
    }
  }
}

void State::on(const ClientRenewed& event) {
  if (Client* client = find_client(event.client)) touch_lease(*client);
}

void State::on(const ClientLeft& event) {
  Client* client = find_client(event.client);
  if (!client) return;
  drop_state(*client);
  if (client->protocol != Protocol::nlm) forget(*client);
}

void State::on(const HostRebooted& event) {
  std::vector<Client*> hosts;
  for (auto& [id, client] : clients) {
    if (client.protocol != Protocol::nlm || client.host_state == event.state) continue;
    const bool same = client.identity == event.name ||
                      (!event.address.empty() && client.address == event.address);
    if (same) hosts.push_back(&client);
  }
  for (Client* client : hosts) {
    client->host_state = event.state;
    drop_state(*client);
    if (client->on_record) put_client_record(*client);
  }
}

void State::on(const CallbackPathChanged& event) {
  if (Client* client = find_client(event.client)) client->callback_up = event.up;
}

void State::record_client(Client& client) {
  if (client.on_record) return;
  client.on_record = true;
  put_client_record(client);
}

void State::put_client_record(const Client& client) {
  persist(ClientRecord{client.id, client.protocol, client.identity, client.address, client.label,
                       client.host_state, client.lost_state});
}

/// Everything of a client goes at once; only then are those woken who waited for any of it.
void State::drop_state(Client& client) {
  cancel_all(client);
  while (!client.grants.empty()) stop_grant(*client.grants.begin());
  for (auto next = client.owners.begin(); next != client.owners.end();) {
    LockOwner& owner = (next++)->second;
    for (const auto& holding : LockOwner::Holdings(owner.holdings))
      release_locks(*holding.file, owner);
    tidy(owner);
  }
  while (!client.opens.empty()) close(opens.at(*client.opens.begin()));
  while (!client.rights.empty()) drop_right(rights.at(*client.rights.begin()));
  for (const auto& [when, id] : fading) {
    if (File* file = find_file(id)) {
      std::erase_if(file->bars, [&](const Bar& bar) { return bar.client == client.id; });
      untidy(*file);
    }
  }
}

void State::forget(Client& client) {
  if (client.on_record) {
    erase_record(ClientRecord{client.id, client.protocol, client.identity, client.address,
                              client.label, client.host_state, client.lost_state});
  }
  drop_timer(client.lease_until, TimerKind::lease, client.id.value);
  for (const RequestId request : client.accesses) {
    accesses.at(request).client = nullptr;  // its I/O still ends one day
  }
  identities.erase({client.protocol, client.identity});
  clients.erase(client.id);
}

/// A client whose lease ended is in somebody's way: mark, revoke, and let the other go on, in one
/// step (RFC 8881 8.4.2.4, 8.4.3).
void State::expire(Client& client) {
  client.lost_state = true;
  client.on_record = true;
  put_client_record(client);
  emit(Revoked{client.id, {}, {}, LeaveReason::expired});
  drop_state(client);
}

bool State::expired_holder(Client* holder) {
  if (!holder || !holder->courtesy || !holder->has_state()) return false;
  expire(*holder);
  return true;
}

}  // namespace lockstep::core
