// Where files were last seen, for servers that may not open a file by its kernel handle (no
// CAP_DAC_READ_SEARCH, or a file system without handles): for each file the directory and the name
// under which it was found, in a SQLite table of the state directory. A handle given out is on
// record before its reply leaves the pool, so that it survives kill -9; hints are verified against
// the file's identity before they are believed, so a wrong one costs nothing but ESTALE.
//
// Called from the pool's threads; one mutex.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/ids.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace lockstep::files::host {

class HandleMap {
 public:
  struct Place {
    core::FileId file;
    core::FileId directory;
    std::string name;
    friend bool operator==(const Place&, const Place&) = default;
  };

  /// Opens or makes `path`. Throws std::runtime_error that names it.
  explicit HandleMap(const std::filesystem::path& path);
  ~HandleMap();

  /// False when it cannot be written: handles of these files would not survive a restart.
  bool record(std::span<const Place> places);
  /// All places where a file was seen, the last one first.
  std::vector<Place> places(core::FileId file);
  void forget(const Place& place);

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  Statement prepare(const char* text);
  bool insert(const Place& place);

  std::mutex mutex_;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement insert_, select_, erase_;
  /// What is known to be on record, so that looking up a known file writes nothing. Bounded.
  std::map<core::FileId, Place> recorded_;
};

}  // namespace lockstep::files::host
