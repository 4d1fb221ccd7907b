// What the oracles know of a run: versions of data, locks that clients believe to hold, records on
// disk. Clients tell it what they did and saw; it throws when that contradicts itself.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/record.hpp"
#include "shell/journal/journal.hpp"
#include "sim/failure.hpp"
#include "sim/level.hpp"
#include "sim/marks.hpp"
#include "sim/trace.hpp"
#include "sim/wire/history.hpp"
#include "sim/wire/names.hpp"

namespace lockstep::sim::wired {

/// Cells first..last; kCells stands for everything after the last cell.
struct CellRange {
  std::uint32_t first = 0, last = kCells;
  std::uint64_t offset() const { return std::uint64_t{first} * kCellSize; }
  /// 0: to the end of file.
  std::uint64_t length() const {
    return last >= kCells ? 0 : std::uint64_t{last - first + 1} * kCellSize;
  }
  core::Range bytes() const {
    return {offset(), last >= kCells ? core::kEndOfFile : offset() + length() - 1};
  }
};

/// Locks as their holders believe in them, from the bytes that they received: the exclusion that
/// users rely on. A belief begins when the client knows, and ends when it begins to give the lock
/// back or can know that it is lost.
class LockBeliefs {
 public:
  enum class Mode : std::uint8_t { none, shared, exclusive };

  /// Throws when somebody else believes in a lock that contradicts it.
  void believe(const std::string& owner, std::uint64_t node, CellRange range, Mode mode, Nanos now);
  void forget(const std::string& owner, std::uint64_t node, CellRange range);
  void forget_all(const std::string& owner);
  /// Throws when another owner's lock stood in the way of this I/O all the time.
  void mandatory_io(const std::string& who, std::uint64_t node, std::uint32_t cell, bool writes,
                    Nanos since) const;
  Mode mode(const std::string& owner, std::uint64_t node, std::uint32_t cell) const;

  /// Owners that cannot rely on their locks any more, whether or not they know: asked before a
  /// contradiction is found.
  std::function<bool(const std::string& owner)> is_void;

 private:
  struct Held {
    Mode mode = Mode::none;
    Nanos since = 0;
  };
  using Cells = std::array<Held, kCells + 1>;
  std::map<std::uint64_t, std::map<std::string, Cells>> of_file_;
};

/// What the journal has ever held, for the audit of grants: a client that knows of a lock finds
/// that its record was on disk before.
class Ledger {
 public:
  void written(std::span<const journal::Batch> batches, Nanos now);
  /// Whether at some moment since then all of the range was on record for this owner of this host
  /// (name@address), as strong at least.
  bool covered(const std::string& identity, const std::string& owner, std::uint64_t node,
               core::Range range, core::LockMode mode, Nanos since) const;

 private:
  struct Entry {
    core::LockRecord record;
    Nanos from = 0, until = kNever;
  };
  std::map<core::ClientId, std::string> clients_;
  std::map<std::string, std::size_t> current_;  ///< by key: index of its entry
  std::vector<Entry> entries_;
};

struct Witness {
  History history;
  LockBeliefs locks;
  Ledger ledger;
  Names names;
  Marks marks;
  Trace trace;
  std::uint64_t run = 0;       ///< of the server: 1, 2, ...
  std::uint64_t requests = 0;  ///< calls and commands that clients sent
  std::function<void(const std::string& column, const std::string& text)> tell;
  std::optional<Failure> found;  ///< the first that somebody noted
  /// For places that an exception would not leave: inside the server's calls.
  void note(const Failure& failure) {
    if (!found) found = failure;
  }
};

}  // namespace lockstep::sim::wired
