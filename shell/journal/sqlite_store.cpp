#include "shell/journal/sqlite_store.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace lockstep::journal {

namespace {

// "LKST": tells our file from any other program's SQLite file.
constexpr std::uint64_t kApplicationId = 0x4C4B5354;
// Only an administrator's tool that writes to the file can hold its lock for long.
constexpr int kBusyMillis = 3000;

constexpr const char* kTables =
    "CREATE TABLE IF NOT EXISTS record(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS writer(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " epoch INTEGER NOT NULL, batch INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO writer VALUES(1, 0, 0);";

void bind_bytes(sqlite3_stmt* statement, int place, std::string_view bytes) {
  // An empty blob must not become NULL: SQLite takes a null pointer for that.
  sqlite3_bind_blob64(statement, place, bytes.empty() ? "" : bytes.data(), bytes.size(),
                      SQLITE_STATIC);
}

std::string column_bytes(sqlite3_stmt* row, int column) {
  const void* data = sqlite3_column_blob(row, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(row, column));
  return data ? std::string(static_cast<const char*>(data), size) : std::string();
}

/// Runs a statement that yields no row, and makes it ready for the next time.
int step_once(sqlite3_stmt* statement) {
  sqlite3_step(statement);
  const int code = sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return code;
}

Failure kind_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return Failure::full;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return Failure::read_only;
    case SQLITE_CORRUPT:
      return Failure::corrupt;
    case SQLITE_NOTADB:
      return Failure::format;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Failure::busy;
    default:
      return Failure::io;
  }
}

const char* remedy(Failure kind) {
  switch (kind) {
    case Failure::full:
      return "make space on its file system; nothing is lost meanwhile";
    case Failure::read_only:
      return "let the server's user write to the file and to its directory, or choose another "
             "directory with --state";
    case Failure::corrupt:
      return "stop the server and restore the file from a backup, or move it away: then clients "
             "cannot reclaim what they held";
    case Failure::format:
      return "choose another directory with --state";
    case Failure::busy:
      return "end the other program that has it open for writing";
    case Failure::fenced:
      return "this server must stop";
    case Failure::io:
      return "look at the kernel's log for errors of the disk";
  }
  return "";
}

}  // namespace

void SqliteStore::CloseDatabase::operator()(sqlite3* database) const { sqlite3_close(database); }
void SqliteStore::FinishStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}
SqliteStore::~SqliteStore() = default;

Error SqliteStore::error(int code) const {
  const Failure kind = kind_of(code);
  std::string text = "journal " + file_.string() + ": ";
  text += database_ ? sqlite3_errmsg(database_.get()) : sqlite3_errstr(code);
  const int system = database_ ? sqlite3_system_errno(database_.get()) : 0;
  if (system != 0 && (kind == Failure::io || kind == Failure::read_only)) {
    text += " (" + std::string(std::strerror(system)) + ")";
  }
  return {kind, text + ": " + remedy(kind)};
}

Result<> SqliteStore::run(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<SqliteStore::Statement> SqliteStore::prepare(const char* sql) {
  sqlite3_stmt* made = nullptr;
  const int code =
      sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  if (code != SQLITE_OK) return error(code);
  return Statement(made);
}

Result<std::uint64_t> SqliteStore::number(const char* sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return statement.error();
  const int code = sqlite3_step(statement->get());
  if (code != SQLITE_ROW) return error(code);
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement->get(), 0));
}

Result<> SqliteStore::connect() {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(
      file_.c_str(), &opened,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  database_.reset(opened);
  if (code != SQLITE_OK) return error(code);
  sqlite3_busy_timeout(database_.get(), kBusyMillis);
  return {};
}

Result<> SqliteStore::check() {
  const Result<std::uint64_t> application = number("PRAGMA application_id");
  if (!application) return application.error();
  const Result<std::uint64_t> format = number("PRAGMA user_version");
  if (!format) return format.error();
  const Result<std::uint64_t> tables = number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  if (*application != kApplicationId && *tables != 0) {
    return Error{Failure::format,
                 "journal " + file_.string() +
                     ": this is another program's database: " + remedy(Failure::format)};
  }
  if (*format > kFormat) {
    return Error{Failure::format, "journal " + file_.string() + ": has format " +
                                      std::to_string(*format) + ", this version knows up to " +
                                      std::to_string(kFormat) +
                                      ": run the newer version that wrote it"};
  }
  Result<Statement> quick = prepare("PRAGMA quick_check(1)");
  if (!quick) return quick.error();
  const int code = sqlite3_step(quick->get());
  if (code != SQLITE_ROW) return error(code);
  std::string verdict = column_bytes(quick->get(), 0);
  std::replace(verdict.begin(), verdict.end(), '\n', ' ');
  if (verdict != "ok") {
    return Error{Failure::corrupt,
                 "journal " + file_.string() + ": " + verdict + ": " + remedy(Failure::corrupt)};
  }
  return {};
}

Result<> SqliteStore::create_tables() {
  const std::string marks = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                            ";PRAGMA user_version=" + std::to_string(kFormat) + ";";
  if (Result<> done = run("PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"); !done) return done;
  if (Result<> done = run("BEGIN IMMEDIATE"); !done) return done;
  Result<> done = run(kTables);
  if (done) done = run(marks.c_str());
  if (done) done = run("COMMIT");
  if (!done && sqlite3_get_autocommit(database_.get()) == 0) (void)run("ROLLBACK");
  return done;
}

Result<> SqliteStore::prepare_all() {
  const std::pair<Statement*, const char*> wanted[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&rollback_, "ROLLBACK"},
      {&position_, "SELECT epoch, batch FROM writer"},
      {&advance_, "UPDATE writer SET epoch = ?1, batch = ?2"},
      {&put_, "INSERT INTO record VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2"},
      {&erase_, "DELETE FROM record WHERE key = ?1"},
  };
  for (const auto& [place, sql] : wanted) {
    Result<Statement> made = prepare(sql);
    if (!made) return made.error();
    *place = std::move(*made);
  }
  return {};
}

