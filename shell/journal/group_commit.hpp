// Carries batches from the loop's thread to the store: one writer thread, and whatever has gathered
// while the disk was busy goes into its next transaction. So many steps share one fsync, and a
// lonely one waits for nobody. What is written, and what a failure means, is CommitQueue's; a
// failing store is tried again after `retry`.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "shell/journal/commit_queue.hpp"
#include "shell/journal/journal.hpp"

namespace lockstep::journal {

class GroupCommit {
 public:
  struct Options {
    /// Between two attempts while the store fails.
    std::chrono::milliseconds retry{1000};
    /// Waits this long before each transaction: a slow disk, for benchmarks and tests.
    std::chrono::microseconds delay{0};
  };
  using Stats = CommitQueue::Stats;
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
  /// Somebody waits for what was appended.
  void hurry();
  Stats stats() const;

 private:
  void run();
  void wait_for_work(std::unique_lock<std::mutex>& hold);
  void write(std::span<const Batch> batches);

  const std::unique_ptr<Store> store_;
  const Post post_;
  const Options options_;
  // Posted functions share it: they may run after this object is gone, and then do nothing.
  const std::shared_ptr<Handler> handler_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  CommitQueue commit_;
  bool ending_ = false;
  std::chrono::nanoseconds linger_{0};  ///< as long as the last transaction took; the writer's
  std::thread writer_;
};

}  // namespace lockstep::journal
