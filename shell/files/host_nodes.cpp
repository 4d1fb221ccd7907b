#include "shell/files/host_nodes.hpp"

#include <algorithm>

namespace lockstep::files::host {

HostNodeRef NodeCache::find(core::FileId id) {
  const auto at = known_.find(id);
  if (at == known_.end()) return nullptr;
  HostNodeRef node = at->second.node.lock();
  if (node) keep(at->second, node);
  return node;
}

HostNodeRef NodeCache::intern(Discovered found) {
  Known& known = known_[found.id];
  HostNodeRef node = known.node.lock();
  if (!node) {
    node = std::make_shared<const HostNode>(std::move(found), tree_, pool_);
    known.node = node;
  }
  keep(known, node);
  evict(nodes_max_);
  if (known_.size() >= sweep_at_) sweep();
  return node;
}

void NodeCache::release(core::FileId id) {
  const auto at = known_.find(id);
  if (at == known_.end() || !at->second.is_kept) return;
  at->second.is_kept = false;
  kept_.erase(at->second.kept);
}

void NodeCache::shrink() { evict(kept_.size() / 2); }

void NodeCache::keep(Known& known, const HostNodeRef& node) {
  if (known.is_kept) {
    kept_.splice(kept_.begin(), kept_, known.kept);
    return;
  }
  kept_.push_front(node);
  known.kept = kept_.begin();
  known.is_kept = true;
}

void NodeCache::evict(std::size_t down_to) {
  while (kept_.size() > down_to) {
    known_[kept_.back()->id()].is_kept = false;
    kept_.pop_back();
  }
}

/// Entries of nodes that are gone cost memory only; they are cleared when they are many.
void NodeCache::sweep() {
  std::erase_if(known_, [](const auto& entry) { return entry.second.node.expired(); });
  sweep_at_ = std::max<std::size_t>(1024, known_.size() * 2);
}

}  // namespace lockstep::files::host