Result<std::pair<std::uint64_t, std::uint64_t>> SqliteStore::position() {
  const int code = sqlite3_step(position_.get());
  if (code != SQLITE_ROW) {
    Error failed = error(code);
    sqlite3_reset(position_.get());
    return failed;
  }
  const std::pair<std::uint64_t, std::uint64_t> found{
      static_cast<std::uint64_t>(sqlite3_column_int64(position_.get(), 0)),
      static_cast<std::uint64_t>(sqlite3_column_int64(position_.get(), 1))};
  sqlite3_reset(position_.get());
  return found;
}

Result<> SqliteStore::take_epoch() {
  if (const int code = step_once(begin_.get()); code != SQLITE_OK) return error(code);
  const auto before = position();
  if (!before) {
    step_once(rollback_.get());
    return before.error();
  }
  epoch_ = before->first + 1;
  sqlite3_bind_int64(advance_.get(), 1, static_cast<sqlite3_int64>(epoch_));
  sqlite3_bind_int64(advance_.get(), 2, 0);
  int code = step_once(advance_.get());
  if (code == SQLITE_OK) code = step_once(commit_.get());
  if (code == SQLITE_OK) return {};
  Error failed = error(code);
  if (sqlite3_get_autocommit(database_.get()) == 0) step_once(rollback_.get());
  return failed;
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::filesystem::path& file) {
  std::unique_ptr<SqliteStore> store(new SqliteStore(file));
  using Step = Result<> (SqliteStore::*)();
  for (const Step step : {&SqliteStore::connect, &SqliteStore::check, &SqliteStore::create_tables,
                          &SqliteStore::prepare_all, &SqliteStore::take_epoch}) {
    if (Result<> done = (store.get()->*step)(); !done) return done.error();
  }
  return store;
}

Result<Contents> SqliteStore::load() {
  Result<Statement> all = prepare("SELECT key, value FROM record ORDER BY key");
  if (!all) return all.error();
  Contents contents;
  int code = sqlite3_step(all->get());
  for (; code == SQLITE_ROW; code = sqlite3_step(all->get())) {
    contents.emplace_hint(contents.end(), column_bytes(all->get(), 0), column_bytes(all->get(), 1));
  }
  if (code != SQLITE_DONE) return error(code);
  return contents;
}

Result<> SqliteStore::write_in_transaction(std::span<const Batch> batches) {
  const auto at = position();
  if (!at) return at.error();
  if (at->first != epoch_) {
    return Error{Failure::fenced, "journal " + file_.string() + ": epoch " +
                                      std::to_string(at->first) +
                                      " has taken over from this server's epoch " +
                                      std::to_string(epoch_) + ": " + remedy(Failure::fenced)};
  }
  // Of several changes of a key only the last one counts once the transaction is done.
  std::unordered_map<std::string_view, const Record*> last;
  std::uint64_t number = at->second;
  for (const Batch& batch : batches) {
    if (batch.number <= at->second) continue;
    for (const Record& record : batch.records) last[record.key] = &record;
    number = batch.number;
  }
  for (const auto& [key, record] : last) {
    sqlite3_stmt* statement = record->value ? put_.get() : erase_.get();
    bind_bytes(statement, 1, key);
    if (record->value) bind_bytes(statement, 2, *record->value);
    if (const int code = step_once(statement); code != SQLITE_OK) return error(code);
  }
  sqlite3_bind_int64(advance_.get(), 1, static_cast<sqlite3_int64>(epoch_));
  sqlite3_bind_int64(advance_.get(), 2, static_cast<sqlite3_int64>(number));
  if (const int code = step_once(advance_.get()); code != SQLITE_OK) return error(code);
  if (const int code = step_once(commit_.get()); code != SQLITE_OK) return error(code);
  return {};
}

Result<> SqliteStore::write(std::span<const Batch> batches) {
  if (const int code = step_once(begin_.get()); code != SQLITE_OK) return error(code);
  Result<> done = write_in_transaction(batches);
  // Some errors have already rolled back; a second ROLLBACK would hide the first message.
  if (!done && sqlite3_get_autocommit(database_.get()) == 0) step_once(rollback_.get());
  return done;
}

}  // namespace lockstep::journal
