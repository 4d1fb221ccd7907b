// The byte-range locks of one file: POSIX-merging (NLM, NFSv4) and SMB-stacking owners in one
// interval structure, so that every conflict is found in one place.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/interval_tree.hpp"
#include "core/vocabulary.hpp"

namespace lockstep::core {

class File;
struct Client;
struct Waiter;

/// A lock owner of any protocol: (client, owner bytes) or, for SMB, the open. One object per owner,
/// as long as it holds or waits for anything; compared by address, never ordered by it.
struct LockOwner {
  Client* client = nullptr;
  OpenId open;            ///< SMB: the owner itself
  std::string_view name;  ///< NLM, NFSv4: raw bytes; they stand in the key of the client's `owners`
  bool asking = false;    ///< its request is being judged, so it is not forgotten yet
  bool smb() const { return static_cast<bool>(open); }

  /// Its locks on one file: how many, and within which bytes.
  struct Holding {
    File* file = nullptr;
    std::uint32_t count = 0;
    Range hull;
  };
  using Holdings = boost::container::small_vector<Holding, 1>;
  Holdings holdings;
  std::uint32_t grants = 0;      ///< NLM callbacks of its that are out
  std::vector<Waiter*> waiting;  ///< its queued lock requests, in order of arrival
  std::uint64_t locks() const {
    std::uint64_t count = 0;
    for (const Holding& held : holdings) count += held.count;
    return count;
  }
  Holding* holding(const File* file);
  const Holding* holding(const File* file) const;
};

/// The first bytes of a name as a number that orders as they do: most comparisons end with it.
constexpr std::uint64_t head_of(std::string_view name) {
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < sizeof head; ++i) {
    head = head << 8 | (i < name.size() ? static_cast<std::uint8_t>(name[i]) : 0U);
  }
  return head;
}

/// How a client finds its owners, without making a string to look for.
template <class Name>
struct OwnerId {
  OwnerId(OpenId of, Name called) : open(of), name(std::move(called)), head(head_of(name)) {}
  OpenId open;
  Name name;
  std::uint64_t head;
};
using OwnerKey = OwnerId<std::string>;
using OwnerNamed = OwnerId<std::string_view>;
struct OwnerOrder {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    if (a.open != b.open) return a.open < b.open;
    if (a.head != b.head) return a.head < b.head;
    return std::string_view(a.name) < std::string_view(b.name);
  }
};
using LockOwners = std::map<OwnerKey, LockOwner, OwnerOrder>;

struct HeldLock {
  Range range;
  std::uint64_t id = 0;
  LockOwner* owner = nullptr;
  Nanos since = 0;
  OpenId through;  ///< NFSv4: the open it was made through
  LockMode mode = LockMode::exclusive;
  bool recovered = false;
};

/// What a change to the table did, record by record.
struct LockChanges {
  std::vector<HeldLock> put;     ///< new, or changed under the same id
  std::vector<HeldLock> erased;  ///< as they were
  std::vector<Range> freed;      ///< what others may have now: bytes given up or downgraded
  /// Where a lock was cut, before this byte: a zero-length range stands between bytes.
  std::vector<std::uint64_t> cuts;
  std::vector<HeldLock> own;  ///< the owner's locks about the range: kept for its memory
  bool any() const { return !put.empty() || !erased.empty(); }
  void clear() {
    put.clear();
    erased.clear();
    freed.clear();
    cuts.clear();
  }
};

/// One part of what an owner held before a grant: so that a refused grant can be undone.
struct EarlierMode {
  Range range;
  LockMode mode = LockMode::shared;
};

class LockTable {
 public:
  bool empty() const { return tree_.empty(); }
  std::size_t size() const { return tree_.size(); }

  /// POSIX: afterwards the owner holds `wanted` (its id is chosen here), whatever it held there
  /// before.
  void set(File* file, const HeldLock& wanted, std::uint64_t& next_id, LockChanges& changes);
  /// POSIX: afterwards the owner holds nothing in `range`.
  void clear(File* file, LockOwner& owner, Range range, std::uint64_t& next_id,
             LockChanges& changes);
  /// SMB: one more lock, beside whatever is there.
  void stack(File* file, HeldLock wanted, std::uint64_t& next_id, LockChanges& changes);
  /// SMB: takes away one lock of exactly this range, an exclusive one first. False: none there.
  bool unstack(File* file, LockOwner& owner, Range range, LockChanges& changes);
  /// Every lock of the owner on this file.
  void release_all(File* file, LockOwner& owner, LockChanges& changes);
  /// A lock with a known id, from a record or a snapshot.
  void restore(File* file, const HeldLock& lock);
  /// SMB: the owner's recovered lock of exactly this range and mode is recovered no more.
  bool claim(File* file, LockOwner& owner, LockElement element, LockChanges& changes);
  /// SMB: whether there is one that `claim` would take.
  bool recovered(const LockOwner& owner, LockElement element) const;
  /// SMB: the owner's recovered locks of exactly this range go.
  void drop_recovered(File* file, LockOwner& owner, Range range, LockChanges& changes);

  /// Whether every byte is held by the owner in at least `mode`.
  bool covers(const LockOwner& owner, Range range, LockMode mode) const;
  /// POSIX: whether every byte is held by the owner in just this mode.
  bool holds_as(const LockOwner& owner, LockElement element) const;
  /// What the owner holds within `range`, cut to it.
  std::vector<EarlierMode> held_within(const LockOwner& owner, Range range) const;

  template <class Visit>
  void visit_overlaps(Range range, Visit visit) const {
    tree_.visit_overlaps(range, visit);
  }
  template <class Visit>
  void visit_all(Visit visit) const {
    tree_.visit_all(visit);
  }

 private:
  void insert(File* file, const HeldLock& lock, LockChanges& changes);
  void remove(File* file, const HeldLock& lock, LockChanges& changes);
  void cut(File* file, const HeldLock& lock, Range range, std::uint64_t& next_id,
           LockChanges& changes);
  std::vector<HeldLock> exactly(const LockOwner& owner, Range range) const;
  void of_owner(const LockOwner& owner, Range range, std::vector<HeldLock>& found) const;

  IntervalTree<HeldLock> tree_;
};

}  // namespace lockstep::core
