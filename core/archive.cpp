// Saves the whole state as bytes and loads it again: the one file of core that knows
// Boost.Serialization. The text archive is the same on every platform. Pointers become ids; counts
// and indexes are built anew.
#include <boost/archive/text_iarchive.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <boost/serialization/array.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/set.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/vector.hpp>
#include <sstream>
#include <stdexcept>

#include "core/archive_vocabulary.hpp"
#include "core/state.hpp"

namespace lockstep::core {

namespace {
constexpr std::uint32_t kSnapshotVersion = 3;
}

// ---- The state, with ids in the place of pointers
// ------------------------------------------------

class Snapshot {
 public:
  struct OwnerKey {
    ClientId client;
    OpenId open;
    std::string name;
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, client, open, name);
    }
  };
  struct SavedRight {
    ClientId client;
    FileId file;
    Right right;  // its pointers are not used
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, client, file, right.id, right.flavour, right.key, right.open, right.version2,
           right.epoch, right.rights, right.recovered, right.on_record, right.since, right.breaking,
           right.to, right.required, right.deadline, right.break_since, right.waiting,
           right.crossing, right.handle_only, right.flushes, right.acked_rights, right.breaker,
           right.breaker_client, right.trigger);
    }
  };
  struct SavedOpen {
    ClientId client;
    FileId file;
    RightId right;
    Open open;  // likewise
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, client, file, right, open.id, open.owner, open.access, open.deny, open.asked,
           open.recorded_access, open.recorded_deny, open.ancestors, open.attributes_only,
           open.recovered, open.reclaimed, open.on_record);
    }
  };
  struct SavedLock {
    FileId file;
    OwnerKey owner;
    HeldLock lock;
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, file, owner, lock.range, lock.id, lock.since, lock.through, lock.mode,
           lock.recovered);
    }
  };
  struct SavedFile {
    FileId id;
    bool delete_pending = false;
    RequestId removing;
    Nanos no_delegation_until = 0;
    std::vector<Bar> bars;
    std::vector<RequestId> grants;
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, id, delete_pending, removing, no_delegation_until, bars, grants);
    }
  };
  struct SavedWaiter {
    ClientId client;
    std::vector<FileId> files;
    Waiter waiter;  // likewise
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, client, files, waiter.arrival, waiter.request, waiter.body, waiter.wait_for,
           waiter.breaks, waiter.announced, waiter.answered, waiter.told, waiter.since,
           waiter.until);
    }
  };
  struct SavedAccess {
    RequestId request;
    ClientId client;
    OpenId open;
    bool keyed = false;
    LeaseKey key, parent_key;
    std::vector<std::pair<FileId, Operation>> targets;
    Range range;
    Protocol protocol = Protocol::nfs3;
    Policy policy;
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, request, client, open, keyed, key, parent_key, targets, range, protocol, policy);
    }
  };
  struct SavedGrant {
    RequestId request;
    FileId file;
    OwnerKey owner;
    LockElement element;
    std::vector<EarlierMode> before;
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, request, file, owner, element, before);
    }
  };
  struct SavedTimer {
    Nanos at = 0;
    TimerKind kind = TimerKind::brk;
    std::uint64_t id = 0;
    template <class A>
    void serialize(A& a, unsigned) {
      each(a, at, kind, id);
    }
  };

  Snapshot() = default;
  explicit Snapshot(const State& state);
  void restore(State& state) const;

  template <class A>
  void serialize(A& a, unsigned) {
    std::uint32_t version = kSnapshotVersion;
    a & version;
    if (version != kSnapshotVersion) {
      throw std::runtime_error("snapshot version " + std::to_string(version) +
                               " is not known here");
    }
    each(a, limits, now, epoch, next_client, next_open, next_right, next_lock, next_arrival,
         journal_failed, grace, grace_until, clients, files, rights, opens, locks, waiters,
         accesses, grants, timers, fading, roster);
  }

  Limits limits;
  Nanos now = 0;
  std::uint64_t epoch = 0, next_client = 0, next_open = 0, next_right = 0, next_lock = 0;
  Arrival next_arrival = 0;
  bool journal_failed = false, grace = false;
  Nanos grace_until = 0;
  std::vector<ClientFacts> clients;
  std::vector<SavedFile> files;
  std::vector<SavedRight> rights;
  std::vector<SavedOpen> opens;
  std::vector<SavedLock> locks;
  std::vector<SavedWaiter> waiters;
  std::vector<SavedAccess> accesses;
  std::vector<SavedGrant> grants;
  std::vector<SavedTimer> timers;
  std::vector<std::pair<Nanos, FileId>> fading;
  std::vector<ClientId> roster;

 private:
  static OwnerKey key_of(const LockOwner& owner) {
    return {owner.client->id, owner.open, std::string(owner.name)};
  }
  static void restore_waiters(const Snapshot& from, State& state);
};

