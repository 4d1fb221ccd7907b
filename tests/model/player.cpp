#include "tests/model/player.hpp"

#include <algorithm>

namespace lockstep::test {

using namespace core;  // NOLINT: events are the only subject here

namespace {

using A = Protocol;
// Casts of two to four clients; every pair of protocols meets in some of them.
struct Cast {
  std::vector<int> actors;
};

}  // namespace

core::Limits Scene::limits() const {
  Limits limits;
  limits.grace_scope = scope % 2 == 0 ? GraceScope::all : GraceScope::recorded;
  limits.grace = 20 * kSecond;
  limits.break_timeout = 5 * kSecond;
  limits.delegation_timeout = 9 * kSecond;
  limits.courtesy = 60 * kSecond;
  limits.bar = 2 * kSecond;
  limits.regrant_backoff = 3 * kSecond;
  limits.reservation = 7 * kSecond;
  if (small_limits % 8 == 1) {
    limits.clients_max = 3;
    limits.opens_max = 4;
    limits.opens_per_client_max = 2;
    limits.locks_max = 6;
    limits.locks_per_owner_max = 3;
    limits.waiters_per_file_max = 2;
    limits.waiters_per_client_max = 2;
    limits.elements_per_request_max = 2;
  }
  return limits;
}

const Player::Actor& Player::actor(const Command& command) const {
  static const Actor actors[] = {
      {A::nlm, "alpha", "10.0.0.1"},     {A::smb, "guid-a", "10.0.0.8"},
      {A::nfs41, "owner-a", "10.0.0.5"}, {A::smb, "guid-b", "10.0.0.9"},
      {A::nlm, "beta", "10.0.0.2"},      {A::nfs40, "owner-b", "10.0.0.6"},
      {A::nfs3, "10.0.0.1", "10.0.0.1"}, {A::nfs3, "10.0.0.3", "10.0.0.3"},
      {A::nfs41, "owner-c", "10.0.0.7"},
  };
  static const Cast casts[] = {{{0, 1}},       {{0, 4}},       {{1, 3}},       {{1, 2}},
                               {{0, 1, 3}},    {{0, 2, 1}},    {{2, 5}},       {{1, 6}},
                               {{0, 4, 1}},    {{2, 8, 1}},    {{1, 3, 6, 0}}, {{2, 7, 1, 0}},
                               {{5, 1, 0, 4}}, {{2, 8, 5, 3}}, {{0, 6, 4, 7}}, {{0, 1, 2, 3}}};
  const auto& cast = casts[scene_.cast % std::size(casts)].actors;
  return actors[static_cast<std::size_t>(cast[command.who % cast.size()])];
}

FileId Player::file(const Command& command) const {
  return {1 + small(command.file, 1 + scene_.files % 3), 1, 1};
}

const ClientView* Player::find(const Actor& who) const {
  for (const ClientView& c : stage_.view().clients)
    if (c.protocol == who.protocol && c.identity == who.identity) return &c;
  return nullptr;
}

/// The client, who shows itself first if it is not there (or only on record).
ClientId Player::client(const Actor& who) {
  const bool v4 = is_nfs4(who.protocol);
  const ClientView* known = find(who);
  const bool fresh = known == nullptr || (v4 && known->lease_until == kNever);
  if (!fresh) return known->client;
  stage_.happen(ClientArrived{request(), who.protocol, who.identity, who.address,
                              std::string("label of ") + who.identity, v4 ? 30 * kSecond : 0});
  known = find(who);
  if (known == nullptr) return {};
  const ClientId id = known->client;
  if (v4) stage_.happen(CallbackPathChanged{id, true});
  return id;
}

std::vector<Player::Open> Player::opens(ClientId id) const {
  std::vector<Open> all;
  for (const FileView& f : stage_.view().files)
    for (const OpenView& o : f.opens)
      if (o.client == id && !o.recovered) all.push_back({f.file, o});
  return all;
}

/// One of the client's opens, on the command's file if there is one; made first when asked for.
std::optional<Player::Open> Player::some_open(const Command& command, ClientId id, bool make) {
  auto choose = [&]() -> std::optional<Open> {
    auto all = opens(id);
    auto here = all;
    std::erase_if(here, [&](const Open& o) { return o.first != file(command); });
    if (!here.empty()) all = here;
    if (all.empty()) return std::nullopt;
    return all[command.d % all.size()];
  };
  if (auto found = choose()) return found;
  if (!make) return std::nullopt;
  Command first = command;
  first.a = 2, first.b = 0, first.c = command.b;
  open(first);
  return choose();
}

Nanos Player::patience(const Actor& who, std::uint8_t dice) const {
  if (dice % 8 == 7) return dice % 16 == 7 ? 0 : stage_.now();  // it is over when it begins
  if (who.protocol == Protocol::smb || who.protocol == Protocol::nlm)
    return dice % 8 == 6 ? stage_.now() + kSecond : kNever;
  return stage_.now() + (dice % 2 + 1) * 500 * kMillisecond;
}

LockElement Player::element(const Command& command, bool smb) const {
  const std::uint64_t first = small(command.a, 8);
  const std::uint64_t length = small(command.b, 6);
  LockElement e;
  e.mode = command.c % 2 == 0 ? LockMode::exclusive : LockMode::shared;
  if (smb)
    e.range = command.b % 16 == 15 ? Range{first, kEndOfFile} : Range::of(first, length);
  else
    e.range = length == 0 ? Range{first, kEndOfFile} : Range::of(first, length);
  return e;
}

Policy Player::policy(const Command& command) const {
  Policy p;
  const unsigned dice = scene_.policy ^ (command.pause >> 4);
  p.smb_ranges_on_nfs_io = dice % 2 == 0;
  p.smb_deny_on_nfs_io = dice / 2 % 2 == 0;
  p.nfs_ranges_on_nfs_io = dice / 4 % 2 == 1;
  p.unlink_while_open = dice / 8 % 2 == 1;
  p.v3_getattr_breaks = dice / 2 % 2 == 1;
  return p;
}

Wish Player::wish(const Command& command, const Actor& who) const {
  static constexpr Rights wanted[] = {kRWH, kRW, kRH, kR, kNoRights, Rights{RightBit::handle}};
  Wish w;
  if (who.protocol == Protocol::smb) {
    w.flavour = command.c % 8 < 4   ? Flavour::lease
                : command.c % 8 < 7 ? Flavour::oplock
                                    : Flavour::none;
    w.rights = wanted[command.c / 8 % 6];
    // A key belongs to a file; one in eight is used on every file.
    const bool anywhere = command.d % 8 == 7;
    w.key.bytes[0] = anywhere ? std::uint8_t{99} : static_cast<std::uint8_t>(file(command).node);
    w.key.bytes[1] = command.d % 2;
    w.version2 = command.d / 8 % 2 == 0;
    w.epoch = static_cast<std::uint16_t>(command.d / 16);
  } else if (is_nfs4(who.protocol)) {
    w.flavour = command.c % 4 != 3 ? Flavour::delegation : Flavour::none;
    w.rights = command.c / 4 % 2 == 0 ? kRW : kR;
  }
  if (w.flavour != Flavour::lease) w.key = {}, w.version2 = false, w.epoch = 0;
  return w;
}

// ---- Opens ------------------------------------------------------------------------------------

void Player::open(const Command& command) {
  const Actor& who = actor(command);
  if (who.protocol == Protocol::nfs3) return access(command);
  OpenRequested e;
  e.client = client(who);
  e.request = request();
  e.file = file(command);
  e.access = Access::from_bits(static_cast<std::uint8_t>(1 + command.a % 7));
  static constexpr std::uint8_t denies[] = {0, 0, 0, 4, 2, 1, 6, 7};
  e.deny = Access::from_bits(denies[command.b % 8]);
  e.wish = wish(command, who);
  e.patience = patience(who, command.pause);
  e.policy = policy(command);
  if (who.protocol == Protocol::smb) {
    e.ancestors = {directory()};
    if (command.b / 8 % 8 == 1) {
      e.attributes_only = true;
      e.reads_security = command.b / 64 % 2 == 1;
      e.access = {};
      e.deny = {};
    }
    if (command.b / 8 % 16 == 3) {
      e.directory = true;
      e.file = directory();
      e.ancestors.clear();
      if (e.wish.flavour == Flavour::lease) e.wish.flavour = Flavour::directory_lease;
      if (e.wish.flavour == Flavour::oplock) e.wish.flavour = Flavour::none;
      e.wish.key.bytes[0] = 77;
    }
  } else {
    e.owner = command.d / 2 % 2 == 0 ? "opener" : "other opener";
    e.access = e.access.without(AccessBit::remove);
    if (e.access.empty()) e.access = AccessBit::read;
    e.deny = e.deny.without(AccessBit::remove);
    if (is_nfs4(who.protocol) && command.d % 16 == 9) e.reclaim = Reclaim::delegated;
  }
  e.overwrite = !e.directory && who.protocol != Protocol::nlm && command.b / 8 % 8 == 2;
  stage_.happen(e);
}

void Player::close(const Command& command) {
  const auto open = some_open(command, client(actor(command)), false);
  stage_.happen(OpenClosed{request(), open ? open->second.open : OpenId{12345}});
}

void Player::downgrade(const Command& command) {
  const auto open = some_open(command, client(actor(command)), true);
  if (!open) return;
  const Access access = open->second.access & Access::from_bits(command.a % 8);
  const Access deny = open->second.deny & Access::from_bits(command.b % 8);
  stage_.happen(OpenDowngraded{request(), open->second.open, access, deny});
}

void Player::release_share(const Command& command) {
  const Actor& who = actor(command);
  stage_.happen(ShareReleased{request(), client(who),
                              command.d / 2 % 2 == 0 ? "opener" : "other opener", file(command)});
}

void Player::dispose(const Command& command) {
  if (actor(command).protocol != Protocol::smb) return close(command);
  const auto open = some_open(command, client(actor(command)), true);
  if (!open) return;
  stage_.happen(DispositionSet{request(), open->second.open, command.a % 4 != 3});
}

// ---- Byte ranges ------------------------------------------------------------------------------

void Player::lock(const Command& command) {
  const Actor& who = actor(command);
  if (who.protocol == Protocol::nfs3) return access(command);
  const ClientId id = client(who);
  const bool smb = who.protocol == Protocol::smb;
  LockRequested e;
  e.client = id;
  e.file = file(command);
  e.element = element(command, smb);
  e.policy = policy(command);
  e.patience = patience(who, command.pause);
  if (smb || is_nfs4(who.protocol)) {
    if (const auto open = some_open(command, id, true)) {
      e.open = open->second.open;
      e.file = open->first;
    }
  }
  e.request = request();
  if (smb) {
    e.wait = command.c / 2 % 3 == 0 ? Wait::none : Wait::queue;
    if (e.wait == Wait::none && command.d % 4 == 3) {
      Command next = command;
      next.a = command.b, next.b = command.a, next.c = command.c / 4;
      e.more.push_back(element(next, true));
    }
  } else {
    e.owner = command.d / 4 % 4 == 3 ? "thread two" : "thread one";
    const Wait waiting = who.protocol == Protocol::nlm ? Wait::callback : Wait::reserve;
    e.wait = command.c / 2 % 3 == 0 ? Wait::none : waiting;
  }
  stage_.happen(e);
}

/// What clients do that wait: the same request again (sometimes as a try, sometimes wider).
void Player::lock_again(const Command& command) {
  const ClientId id = client(actor(command));
  for (const FileView& f : stage_.view().files) {
    for (const WaiterView& w : f.waiters) {
      if (w.client != id || w.what != "lock") continue;
      LockRequested e;
      e.request = request();
      e.client = id;
      e.open = w.open;
      e.owner = w.owner;
      e.file = f.file;
      e.element = w.element;
      if (command.a % 4 == 3) e.element.range.last = kEndOfFile;
      const Protocol p = actor(command).protocol;
      e.wait = command.b % 4 == 3   ? Wait::none
               : p == Protocol::nlm ? Wait::callback
               : p == Protocol::smb ? Wait::queue
                                    : Wait::reserve;
      e.patience = patience(actor(command), command.pause);
      return stage_.happen(e);
    }
  }
  lock(command);
}

void Player::unlock(const Command& command) {
  const Actor& who = actor(command);
  const ClientId id = client(who);
  std::vector<std::pair<FileId, LockView>> held;
  for (const FileView& f : stage_.view().files)
    for (const LockView& l : f.locks)
      if (l.client == id) held.push_back({f.file, l});
  Unlocked e;
  e.request = request();
  e.client = id;
  if (held.empty()) {
    const auto open = some_open(command, id, false);
    e.open = open ? open->second.open : OpenId{};
    e.owner = who.protocol == Protocol::smb ? "" : "thread one";
    e.file = file(command);
    e.range = element(command, who.protocol == Protocol::smb).range;
    return stage_.happen(e);
  }
  const auto& [on, lock] = held[command.d % held.size()];
  e.open = lock.open;
  e.owner = lock.owner;
  e.file = on;
  e.range = lock.range;
  if (command.c % 3 == 1) e.range = element(command, who.protocol == Protocol::smb).range;
  if (command.c % 3 == 2 && who.protocol != Protocol::smb) e.range = Range::whole();
  if (who.protocol == Protocol::smb && command.a % 8 == 7)
    e.more.push_back(held[command.b % held.size()].second.range);
  stage_.happen(e);
}

void Player::cancel_lock(const Command& command) {
  const Actor& who = actor(command);
  LockCancelled e{{}, client(who), "thread one", file(command), element(command, false)};
  for (const FileView& f : stage_.view().files)
    for (const WaiterView& w : f.waiters)
      if (w.client == e.client && w.what == "lock" && command.d % 4 != 3)
        e.owner = w.owner, e.file = f.file, e.element = w.element;
  for (const FileView& f : stage_.view().files)
    for (const GrantView& g : f.grants)
      if (g.client == e.client && command.d % 4 == 2)
        e.owner = g.owner, e.file = f.file, e.element = g.element;
  e.request = request();
  stage_.happen(e);
}

void Player::cancel_request(const Command& command) {
  std::vector<RequestId> all;
  for (const FileView& f : stage_.view().files)
    for (const WaiterView& w : f.waiters) all.push_back(w.request);
  stage_.happen(RequestCancelled{all.empty() ? RequestId{1} : all[command.d % all.size()]});
}

void Player::test(const Command& command) {
  const Actor& who = actor(command);
  if (who.protocol == Protocol::nfs3 || who.protocol == Protocol::smb) return lock(command);
  LockTested e;
  e.client = client(who);
  e.owner = command.d % 2 == 0 ? "thread one" : "thread two";
  e.file = file(command);
  e.element = element(command, false);
  e.patience = command.pause % 2 == 0 ? stage_.now() + 500 * kMillisecond : 0;
  e.request = request();
  stage_.happen(e);
}

void Player::answer_grant(const Command& command) {
  std::vector<RequestId> all;
  for (const FileView& f : stage_.view().files)
    for (const GrantView& g : f.grants) all.push_back(g.grant);
  if (all.empty()) return stage_.happen(GrantAnswered{{requests_}, command.a % 2 == 0});
  stage_.happen(GrantAnswered{all[command.d % all.size()], command.a % 2 == 0});
}

// ---- Rights -----------------------------------------------------------------------------------

void Player::acknowledge(const Command& command) {
  std::vector<RightView> all;
  for (const FileView& f : stage_.view().files)
    for (const RightView& r : f.rights)
      if (r.breaking) all.push_back(r);
  if (all.empty() || command.a % 16 == 15)
    for (const FileView& f : stage_.view().files)
      for (const RightView& r : f.rights) all.push_back(r);
  if (all.empty()) {
    stage_.happen(BreakAcknowledged{request(), client(actor(command)), Flavour::lease, {}, {}, kR});
    return;
  }
  const RightView r = all[command.d % all.size()];
  if (r.flavour == Flavour::delegation || r.flavour == Flavour::directory_delegation)
    return stage_.happen(RightReturned{request(), r.client, r.right});
  BreakAcknowledged e{request(), r.client, r.flavour, r.key, r.open, r.breaking_to};
  if (command.a % 8 == 5) e.rights = kNoRights;
  if (command.a % 8 == 6) e.rights = r.rights;
  if (command.a % 8 == 4) e.rights = r.breaking_to.without(RightBit::read);
  if (command.a % 8 == 7) e.client = client(actor(command));
  stage_.happen(e);
}

void Player::return_right(const Command& command) {
  std::vector<RightView> all;
  for (const FileView& f : stage_.view().files)
    for (const RightView& r : f.rights)
      if (!r.recovered) all.push_back(r);
  const ClientId id = client(actor(command));
  if (all.empty()) return stage_.happen(RightReturned{request(), id, RightId{54321}});
  const RightView r = all[command.d % all.size()];
  stage_.happen(RightReturned{request(), command.a % 8 == 7 ? id : r.client, r.right});
}

void Player::callback_path(const Command& command) {
  stage_.happen(CallbackPathChanged{client(actor(command)), command.a % 4 != 0});
}

// ---- Accesses ---------------------------------------------------------------------------------

void Player::access(const Command& command) {
  const Actor& who = actor(command);
  AccessRequested e;
  e.client = client(who);
  if (who.protocol == Protocol::nlm) return;
  const bool smb = who.protocol == Protocol::smb;
  static constexpr Operation operations[] = {
      Operation::read,           Operation::write,           Operation::read,
      Operation::write,          Operation::set_size,        Operation::set_attributes,
      Operation::get_attributes, Operation::remove,          Operation::rename_source,
      Operation::link,           Operation::rename_ancestor, Operation::change_directory,
      Operation::list_directory};
  e.target = {file(command), operations[command.a % std::size(operations)]};
  const bool path = e.target.operation >= Operation::remove;
  if (smb || (is_nfs4(who.protocol) && !path && command.b % 2 == 0)) {
    if (const auto open = some_open(command, e.client, true)) {
      e.open = open->second.open;
      e.target.file = open->first;
    }
    if (is_nfs4(who.protocol)) e.owner = "thread one";
  }
  if (e.target.operation == Operation::rename_source && command.b % 4 != 0) {
    Command other = command;
    other.file = static_cast<std::uint8_t>(command.file + 1 + command.c % 2);
    e.others.push_back({file(other), Operation::rename_target});
  }
  if (path && command.c % 2 == 0) e.others.push_back({directory(), Operation::change_directory});
  if (e.target.operation >= Operation::rename_ancestor && e.target.operation != Operation::link)
    e.target.file = directory();
  if (command.c / 2 % 4 == 3) e.parent_key.bytes = {77, static_cast<std::uint8_t>(command.d % 2)};
  const std::uint64_t length = 1 + small(command.c, 5);
  e.range = command.c % 16 == 15 ? Range{small(command.b, 8), kEndOfFile}
                                 : Range::of(small(command.b, 8), length);
  e.reclaimed = e.open && command.d % 4 == 0;
  e.patience = patience(who, command.pause);
  e.policy = policy(command);
  e.request = request();
  stage_.happen(e);
}

void Player::end_access(const Command& command) {
  std::vector<RequestId> all;
  for (const FileView& f : stage_.view().files)
    for (const AccessView& a : f.accesses) all.push_back(a.request);
  if (all.empty()) return advance(command);
  stage_.happen(AccessEnded{all[command.d % all.size()]});
}

}  // namespace lockstep::test
