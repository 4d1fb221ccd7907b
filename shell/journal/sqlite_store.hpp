// The embedded journal: one SQLite file in the state directory, write-ahead log, every commit on
// disk before it is reported (WAL with synchronous=FULL; see sqlite.org/wal.html and
// sqlite.org/pragma.html#pragma_synchronous).
#pragma once

#include <filesystem>

#include "shell/journal/journal.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace lockstep::journal {

class SqliteStore final : public Store {
 public:
  /// Opens or makes the file, checks it, and takes the next epoch.
  static Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& file);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  std::uint64_t epoch() const override { return epoch_; }
  Result<Contents> load() override;
  Result<> write(std::span<const Batch> batches) override;

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const;
  };
  struct FinishStatement {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

  explicit SqliteStore(std::filesystem::path file) : file_(std::move(file)) {}
  Result<> connect();
  Result<> check();
  Result<> create_tables();
  Result<> take_epoch();
  Result<> prepare_all();
  Result<> run(const char* sql);
  Result<Statement> prepare(const char* sql);
  Result<std::uint64_t> number(const char* sql);
  /// One row of (epoch, last batch).
  Result<std::pair<std::uint64_t, std::uint64_t>> position();
  Result<> write_in_transaction(std::span<const Batch> batches);
  Error error(int code) const;

  std::filesystem::path file_;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  // After the database, so that they are finished before it is closed.
  Statement begin_, commit_, rollback_, position_, advance_, put_, erase_;
};

}  // namespace lockstep::journal
