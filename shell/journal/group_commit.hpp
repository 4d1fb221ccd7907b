// Carries batches from the loop's thread to the store: one writer thread, and whatever has gathered
// while the disk was busy goes into its next transaction. So many steps share one fsync, and a
// lonely one waits for nobody.
//
// When the store fails, what is queued stays queued, in its order (a key that changes again is kept
// once, so that a long failure costs no more memory than the state itself). The writer tries again
// when it is poked and after `retry`. Only a store that was fenced is never written again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "shell/journal/journal.hpp"

namespace lockstep::journal {

class GroupCommit {
 public:
  struct Options {
    /// Between two attempts while the store fails; zero: only when poked.
    std::chrono::milliseconds retry{1000};
    /// Waits this long before each transaction: a slow disk, for benchmarks and tests.
    std::chrono::microseconds delay{0};
  };
  /// Runs a function on the loop's thread; may be called from any thread.
  using Post = std::function<void(std::function<void()>)>;
  /// All three are called on the loop's thread, through `Post`.
  struct Handler {
    /// Every batch up to this number is durable. Also tells, after `failed`, that all is well
    /// again.
    std::function<void(std::uint64_t number)> durable;
    /// Called when the store begins to fail and whenever it fails in another way.
    std::function<void(const Error&)> failed;
  };

  /// The store is used by the writer thread alone from here on.
  GroupCommit(std::unique_ptr<Store> store, Post post, Handler handler, Options options);
  /// As above with the defaults.
  GroupCommit(std::unique_ptr<Store> store, Post post, Handler handler);
  /// Makes one last attempt to write what is queued, and ends the thread. Nothing is posted after.
  ~GroupCommit();
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  /// Numbers must go up by at least one each time. Never blocks on the disk.
  void append(std::uint64_t number, std::vector<Record> records);
  /// Try again now, if the last attempt failed.
  void poke();

  struct Stats {
    std::uint64_t batches = 0;       ///< made durable
    std::uint64_t transactions = 0;  ///< that made them so
    std::uint64_t failures = 0;
    std::uint64_t queued = 0;  ///< appended and not durable yet
  };
  Stats stats() const;

 private:
  void run();
  /// Sleeps until there is a reason to write; false when it is time to end.
  bool wait_for_work(std::unique_lock<std::mutex>& hold);
  void write_gathered();
  void on_failure(const Error& error);
  void merge_gathered();

  const std::unique_ptr<Store> store_;
  const Post post_;
  const Options options_;
  // Posted functions share it: they may run after this object is gone, and then do nothing.
  const std::shared_ptr<Handler> handler_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Batch> queue_;
  bool poked_ = false;
  bool ending_ = false;
  Stats stats_;

  // The writer thread's own.
  std::vector<Batch> gathered_;
  std::size_t merged_ = 0;  ///< batches that now stand inside another one of `gathered_`
  bool failing_ = false;
  bool fenced_ = false;
  Failure failure_ = Failure::io;
  std::thread writer_;
};

}  // namespace lockstep::journal
