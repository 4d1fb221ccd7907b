// Finding a name whatever its case on a disk that tells cases apart: an index of a directory's
// names by their folded form, kept until the directory changes. Thread-safe.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "shell/files/files.hpp"

namespace lockstep::files::host {

/// Folded name -> the name on disk (of several, the first in byte order).
using FoldIndex = std::unordered_map<std::string, std::string>;

/// What tells whether a directory is still the one that was read.
struct DirectoryStamp {
  TimeSpec changed, modified;
  friend bool operator==(const DirectoryStamp&, const DirectoryStamp&) = default;
};

class FoldCache {
 public:
  static constexpr std::size_t kNamesMax = 400'000;  ///< of all directories together
  static constexpr std::size_t kDirectoriesMax = 256;

  /// The index of a directory that has not changed since, or null.
  std::shared_ptr<const FoldIndex> find(core::FileId dir, const DirectoryStamp& stamp);
  void put(core::FileId dir, const DirectoryStamp& stamp, std::shared_ptr<const FoldIndex> index);

 private:
  struct Kept {
    core::FileId dir;
    DirectoryStamp stamp;
    std::shared_ptr<const FoldIndex> index;
  };
  using Order = std::list<Kept>;  // the last used first
  void drop(std::map<core::FileId, Order::iterator>::iterator at);

  std::mutex mutex_;
  Order order_;
  std::map<core::FileId, Order::iterator> by_dir_;
  std::size_t names_ = 0;
};

}  // namespace lockstep::files::host
