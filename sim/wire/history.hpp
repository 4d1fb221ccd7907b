// What was written and read, cell by cell: the coherence oracle.
//
// Files are made of cells; whoever writes a cell fills it with a number that nobody else writes, so
// that a read names the write that it saw. Of each write is known when it was asked for, since when
// its program may rely on it (visible), since when the server has it (stored), whether a crash of
// the server may still take it away, and whether its program was told that it is lost.
//
// The rule (properties 9, 11 and 14): a read sees no write that another one has surely replaced
// before a time that the reader's cache allows: now for whoever asked the server or holds a right
// whose break waits; for a read cache, the last moment from which it has heard everything; for an
// NFS client without a lock, its last look at the attributes. Never more than a register gives,
// never less than each protocol promises.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shell/wire/bytes.hpp"
#include "sim/agenda.hpp"
#include "sim/failure.hpp"

namespace lockstep::sim::wired {

inline constexpr std::uint32_t kCells = 8;
inline constexpr std::uint32_t kCellSize = 64;

struct Cell {
  std::uint64_t node = 0;
  std::uint32_t index = 0;
  friend auto operator<=>(const Cell&, const Cell&) = default;
};

using WriteId = std::uint64_t;  ///< 0: never written

/// The bytes of a cell that this write fills.
wire::Bytes cell_bytes(WriteId id);

class History {
 public:
  enum class View : std::uint8_t {
    strict,  ///< whatever anybody's program may rely on
    stored,  ///< what the server has: a dirty cache elsewhere need not be asked (a v3 GETATTR)
  };

  WriteId begin(const std::string& who, Cell cell, Nanos now);
  /// The file is to end before this cell: a write of zeros to it and to each one behind it.
  std::vector<WriteId> begin_cut(const std::string& who, Cell first, Nanos now);
  /// Its program was told that it is done.
  void visible(WriteId id, Nanos now);
  /// The server has answered for it, asked at that time.
  void stored(WriteId id, Nanos asked, Nanos now);
  /// A crash of the server does not take it away any more.
  void safe(WriteId id);
  /// It will be written once more, over whatever has come after it: it counts from then on, and
  /// until then nobody can say in which order.
  void again(WriteId id);
  /// It is gone or may be, and its program knows.
  void lost(WriteId id);
  /// The server went down: what was not safe may be gone.
  void server_crashed(Nanos now);

  /// Whether what this one keeps dirty may be lost already, and he cannot know yet: the server has
  /// let go of his connection, or a break has timed out that does not reach him,
  /// or whose answer does not get through.
  std::function<bool(const std::string& who)> is_cut_off;

  /// Throws Failure unless the content is a legal version. `wide`: it came from the server, so
  /// everybody sees it from now on. Returns the write.
  WriteId read(const std::string& who, Cell cell, wire::ByteView content, Nanos since, Nanos now,
               View view, bool wide);

 private:
  struct Write {
    std::string who;
    Cell cell;
    Nanos begun = 0;
    Nanos visible_at = kNever, stored_at = kNever;
    bool safe = false;
    bool shaky = false;  ///< a crash may have taken it
    bool again = false;  ///< it is written once more
    bool lost = false;
    bool cut = false;  ///< what it wrote are zeros, as is what nobody ever wrote
  };
  /// Empty: a read of this version (0: never written) since then is good; else what speaks
  /// against it.
  std::string objection(Cell cell, WriteId id, Nanos since, View view) const;
  /// Whether `id` may be a mixture of what a torn write left.
  bool torn(Cell cell, wire::ByteView content) const;
  std::optional<WriteId> id_of(Cell cell, wire::ByteView content) const;

  Nanos crashed_at_ = 0;
  std::map<WriteId, Write> writes_;
  std::map<Cell, std::vector<WriteId>> of_cell_;
};

}  // namespace lockstep::sim::wired
