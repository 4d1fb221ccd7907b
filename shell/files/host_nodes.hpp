// The nodes of one export, one for each inode, on the loop's thread. Those last used stay open up
// to a bound; whoever holds one keeps it beyond. So an inode in use is always the same node, and
// its number cannot be reused under it.
#pragma once

#include <list>
#include <map>
#include <memory>

#include "shell/files/host_tree.hpp"

namespace lockstep::files::host {

using HostNodeRef = std::shared_ptr<const HostNode>;

class NodeCache {
 public:
  NodeCache(const void* tree, IoPool& pool, std::size_t nodes_max)
      : tree_(tree), pool_(pool), nodes_max_(nodes_max) {}

  HostNodeRef find(core::FileId id);
  HostNodeRef intern(Discovered found);
  /// No longer kept for later use: its file is gone.
  void release(core::FileId id);
  /// Gives descriptors back when the process has run out of them.
  void shrink();

 private:
  struct Known {
    std::weak_ptr<const HostNode> node;
    std::list<HostNodeRef>::iterator kept;
    bool is_kept = false;
  };
  void keep(Known& known, const HostNodeRef& node);
  void evict(std::size_t down_to);
  void sweep();

  const void* tree_;
  IoPool& pool_;
  std::size_t nodes_max_;
  std::map<core::FileId, Known> known_;
  std::list<HostNodeRef> kept_;  // the last used first
  std::size_t sweep_at_ = 1024;
};

}  // namespace lockstep::files::host
