// The I/O pool: jobs complete once, on the loop's thread, under the right identity.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "shell/files/name_fold.hpp"
#include "tests/shell/files_fixture.hpp"

namespace lockstep::files::test {
namespace {

struct Ids {
  std::uint32_t fsuid = 0, fsgid = 0;
  std::vector<std::uint32_t> groups;
  std::uint64_t capabilities = 0;
};

/// Of the calling thread, as the kernel tells them.
Ids current_ids() {
  Ids ids;
  std::ifstream status("/proc/thread-self/status");
  for (std::string word; status >> word;) {
    std::uint32_t skip = 0;
    if (word == "Uid:") status >> skip >> skip >> skip >> ids.fsuid;
    if (word == "Gid:") status >> skip >> skip >> skip >> ids.fsgid;
    if (word == "CapEff:") status >> std::hex >> ids.capabilities >> std::dec;
    if (word == "Groups:") {
      std::string line;
      std::getline(status, line);
      std::istringstream numbers(line);
      for (std::uint32_t group = 0; numbers >> group;) ids.groups.push_back(group);
    }
  }
  return ids;
}

TEST(IoPoolTest, JobsRunElsewhereAndCompleteOnTheLoop) {
  Loop loop;
  IoPool pool(2, loop.poster());
  const auto here = std::this_thread::get_id();
  const auto there = loop.run(pool.run(kRoot, [] { return std::this_thread::get_id(); }));
  EXPECT_NE(there, here);
  const auto after = [](IoPool& p) -> wire::Task<std::thread::id> {
    auto job = [] { return 1; };
    co_await p.perform(Identity::any(), job);
    co_return std::this_thread::get_id();
  };
  EXPECT_EQ(loop.run(after(pool)), here);
}

TEST(IoPoolTest, ExceptionsReachTheWaiter) {
  Loop loop;
  IoPool pool(1, loop.poster());
  const auto caught = [](IoPool& p) -> wire::Task<std::string> {
    auto job = []() -> int { throw std::runtime_error("broken"); };
    try {
      co_await p.perform(Identity::any(), job);
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "";
  };
  EXPECT_EQ(loop.run(caught(pool)), "broken");
}

TEST(IoPoolTest, EachThreadTakesOnTheCallerAlone) {
  if (!is_root()) GTEST_SKIP() << "switching identities needs root";
  Loop loop;
  IoPool pool(4, loop.poster());
  ASSERT_TRUE(can_switch_identity());
  const Ids before = current_ids();
  for (int round = 0; round < 50; ++round) {
    const Credentials& who = round % 3 == 0 ? kAlice : round % 3 == 1 ? kEve : kRoot;
    const Ids ids = loop.run(pool.run(who, current_ids));
    EXPECT_EQ(ids.fsuid, who.uid);
    EXPECT_EQ(ids.fsgid, who.gid);
    EXPECT_EQ(ids.groups, who.groups);
    constexpr std::uint64_t kOverride = 1 << 1, kResource = 1 << 24;  // CAP_DAC_OVERRIDE, ...
    EXPECT_EQ((ids.capabilities & kOverride) != 0, who.uid == 0);
    EXPECT_EQ(ids.capabilities & kResource, 0U);
  }
  const Ids after = current_ids();
  EXPECT_EQ(after.fsuid, before.fsuid);
  EXPECT_EQ(after.groups, before.groups);
}

wire::Task<> count(IoPool& pool, std::atomic<int>& ran, int& completed, int more) {
  auto job = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return ++ran;
  };
  for (int i = 0; i <= more; ++i) co_await pool.perform(Identity::any(), job);
  ++completed;
}

TEST(IoPoolTest, StoppingCompletesEverythingOnce) {
  Loop loop;
  std::atomic<int> ran = 0;
  int completed = 0;
  {
    IoPool pool(3, loop.poster());
    for (int i = 0; i < 100; ++i) wire::spawn(count(pool, ran, completed, i % 4));
    EXPECT_EQ(completed, 0);
  }
  EXPECT_EQ(completed, 100);
  EXPECT_EQ(ran, 250);
  loop.run_for(std::chrono::milliseconds(5));  // what was posted finds nothing to do
  EXPECT_EQ(completed, 100);
}

TEST(IoPoolTest, AfterStoppingJobsStillRun) {
  Loop loop;
  IoPool pool(1, loop.poster());
  pool.stop();
  const auto here = std::this_thread::get_id();
  EXPECT_NE(loop.run(pool.run(kRoot, [] { return std::this_thread::get_id(); })), here);
}

TEST(IoPoolTest, ChoresAreDoneBeforeTheEnd) {
  Loop loop;
  std::atomic<int> done = 0;
  {
    IoPool pool(2, loop.poster());
    for (int i = 0; i < 50; ++i) pool.do_apart([&] { ++done; });
  }
  EXPECT_EQ(done, 50);
}

TEST(IoPoolTest, TimersFireOnTheLoopInOrder) {
  Loop loop;
  IoPool pool(2, loop.poster());
  std::string order;
  pool.call_later(std::chrono::milliseconds(30), [&] { order += 'b'; });
  pool.call_later(std::chrono::milliseconds(5), [&] { order += 'a'; });
  pool.call_later(std::chrono::hours(1), [&] { order += 'c'; });
  loop.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(order, "ab");
}

TEST(NameFoldTest, FoldsWhatHasCases) {
  EXPECT_EQ(fold_name("Hello World-1"), "hello world-1");
  EXPECT_EQ(fold_name("ÀÉÎÕÜ ŁŻ Ÿ"), "àéîõü łż ÿ");
  EXPECT_EQ(fold_name("ΑΒΓΣς"), "αβγσσ");
  EXPECT_EQ(fold_name("ЖЩЯЁ"), "жщяё");
  EXPECT_EQ(fold_name("ԱՖ"), "աֆ");
  EXPECT_EQ(fold_name("ＡＺ"), "ａｚ");
  EXPECT_EQ(fold_name("\xf0\x90\x90\x80"), "\xf0\x90\x90\xa8");  // Deseret
  EXPECT_EQ(fold_name("日本語 ß"), "日本語 ß");
  EXPECT_EQ(fold_code_point(0x130), char32_t{0x130}) << "no single letter to fold to";
  EXPECT_EQ(fold_code_point(0x1e9e), char32_t{0xdf});
}

TEST(NameFoldTest, BytesThatAreNoUtf8StandForThemselves) {
  for (const std::string bad : {"\xff\xfe", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                                "\xf4\x90\x80\x80", "\x80", "\xe2\x82"}) {
    EXPECT_EQ(fold_name(bad), bad);
    EXPECT_EQ(fold_name("A" + bad + "B"), "a" + bad + "b");
  }
}

TEST(NameFoldTest, FoldingTwiceIsFoldingOnce) {
  for (char32_t point = 0; point < 0x110000; ++point) {
    const char32_t once = fold_code_point(point);
    ASSERT_EQ(fold_code_point(once), once) << std::hex << static_cast<std::uint32_t>(point);
  }
}

}  // namespace
}  // namespace lockstep::files::test
