// What is on record, what comes back from it, and the view.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

// ---- Writing ----------------------------------------------------------------------------------

bool Model::recorded(const Open& o) const {
  const Right* r = right(o.right);
  return !smb(o.client) || (r != nullptr && r->flavour != Flavour::oplock);
}
bool Model::recorded(const Lock& held) const {
  const Open* o = open(held.open);
  return !smb(held.client) || (o != nullptr && recorded(*o));
}
bool Model::recorded(const Right& r) const {
  return r.flavour == Flavour::lease || r.flavour == Flavour::directory_lease ||
         r.flavour == Flavour::delegation;
}

void Model::record_client(ClientId id, bool even_if_known) {
  Client& c = *client(id);
  if (c.on_record && !even_if_known) return;
  c.on_record = true;
  put(ClientRecord{c.id, c.protocol, c.identity, c.address, c.label, c.host_state, c.lost_state});
}

void Model::record(const Open& o) {
  if (!recorded(o)) return;
  record_client(o.client);
  const bool claims = grace_ && o.reclaimed;
  put(OpenRecord{o.id, o.client, o.file, o.owner, claims ? (o.access | o.claim_access) : o.access,
                 claims ? (o.deny | o.claim_deny) : o.deny, o.right});
}
void Model::record(const Lock& held) {
  if (!recorded(held)) return;
  record_client(held.client);
  put(LockRecord{held.id, held.client, held.open, held.owner, held.file, held.range, held.mode});
}
void Model::record(const Right& r) {
  if (!recorded(r)) return;
  record_client(r.client);
  put(RightRecord{r.id, r.client, r.file, r.flavour, r.key, r.version2, r.epoch, r.rights});
}

// ---- Reading ----------------------------------------------------------------------------------

void Model::recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos now,
                    Effects& effects) {
  out_ = &effects;
  now_ = now;
  client_counter_ = open_counter_ = right_counter_ = lock_counter_ = epoch << 40;
  put(BootRecord{epoch, limits_.grace});
  BootRecord before;
  for (const Record& each : records) {
    if (const auto* boot = std::get_if<BootRecord>(&each);
        boot != nullptr && boot->epoch >= before.epoch)
      before = *boot;
    if (const auto* c = std::get_if<ClientRecord>(&each)) {
      Client back;
      back.id = c->client;
      back.protocol = c->protocol;
      back.identity = c->identity;
      back.address = c->address;
      back.label = c->label;
      back.host_state = c->host_state;
      back.lost_state = c->lost_state;
      back.on_record = back.restored = true;
      clients_.push_back(back);
    } else if (const auto* o = std::get_if<OpenRecord>(&each)) {
      Open back;
      back.id = o->open;
      back.client = o->client;
      back.file = o->file;
      back.owner = o->owner;
      back.access = back.claim_access = o->access;
      back.deny = back.claim_deny = o->deny;
      back.attributes_only = o->access.empty() && o->deny.empty();
      back.parts = {{o->access, o->deny}};
      back.right = o->right;
      back.recovered = true;
      opens_.push_back(back);
    } else if (const auto* l = std::get_if<LockRecord>(&each)) {
      locks_.push_back(
          {l->lock, l->client, l->open, l->owner, l->file, l->range, l->mode, true, now});
    } else if (const auto* r = std::get_if<RightRecord>(&each)) {
      Right back;
      back.id = r->right;
      back.client = r->client;
      back.file = r->file;
      back.flavour = r->flavour;
      back.key = r->key;
      back.version2 = r->version2;
      back.epoch = r->epoch;
      back.rights = r->rights;
      back.recovered = true;
      back.since = now;
      rights_.push_back(back);
    }
  }
  auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(clients_.begin(), clients_.end(), by_id);
  std::sort(opens_.begin(), opens_.end(), by_id);
  std::sort(locks_.begin(), locks_.end(), by_id);
  std::sort(rights_.begin(), rights_.end(), by_id);
  for (Client& c : clients_) c.roster = !c.lost_state && anything_of(c.id);
  grace_ = !opens_.empty() || !locks_.empty() || !rights_.empty();
  grace_until_ = grace_ ? now + std::max(limits_.grace, before.grace) : 0;
  if (!grace_) forget_absent();
  out_ = nullptr;
}

// ---- The view ---------------------------------------------------------------------------------

namespace {
const char* what_of(const Request& request) {
  if (std::holds_alternative<OpenRequested>(request)) return "open";
  if (std::holds_alternative<LockRequested>(request)) return "lock";
  if (std::holds_alternative<LockTested>(request)) return "test";
  if (std::holds_alternative<DispositionSet>(request)) return "disposition";
  return name(std::get<AccessRequested>(request).target.operation).data();
}
}  // namespace

