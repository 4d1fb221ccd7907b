// What is written to the store next, and what its answer means: group commit without a thread and
// without a clock. Whoever carries it (a writer thread, the simulator's virtual disk) writes what
// `gather` gives and tells `written` how that went: at once when it is `due`, after about the time
// of one transaction when it `lingers`, after a pause when it `retries`.
//
// What nobody waits for lingers: a release goes to disk together with the grant that follows it.
//
// When the store fails, what is queued stays queued, in its order (a key that changes again is kept
// once, so that a long failure costs no more memory than the state itself). Only a store that was
// fenced is never written again.
#pragma once

#include "shell/journal/journal.hpp"

namespace lockstep::journal {

class CommitQueue {
 public:
  /// What the owner of the batches is to be told.
  struct News {
    std::optional<std::uint64_t> durable;  ///< every batch up to this number
    std::optional<Error> failed;           ///< the store began to fail, or fails in another way
  };
  struct Stats {
    std::uint64_t batches = 0;       ///< made durable
    std::uint64_t transactions = 0;  ///< that made them so
    std::uint64_t failures = 0;
    std::uint64_t queued = 0;  ///< appended and not durable yet
  };

  /// Numbers must go up by at least one each time.
  void append(std::uint64_t number, std::vector<Record> records);
  /// Somebody waits for what is queued now.
  void hurry() { hurried_ = true; }

  bool due() const { return !failing_ && hurried_ && !queue_.empty(); }
  bool lingers() const { return !failing_ && !hurried_ && !queue_.empty(); }
  bool retries() const { return failing_ && !fenced_; }
  /// What one transaction is to write; it stays where it is until `written`. Empty: nothing.
  std::span<const Batch> gather();
  News written(const Result<>& outcome);

  const Stats& stats() const { return stats_; }

 private:
  News on_failure(const Error& error);
  void merge_gathered();

  std::vector<Batch> queue_;
  std::vector<Batch> gathered_;
  std::size_t merged_ = 0;  ///< batches that now stand inside another one of `gathered_`
  bool hurried_ = false;
  bool failing_ = false;
  bool fenced_ = false;
  Failure failure_ = Failure::io;
  Stats stats_;
};

}  // namespace lockstep::journal