Snapshot::Snapshot(const State& state)
    : limits(state.limits),
      now(state.now),
      epoch(state.epoch),
      next_client(state.next_client),
      next_open(state.next_open),
      next_right(state.next_right),
      next_lock(state.next_lock),
      next_arrival(state.next_arrival),
      journal_failed(state.journal_failed),
      grace(state.grace),
      grace_until(state.grace_until),
      fading(state.fading.begin(), state.fading.end()),
      roster(state.roster_.begin(), state.roster_.end()) {
  for (const auto& [id, client] : state.clients) clients.push_back(client);
  for (const auto& [id, file] : state.files) {
    files.push_back(
        {id, file.delete_pending, file.removing, file.no_delegation_until, file.bars, file.grants});
    file.locks.visit_all([&](const HeldLock& lock) {
      // The analyzer takes what is in a vector for uninitialized.
      // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage)
      locks.push_back({id, key_of(*lock.owner), lock});
    });
  }
  for (const auto& [id, right] : state.rights) {
    rights.push_back({right.client->id, right.file->id, right});
  }
  for (const auto& [id, open] : state.opens) {
    opens.push_back(
        {open.client->id, open.file->id, open.right ? open.right->id : RightId{}, open});
  }
  for (const auto& [arrival, waiter] : state.waiters) {
    SavedWaiter saved{waiter.client->id, {}, waiter};
    for (const Waiter::Place& place : waiter.places) saved.files.push_back(place.file->id);
    waiters.push_back(std::move(saved));
  }
  for (const auto& [id, access] : state.accesses) {
    SavedAccess saved{id,
                      access.client ? access.client->id : ClientId{},
                      access.open,
                      access.key.has_value(),
                      access.key.value_or(LeaseKey{}),
                      access.parent_key,
                      {},
                      access.range,
                      access.protocol,
                      access.policy};
    for (const auto& [file, operation] : access.targets) {
      saved.targets.emplace_back(file->id, operation);
    }
    accesses.push_back(std::move(saved));
  }
  for (const auto& [id, grant] : state.grants) {
    grants.push_back({id, grant.file->id, key_of(*grant.owner), grant.element, grant.before});
  }
  for (const auto& [at, kind, id] : state.timers) timers.push_back({at, kind, id});
}

