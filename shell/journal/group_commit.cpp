#include "shell/journal/group_commit.hpp"

#include <iterator>
#include <utility>

namespace lockstep::journal {

GroupCommit::GroupCommit(std::unique_ptr<Store> store, Post post, Handler handler, Options options)
    : store_(std::move(store)),
      post_(std::move(post)),
      options_(options),
      handler_(std::make_shared<Handler>(std::move(handler))),
      writer_([this] { run(); }) {}

GroupCommit::GroupCommit(std::unique_ptr<Store> store, Post post, Handler handler)
    : GroupCommit(std::move(store), std::move(post), std::move(handler), Options{}) {}

GroupCommit::~GroupCommit() {
  {
    std::lock_guard hold(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  writer_.join();
  *handler_ = {};
}

void GroupCommit::append(std::uint64_t number, std::vector<Record> records) {
  {
    std::lock_guard hold(mutex_);
    queue_.push_back({number, std::move(records)});
    ++stats_.queued;
  }
  wake_.notify_one();
}

void GroupCommit::poke() {
  {
    std::lock_guard hold(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

GroupCommit::Stats GroupCommit::stats() const {
  std::lock_guard hold(mutex_);
  return stats_;
}

bool GroupCommit::wait_for_work(std::unique_lock<std::mutex>& hold) {
  const auto due = [this] { return ending_ || (failing_ ? poked_ : !queue_.empty()); };
  if (failing_ && !fenced_ && options_.retry.count() > 0) {
    wake_.wait_for(hold, options_.retry, due);
  } else {
    wake_.wait(hold, due);
  }
  poked_ = false;
  std::move(queue_.begin(), queue_.end(), std::back_inserter(gathered_));
  queue_.clear();
  return !(ending_ && gathered_.empty());
}

void GroupCommit::run() {
  for (;;) {
    bool last = false;
    {
      std::unique_lock hold(mutex_);
      if (!wait_for_work(hold)) return;
      last = ending_;
    }
    if (!gathered_.empty()) write_gathered();
    if (last) return;
  }
}

void GroupCommit::write_gathered() {
  if (fenced_) return;
  if (options_.delay.count() > 0) std::this_thread::sleep_for(options_.delay);
  const std::size_t batches = gathered_.size();
  const Result<> done = store_->write(gathered_);
  if (!done) return on_failure(done.error());
  failing_ = false;
  const std::uint64_t number = gathered_.back().number;
  gathered_.clear();
  {
    std::lock_guard hold(mutex_);
    stats_.queued = queue_.size();
    stats_.batches += batches + std::exchange(merged_, 0);
    ++stats_.transactions;
  }
  post_([handler = handler_, number] {
    if (handler->durable) handler->durable(number);
  });
}

void GroupCommit::on_failure(const Error& error) {
  const bool news = !failing_ || failure_ != error.kind;
  failing_ = true;
  failure_ = error.kind;
  fenced_ = failure_ == Failure::fenced;
  merge_gathered();
  {
    std::lock_guard hold(mutex_);
    ++stats_.failures;
  }
  if (!news) return;
  post_([handler = handler_, error] {
    if (handler->failed) handler->failed(error);
  });
}

void GroupCommit::merge_gathered() {
  if (gathered_.size() < 2) return;
  // One transaction will write them all, so that only the last change of each key counts.
  std::map<std::string, std::optional<std::string>> last;
  for (Batch& batch : gathered_) {
    for (Record& record : batch.records) last[std::move(record.key)] = std::move(record.value);
  }
  Batch merged{gathered_.back().number, {}};
  merged.records.reserve(last.size());
  for (auto& [key, value] : last) merged.records.push_back({key, std::move(value)});
  merged_ += gathered_.size() - 1;
  gathered_.clear();
  gathered_.push_back(std::move(merged));
}

}  // namespace lockstep::journal
