// Breaks, and what an SMB client does before it acknowledges them.
#include <algorithm>
#include <utility>

#include "sim/wire/smb_client.hpp"

namespace lockstep::sim::wired {

using smb2::Command;
using smb2::NtStatus;
using wire::Task;
namespace state = smb2::lease_state;

namespace {

const Mark kBroken{Mark::Kind::sometimes, "wire", "an SMB client is told to give up a right"};
const Mark kFlushed{Mark::Kind::sometimes, "wire", "dirty data is flushed for a break"};
const Mark kLost{Mark::Kind::sometimes, "wire", "dirty data is lost and the program told"};
const Mark kPushed{Mark::Kind::reachable, "wire", "cached locks are sent for a break"};
const Mark kHandles{Mark::Kind::sometimes, "wire", "a kept handle is closed for a break"};
const Mark kLateAck{Mark::Kind::reachable, "wire", "an acknowledgment comes too late"};
const Mark kWrongAck{Mark::Kind::sometimes, "wire", "a wrong acknowledgment is refused"};

std::string text_of(std::uint32_t rights) {
  std::string text;
  if ((rights & state::kRead) != 0) text += 'R';
  if ((rights & state::kWrite) != 0) text += 'W';
  if ((rights & state::kHandle) != 0) text += 'H';
  return text.empty() ? "-" : text;
}

std::uint32_t rights_of(smb2::OplockLevel level) {
  return smb2::state_of(smb2::rights_of_level(level));
}

std::uint32_t target_of(const BreakNotice& notice) {
  return notice.lease ? notice.to : rights_of(static_cast<smb2::OplockLevel>(notice.level));
}

}  // namespace

void SmbClient::on_break(const BreakNotice& notice) {
  CacheRef cache;
  if (notice.lease) {
    const auto at = leases_.find(notice.key);
    if (at != leases_.end()) cache = at->second;
  } else {
    for (const OpenRef& open : opens_) {
      if (open->handle == notice.file) cache = open->cache;
    }
  }
  // Closed meanwhile: the CLOSE is the answer.
  if (!cache) return;
  witness.marks.hit(kBroken);
  tell("hears that its right " + text_of(cache->rights) + " on " + cache->file + " is broken to " +
       text_of(target_of(notice)));
  ++cache->generation;
  cache->breaks.push_back(notice);
  if (!std::exchange(cache->breaking, true)) {
    cache->broken_at = machine.now();
    wire::spawn(attended(witness, answer_breaks(cache)));
  }
}

Task<void> SmbClient::answer_breaks(CacheRef cache) {
  const std::uint64_t connection = session_.generation();
  while (!cache->breaks.empty() && session_.generation() == connection) {
    BreakNotice notice = cache->breaks.front();
    cache->breaks.pop_front();
    co_await answer(cache, notice);
  }
  cache->breaking = false;
  changed_.ring();
}

Task<void> SmbClient::not_while_breaking(CacheRef cache) {
  while (cache->breaking) co_await changed_.wait();
}

Task<void> SmbClient::answer(CacheRef cache, BreakNotice notice) {
  const std::uint32_t to = target_of(notice);
  const bool ack = notice.lease ? notice.ack : cache->rights != state::kRead;
  if (habits_.acks == SmbHabits::Acks::never) {
    // Goes on as if nothing had come; what it keeps dirty is its own loss.
    for (auto& [cell, page] : cache->pages) {
      if (page.dirty != 0) witness.history.lost(page.dirty);
    }
    co_return;
  }
  const bool loses_write = (cache->rights & ~to & state::kWrite) != 0;
  if (loses_write) {
    co_await push_locks(cache);
    co_await flush(cache);
  }
  if ((to & state::kRead) == 0) {
    std::erase_if(cache->pages, [](const auto& page) { return page.second.dirty == 0; });
  }
  if ((to & state::kHandle) == 0) {
    const auto opens = opens_;
    for (const OpenRef& open : opens) {
      if (open->cache != cache || !open->deferred || open->closed) continue;
      witness.marks.hit(kHandles);
      co_await flush(cache);  // it may be the last one that can
      if (!open->closed) co_await send_close(open);
    }
  }
  cache->rights = to;
  cache->epoch = notice.epoch;
  ++cache->generation;
  if (!ack) co_return;
  const OpenRef open = any_open(*cache);
  if (!open) co_return;  // the last CLOSE was the answer
  if (habits_.acks == SmbHabits::Acks::late) co_await machine.sleep(break_timeout_ + kSecond);
  const bool wrong = habits_.acks == SmbHabits::Acks::wrongly && chance_.one_in(2);
  const Bytes body =
      notice.lease
          ? lease_ack_body(cache->key,
                           wrong ? (to | state::kWrite | state::kHandle | state::kRead) : to)
          : oplock_ack_body(open->handle, wrong ? smb2::OplockLevel::batch
                                                : static_cast<smb2::OplockLevel>(notice.level));
  const auto answer = co_await session_.command(Command::oplock_break, body, {}, /*urgent=*/true);
  if (!answer) co_return;
  tell(std::string("acknowledges the break of ") + cache->file + ": " + smb_word(answer->status()));
  if (wrong && is_error(answer->status())) witness.marks.hit(kWrongAck);
  if (is_error(answer->status()) && honest() && cache->breaks.empty()) {
    // It took us too long: nothing is ours any more.
    witness.marks.hit(kLateAck);
    lose(*cache);
  }
}

/// Everything dirty goes to the server; what it refuses is lost, and the program told.
Task<void> SmbClient::flush(CacheRef cache) {
  while (cache->cutting) co_await changed_.wait();
  std::vector<std::uint32_t> dirty;
  for (const auto& [cell, page] : cache->pages) {
    if (page.dirty != 0) dirty.push_back(cell);
  }
  for (const std::uint32_t cell : dirty) {
    while (cache->cutting || cache->sending.contains(cell)) co_await changed_.wait();
    const auto page = cache->pages.find(cell);
    if (page == cache->pages.end() || page->second.dirty == 0) continue;
    const WriteId id = page->second.dirty;
    const OpenRef open = open_to_write(*cache, cell);
    bool written = false;
    if (open) {
      const Bytes bytes = page->second.bytes;
      cache->sending.insert(cell);
      written = co_await write_through(open, cell, bytes, id);
      cache->sending.erase(cell);
      changed_.ring();
    }
    const auto now = cache->pages.find(cell);
    if (now == cache->pages.end() || now->second.dirty != id) continue;
    if (written) {
      witness.marks.hit(kFlushed);
      tell("has flushed write " + std::to_string(id) + " to " + cache->file);
      now->second.dirty = 0;
    } else {
      witness.marks.hit(kLost);
      tell("has lost write " + std::to_string(id) + " to " + cache->file);
      witness.history.lost(id);
      cache->pages.erase(now);
    }
  }
}

Task<void> SmbClient::push_locks(CacheRef cache) {
  const auto opens = opens_;
  for (const OpenRef& open : opens) {
    if (open->cache != cache || open->closed) continue;
    for (std::size_t i = 0; i < open->locks.size(); ++i) {
      if (open->locks[i].sent) continue;
      open->locks[i].sent = true;
      witness.marks.hit(kPushed);
      const Lock lock = open->locks[i];
      const SmbLock element =
          lock_element(lock.range, (lock.exclusive ? kExclusiveLock : kSharedLock) | kFailAtOnce);
      const auto answer = co_await session_.command(
          Command::lock, lock_body(open->handle, std::vector(1, element)));
      if (answer && answer->status() == NtStatus::success) {
        if (i < open->locks.size()) open->locks[i].answered = true;
        continue;
      }
      witness.locks.forget(open->owner, open->node, lock.range);
    }
  }
}

Task<void> SmbClient::send_close(OpenRef open) {
  open->closed = true;
  witness.locks.forget_all(open->owner);
  const auto answer = co_await session_.command(Command::close, close_body(open->handle));
  (void)answer;
  forget(open);
}

SmbClient::OpenRef SmbClient::any_open(const Cache& cache) const {
  for (const OpenRef& open : opens_) {
    if (open->cache.get() == &cache && !open->closed) return open;
  }
  return nullptr;
}

/// Through which open a cell may be written: who has locked it shuts this client's others out.
SmbClient::OpenRef SmbClient::open_to_write(const Cache& cache, std::uint32_t cell) const {
  for (const OpenRef& open : opens_) {
    if (open->cache.get() != &cache || open->closed) continue;
    for (const Lock& lock : open->locks) {
      if (lock.range.first <= cell && cell <= lock.range.last) return open;
    }
  }
  return any_open(cache);
}

void SmbClient::forget(const OpenRef& open) {
  open->closed = true;
  std::erase(opens_, open);
  if (open->cache->key != 0 && !any_open(*open->cache)) leases_.erase(open->cache->key);
}

/// One lease for all opens of a file, but for those that ask for none: the server counts these as
/// anybody else's.
SmbClient::CacheRef SmbClient::cache_for(const std::string& file, bool shared) {
  for (const auto& [key, cache] : leases_) {
    if (shared && cache->file == file) return cache;
  }
  auto cache = std::make_shared<Cache>();
  cache->file = file;
  if (habits_.leases && shared) {
    while (++last_key_ == 0 || leases_.contains(last_key_)) {
    }
    cache->key = last_key_;
    leases_[cache->key] = cache;
  }
  return cache;
}

/// The name has come to mean another file: what is open of the old one has no part in the lease.
void SmbClient::leave_cache(const Cache& cache, std::uint64_t node) {
  for (const OpenRef& open : opens_) {
    if (open->cache.get() != &cache || open->node == node) continue;
    open->cache = std::make_shared<Cache>();
    open->cache->file = open->file;
    open->cache->node = open->node;
  }
}

/// The right is gone, and what was dirty under it.
void SmbClient::lose(Cache& cache) {
  for (auto& [cell, page] : cache.pages) {
    if (page.dirty == 0) continue;
    witness.marks.hit(kLost);
    tell("has lost write " + std::to_string(page.dirty) + " to " + cache.file);
    witness.history.lost(page.dirty);
  }
  cache.pages.clear();
  cache.rights = 0;
  ++cache.generation;
}

/// What it has not flushed to a run that is no more is lost when that run's leases are not kept for
/// it any longer: it hears of it when it finds its connection dead.
void SmbClient::grace_over(std::uint64_t) {
  if (session_.intact()) return;
  for (const OpenRef& open : opens_) {
    for (const auto& [cell, page] : open->cache->pages) {
      if (page.dirty != 0) witness.history.lost(page.dirty);
    }
  }
}

/// The connection is gone: handles, leases and locks with it.
void SmbClient::on_lost() {
  const auto opens = std::exchange(opens_, {});
  for (const OpenRef& open : opens) {
    open->closed = true;
    witness.locks.forget_all(open->owner);
    lose(*open->cache);
    open->cache->breaks.clear();
  }
  leases_.clear();
}

}  // namespace lockstep::sim::wired
