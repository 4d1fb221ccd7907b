// The one projection of the state.
#include "core/view.hpp"

#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

namespace {

std::string_view what(const WaitingRequest& body) {
  struct Name {
    std::string_view operator()(const OpenRequested&) const { return "open"; }
    std::string_view operator()(const LockRequested&) const { return "lock"; }
    std::string_view operator()(const LockTested&) const { return "test"; }
    std::string_view operator()(const AccessRequested& access) const {
      return name(access.target.operation);
    }
    std::string_view operator()(const DispositionSet&) const { return "disposition"; }
  };
  return std::visit(Name{}, body);
}

WaiterView view_of_waiter(const Waiter& waiter) {
  WaiterView view;
  view.request = waiter.request;
  view.client = waiter.client->id;
  view.what = what(waiter.body);
  if (const auto* lock = std::get_if<LockRequested>(&waiter.body)) {
    view.owner = lock->owner;
    view.open = lock->open;
    view.element = lock->element;
    view.queued = lock->wait != Wait::none;
  } else if (const auto* test = std::get_if<LockTested>(&waiter.body)) {
    view.owner = test->owner;
    view.open = test->open;
    view.element = test->element;
  } else if (const auto* open = std::get_if<OpenRequested>(&waiter.body)) {
    view.owner = open->owner;
  } else if (const auto* access = std::get_if<AccessRequested>(&waiter.body)) {
    view.owner = access->owner;
    view.open = access->open;
  } else {
    view.open = std::get<DispositionSet>(waiter.body).open;
  }
  view.for_breaks = waiter.wait_for == WaitFor::breaks;
  view.for_locks = waiter.wait_for == WaitFor::locks;
  view.for_accesses = waiter.wait_for == WaitFor::accesses;
  view.for_grace = waiter.wait_for == WaitFor::grace;
  view.told = waiter.told;
  view.since = waiter.since;
  view.until = waiter.until;
  return view;
}

RightView view_of_right(const Right& right) {
  RightView view;
  view.right = right.id;
  view.client = right.client->id;
  view.flavour = right.flavour;
  view.key = right.key;
  view.open = right.open;
  view.rights = right.rights;
  view.breaking = right.breaking;
  view.breaking_to = right.to;
  view.required = right.required;
  view.deadline = right.deadline;
  view.epoch = right.epoch;
  view.recovered = right.recovered;
  view.since = right.since;
  return view;
}

OpenView view_of_open(const Open& open) {
  OpenView view;
  view.open = open.id;
  view.client = open.client->id;
  view.owner = open.owner;
  view.access = open.access;
  view.deny = open.deny;
  view.attributes_only = open.attributes_only;
  if (open.right) view.right = open.right->id;
  view.recovered = open.recovered;
  return view;
}

bool shows_anything(const FileView& view) {
  return view.delete_pending || !view.opens.empty() || !view.locks.empty() ||
         !view.rights.empty() || !view.waiters.empty() || !view.accesses.empty() ||
         !view.grants.empty() || !view.bars.empty() || view.no_delegation_until != 0;
}

}  // namespace

FileView State::view_of(const File& file) const {
  FileView view;
  view.file = file.id;
  view.delete_pending = file.delete_pending;
  for (const auto& [id, open] : file.opens) view.opens.push_back(view_of_open(*open));
  file.locks.visit_all([&](const HeldLock& lock) {
    LockView held;
    held.client = lock.owner->client->id;
    held.open = lock.owner->smb() ? lock.owner->open : lock.through;
    held.owner = lock.owner->name;
    held.range = lock.range;
    held.mode = lock.mode;
    held.recovered = lock.recovered;
    held.since = lock.since;
    view.locks.push_back(std::move(held));
  });
  std::ranges::sort(view.locks, {}, [](const LockView& lock) {
    return std::tie(lock.range, lock.client, lock.open, lock.owner, lock.mode, lock.recovered,
                    lock.since);
  });
  for (const auto& [id, right] : file.rights) view.rights.push_back(view_of_right(*right));
  for (const Waiter* waiter : file.waiters) view.waiters.push_back(view_of_waiter(*waiter));
  for (const InFlight* access : file.accesses) {
    for (const auto& [target, operation] : access->targets) {
      if (target != &file) continue;
      view.accesses.push_back({access->request, access->client ? access->client->id : ClientId{},
                               operation, access->range});
      break;
    }
  }
  std::ranges::stable_sort(view.accesses, {}, &AccessView::request);
  for (const RequestId id : file.grants) {
    const PendingGrant& grant = grants.at(id);
    view.grants.push_back({id, grant.client->id, std::string(grant.owner->name), grant.element});
  }
  std::ranges::sort(view.grants, {}, &GrantView::grant);
  for (const Bar& bar : file.bars) {
    if (bar.until > now) view.bars.push_back({bar.client, bar.cause, bar.until});
  }
  std::ranges::sort(view.bars);
  view.no_delegation_until = file.no_delegation_until > now ? file.no_delegation_until : 0;
  return view;
}

