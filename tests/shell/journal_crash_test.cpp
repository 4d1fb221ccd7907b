// Goal: kill -9 at any moment, or a write-ahead log that ends anywhere, leaves the state after some
// whole number of batches, and never fewer than were reported durable.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>

#include "shell/journal/group_commit.hpp"
#include "shell/journal/sqlite_store.hpp"
#include "tests/shell/temporary_directory.hpp"

namespace lockstep::journal {
namespace {

constexpr std::uint64_t kBatchesMax = 1'000'000;

/// Batch n of every run: puts two keys, erases one that an earlier batch put.
Batch batch_of(std::uint64_t n) {
  Batch batch{n, {}};
  batch.records.push_back({"count", std::to_string(n)});
  batch.records.push_back({"slot" + std::to_string(n % 13), std::to_string(n * 7)});
  batch.records.push_back({"slot" + std::to_string((n * 5) % 13), std::nullopt});
  return batch;
}

Contents after(std::uint64_t batches) {
  Contents contents;
  for (std::uint64_t n = 1; n <= batches; ++n) {
    for (const Record& record : batch_of(n).records) {
      if (record.value)
        contents[record.key] = *record.value;
      else
        contents.erase(record.key);
    }
  }
  return contents;
}

/// How many batches the store holds; fails the test when it is no whole number of them.
std::uint64_t check_prefix(const std::filesystem::path& file) {
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(file);
  EXPECT_TRUE(store) << store.error().text;
  if (!store) return 0;
  const Contents found = *(*store)->load();
  const auto count = found.find("count");
  const std::uint64_t batches = count == found.end() ? 0 : std::stoull(count->second);
  EXPECT_EQ(found, after(batches));
  return batches;
}

/// The child: appends as fast as it can and tells each durable number through the pipe.
[[noreturn]] void write_until_killed(const std::filesystem::path& file, int report) {
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(file);
  if (!store) _exit(3);
  GroupCommit commit(std::move(*store), [](std::function<void()> function) { function(); },
                     {[report](std::uint64_t number) {
                        if (write(report, &number, sizeof number) != sizeof number) _exit(4);
                      },
                      [](const Error&) { _exit(5); }});
  for (std::uint64_t n = 1; n <= kBatchesMax; ++n) {
    commit.append(n, batch_of(n).records);
    // Some batches alone in their transaction, others many together.
    if (n % 64 == 0) usleep(1000);
  }
  _exit(6);
}

TEST(JournalCrashTest, KilledAtRandomMomentsKeepsWhatWasReported) {
  std::mt19937 random(20240611);
  std::uniform_int_distribution<useconds_t> moment(200, 60'000);
  for (int round = 0; round < 12; ++round) {
    const test::TemporaryDirectory directory;
    const auto file = directory.path() / "journal.db";
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(pipe_ends[0]);
      write_until_killed(file, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    usleep(moment(random));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    std::uint64_t reported = 0;
    for (std::uint64_t number = 0; read(pipe_ends[0], &number, sizeof number) == sizeof number;) {
      reported = number;
    }
    close(pipe_ends[0]);
    EXPECT_GE(check_prefix(file), reported);
  }
}

// A power cut may leave any part of what was not yet synced: the log is cut at every kind of place.
TEST(JournalCrashTest, LogThatEndsAnywhereIsAWholeNumberOfBatches) {
  const test::TemporaryDirectory directory;
  const auto live = directory.path() / "journal.db";
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(live);
  ASSERT_TRUE(store);
  for (std::uint64_t n = 1; n <= 40; ++n) {
    const Batch batch = batch_of(n);
    ASSERT_TRUE((*store)->write({&batch, 1}));
  }
  const auto log = live.string() + "-wal";
  const auto size = std::filesystem::file_size(log);
  std::mt19937 random(7);
  std::uint64_t last = 0;
  for (int cut = 0; cut <= 40; ++cut) {
    const auto copy = directory.path() / ("cut" + std::to_string(cut) + ".db");
    std::filesystem::copy_file(live, copy);
    std::filesystem::copy_file(log, copy.string() + "-wal");
    const auto length = size * static_cast<unsigned>(cut) / 40 - (cut ? random() % 97 : 0);
    std::filesystem::resize_file(copy.string() + "-wal", length);
    const std::uint64_t batches = check_prefix(copy);
    EXPECT_GE(batches, last);
    last = batches;
  }
  EXPECT_GE(last, 38u);
}

}  // namespace
}  // namespace lockstep::journal
