// Goal: what a write reported as durable is there after any end of the process, nothing else is,
// and every way in which a store can fail says so by its kind and in one line.
#include "shell/journal/sqlite_store.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "tests/shell/temporary_directory.hpp"

namespace lockstep::journal {
namespace {

class SqliteStoreTest : public testing::Test {
 protected:
  std::unique_ptr<SqliteStore> open() {
    Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(file_);
    if (!store) throw std::runtime_error(store.error().text);
    return std::move(*store);
  }
  Error open_error() {
    Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(file_);
    if (store) throw std::runtime_error("it opened");
    EXPECT_EQ(store.error().text.find('\n'), std::string::npos) << "one line";
    return store.error();
  }
  static void write(Store& store, Batch batch) {
    const Result<> done = store.write({&batch, 1});
    ASSERT_TRUE(done) << done.error().text;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_.path() / "journal.db";
};

TEST_F(SqliteStoreTest, KeepsRecordsAndErasures) {
  {
    auto store = open();
    write(*store, {1, {{"b", "2"}, {"a", "1"}, {std::string("\0\xff", 2), std::string("\0", 1)}}});
    write(*store, {2, {{"a", std::nullopt}, {"c", ""}, {"b", "3"}}});
  }
  const Contents expected = {
      {std::string("\0\xff", 2), std::string("\0", 1)}, {"b", "3"}, {"c", ""}};
  EXPECT_EQ(*open()->load(), expected);
}

TEST_F(SqliteStoreTest, LastChangeOfAKeyCountsWithinOneTransaction) {
  auto store = open();
  const std::vector<Batch> batches = {{1, {{"k", "1"}, {"gone", "x"}}},
                                      {2, {{"k", std::nullopt}}},
                                      {3, {{"k", "3"}, {"gone", {}}}}};
  ASSERT_TRUE(store->write(batches));
  EXPECT_EQ(*store->load(), (Contents{{"k", "3"}}));
}

TEST_F(SqliteStoreTest, ABatchAlreadyWrittenChangesNothing) {
  auto store = open();
  write(*store, {1, {{"k", "1"}}});
  write(*store, {2, {{"k", "2"}}});
  write(*store, {1, {{"k", "1"}}});
  EXPECT_EQ(*store->load(), (Contents{{"k", "2"}}));
}

TEST_F(SqliteStoreTest, EpochGrowsWithEveryOpenAndBatchNumbersStartAgain) {
  std::uint64_t last = 0;
  for (int run = 0; run < 3; ++run) {
    auto store = open();
    EXPECT_GT(store->epoch(), last);
    last = store->epoch();
    write(*store, {1, {{"run", std::to_string(run)}}});
    EXPECT_EQ(*store->load(), (Contents{{"run", std::to_string(run)}}));
  }
}

TEST_F(SqliteStoreTest, AnOlderWriterIsFenced) {
  auto older = open();
  write(*older, {1, {{"k", "older"}}});
  auto newer = open();
  Batch late{2, {{"k", "late"}}};
  const Result<> refused = older->write({&late, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Failure::fenced);
  EXPECT_EQ(*newer->load(), (Contents{{"k", "older"}}));
  write(*newer, {1, {{"k", "newer"}}});
  EXPECT_FALSE(older->write({&late, 1}));
  EXPECT_EQ(*newer->load(), (Contents{{"k", "newer"}}));
}

TEST_F(SqliteStoreTest, RefusesAnotherProgramsDatabase) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  sqlite3_exec(other, "CREATE TABLE theirs(x)", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_EQ(open_error().kind, Failure::format);
}

TEST_F(SqliteStoreTest, RefusesANewerFormat) {
  open().reset();
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &raw), SQLITE_OK);
  sqlite3_exec(raw, "PRAGMA user_version = 4000", nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  const Error error = open_error();
  EXPECT_EQ(error.kind, Failure::format);
  EXPECT_NE(error.text.find("4000"), std::string::npos) << error.text;
}

TEST_F(SqliteStoreTest, FileThatIsNoDatabase) {
  std::ofstream(file_) << std::string(8192, 'x');
  EXPECT_EQ(open_error().kind, Failure::format);
}

TEST_F(SqliteStoreTest, DamagedPagesAreFoundAtOpen) {
  {
    auto store = open();
    Batch batch{1, {}};
    for (int i = 0; i < 3000; ++i) {
      batch.records.push_back({"key" + std::to_string(i), std::string(40, 'v')});
    }
    write(*store, std::move(batch));
  }
  std::fstream raw(file_, std::ios::in | std::ios::out | std::ios::binary);
  for (int page = 4; page < 9; ++page) {
    raw.seekp(page * 4096 + 1);
    raw << std::string(2000, '\x5a');
  }
  raw.close();
  EXPECT_EQ(open_error().kind, Failure::corrupt);
}

TEST_F(SqliteStoreTest, MissingDirectoryNamesFileAndRemedy) {
  file_ = directory_.path() / "nowhere" / "journal.db";
  const Error error = open_error();
  EXPECT_EQ(error.kind, Failure::read_only);
  EXPECT_NE(error.text.find(file_.string()), std::string::npos) << error.text;
  EXPECT_NE(error.text.find("--state"), std::string::npos) << error.text;
}

// A limit on file size is how a test fills a disk: SQLite sees a write that fails.
TEST_F(SqliteStoreTest, WriteThatFindsNoRoomChangesNothingAndCanBeRepeated) {
  auto store = open();
  write(*store, {1, {{"before", "1"}}});
  Batch big{2, {{"big", std::string(4 << 20, 'b')}}};
  struct rlimit unlimited{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = unlimited;
  small.rlim_cur = 1 << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Result<> refused = store->write({&big, 1});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(refused);
  EXPECT_EQ(*store->load(), (Contents{{"before", "1"}}));
  ASSERT_TRUE(store->write({&big, 1}));
  EXPECT_EQ(store->load()->at("big").size(), std::size_t{4 << 20});
}

}  // namespace
}  // namespace lockstep::journal
