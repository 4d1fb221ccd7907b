// Open files of one export, on the loop's thread. NFS opens for every call, so an open file stays
// ready for the next call of the same caller for a short while.
#pragma once

#include <chrono>
#include <compare>
#include <list>
#include <map>
#include <memory>

#include "shell/files/host_nodes.hpp"
#include "shell/files/io_pool.hpp"

namespace lockstep::files::host {

/// An open file of the host. Holds its descriptor until its last reference and last call are gone.
FileRef make_host_file(IoPool& pool, NodeRef node, UniqueFd fd, Credentials who, bool prompt);

/// What the kernel's answer to an open depended on, as far as stat shows it.
struct OpenStamp {
  std::uint32_t mode = 0, uid = 0, gid = 0;
  TimeSpec changed;
  explicit OpenStamp(const struct statx& stat)
      : mode(stat.stx_mode),
        uid(stat.stx_uid),
        gid(stat.stx_gid),
        changed(time_of(stat.stx_ctime)) {}
};

class OpenFiles {
 public:
  using Clock = std::chrono::steady_clock;
  /// ACLs do not show in stat: after a change of the file an open is believed this long.
  static constexpr std::chrono::seconds kBelieved{1};

  OpenFiles(std::size_t files_max, std::chrono::milliseconds idle)
      : files_max_(files_max), idle_(idle) {}

  /// An open of the same kind that the kernel would grant again; null: ask it.
  FileRef find(core::FileId id, const Credentials& who, OpenMode mode, const OpenStamp& stamp);
  void put(core::FileId id, const Credentials& who, OpenMode mode, const OpenStamp& stamp,
           FileRef file);
  void drop(core::FileId id);
  /// Lets go of what was idle; true while something is kept.
  bool trim();
  void clear();

  bool watched = false;  ///< a timer will call trim()

 private:
  struct Key {
    core::FileId id;
    OpenMode mode;
    Credentials who;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Kept {
    FileRef file;
    OpenStamp stamp;
    Clock::time_point checked, used;
    std::list<const Key*>::iterator place;
  };
  using Table = std::map<Key, Kept>;
  Table::iterator erase(Table::iterator at);

  std::size_t files_max_;
  std::chrono::milliseconds idle_;
  Table kept_;
  std::list<const Key*> order_;  // the last used first; keys of a map stay where they are
};

}  // namespace lockstep::files::host
