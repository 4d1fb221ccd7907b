// Byte-range locks of an SMB client: the server's, and those that it takes by itself under Write.
#include <algorithm>
#include <utility>

#include "sim/wire/smb_client.hpp"

namespace lockstep::sim::wired {

using smb2::Command;
using smb2::NtStatus;
using wire::Task;
namespace state = smb2::lease_state;

namespace {

const Mark kWaited{Mark::Kind::reachable, "wire", "an SMB lock is granted after a wait"};

/// A lock of this file is on its way to the server, or waits there.
class LockAsked {
 public:
  LockAsked(std::multiset<std::uint64_t>& all, std::uint64_t node)
      : all_(all), mine_(all.insert(node)) {}
  ~LockAsked() { all_.erase(mine_); }
  LockAsked(const LockAsked&) = delete;
  LockAsked& operator=(const LockAsked&) = delete;

 private:
  std::multiset<std::uint64_t>& all_;
  std::multiset<std::uint64_t>::iterator mine_;
};

}  // namespace

SmbLock lock_element(CellRange range, std::uint32_t flags) {
  const std::uint64_t to_the_end = ~std::uint64_t{0} - range.offset();
  return {range.offset(), range.length() == 0 ? to_the_end : range.length(), flags};
}

/// Locks of this client's other opens, of which the server may not know.
bool SmbClient::conflicts_here(const Open& open, CellRange range, bool exclusive) const {
  for (const OpenRef& other : opens_) {
    if (other.get() == &open || other->node != open.node || other->closed) continue;
    for (const Lock& lock : other->locks) {
      const bool overlap = lock.range.first <= range.last && range.first <= lock.range.last;
      if (overlap && (exclusive || lock.exclusive)) return true;
    }
  }
  return false;
}

Task<std::string> SmbClient::lock(OpenRef open, Deed deed) {
  const CacheRef cache = open->cache;
  co_await not_while_breaking(cache);
  if (open->closed) co_return "closed";
  const auto mode = deed.exclusive ? LockBeliefs::Mode::exclusive : LockBeliefs::Mode::shared;
  // Stacked locks are the core's to test; here one cell has one lock of an open.
  for (const Lock& held : open->locks) {
    if (held.range.first <= deed.range.last && deed.range.first <= held.range.last) {
      co_return "has one";
    }
  }
  if (habits_.caches_locks && honest() && (cache->rights & state::kWrite) != 0) {
    // What the other opens have dirty could not be written any more.
    co_await flush(cache);
    co_await not_while_breaking(cache);
    if (open->closed) co_return "closed";
    if ((cache->rights & state::kWrite) == 0) co_return "broken";
    if (conflicts_here(*open, deed.range, deed.exclusive)) co_return "refused here";
  }
  // Only the server knows what becomes of another lock that it is being asked for.
  if (habits_.caches_locks && honest() && (cache->rights & state::kWrite) != 0 &&
      !locks_asked_.contains(open->node)) {
    open->locks.push_back({deed.range, deed.exclusive, false, false});
    if (session_.intact()) {
      witness.locks.believe(open->owner, open->node, deed.range, mode, machine.now());
    }
    co_return "granted here";
  }
  const LockAsked asked(locks_asked_, open->node);
  const auto started = std::make_shared<SmbSession::Started>();
  if (deed.wait) waiting_[open->process] = started;
  const SmbLock element = lock_element(
      deed.range, (deed.exclusive ? kExclusiveLock : kSharedLock) | (deed.wait ? 0 : kFailAtOnce));
  const auto answer = co_await session_.command(
      Command::lock, lock_body(open->handle, std::vector(1, element)), started);
  if (deed.wait) waiting_.erase(open->process);
  if (!answer) co_return "connection lost";
  if (answer->status() != NtStatus::success) co_return smb_word(answer->status());
  if (open->closed) co_return "closed";
  if (started->async_id != 0) witness.marks.hit(kWaited);
  open->locks.push_back({deed.range, deed.exclusive, true, true});
  if (session_.intact()) {
    witness.locks.believe(open->owner, open->node, deed.range, mode, machine.now());
  }
  co_return "granted";
}

Task<std::string> SmbClient::unlock(OpenRef open, CellRange range) {
  co_await not_while_breaking(open->cache);
  if (open->closed) co_return "closed";
  const auto held = std::ranges::find_if(open->locks, [&](const Lock& lock) {
    return lock.range.first == range.first && lock.range.last == range.last;
  });
  if (held == open->locks.end()) co_return "has none";
  const bool sent = held->sent;
  open->locks.erase(held);
  witness.locks.forget(open->owner, open->node, range);
  if (!sent) co_return "ok, here";
  const SmbLock element = lock_element(range, kUnlock);
  const auto answer =
      co_await session_.command(Command::lock, lock_body(open->handle, std::vector(1, element)));
  if (!answer) co_return "connection lost";
  if (answer->status() != NtStatus::success) {
    throw Failure(FailureKind::assertion, open->owner + ": the lock that it held is not there (" +
                                              smb_word(answer->status()) + ")");
  }
  co_return "ok";
}

void SmbClient::give_up(unsigned process) {
  const auto waiting = waiting_.find(process);
  if (waiting != waiting_.end()) session_.cancel(*waiting->second);
}

std::optional<unsigned> SmbClient::process_of(core::OpenId open, const std::string&) const {
  for (const OpenRef& own : opens_) {
    if (own->handle.persistent == open.value) return own->process;
  }
  return std::nullopt;
}

}  // namespace lockstep::sim::wired
