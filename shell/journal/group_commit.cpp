#include "shell/journal/group_commit.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::journal {

namespace {
// However slow the disk: what is released is off the record soon.
constexpr std::chrono::milliseconds kLingerMax{50};
}  // namespace

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
    commit_.append(number, std::move(records));
  }
  wake_.notify_one();
}

void GroupCommit::hurry() {
  {
    std::lock_guard hold(mutex_);
    commit_.hurry();
  }
  wake_.notify_one();
}

GroupCommit::Stats GroupCommit::stats() const {
  std::lock_guard hold(mutex_);
  return commit_.stats();
}

void GroupCommit::wait_for_work(std::unique_lock<std::mutex>& hold) {
  const auto due = [this] { return ending_ || commit_.due(); };
  if (commit_.retries()) {
    wake_.wait_for(hold, options_.retry, due);
    return;
  }
  wake_.wait(hold, [&] { return due() || commit_.lingers(); });
  wake_.wait_for(hold, linger_, due);
}

void GroupCommit::run() {
  for (bool last = false; !last;) {
    std::span<const Batch> batches;
    {
      std::unique_lock hold(mutex_);
      wait_for_work(hold);
      last = ending_;
      batches = commit_.gather();
    }
    if (!batches.empty()) write(batches);
  }
}

void GroupCommit::write(std::span<const Batch> batches) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begun = Clock::now();
  if (options_.delay.count() > 0) std::this_thread::sleep_for(options_.delay);
  const Result<> done = store_->write(batches);
  linger_ = std::min<Clock::duration>(Clock::now() - begun, kLingerMax);
  CommitQueue::News news;
  {
    std::lock_guard hold(mutex_);
    news = commit_.written(done);
  }
  if (news.durable) {
    post_([handler = handler_, number = *news.durable] {
      if (handler->durable) handler->durable(number);
    });
  }
  if (news.failed) {
    post_([handler = handler_, error = *news.failed] {
      if (handler->failed) handler->failed(error);
    });
  }
}

}  // namespace lockstep::journal
