// The door: a step, what comes back from the journal, and the one projection.
#include "model/model.hpp"

namespace lockstep::model {

void Model::apply(const Event& event, Effects& effects) {
  out = &effects;
  now = std::max(now, event.now);
  fire_deadlines();
  std::visit(
      [this](const auto& body) {
        if constexpr (requires { body.request, body.client; })
          renew(body.client);
        else if constexpr (requires { body.request, body.open; })
          if (const Open* o = open(body.open)) renew(o->client);
        on(body);
      },
      event.body);
  settle();
}

void Model::recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos at,
                    Effects& effects) {
  out = &effects;
  now = at;
  client_counter = open_counter = right_counter = lock_counter = epoch << 40;
  put(BootRecord{epoch, limits.grace});
  Nanos promised = 0;
  for (const Record& each : records) {
    if (const auto* boot = std::get_if<BootRecord>(&each)) promised = boot->grace;
    if (const auto* c = std::get_if<ClientRecord>(&each)) {
      clients.push_back({*c});
      clients.back().on_record = true;
    } else if (const auto* o = std::get_if<OpenRecord>(&each)) {
      opens.push_back({*o});
      Open& back = opens.back();
      back.attributes_only = smb(o->client) && o->access.empty() && o->deny.empty();
      back.parts = {{o->access, o->deny}};
      back.claim_access = o->access, back.claim_deny = o->deny;
      back.recovered = true;
    } else if (const auto* l = std::get_if<LockRecord>(&each)) {
      locks.push_back({*l, true, now});
    } else if (const auto* r = std::get_if<RightRecord>(&each)) {
      rights.push_back({*r});
      rights.back().recovered = true;
      rights.back().since = now;
    }
  }
  std::sort(locks.begin(), locks.end(), [](auto& a, auto& b) {
    return std::pair(a.range.first, a.lock) < std::pair(b.range.first, b.lock);
  });
  for (Client& c : clients) c.roster = has_state(c.client);
  grace = any(clients, [](auto& c) { return c.roster; });
  if (grace) grace_until = now + std::max(limits.grace, promised);
  if (!grace) forget_absent();
}

StateView Model::view() const {
  StateView shown;
  shown.grace = grace;
  shown.grace_until = grace ? grace_until : 0;
  shown.journal_failed = journal_failed;
  for (const Client& c : clients) {
    auto its = [&](auto& each) { return each.client == c.client; };
    auto count = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
    shown.clients.push_back(
        {c.client, c.protocol, c.identity, c.address, c.label, c.lease_until, c.courtesy,
         c.lost_state, c.callback_up, reclaiming(c), count(all(opens, its).size()),
         count(all(locks, its).size()), count(all(rights, its).size()),
         count(all(waiters, [&](auto& w) { return asker(w) == c.client; }).size())});
  }
  std::vector<FileId> files = deletes;
  auto add = [&](const auto& list) {
    for (const auto& each : list) files.push_back(each.file);
  };
  add(opens), add(locks), add(rights), add(grants);
  for (const Waiter& w : waiters) files.insert(files.end(), w.files.begin(), w.files.end());
  for (const AccessInFlight& access : accesses) files.push_back(access.touch.file);
  auto lasts = [&](auto& each) { return each.until > now; };
  add(all(bars, lasts)), add(all(backoffs, lasts));
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  for (FileId file : files) shown.files.push_back(view_of(file));
  return shown;
}

FileView Model::view_of(FileId file) const {
  static const char* const names[] = {"open", "lock", "test", "", "disposition"};
  auto here = [&](auto& each) { return each.file == file; };
  FileView shown;
  shown.file = file;
  shown.delete_pending = delete_pending(file);
  for (const Open& o : all(opens, here))
    shown.opens.push_back(
        {o.open, o.client, o.owner, o.access, o.deny, o.attributes_only, o.right, o.recovered});
  for (const Lock& l : all(locks, here))
    shown.locks.push_back({l.client, l.open, l.owner, l.range, l.mode, l.recovered, l.since});
  for (const Right& r : all(rights, here))
    shown.rights.push_back({r.right, r.client, r.flavour, r.key, r.open, r.rights, r.breaking, r.to,
                            r.required, r.deadline, r.epoch, r.recovered, r.since});
  for (const Waiter& w : waiters) {
    if (!among(w.files, file)) continue;
    const Asked asked = reduce(w.request);
    WaiterView v{asked.request,
                 asked.client,
                 {},
                 asked.open,
                 names[w.request.index()],
                 {},
                 w.queued(),
                 w.for_breaks,
                 w.for_locks,
                 w.for_accesses,
                 w.for_grace,
                 w.told,
                 w.since,
                 w.until};
    std::visit(
        [&](const auto& e) {
          if constexpr (requires { e.owner; }) v.owner = e.owner;
          if constexpr (requires { e.element; }) v.element = e.element;
          if constexpr (requires { e.target; }) v.what = name(e.target.operation);
        },
        w.request);
    shown.waiters.push_back(v);
  }
  for (const AccessInFlight& a : accesses)
    if (a.touch.file == file &&
        !any(shown.accesses, [&](auto& v) { return v.request == a.asked.request; }))
      shown.accesses.push_back({a.asked.request, a.asked.client, a.touch.operation, a.range});
  for (const PendingGrant& g : all(grants, here))
    shown.grants.push_back({g.grant, g.client, g.owner, g.element});
  for (const Bar& bar : all(bars, here))
    if (bar.until > now) shown.bars.push_back(bar);
  for (const Backoff& each : all(backoffs, here))
    if (each.until > now) shown.no_delegation_until = each.until;
  auto sort = [](auto& list, auto key) {
    std::sort(list.begin(), list.end(), [&](auto& a, auto& b) { return key(a) < key(b); });
  };
  sort(shown.opens, [](auto& v) { return v.open; });
  sort(shown.locks, [](auto& v) {
    return std::tie(v.range, v.client, v.open, v.owner, v.mode, v.recovered, v.since);
  });
  sort(shown.rights, [](auto& v) { return v.right; });
  sort(shown.accesses, [](auto& v) { return v.request; });
  sort(shown.grants, [](auto& v) { return v.grant; });
  std::sort(shown.bars.begin(), shown.bars.end());
  return shown;
}

}  // namespace lockstep::model
