// The door: a step, the records that it leaves, what comes back from them, and the one projection.
#include "model/model.hpp"

namespace lockstep::model {

void Model::apply(const Event& event, Effects& effects) {
  Effects said;
  out = &said;
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
  write_records(effects);
  effects.insert(effects.end(), said.begin(), said.end());
}

void Model::recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos at,
                    Effects& effects) {
  now = at, boot_.epoch = epoch;
  client_counter = open_counter = right_counter = lock_counter = epoch << 40;
  Nanos promised = 0;
  for (const Record& each : records) {
    written_[encode_key(each)] = each;
    if (const auto* boot = std::get_if<BootRecord>(&each)) promised = boot->grace;
    if (const auto* c = std::get_if<ClientRecord>(&each)) {
      Client back{{c->client, c->protocol, c->identity, c->address, c->label}, c->host_state, true};
      back.lost_state = c->lost_state;
      clients.push_back(back);
    } else if (const auto* o = std::get_if<OpenRecord>(&each)) {
      const bool bare = smb(o->client) && o->access.empty() && o->deny.empty();
      Open back{{o->open, o->client, o->owner, o->access, o->deny, bare, o->right, true}, o->file};
      back.parts = {{o->access, o->deny}};
      back.claim_access = o->access, back.claim_deny = o->deny;
      opens.push_back(back);
    } else if (const auto* l = std::get_if<LockRecord>(&each)) {
      insert_lock({{l->client, l->open, l->owner, l->range, l->mode, true, now}, l->file, l->lock});
    } else if (const auto* r = std::get_if<RightRecord>(&each)) {
      Right back{{r->right, r->client, r->flavour, r->key, {}, r->rights, false, {}, {}}, r->file};
      back.version2 = r->version2, back.since = now, back.recovered = true;
      back.epoch = back.epoch_on_record = r->epoch;
      rights.push_back(back);
    }
  }
  for (Client& c : clients) c.roster = has_state(c.client);
  grace = any(clients, [](auto& c) { return c.roster; });
  if (grace) grace_until = now + std::max(limits.grace, promised);
  if (!grace) forget_absent();
  write_records(effects);
}

/// The difference between what has to be on record and what is. It goes before all that the step
/// says, so nothing is said that is not on record yet.
void Model::write_records(Effects& effects) {
  std::map<std::string, Record> due;
  auto keep = [&](bool recorded, const Record& record) {
    if (recorded) due[encode_key(record)] = record;
  };
  keep(true, boot_);
  for (const Client& c : clients)
    keep(c.on_record, ClientRecord{c.client, c.protocol, c.identity, c.address, c.label,
                                   c.host_state, c.lost_state});
  for (const Open& o : opens)  // the next crash may come before all of it is reclaimed
    keep(recorded(o),
         OpenRecord{o.open, o.client, o.file, o.owner, whole(o).access, whole(o).deny, o.right});
  for (const Lock& l : locks)
    keep(recorded(l), LockRecord{l.lock, l.client, l.open, l.owner, l.file, l.range, l.mode});
  for (const Right& r : rights)
    keep(recorded(r), RightRecord{r.right, r.client, r.file, r.flavour, r.key, r.version2,
                                  r.epoch_on_record, r.rights});
  for (const auto& [key, record] : due)
    if (!written_.contains(key) || !(written_[key] == record))
      effects.push_back(Persist{{false, record}});
  for (const auto& [key, record] : written_)
    if (!due.contains(key)) effects.push_back(Persist{{true, record}});
  written_ = std::move(due);
}

StateView Model::view() const {
  StateView shown;
  shown.grace = grace, shown.journal_failed = journal_failed;
  shown.grace_until = grace ? grace_until : 0;
  for (const Client& c : clients) {
    shown.clients.push_back(c);
    ClientView& v = shown.clients.back();
    v.reclaiming = on_roster(c);
    v.opens = count(opens, of(c.client)), v.locks = count(locks, of(c.client));
    v.rights = count(rights, of(c.client)), v.waiters = count(waiters, of(c.client));
  }
  std::map<FileId, FileView> files;
  for (const FileId file : deletes) files[file].delete_pending = true;
  for (const Open& o : opens) files[o.file].opens.push_back(o);
  for (const Lock& l : locks) files[l.file].locks.push_back(l);
  for (const Right& r : rights) files[r.file].rights.push_back(r);
  for (const PendingGrant& grant : grants) files[grant.file].grants.push_back(grant);
  for (const Asked& w : waiters)
    for (const FileId file : w.files) files[file].waiters.push_back(w);
  for (const auto& [by, touch, removes_name] : accesses) {
    auto& list = files[touch.file].accesses;
    const Range range = by.access() ? by.access()->range : Range::whole();
    if (!any(list, [&](auto& v) { return v.request == by.request; }))
      list.push_back({by.request, by.client, touch.operation, range});
  }
  for (const auto& [bar, until] : bars) {
    const auto& [file, by, cause] = bar;
    if (until > now) files[file].bars.push_back({by, cause, until});
  }
  for (const auto& [file, until] : no_delegation_until)
    if (until > now) files[file].no_delegation_until = until;
  for (auto& [id, file] : files) {
    file.file = id;
    std::ranges::sort(file.locks, {}, [](auto& l) {
      return std::tie(l.range, l.client, l.open, l.owner, l.mode, l.recovered, l.since);
    });
    std::ranges::sort(file.accesses, {}, &AccessView::request);
    std::ranges::sort(file.grants, {}, &GrantView::grant);
    shown.files.push_back(file);
  }
  return shown;
}

}  // namespace lockstep::model
