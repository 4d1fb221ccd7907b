// Clients, their leases, and the one grace period.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

void Model::on(const ClientArrived& e) {
  for (Client& c : clients_) {
    if (c.protocol != e.protocol || c.identity != e.identity) continue;
    c.address = e.address;
    c.label = e.label;
    c.lease = e.lease;
    c.lease_until = e.lease == 0 ? kNever : now_ + e.lease;
    c.courtesy = false;
    c.arrived = true;
    if (!grace_ && c.lost_state) c.lost_state = c.on_record = false;
    return reply(e.request, Status::ok, ClientReply{c.id, true}, c.on_record);
  }
  if (clients_.size() >= limits_.clients_max) return reply(e.request, Status::limit);
  Client c;
  c.id = ClientId{next_id(client_counter_)};
  c.protocol = e.protocol;
  c.identity = e.identity;
  c.address = e.address;
  c.label = e.label;
  c.lease = e.lease;
  c.lease_until = e.lease == 0 ? kNever : now_ + e.lease;
  c.arrived = true;
  clients_.push_back(c);
  reply(e.request, Status::ok, ClientReply{c.id, false});
}

void Model::on(const ClientRenewed& e) {
  Client* c = client(e.client);
  if (c == nullptr || c->lease == 0) return;
  c->lease_until = now_ + c->lease;
  c->courtesy = false;
}

void Model::on(const ClientLeft& e) {
  const Client* c = client(e.client);
  if (c == nullptr) return;
  const bool host = c->protocol == Protocol::nlm;
  drop_state(e.client);
  if (!host) forget(e.client);
}

void Model::on(const HostRebooted& e) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& c = clients_[i];
    const bool matches =
        (!e.name.empty() && c.identity == e.name) || (!e.address.empty() && c.address == e.address);
    if (c.protocol != Protocol::nlm || !matches || c.host_state == e.state) continue;
    c.host_state = e.state;
    if (c.on_record) record_client(c.id, true);
    drop_state(c.id);
  }
}

void Model::on(const ReclaimCompleted& e) {
  Client* c = client(e.client);
  if (c == nullptr) return reply(e.request, Status::unknown_client);
  if (e.one_file_system) return reply(e.request, Status::ok);
  if (c->complete) return reply(e.request, Status::complete_already);
  c->complete = true;
  reply(e.request, Status::ok);
}

// ---- The end of a client's state --------------------------------------------------------------

bool Model::anything_of(ClientId id) const {
  auto theirs = [&](const auto& each) { return each.client == id; };
  return std::any_of(opens_.begin(), opens_.end(), theirs) ||
         std::any_of(locks_.begin(), locks_.end(), theirs) ||
         std::any_of(rights_.begin(), rights_.end(), theirs) ||
         std::any_of(grants_.begin(), grants_.end(), theirs) ||
         std::any_of(waiters_.begin(), waiters_.end(),
                     [&](const Waiter& w) { return reduce(w.request).client == id; });
}

void Model::drop_state(ClientId id) {
  end_waiters([&](const Waiter& w) { return reduce(w.request).client == id; }, Status::cancelled);
  std::erase_if(grants_, [&](const PendingGrant& grant) {
    if (grant.client != id) return false;
    out_->push_back(StopNotifying{grant.grant});
    return true;
  });
  std::vector<Lock> locks;
  for (const Lock& held : locks_)
    if (held.client == id) locks.push_back(held);
  for (const Lock& held : locks) {
    erase_lock(held.id);
    wake_freed(held.file, held.range);
  }
  std::vector<RightId> rights;
  for (const Right& r : rights_)
    if (r.client == id) rights.push_back(r.id);
  for (RightId r : rights) drop_right(r);
  std::erase_if(opens_, [&](const Open& o) {
    if (o.client != id) return false;
    if (recorded(o)) erase(&OpenRecord::open, o.id);
    return true;
  });
  std::erase_if(delete_pending_, [&](FileId file) {
    auto keeps = [&](const Open& o) { return o.file == file && smb(o.client); };
    auto removal = [&](const AccessInFlight& a) { return a.removes_name && a.touch.file == file; };
    return std::none_of(opens_.begin(), opens_.end(), keeps) &&
           std::none_of(accesses_.begin(), accesses_.end(), removal);
  });
  std::erase_if(bars_, [&](const Bar& bar) { return bar.client == id; });
}

