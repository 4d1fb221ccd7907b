// A journal without a disk, for tests, benchmarks and the simulator: several writers may open the
// same medium one after the other and meet the same fencing as on a real one. It can be told to
// fail.
#pragma once

#include <mutex>
#include <utility>

#include "shell/journal/journal.hpp"

namespace lockstep::journal {

/// What outlives the writers. Safe to look at from another thread.
class MemoryMedium {
 public:
  Contents contents() const {
    std::lock_guard hold(mutex_);
    return contents_;
  }
  std::uint64_t writes() const {
    std::lock_guard hold(mutex_);
    return writes_;
  }
  /// Until it is called without an error, every write fails with this one and changes nothing.
  void fail_with(std::optional<Error> error) {
    std::lock_guard hold(mutex_);
    failure_ = std::move(error);
  }

 private:
  friend class MemoryStore;
  mutable std::mutex mutex_;
  Contents contents_;
  std::uint64_t epoch_ = 0;
  std::uint64_t last_batch_ = 0;
  std::uint64_t writes_ = 0;
  std::optional<Error> failure_;
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryMedium> medium) : medium_(std::move(medium)) {
    std::lock_guard hold(medium_->mutex_);
    epoch_ = ++medium_->epoch_;
    medium_->last_batch_ = 0;
  }

  std::uint64_t epoch() const override { return epoch_; }
  Result<Contents> load() override { return medium_->contents(); }

  Result<> write(std::span<const Batch> batches) override {
    std::lock_guard hold(medium_->mutex_);
    if (medium_->epoch_ != epoch_) {
      return Error{Failure::fenced, "journal: a newer server has taken over; this one must stop"};
    }
    if (medium_->failure_) return *medium_->failure_;
    for (const Batch& batch : batches) {
      if (batch.number <= medium_->last_batch_) continue;
      for (const Record& record : batch.records) {
        if (record.value)
          medium_->contents_[record.key] = *record.value;
        else
          medium_->contents_.erase(record.key);
      }
      medium_->last_batch_ = batch.number;
    }
    ++medium_->writes_;
    return {};
  }

 private:
  std::shared_ptr<MemoryMedium> medium_;
  std::uint64_t epoch_ = 0;
};

}  // namespace lockstep::journal