void Snapshot::restore(State& state) const {
  state.now = now;
  state.epoch = epoch;
  state.next_client = next_client;
  state.next_open = next_open;
  state.next_right = next_right;
  state.next_lock = next_lock;
  state.next_arrival = next_arrival;
  state.journal_failed = journal_failed;
  state.grace = grace;
  state.grace_until = grace_until;
  for (const ClientFacts& client : clients) {
    state.clients[client.id] = Client{client, {}, {}, {}, {}, {}, {}, 0, 0};
    state.identities.emplace(std::make_pair(client.protocol, client.identity), client.id);
  }
  for (const SavedFile& saved : files) {
    File& file = state.file(saved.id);
    file.delete_pending = saved.delete_pending;
    file.removing = saved.removing;
    file.no_delegation_until = saved.no_delegation_until;
    file.bars = saved.bars;
    file.grants = saved.grants;
  }
  for (const SavedRight& saved : rights) {
    Right& right = state.rights.emplace(saved.right.id, saved.right).first->second;
    right.client = &state.clients.at(saved.client);
    right.file = &state.files.at(saved.file);
    right.opens = right.data_opens = 0;
    right.file->rights.emplace(right.id, &right);
    right.client->rights.insert(right.id);
    if (!right.rights.empty()) ++right.file->held[static_cast<std::size_t>(right.held())];
    if (right.flavour == Flavour::oplock) ++right.file->oplocks;
    if (is_lease(right.flavour)) {
      state.leases[{saved.client, right.key}] = &right;
    }
    if (right.recovered) {
      ++right.client->unclaimed;
      ++right.file->recovered;
    }
  }
  for (const SavedOpen& saved : opens) {
    Client& client = state.clients.at(saved.client);
    File& file = state.files.at(saved.file);
    Open& open = state.add_open(file, client, saved.open.id);
    open = saved.open;
    open.client = &client;
    open.file = &file;
    open.right = saved.right ? &state.rights.at(saved.right) : nullptr;
    if (open.right) ++open.right->opens;
    state.count_open(open, true);
    for (const FileId& directory : open.ancestors) ++state.below[{directory, file.id}];
    if (open.unclaimed()) {
      ++client.unclaimed;
      ++file.recovered;
    }
  }
  for (const SavedLock& saved : locks) {
    Client& client = state.clients.at(saved.owner.client);
    File& file = state.files.at(saved.file);
    LockOwner& owner = state.owner_of(client, saved.owner.open, saved.owner.name);
    HeldLock lock = saved.lock;
    lock.owner = &owner;
    file.locks.restore(&file, lock);
    ++state.locks_held;
    ++client.locks;
    if (!owner.smb()) ++file.nfs_locks;
    if (lock.recovered) {
      ++client.unclaimed;
      ++file.recovered;
    }
  }
  restore_waiters(*this, state);
  for (const SavedTimer& timer : timers) state.set_timer(timer.at, timer.kind, timer.id);
  state.fading.insert(fading.begin(), fading.end());
  state.roster_.insert(roster.begin(), roster.end());
}

/// Who waits, what is in flight, and which callbacks are out.
void Snapshot::restore_waiters(const Snapshot& from, State& state) {
  for (const SavedWaiter& saved : from.waiters) {
    Waiter waiter = saved.waiter;
    waiter.client = &state.clients.at(saved.client);
    waiter.places.clear();
    std::vector<File*> files;
    files.reserve(saved.files.size());
    for (const FileId id : saved.files) files.push_back(&state.files.at(id));
    state.line_up(std::move(waiter), files);
  }
  for (const SavedAccess& saved : from.accesses) {
    InFlight access{saved.request,    state.find_client(saved.client),
                    saved.open,       saved.keyed ? std::optional(saved.key) : std::nullopt,
                    saved.parent_key, {},
                    saved.range,      saved.protocol,
                    saved.policy};
    for (const auto& [id, operation] : saved.targets) {
      access.targets.emplace_back(&state.files.at(id), operation);
    }
    state.start_access(std::move(access));
  }
  for (const SavedGrant& saved : from.grants) {
    Client& client = state.clients.at(saved.owner.client);
    LockOwner& owner = state.owner_of(client, saved.owner.open, saved.owner.name);
    ++owner.grants;
    client.grants.insert(saved.request);
    state.grants[saved.request] = {saved.request, &client,       &state.files.at(saved.file),
                                   &owner,        saved.element, saved.before};
  }
}

std::string Machine::save() const {
  std::ostringstream bytes;
  boost::archive::text_oarchive archive(bytes);
  const Snapshot snapshot(*state_);
  archive << snapshot;
  return bytes.str();
}

Machine Machine::load(const std::string& saved) {
  Snapshot snapshot;
  try {
    std::istringstream bytes(saved);
    boost::archive::text_iarchive archive(bytes);
    archive >> snapshot;
  } catch (const boost::archive::archive_exception& error) {
    throw std::runtime_error(std::string("not a snapshot of the machine: ") + error.what());
  }
  Machine machine(snapshot.limits);
  snapshot.restore(*machine.state_);
  return machine;
}

}  // namespace lockstep::core
