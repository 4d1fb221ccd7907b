// A machine at the beginning of its first run, and events as short as what they say.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/machine.hpp"

namespace lockstep::core {

inline constexpr FileId kFile{1, 0, 1};
inline constexpr LockMode kShared = LockMode::shared, kExclusive = LockMode::exclusive;

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() { restart(); }

  /// What happens, on record like in a journal that is always on disk.
  Effects apply(EventBody body) {
    Effects out;
    machine.apply({now, std::move(body)}, out);
    take_down(out);
    EXPECT_EQ(machine.check_invariants(), std::nullopt);
    return out;
  }
  Status status(EventBody body) { return reply(apply(std::move(body))).status; }
  /// Time passes, and what is due happens.
  Effects pass(Nanos time) {
    now += time;
    return apply(Tick{});
  }
  /// The next run, from what is on record.
  Effects restart(Limits limits = {}) {
    std::vector<Record> records;
    for (const auto& [key, record] : journal) {
      records.push_back(*decode_record(encode_key(record), encode(record)));
    }
    machine = Machine(limits);
    Effects out;
    machine.recover(records, ++epoch, now, out);
    take_down(out);
    return out;
  }

  // ---- What came of it -----------------------------------------------------------------------
  static Reply reply(const Effects& out) {
    if (const auto* found = find<Reply>(out)) return *found;
    ADD_FAILURE() << "no reply";
    return {};
  }
  template <class E>
  static const E* find(const Effects& out) {
    for (const Effect& effect : out) {
      if (const auto* found = std::get_if<E>(&effect)) return found;
    }
    return nullptr;
  }
  template <class E>
  static std::vector<E> all(const Effects& out) {
    std::vector<E> found;
    for (const Effect& effect : out) {
      if (const auto* one = std::get_if<E>(&effect)) found.push_back(*one);
    }
    return found;
  }
  FileView file() const { return machine.view(kFile); }
  /// The ranges that are held.
  std::vector<Range> held() const {
    std::vector<Range> ranges;
    for (const LockView& lock : file().locks) ranges.push_back(lock.range);
    return ranges;
  }
  template <class R>
  std::vector<R> on_record() const {
    std::vector<R> found;
    for (const auto& [key, record] : journal) {
      if (const auto* one = std::get_if<R>(&record)) found.push_back(*one);
    }
    return found;
  }

  // ---- Who there is --------------------------------------------------------------------------
  RequestId next() { return RequestId{++requests}; }
  ClientId client(Protocol protocol, std::string name, Nanos lease = 0) {
    ClientArrived event{next(), protocol, name, "10.0.0." + name, name, lease};
    return std::get<ClientReply>(reply(apply(event)).body).client;
  }
  ClientId nfs4(std::string name, Protocol protocol = Protocol::nfs40) {
    const ClientId who = client(protocol, std::move(name), kLease);
    apply(CallbackPathChanged{who, true});
    return who;
  }

  // ---- What they ask for ---------------------------------------------------------------------
  OpenRequested open(ClientId who, Access access, Access deny = {}, std::string owner = "") {
    OpenRequested event;
    event.request = next();
    event.client = who;
    event.file = kFile;
    event.owner = std::move(owner);
    event.access = access;
    event.deny = deny;
    return event;
  }
  OpenRequested smb_open(ClientId who, Rights wanted, std::uint8_t key = 1) {
    OpenRequested event = open(who, kReadWrite);
    event.wish = {Flavour::lease, wanted, {}, true, 0};
    event.wish.key.bytes[0] = key;
    return event;
  }
  OpenRequested with_oplock(ClientId who, Rights wanted) {
    OpenRequested event = open(who, kReadWrite);
    event.wish = {Flavour::oplock, wanted, {}, false, 0};
    return event;
  }
  OpenRequested with_delegation(ClientId who, Access access, Rights wanted) {
    OpenRequested event = open(who, access, {}, "owner");
    event.wish = {Flavour::delegation, wanted, {}, false, 0};
    return event;
  }
  OpenReply opened(OpenRequested event) {
    const Reply said = reply(apply(std::move(event)));
    EXPECT_EQ(said.status, Status::ok);
    return said.status == Status::ok ? std::get<OpenReply>(said.body) : OpenReply{};
  }
  LockRequested nlm_lock(ClientId who, Range range, LockMode mode, Wait wait = Wait::none) {
    LockRequested event;
    event.request = next();
    event.client = who;
    event.owner = "svid";
    event.file = kFile;
    event.element = {range, mode};
    event.wait = wait;
    return event;
  }
  LockRequested smb_lock(ClientId who, OpenId through, Range range, LockMode mode,
                         Wait wait = Wait::none) {
    LockRequested event = nlm_lock(who, range, mode, wait);
    event.open = through;
    event.owner.clear();
    return event;
  }
  LockRequested nfs4_lock(ClientId who, OpenId through, Range range, LockMode mode,
                          Wait wait = Wait::none) {
    LockRequested event = nlm_lock(who, range, mode, wait);
    event.open = through;
    return event;
  }
  template <class E>
  static E reclaimed(E event) {
    event.reclaim = Reclaim::previous;
    return event;
  }
  Unlocked unlock(const LockRequested& lock, Range range) {
    return {next(), lock.client, lock.open, lock.owner, kFile, range, {}};
  }
  AccessRequested access(ClientId who, Operation operation, OpenId through = {}) {
    AccessRequested event;
    event.request = next();
    event.client = who;
    event.open = through;
    event.target = {kFile, operation};
    return event;
  }
  BreakAcknowledged ack(ClientId who, Rights rights, std::uint8_t key = 1) {
    BreakAcknowledged event{next(), who, Flavour::lease, {}, {}, rights};
    event.key.bytes[0] = key;
    return event;
  }

  static constexpr Access kRead{AccessBit::read};
  static constexpr Access kReadWrite{AccessBit::read, AccessBit::write};
  static constexpr Nanos kLease = 90 * kSecond;

  Machine machine{Limits{}};
  std::map<std::string, Record> journal;  ///< by the journal's key
  Nanos now = kSecond;
  std::uint64_t requests = 0, epoch = 0;

 private:
  void take_down(const Effects& out) {
    for (const Effect& effect : out) {
      const auto* persist = std::get_if<Persist>(&effect);
      if (persist == nullptr) continue;
      const Record& record = persist->change.record;
      journal.erase(encode_key(record));
      if (!persist->change.erase) journal.emplace(encode_key(record), record);
    }
  }
};

}  // namespace lockstep::core
