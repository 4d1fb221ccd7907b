// What a simulated client knows and believes. It learns only from messages; what it believes may be
// out of date, and the checkers ask whether it was entitled to believe it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/event.hpp"
#include "sim/core/step.hpp"

namespace lockstep::sim {

/// Bytes 0..15 of a file, and bit 16 for the rest.
using Units = std::uint32_t;
inline constexpr unsigned kUnits = kBytes + 1;
constexpr Units units_of(core::Range range) {
  if (range.empty()) return 0;
  Units units = 0;
  for (unsigned unit = 0; unit < kBytes; ++unit) {
    if (range.first <= unit && unit <= range.last) units |= Units{1} << unit;
  }
  return range.last >= kBytes ? units | Units{1} << kBytes : units;
}
/// The longest runs of a set, as ranges.
std::vector<core::Range> runs_of(Units units);

/// Which write each unit holds; 0: as it was made.
using Content = std::array<std::uint32_t, kUnits>;

/// An open, as the client has it.
struct Handle {
  core::OpenId id;
  std::uint8_t file = 0, owner = 1;
  core::Access access, deny;
  core::Wish wish;   ///< as it was asked: what a reclaim says
  int holding = -1;  ///< the right it stands under
  bool attributes = false;
  bool lazy = false;  ///< its application closed it; kept under the Handle right
  bool gone = false;
  std::uint64_t boot = 1;  ///< the run of the server that granted it
};

struct Op;

/// A caching right and what is cached under it.
struct Holding {
  core::RightId right;
  std::uint8_t file = 0;
  core::Flavour flavour = core::Flavour::none;
  core::LeaseKey key;
  core::OpenId open;
  core::Rights rights;  ///< what the client may still do
  std::uint16_t epoch = 0;
  bool breaking = false;  ///< a break was heard, and its acknowledgment not yet answered
  core::Rights to;
  bool gone = false;
  Units cached = 0, dirty = 0;
  Content content{};
  std::uint32_t flushes = 0;      ///< under way
  std::vector<std::size_t> then;  ///< operations that wait until all is flushed
  std::vector<Op> local;          ///< opens and locks that only this client knows of
};

/// Bytes that one POSIX lock owner believes it has locked.
struct PosixLocks {
  Units shared = 0, exclusive = 0;
};
struct SmbLock {
  core::OpenId open;
  core::Range range;
  core::LockMode mode = core::LockMode::exclusive;
};

enum class Presence : std::uint8_t { away, arriving, reclaiming, here };

struct Client {
  std::string name;
  core::Protocol protocol = core::Protocol::nlm;
  Trait trait = Trait::honest;
  core::ClientId id;      ///< what the server calls it
  core::ClientId former;  ///< and did before its crash, until the server has heard of that crash
  Presence presence = Presence::away;
  bool frozen = false, dead = false, down = false, cut = false, silent = false;
  bool lost = false;     ///< the server took its state, and it has not been told yet
  bool evicted = false;  ///< an administrator did, since it arrived
  core::Nanos latency = core::kMillisecond, skew = 0;
  core::Nanos lease_believed = 0;  ///< NFSv4: until when it may trust what it holds
  std::uint32_t incarnation = 1;
  std::uint64_t boot_seen = 1;  ///< the server's run that it talks to
  std::vector<Handle> handles;
  std::vector<Holding> holdings;
  std::array<std::array<PosixLocks, 2>, kFiles + 1> posix{};
  std::vector<SmbLock> smb_locks;
  std::array<std::uint32_t, kFiles + 1> writing{};  ///< writes under way, by file
  /// SMB: a lock was asked for on the file; from then on writes are not cached, because a lock that
  /// the client has itself may refuse them when they are flushed.
  std::array<bool, kFiles + 1> locked{};
  /// NLM and NFSv4: what one owner asks about one file goes one after the other, as a thread does
  /// it (and as the sequence ids of NFSv4.0 demand).
  std::array<std::array<std::vector<std::size_t>, 2>, kFiles + 1> lanes{};
  std::vector<std::size_t> when_here;       ///< operations that wait for its return
  std::vector<std::size_t> outbox;          ///< cannot be sent now
  std::vector<std::size_t> inbox;           ///< messages that cannot be read now
  std::vector<core::RightId> early_breaks;  ///< of rights it does not know yet
  std::uint32_t reclaims = 0;               ///< under way
  std::uint32_t state_number = 1;           ///< NSM: odd, larger at every boot
  core::Nanos last_arrival = 0, last_delivery = 0, last_callback = 0;  ///< connections keep order

  bool nfs4() const { return core::is_nfs4(protocol); }
  bool smb() const { return protocol == core::Protocol::smb; }
  /// Whether its beliefs are checked: it follows the protocol.
  bool honest() const { return trait == Trait::honest && skew == 0; }
  bool works() const { return !frozen && !dead && !down; }
};

/// One operation of a client, from the first attempt to its end.
struct Op {
  enum class Kind : std::uint8_t {
    arrive,
    complete,  ///< RECLAIM_COMPLETE
    renew,
    callback_path,
    open,
    close,
    unshare,
    downgrade,
    disposition,
    lock,
    unlock,
    test,
    cancel_lock,
    cancel_request,
    grant_answer,
    acknowledge,
    give_back,
    access,
  };
  enum class Purpose : std::uint8_t { application, flush, reclaim, machine };

  Kind kind = Kind::arrive;
  Purpose purpose = Purpose::application;
  std::uint8_t client = 0, file = 0, other = 0, owner = 1;
  int handle = -1, holding = -1;
  core::Operation operation = core::Operation::read;
  core::Range range;
  std::vector<core::Range> more;  ///< of an array
  core::LockMode mode = core::LockMode::exclusive;
  bool waiting = false, special = false, overwriting = false, attributes = false, remove = true;
  bool accepted = true, up = true;
  bool by_hand = false;  ///< a reclaim that the script asks for
  bool pushed = false;   ///< was done locally, and is told before the right is given up
  bool done = false;
  bool unlocked = false;   ///< SMB: its unlock was sent before it had an answer
  bool forgotten = false;  ///< what it was to get back was lost before it had an answer
  Units given_back = 0;    ///< the others: what unlocks took back since it was sent
  bool queued = false;     ///< told `blocked`, or `denied` with its turn kept
  core::Access access, deny;
  core::Wish wish;
  core::Rights rights;
  core::RequestId request;  ///< of the latest attempt
  core::RequestId target;
  std::uint32_t tries = 0, incarnation = 1;
  core::Nanos sent = 0;
  Content content{};  ///< read or to be written

  /// Whether it changes what the file holds.
  bool writes() const {
    return kind == Kind::open ? overwriting
                              : kind == Kind::access && (operation == core::Operation::write ||
                                                         operation == core::Operation::set_size);
  }
};

}  // namespace lockstep::sim