void Model::forget(ClientId id) {
  if (client(id)->on_record) erase(&ClientRecord::client, id);
  std::erase_if(clients_, [&](const Client& c) { return c.id == id; });
}

/// The mark goes on record before what takes the place of its state.
void Model::revoke_courtesy(ClientId id) {
  client(id)->lost_state = true;
  record_client(id, true);
  drop_state(id);
  out_->push_back(Revoked{id, {}, {}, LeaveReason::expired});
}

void Model::lease_ended(ClientId id) {
  Client& c = *client(id);
  if (c.courtesy) {
    if (anything_of(id)) revoke_courtesy(id);
    return forget(id);
  }
  const bool busy =
      std::any_of(waiters_.begin(), waiters_.end(),
                  [&](const Waiter& w) { return !w.answered && reduce(w.request).client == id; }) ||
      std::any_of(accesses_.begin(), accesses_.end(),
                  [&](const AccessInFlight& access) { return access.asked.client == id; });
  if (busy) {
    c.lease_until = now_ + c.lease;
    return;
  }
  if (!anything_of(id)) return forget(id);
  c.courtesy = true;
  end_waiters([&](const Waiter& w) { return reduce(w.request).client == id; }, Status::cancelled);
  // Those whom it is in the way of already take its state.
  for (const Lock& held : locks_)
    if (held.client == id) wake_freed(held.file, held.range);
  wake_if([&](const Waiter& w) {
    return std::any_of(w.breaks.begin(), w.breaks.end(),
                       [&](RightId r) { return right(r)->client == id; });
  });
}

// ---- Grace ------------------------------------------------------------------------------------

bool Model::reclaiming(const Client& c) const {
  if (!c.roster) return false;
  if (c.protocol == Protocol::nfs41) return !c.complete;
  auto unclaimed = [&](const auto& each) { return each.client == c.id && each.recovered; };
  return std::any_of(opens_.begin(), opens_.end(), unclaimed) ||
         std::any_of(locks_.begin(), locks_.end(), unclaimed) ||
         std::any_of(rights_.begin(), rights_.end(), unclaimed);
}

bool Model::grace_over() const {
  return std::none_of(clients_.begin(), clients_.end(),
                      [&](const Client& c) { return reclaiming(c); });
}

/// What nobody reclaimed is deleted before anything that grace held up goes on.
void Model::end_grace() {
  grace_ = false;
  std::vector<Lock> locks;
  for (const Lock& held : locks_)
    if (held.recovered) locks.push_back(held);
  for (const Lock& held : locks) {
    erase_lock(held.id);
    wake_freed(held.file, held.range);
  }
  std::vector<RightId> rights;
  for (const Right& r : rights_)
    if (r.recovered) rights.push_back(r.id);
  for (RightId r : rights) drop_right(r);
  std::erase_if(opens_, [&](const Open& o) {
    if (!o.recovered) return false;
    erase(&OpenRecord::open, o.id);
    return true;
  });
  for (Open& o : opens_) {
    const bool shrank = o.reclaimed && (o.claim_access != o.access || o.claim_deny != o.deny);
    o.reclaimed = false;
    if (shrank) record(o);
  }
  forget_absent();
  out_->push_back(GraceEnded{});
  wake_if([](const Waiter& w) { return w.for_grace; });
}

/// Whoever was on record, did not come and has nothing; hosts of NLM stay for their host_state.
void Model::forget_absent() {
  std::vector<ClientId> absent;
  for (Client& c : clients_) {
    if (c.arrived && c.lost_state) c.lost_state = c.on_record = false;
    if (!c.arrived && c.protocol != Protocol::nlm && !anything_of(c.id)) absent.push_back(c.id);
  }
  for (ClientId id : absent) forget(id);
}

}  // namespace lockstep::model