ClientView State::view_of(const Client& client) const {
  ClientView view;
  view.client = client.id;
  view.protocol = client.protocol;
  view.identity = client.identity;
  view.address = client.address;
  view.label = client.label;
  view.lease_until = client.lease_until;
  view.courtesy = client.courtesy;
  view.lost_state = client.lost_state;
  view.callback_up = client.callback_up;
  view.reclaiming = client.reclaiming;
  view.opens = client.opens.size();
  view.locks = client.locks;
  view.rights = client.rights.size();
  view.waiters = client.waiters.size();
  return view;
}

StateView State::overview() const {
  StateView view;
  view.grace = grace;
  view.grace_until = grace ? grace_until : 0;
  view.journal_failed = journal_failed;
  for (const auto& [id, client] : clients) view.clients.push_back(view_of(client));
  return view;
}

StateView State::view() const {
  StateView view = overview();
  for (const auto& [id, file] : files) {
    FileView shown = view_of(file);
    if (shows_anything(shown)) view.files.push_back(std::move(shown));
  }
  return view;
}

// ---- Hash --------------------------------------------------------------------------------------

namespace {

/// FNV-1a over the fields, in the order of the view.
class Hash {
 public:
  void add(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) {
      state_ = (state_ ^ (value >> (8 * i) & 0xff)) * 0x100000001b3ULL;
    }
  }
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) {
      state_ = (state_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
    }
  }
  void add(const Range& range) {
    add(range.first);
    add(range.last);
  }
  void add(const LockElement& element) {
    add(element.range);
    add(static_cast<std::uint64_t>(element.mode));
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
};

void add(Hash& hash, const ClientView& client) {
  hash.add(client.client.value);
  hash.add(static_cast<std::uint64_t>(client.protocol));
  hash.add(client.identity);
  hash.add(client.lease_until);
  hash.add(std::uint64_t{client.courtesy} | std::uint64_t{client.lost_state} << 1 |
           std::uint64_t{client.callback_up} << 2 | std::uint64_t{client.reclaiming} << 3);
}

void add(Hash& hash, const FileView& file) {
  hash.add(file.file.node);
  hash.add(std::uint64_t{file.file.generation} << 32 | file.file.volume);
  hash.add(std::uint64_t{file.delete_pending});
  for (const OpenView& open : file.opens) {
    hash.add(open.open.value);
    hash.add(open.owner);
    hash.add(std::uint64_t{open.access.bits()} << 8 | open.deny.bits());
    hash.add(open.right.value);
    hash.add(std::uint64_t{open.recovered});
  }
  for (const LockView& lock : file.locks) {
    hash.add(lock.client.value);
    hash.add(lock.open.value);
    hash.add(lock.owner);
    hash.add(LockElement{lock.range, lock.mode});
    hash.add(std::uint64_t{lock.recovered});
  }
  for (const RightView& right : file.rights) {
    hash.add(right.right.value);
    hash.add(std::uint64_t{right.rights.bits()} << 24 | std::uint64_t{right.required.bits()} << 16 |
             std::uint64_t{right.breaking_to.bits()} << 8 | std::uint64_t{right.breaking});
    hash.add(right.deadline);
    hash.add(std::uint64_t{right.epoch});
  }
  for (const WaiterView& waiter : file.waiters) {
    hash.add(waiter.request.value);
    hash.add(waiter.what);
    hash.add(std::uint64_t{waiter.for_breaks} | std::uint64_t{waiter.for_locks} << 1 |
             std::uint64_t{waiter.for_accesses} << 2 | std::uint64_t{waiter.for_grace} << 3 |
             std::uint64_t{waiter.told} << 4);
    hash.add(waiter.until);
  }
  for (const AccessView& access : file.accesses) {
    hash.add(access.request.value);
    hash.add(static_cast<std::uint64_t>(access.operation));
  }
  for (const GrantView& grant : file.grants) hash.add(grant.grant.value);
  for (const BarView& bar : file.bars) {
    hash.add(bar.client.value);
    hash.add(static_cast<std::uint64_t>(bar.cause));
    hash.add(bar.until);
  }
  hash.add(file.no_delegation_until);
}

}  // namespace

std::uint64_t Machine::hash() const {
  const StateView view = state_->view();
  Hash hash;
  hash.add(std::uint64_t{view.grace} | std::uint64_t{view.journal_failed} << 1);
  hash.add(view.grace_until);
  for (const ClientView& client : view.clients) add(hash, client);
  for (const FileView& file : view.files) add(hash, file);
  hash.add(state_->next_deadline());
  return hash.value();
}

}  // namespace lockstep::core
