#include "shell/files/host_fold.hpp"

namespace lockstep::files::host {

std::shared_ptr<const FoldIndex> FoldCache::find(core::FileId dir, const DirectoryStamp& stamp) {
  const std::lock_guard lock(mutex_);
  const auto at = by_dir_.find(dir);
  if (at == by_dir_.end()) return nullptr;
  if (at->second->stamp != stamp) {
    drop(at);
    return nullptr;
  }
  order_.splice(order_.begin(), order_, at->second);
  return at->second->index;
}

void FoldCache::put(core::FileId dir, const DirectoryStamp& stamp,
                    std::shared_ptr<const FoldIndex> index) {
  if (index->size() > kNamesMax) return;
  const std::lock_guard lock(mutex_);
  if (const auto at = by_dir_.find(dir); at != by_dir_.end()) drop(at);
  names_ += index->size();
  order_.push_front({dir, stamp, std::move(index)});
  by_dir_.emplace(dir, order_.begin());
  while (names_ > kNamesMax || order_.size() > kDirectoriesMax) {
    drop(by_dir_.find(order_.back().dir));
  }
}

void FoldCache::drop(std::map<core::FileId, Order::iterator>::iterator at) {
  names_ -= at->second->index->size();
  order_.erase(at->second);
  by_dir_.erase(at);
}

}  // namespace lockstep::files::host
