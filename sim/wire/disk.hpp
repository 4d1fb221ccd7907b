// The server's disk: the files of its export and the journal's medium. It outlives the server.
//
// It may be slow, full, or fail to sync; at a crash what was not synced is lost or torn, write by
// write, and a journal transaction that was under way is on disk whole or not at all. What must
// survive: what a sync or a journal write was reported for, and every directory operation (the
// simulated file system journals those, as the host's do).
#pragma once

#include <coroutine>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "shell/files/files.hpp"
#include "shell/journal/commit_queue.hpp"
#include "shell/journal/memory_store.hpp"
#include "sim/random.hpp"
#include "sim/wire/virtual_time.hpp"

namespace lockstep::sim::wired {

struct DiskHealth {
  Nanos latency_max = 300'000;        ///< of reads, writes and look-ups
  Nanos sync_max = 3 * kMillisecond;  ///< of an fsync
  bool full = false;                  ///< ENOSPC for writes of data and of the journal
  bool sync_fails = false;            ///< EIO on fsync, and for the journal
};

/// Files whose calls take time and whose unsynced writes a crash may lose.
class Disk {
 public:
  Disk(VirtualTime& time, std::uint64_t seed);
  ~Disk();

  /// The export as one server run sees it; it works until `cut_off`.
  std::shared_ptr<files::FileSystem> mount();
  /// From here on nothing that the server does reaches the disk, and every call of it fails.
  void cut_off() { ++run_; }
  /// Afterwards: whatever waits for the disk is told, and unsynced writes are lost or torn.
  /// `orderly`: only the server died, its system writes everything back.
  void settle(bool orderly);

  /// Where a file is now, for people: "f"; empty when it has no name any more.
  std::string path_of(core::FileId id) const;

  DiskHealth health;
  /// Calls that the server has made and that are not done.
  std::size_t waiting() const { return waiting_.size(); }
  /// Told before every effect on the disk, reads included: where a crash may fall.
  std::function<void()> on_effect;

 private:
  friend class SlowFiles;
  friend class SlowFile;
  struct Write {
    std::uint64_t offset = 0;
    wire::Bytes data;
    std::optional<std::uint64_t> truncate;
    bool durable = false;
  };
  struct Unsynced {
    wire::Bytes base;  ///< the content when all of it was on disk
    std::vector<Write> writes;
  };
  /// Suspends for the time that a call takes; false: the power is off.
  class Pause {
   public:
    Pause(Disk& disk, std::uint64_t run, Nanos time) : disk_(disk), run_(run), time_(time) {}
    bool await_ready() const { return disk_.gone(run_); }
    void await_suspend(std::coroutine_handle<> waiting);
    bool await_resume() const { return !disk_.gone(run_); }

   private:
    Disk& disk_;
    std::uint64_t run_;
    Nanos time_;
  };
  bool gone(std::uint64_t run) const { return run != run_; }
  void take_effect() {
    if (on_effect) on_effect();
  }
  template <class Make>
  static auto timed(Disk* disk, std::uint64_t run, Make make) -> decltype(make());
  Pause pause(std::uint64_t run, Nanos most) {
    return Pause(*this, run, most == 0 ? 0 : chance_.below(most));
  }
  wire::Bytes content(const files::NodeRef& node);
  void put_content(const files::NodeRef& node, const wire::Bytes& bytes);
  void wrote(const files::NodeRef& node, Write write, const wire::Bytes& before);
  /// 0 or errno.
  int synced(const files::NodeRef& node);

  VirtualTime& time_;
  Random chance_;
  std::shared_ptr<files::FileSystem> inner_;
  std::uint64_t run_ = 1;  ///< of the server that may use it
  std::map<std::uint64_t, std::coroutine_handle<>> waiting_;
  std::uint64_t last_wait_ = 0;
  std::map<std::uint64_t, std::pair<files::NodeRef, Unsynced>> unsynced_;
};

/// Carries the batches of one server run to the medium, on virtual time.
class JournalDisk {
 public:
  struct Handler {
    std::function<void(std::uint64_t)> durable;
    std::function<void(const journal::Error&)> failed;
  };
  JournalDisk(VirtualTime& time, Random& chance, const DiskHealth& health,
              std::shared_ptr<journal::MemoryMedium> medium, Handler handler);
  ~JournalDisk();
  JournalDisk(const JournalDisk&) = delete;
  JournalDisk& operator=(const JournalDisk&) = delete;

  journal::Store& store() { return store_; }
  std::uint64_t epoch() const { return store_.epoch(); }
  void append(std::uint64_t number, std::vector<journal::Record> records);
  void hurry();
  /// A transaction that is under way may or may not reach the medium.
  void power_off();
  /// Told before a write reaches the medium, and before its news is told.
  std::function<void()> on_effect;
  /// Told what became durable.
  std::function<void(std::span<const journal::Batch>)> on_durable;

 private:
  void start();
  void begin();
  void linger_ends();
  void retry();
  void write();
  /// `then`, unless the power goes before.
  void after(Nanos delay, void (JournalDisk::*then)());

  VirtualTime& time_;
  Random& chance_;
  const DiskHealth& health_;
  journal::MemoryStore store_;
  Handler handler_;
  journal::CommitQueue queue_;
  std::span<const journal::Batch> writing_;
  bool busy_ = false, lingering_ = false;
  std::shared_ptr<bool> on_ = std::make_shared<bool>(true);
};

}  // namespace lockstep::sim::wired