StateView Model::view() const {
  StateView all;
  all.grace = grace_;
  all.grace_until = grace_ ? grace_until_ : 0;
  all.journal_failed = journal_failed_;
  auto count = [](const auto& list, auto which) {
    return static_cast<std::uint32_t>(std::count_if(list.begin(), list.end(), which));
  };
  for (const Client& c : clients_) {
    auto theirs = [&](const auto& each) { return each.client == c.id; };
    auto waits = [&](const Waiter& w) { return reduce(w.request).client == c.id; };
    all.clients.push_back({c.id, c.protocol, c.identity, c.address, c.label, c.lease_until,
                           c.courtesy, c.lost_state, c.callback_up, reclaiming(c),
                           count(opens_, theirs), count(locks_, theirs), count(rights_, theirs),
                           count(waiters_, waits)});
  }
  std::sort(all.clients.begin(), all.clients.end(),
            [](const auto& a, const auto& b) { return a.client < b.client; });
  std::vector<FileId> files = delete_pending_;
  for (const Open& o : opens_) files.push_back(o.file);
  for (const Lock& held : locks_) files.push_back(held.file);
  for (const Right& r : rights_) files.push_back(r.file);
  for (const Waiter& w : waiters_)
    for (const auto& touch : reduce(w.request).touches) files.push_back(touch.file);
  for (const AccessInFlight& access : accesses_) files.push_back(access.touch.file);
  for (const PendingGrant& grant : grants_) files.push_back(grant.file);
  for (const Bar& bar : bars_)
    if (bar.until > now_) files.push_back(bar.file);
  for (const Backoff& each : backoffs_)
    if (each.until > now_) files.push_back(each.file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (FileId file : files) all.files.push_back(view_of(file));
  return all;
}

FileView Model::view_of(FileId file) const {
  FileView all;
  all.file = file;
  all.delete_pending = delete_pending(file);
  for (const Open& o : opens_)
    if (o.file == file)
      all.opens.push_back(
          {o.id, o.client, o.owner, o.access, o.deny, o.attributes_only, o.right, o.recovered});
  for (const Lock& held : locks_)
    if (held.file == file)
      all.locks.push_back(
          {held.client, held.open, held.owner, held.range, held.mode, held.recovered, held.since});
  for (const Right& r : rights_)
    if (r.file == file)
      all.rights.push_back({r.id, r.client, r.flavour, r.key, r.open, r.rights, r.breaking, r.to,
                            r.deadline, r.epoch, r.recovered, r.since});
  for (const Waiter& w : waiters_) {
    const Asked asked = reduce(w.request);
    if (asked.touches.empty() || asked.touches[0].file != file) continue;
    WaiterView shown{asked.request,
                     asked.client,
                     asked.owner,
                     asked.open,
                     what_of(w.request),
                     {},
                     w.for_breaks,
                     w.for_locks,
                     w.for_accesses,
                     w.for_grace,
                     w.told,
                     w.since,
                     w.until};
    if (const auto* lock = std::get_if<LockRequested>(&w.request)) shown.element = lock->element;
    if (const auto* test = std::get_if<LockTested>(&w.request)) shown.element = test->element;
    all.waiters.push_back(shown);
  }
  for (const AccessInFlight& access : accesses_)
    if (access.touch.file == file)
      all.accesses.push_back(
          {access.asked.request, access.asked.client, access.touch.operation, access.range});
  for (const PendingGrant& grant : grants_)
    if (grant.file == file)
      all.grants.push_back({grant.grant, grant.client, grant.owner, grant.element});
  for (const Bar& bar : bars_)
    if (bar.file == file && bar.until > now_)
      all.bars.push_back({bar.client, bar.cause, bar.until});
  for (const Backoff& each : backoffs_)
    if (each.file == file && each.until > now_) all.no_delegation_until = each.until;
  std::sort(all.opens.begin(), all.opens.end(),
            [](const auto& a, const auto& b) { return a.open < b.open; });
  std::sort(all.locks.begin(), all.locks.end(), [](const LockView& a, const LockView& b) {
    return std::tie(a.range, a.client, a.open, a.owner, a.mode) <
           std::tie(b.range, b.client, b.open, b.owner, b.mode);
  });
  std::sort(all.rights.begin(), all.rights.end(),
            [](const auto& a, const auto& b) { return a.right < b.right; });
  std::stable_sort(all.accesses.begin(), all.accesses.end(),
                   [](const auto& a, const auto& b) { return a.request < b.request; });
  std::sort(all.grants.begin(), all.grants.end(),
            [](const auto& a, const auto& b) { return a.grant < b.grant; });
  std::sort(all.bars.begin(), all.bars.end());
  return all;
}

// ---- Finding things ---------------------------------------------------------------------------

namespace {
template <class List, class Which>
auto* find(List& list, Which which) {
  const auto at = std::find_if(list.begin(), list.end(), which);
  return at == list.end() ? nullptr : &*at;
}
}  // namespace

const Client* Model::client(ClientId id) const {
  return find(clients_, [&](const Client& c) { return c.id == id; });
}
Client* Model::client(ClientId id) {
  return find(clients_, [&](const Client& c) { return c.id == id; });
}
const Open* Model::open(OpenId id) const {
  return find(opens_, [&](const Open& o) { return o.id == id; });
}
Open* Model::open(OpenId id) {
  return find(opens_, [&](const Open& o) { return o.id == id; });
}
const Right* Model::right(RightId id) const {
  return find(rights_, [&](const Right& r) { return r.id == id; });
}
Right* Model::right(RightId id) {
  return find(rights_, [&](const Right& r) { return r.id == id; });
}
const Waiter* Model::waiter(std::uint64_t arrival) const {
  return find(waiters_, [&](const Waiter& w) { return w.arrival == arrival; });
}
Protocol Model::protocol(ClientId id) const {
  const Client* c = client(id);
  return c == nullptr ? Protocol::admin : c->protocol;
}
bool Model::delete_pending(FileId file) const {
  return std::find(delete_pending_.begin(), delete_pending_.end(), file) != delete_pending_.end();
}

}  // namespace lockstep::model
