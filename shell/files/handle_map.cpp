#include "shell/files/handle_map.hpp"

#include <sqlite3.h>

#include <stdexcept>

namespace lockstep::files::host {
namespace {

constexpr std::size_t kRecordedMax = 1 << 16;

constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000;"
    "CREATE TABLE IF NOT EXISTS places("
    " node INTEGER, generation INTEGER, volume INTEGER,"
    " dir_node INTEGER, dir_generation INTEGER, name BLOB, seen INTEGER,"
    " PRIMARY KEY(node, generation, volume, dir_node, dir_generation, name)) WITHOUT ROWID;";

constexpr const char* kInsert =
    "INSERT INTO places VALUES(?1,?2,?3,?4,?5,?6,"
    " (SELECT COALESCE(MAX(seen),0)+1 FROM places WHERE node=?1 AND generation=?2 AND volume=?3))"
    " ON CONFLICT DO UPDATE SET seen=excluded.seen";
constexpr const char* kSelect =
    "SELECT dir_node, dir_generation, name FROM places"
    " WHERE node=?1 AND generation=?2 AND volume=?3 ORDER BY seen DESC LIMIT 16";
constexpr const char* kErase =
    "DELETE FROM places WHERE node=?1 AND generation=?2 AND volume=?3"
    " AND dir_node=?4 AND dir_generation=?5 AND name=?6";

void bind(sqlite3_stmt* statement, int first, core::FileId id, bool with_volume) {
  sqlite3_bind_int64(statement, first, static_cast<sqlite3_int64>(id.node));
  sqlite3_bind_int64(statement, first + 1, id.generation);
  if (with_volume) sqlite3_bind_int64(statement, first + 2, id.volume);
}

void bind(sqlite3_stmt* statement, const HandleMap::Place& place) {
  bind(statement, 1, place.file, true);
  bind(statement, 4, place.directory, false);
  sqlite3_bind_blob(statement, 6, place.name.data(), static_cast<int>(place.name.size()),
                    SQLITE_TRANSIENT);
}

bool run(sqlite3_stmt* statement) {
  const int status = sqlite3_step(statement);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status == SQLITE_DONE || status == SQLITE_ROW;
}

}  // namespace

void HandleMap::CloseDatabase::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
void HandleMap::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

HandleMap::HandleMap(const std::filesystem::path& path) {
  sqlite3* opened = nullptr;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int status = sqlite3_open_v2(path.c_str(), &opened, kFlags, nullptr);
  database_.reset(opened);
  if (status != SQLITE_OK ||
      sqlite3_exec(opened, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw std::runtime_error(path.string() + ": " + sqlite3_errmsg(opened));
  }
  insert_ = prepare(kInsert);
  select_ = prepare(kSelect);
  erase_ = prepare(kErase);
}

HandleMap::~HandleMap() = default;

HandleMap::Statement HandleMap::prepare(const char* text) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), text, -1, &statement, nullptr) != SQLITE_OK) {
    throw std::runtime_error(sqlite3_errmsg(database_.get()));
  }
  return Statement(statement);
}

bool HandleMap::insert(const Place& place) {
  bind(insert_.get(), place);
  return run(insert_.get());
}

bool HandleMap::record(std::span<const Place> places) {
  const std::lock_guard lock(mutex_);
  std::vector<const Place*> fresh;
  for (const Place& place : places) {
    const auto known = recorded_.find(place.file);
    if (known == recorded_.end() || known->second != place) fresh.push_back(&place);
  }
  if (fresh.empty()) return true;
  const auto execute = [&](const char* text) {
    return sqlite3_exec(database_.get(), text, nullptr, nullptr, nullptr) == SQLITE_OK;
  };
  bool good = execute("BEGIN IMMEDIATE");
  for (std::size_t i = 0; good && i < fresh.size(); ++i) good = insert(*fresh[i]);
  if (!good || !execute("COMMIT")) {
    execute("ROLLBACK");
    return false;
  }
  if (recorded_.size() > kRecordedMax) recorded_.clear();
  for (const Place* place : fresh) recorded_[place->file] = *place;
  return true;
}

std::vector<HandleMap::Place> HandleMap::places(core::FileId file) {
  const std::lock_guard lock(mutex_);
  std::vector<Place> found;
  sqlite3_stmt* const select = select_.get();
  bind(select, 1, file, true);
  while (sqlite3_step(select) == SQLITE_ROW) {
    Place& place = found.emplace_back();
    place.file = file;
    place.directory.node = static_cast<std::uint64_t>(sqlite3_column_int64(select, 0));
    place.directory.generation = static_cast<std::uint32_t>(sqlite3_column_int64(select, 1));
    place.directory.volume = file.volume;
    const auto* name = static_cast<const char*>(sqlite3_column_blob(select, 2));
    place.name.assign(name ? name : "", static_cast<std::size_t>(sqlite3_column_bytes(select, 2)));
  }
  sqlite3_reset(select);
  return found;
}

void HandleMap::forget(const Place& place) {
  const std::lock_guard lock(mutex_);
  recorded_.erase(place.file);
  bind(erase_.get(), place);
  run(erase_.get());
}

}  // namespace lockstep::files::host
