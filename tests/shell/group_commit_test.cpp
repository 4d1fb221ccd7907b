// Goal: batches become durable in order, many with one transaction, and none is forgotten while the
// store fails. The loop is a queue that the test runs by hand.
#include "shell/journal/group_commit.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>

#include "shell/journal/memory_store.hpp"

namespace lockstep::journal {
namespace {

using namespace std::chrono_literals;

class Loop {
 public:
  void post(std::function<void()> function) {
    {
      std::lock_guard hold(mutex_);
      queue_.push_back(std::move(function));
    }
    wake_.notify_one();
  }
  /// Runs what is posted until `done`, at most ten seconds.
  template <class Done>
  bool run_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      std::unique_lock hold(mutex_);
      if (!wake_.wait_until(hold, end, [&] { return !queue_.empty(); })) return false;
      auto function = std::move(queue_.front());
      queue_.pop_front();
      hold.unlock();
      function();
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
};

class GroupCommitTest : public testing::Test {
 protected:
  void start(GroupCommit::Options options = {}) {
    commit_ = std::make_unique<GroupCommit>(
        std::make_unique<MemoryStore>(medium_),
        [this](std::function<void()> function) { loop_.post(std::move(function)); },
        GroupCommit::Handler{[this](std::uint64_t number) {
                               EXPECT_GT(number, durable_) << "durable numbers only go up";
                               durable_ = number;
                             },
                             [this](const Error& error) { errors_.push_back(error.kind); }},
        options);
  }
  void append(std::uint64_t number) {
    commit_->append(number, {{"last", std::to_string(number)},
                             {"key" + std::to_string(number), std::to_string(number)}});
    commit_->hurry();
  }

  std::shared_ptr<MemoryMedium> medium_ = std::make_shared<MemoryMedium>();
  Loop loop_;
  std::uint64_t durable_ = 0;
  std::vector<Failure> errors_;
  std::unique_ptr<GroupCommit> commit_;
};

TEST_F(GroupCommitTest, ReportsOnlyWhatTheStoreHas) {
  start();
  for (std::uint64_t number = 1; number <= 200; ++number) append(number);
  ASSERT_TRUE(loop_.run_until([this] {
    const Contents contents = medium_->contents();
    for (std::uint64_t number = 1; number <= durable_; ++number) {
      EXPECT_TRUE(contents.contains("key" + std::to_string(number))) << number;
    }
    return durable_ == 200;
  }));
  EXPECT_EQ(medium_->contents().at("last"), "200");
  EXPECT_EQ(commit_->stats().queued, 0u);
  EXPECT_EQ(commit_->stats().batches, 200u);
}

TEST_F(GroupCommitTest, StepsThatComeWhileTheDiskIsBusyShareATransaction) {
  start({.retry = 1000ms, .delay = 20ms});
  for (std::uint64_t number = 1; number <= 1000; ++number) append(number);
  ASSERT_TRUE(loop_.run_until([this] { return durable_ == 1000; }));
  EXPECT_LE(medium_->writes(), 10u);
}

TEST_F(GroupCommitTest, WhatNobodyWaitsForSharesTheNextTransaction) {
  start({.retry = 1000ms, .delay = 20ms});
  append(1);
  ASSERT_TRUE(loop_.run_until([this] { return durable_ == 1; }));
  commit_->append(2, {{"released", std::nullopt}});
  append(3);
  ASSERT_TRUE(loop_.run_until([this] { return durable_ == 3; }));
  EXPECT_EQ(medium_->writes(), 2u);
}

TEST_F(GroupCommitTest, WhatNobodyWaitsForGoesByItself) {
  start();
  commit_->append(1, {{"released", std::nullopt}});
  ASSERT_TRUE(loop_.run_until([this] { return durable_ == 1; }));
}

TEST_F(GroupCommitTest, KeepsEverythingInOrderWhileTheStoreFails) {
  start({.retry = 5ms, .delay = 0us});
  append(1);
  ASSERT_TRUE(loop_.run_until([this] { return durable_ == 1; }));
  medium_->fail_with(Error{Failure::full, "full"});
  append(2);
  ASSERT_TRUE(loop_.run_until([this] { return !errors_.empty(); }));
  for (std::uint64_t number = 3; number <= 20; ++number) append(number);
  commit_->append(21, {{"key5", std::nullopt}});
  EXPECT_EQ(medium_->contents().at("last"), "1");
  EXPECT_EQ(errors_, std::vector<Failure>{Failure::full}) << "told once";
  medium_->fail_with({});
  ASSERT_TRUE(loop_.run_until([this] { return durable_ == 21; }));
  const Contents contents = medium_->contents();
  EXPECT_EQ(contents.at("last"), "20");
  EXPECT_FALSE(contents.contains("key5"));
  EXPECT_EQ(contents.size(), 20u);
  EXPECT_EQ(commit_->stats().batches, 21u);
}

TEST_F(GroupCommitTest, TriesAgainByItself) {
  start({.retry = 5ms, .delay = 0us});
  medium_->fail_with(Error{Failure::io, "EIO"});
  append(1);
  ASSERT_TRUE(loop_.run_until([this] { return !errors_.empty(); }));
  medium_->fail_with({});
  EXPECT_TRUE(loop_.run_until([this] { return durable_ == 1; }));
}

TEST_F(GroupCommitTest, NeverWritesAgainOnceFenced) {
  start({.retry = 1ms, .delay = 0us});
  MemoryStore newer(medium_);
  append(1);
  ASSERT_TRUE(loop_.run_until([this] { return !errors_.empty(); }));
  EXPECT_EQ(errors_.back(), Failure::fenced);
  append(2);
  commit_.reset();
  EXPECT_TRUE(medium_->contents().empty());
}

TEST_F(GroupCommitTest, EndWritesWhatIsQueued) {
  start({.retry = 1000ms, .delay = 5ms});
  for (std::uint64_t number = 1; number <= 50; ++number) append(number);
  commit_.reset();
  EXPECT_EQ(medium_->contents().at("last"), "50");
}

}  // namespace
}  // namespace lockstep::journal
