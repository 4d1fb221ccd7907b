// Goal: every step is one whole line of JSON with what it touched, also when the event names a
// request or an open only; a run begins with what was recovered.
#include "shell/recording/recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace lockstep::recording {
namespace {

using nlohmann::json;

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() {
    core::Effects effects;
    machine_.recover({}, 1, 0, effects);
    recorder_.began(0, 1, machine_);
  }

  /// Lets it happen; the line that was written of it.
  json happen(core::EventBody body) {
    core::Effects effects;
    const core::Event event{++now_, std::move(body)};
    machine_.apply(event, effects);
    recorder_.after_step(event, effects, machine_);
    return last();
  }
  json last() {
    std::istringstream lines(out_.str());
    std::string line, text;
    while (std::getline(lines, line)) text = line;
    return json::parse(text);
  }
  json lock(std::uint64_t request, const std::string& owner) {
    core::LockRequested asked;
    asked.request = {request};
    asked.client = client_;
    asked.owner = owner;
    asked.file = kFile;
    asked.element = {{0, 9}, core::LockMode::exclusive};
    asked.wait = core::Wait::callback;
    return happen(asked);
  }
  void arrive() {
    const json line =
        happen(core::ClientArrived{{100}, core::Protocol::nlm, "host", "10.0.0.1", "host", 0});
    client_ = {line["effects"][0]["body"]["client"].get<std::uint64_t>()};
  }

  static constexpr core::FileId kFile{7, 1, 3};
  std::ostringstream out_;
  Recorder recorder_{out_};
  core::Machine machine_{core::Limits{}};
  core::ClientId client_;
  core::Nanos now_ = 0;
};

TEST_F(RecorderTest, ARunBeginsWithWhatIsThere) {
  const json line = last();
  EXPECT_EQ(line["run"], 1);
  EXPECT_TRUE(line["files"].empty());
  EXPECT_EQ(line["limits"]["grace_scope"], "all");
}

TEST_F(RecorderTest, ALineHasEventEffectsAndTheTouchedFile) {
  arrive();
  const json line = lock(1, "a");
  EXPECT_EQ(line["event"]["type"], "LockRequested");
  EXPECT_EQ(line["event"]["owner"], "61");
  EXPECT_EQ(line["effects"][0]["status"], "ok");
  ASSERT_EQ(line["files"].size(), 1u);
  EXPECT_EQ(line["files"][0]["file"], "3.7.1");
  EXPECT_EQ(line["files"][0]["locks"][0]["last"], 9);
}

TEST_F(RecorderTest, AnEventThatNamesARequestOnlyShowsItsFile) {
  arrive();
  lock(1, "a");
  EXPECT_EQ(lock(2, "b")["effects"][0]["status"], "blocked");
  happen(core::Unlocked{{3}, client_, {}, "a", kFile, {0, 9}, {}});
  ASSERT_EQ(last()["files"][0]["grants"].size(), 1u);
  const json line = happen(core::GrantAnswered{{2}, true});
  ASSERT_EQ(line["files"].size(), 1u);
  EXPECT_TRUE(line["files"][0]["grants"].empty());
}

TEST_F(RecorderTest, WhenAClientLeavesAllThatItHadIsShown) {
  arrive();
  lock(1, "a");
  const json line = happen(core::ClientLeft{client_, core::LeaveReason::free_all});
  ASSERT_EQ(line["files"].size(), 1u);
  EXPECT_TRUE(line["files"][0]["locks"].empty());
}

}  // namespace
}  // namespace lockstep::recording
