// A B+ tree of closed intervals, ordered by (first, id), that finds what overlaps a range in
// O(log n + k): every inner node knows the greatest `last` below each child.
//
// Entry needs `Range range` and `std::uint64_t id`; (range.first, id) is unique. Leaves are small
// vectors, so that the usual file with one or two locks costs one small allocation and a million
// locks cost little more than their entries. Deterministic: shape depends on the history of
// inserts and erases only, and no result depends on the shape.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/range.hpp"

namespace lockstep::core {

template <class Entry>
class IntervalTree {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void insert(Entry entry) {
    if (!root_) root_ = std::make_unique<Node>();
    std::unique_ptr<Node> right = insert_below(*root_, std::move(entry));
    ++size_;
    if (!right) return;
    auto top = std::make_unique<Node>();
    top->children.push_back(child_of(std::move(root_)));
    top->children.push_back(child_of(std::move(right)));
    root_ = std::move(top);
  }

  /// Whether there was such an entry.
  bool erase(std::uint64_t first, std::uint64_t id) {
    if (!root_ || !erase_below(*root_, Key{first, id}).found) return false;
    --size_;
    while (root_->children.size() == 1) {
      std::unique_ptr<Node> only = std::move(root_->children.front().node);
      root_ = std::move(only);
    }
    return true;
  }

  const Entry* find(std::uint64_t first, std::uint64_t id) const {
    const Node* node = root_.get();
    while (node && !node->leaf()) node = node->children[child_for(*node, {first, id})].node.get();
    if (!node) return nullptr;
    auto at = position(*node, {first, id});
    return at != node->entries.end() && key(*at) == Key{first, id} ? &*at : nullptr;
  }

  /// Calls visit(const Entry&) -> bool for what overlaps `range`, in order of (first, id), until it
  /// returns false. The tree must not be changed meanwhile.
  template <class Visit>
  void visit_overlaps(Range range, Visit visit) const {
    if (root_) visit_below(*root_, range, visit);
  }
  template <class Visit>
  void visit_all(Visit visit) const {
    if (root_) visit_every(*root_, visit);
  }

 private:
  static constexpr std::size_t kFanOut = 32;

  using Key = std::pair<std::uint64_t, std::uint64_t>;
  struct Node;
  struct Child {
    Key first;
    std::uint64_t last_max = 0;
    std::unique_ptr<Node> node;
  };
  struct Node {
    std::vector<Entry> entries;   // of a leaf
    std::vector<Child> children;  // of an inner node
    bool leaf() const { return children.empty(); }
    std::size_t size() const { return leaf() ? entries.size() : children.size(); }
  };

  static Key key(const Entry& entry) { return {entry.range.first, entry.id}; }

  static typename std::vector<Entry>::const_iterator position(const Node& leaf, Key wanted) {
    return std::lower_bound(leaf.entries.begin(), leaf.entries.end(), wanted,
                            [](const Entry& entry, Key k) { return key(entry) < k; });
  }
  static std::size_t child_for(const Node& inner, Key wanted) {
    auto after = std::upper_bound(inner.children.begin() + 1, inner.children.end(), wanted,
                                  [](Key k, const Child& child) { return k < child.first; });
    return static_cast<std::size_t>(after - inner.children.begin()) - 1;
  }
  static std::uint64_t last_max(const Node& node) {
    std::uint64_t last = 0;
    for (const Entry& entry : node.entries) last = std::max(last, entry.range.last);
    for (const Child& child : node.children) last = std::max(last, child.last_max);
    return last;
  }
  static Child child_of(std::unique_ptr<Node> node) {
    Child child;
    child.first = node->leaf() ? key(node->entries.front()) : node->children.front().first;
    child.last_max = last_max(*node);
    child.node = std::move(node);
    return child;
  }

  /// The upper part of a node that became too large; nothing otherwise. A node that grows at its
  /// end gives up one element only, so that ascending inserts leave full nodes behind.
  template <class T>
  static std::vector<T> split(std::vector<T>& elements, bool at_end) {
    const std::size_t keep = at_end ? elements.size() - 1 : elements.size() / 2;
    const auto from = elements.begin() + static_cast<std::ptrdiff_t>(keep);
    std::vector<T> upper(std::make_move_iterator(from), std::make_move_iterator(elements.end()));
    elements.erase(from, elements.end());
    return upper;
  }

  static std::unique_ptr<Node> insert_below(Node& node, Entry entry) {
    if (node.leaf()) {
      auto at = position(node, key(entry));
      const bool at_end = at == node.entries.end();
      if (node.entries.size() == node.entries.capacity() && node.entries.size() >= kFanOut / 2) {
        const auto offset = at - node.entries.begin();
        node.entries.reserve(kFanOut + 1);
        at = node.entries.begin() + offset;
      }
      node.entries.insert(at, std::move(entry));
      if (node.entries.size() <= kFanOut) return nullptr;
      auto right = std::make_unique<Node>();
      right->entries = split(node.entries, at_end);
      return right;
    }
    const std::size_t at = child_for(node, key(entry));
    Child& child = node.children[at];
    child.first = std::min(child.first, key(entry));
    child.last_max = std::max(child.last_max, entry.range.last);
    std::unique_ptr<Node> split_off = insert_below(*child.node, std::move(entry));
    if (!split_off) return nullptr;
    child.last_max = last_max(*child.node);
    const bool at_end = at + 1 == node.children.size();
    node.children.insert(node.children.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                         child_of(std::move(split_off)));
    if (node.children.size() <= kFanOut) return nullptr;
    auto right = std::make_unique<Node>();
    right->children = split(node.children, at_end);
    return right;
  }

  struct Erased {
    bool found = false;
    std::uint64_t last = 0;  ///< of the entry that went
  };

  static Erased erase_below(Node& node, Key wanted) {
    if (node.leaf()) {
      auto at = position(node, wanted);
      if (at == node.entries.end() || key(*at) != wanted) return {};
      const Erased erased{true, at->range.last};
      node.entries.erase(at);
      return erased;
    }
    const std::size_t at = child_for(node, wanted);
    Child& child = node.children[at];
    const Erased erased = erase_below(*child.node, wanted);
    if (!erased.found) return erased;
    if (child.node->size() == 0) {
      // The last child goes with its parent: an inner node is never left without children.
      if (node.children.size() > 1) {
        node.children.erase(node.children.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        node.children.clear();
      }
      return erased;
    }
    if (child.last_max == erased.last) child.last_max = last_max(*child.node);
    const bool small = child.node->size() <= kFanOut / 2;
    if (small && at + 1 < node.children.size()) join(node, at);
    return erased;
  }

  /// Makes one node of two small neighbours.
  static void join(Node& parent, std::size_t at) {
    Node& left = *parent.children[at].node;
    Node& right = *parent.children[at + 1].node;
    if (left.leaf() != right.leaf() || left.size() + right.size() > kFanOut / 2) return;
    std::move(right.entries.begin(), right.entries.end(), std::back_inserter(left.entries));
    std::move(right.children.begin(), right.children.end(), std::back_inserter(left.children));
    parent.children.erase(parent.children.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    parent.children[at].last_max = last_max(left);
  }

  template <class Visit>
  static bool visit_below(const Node& node, Range range, Visit& visit) {
    for (const Entry& entry : node.entries) {
      if (entry.range.first > range.last) return true;
      if (entry.range.overlaps(range) && !visit(entry)) return false;
    }
    for (const Child& child : node.children) {
      if (child.first.first > range.last) return true;
      if (child.last_max >= range.first && !visit_below(*child.node, range, visit)) return false;
    }
    return true;
  }
  template <class Visit>
  static void visit_every(const Node& node, Visit& visit) {
    for (const Entry& entry : node.entries) visit(entry);
    for (const Child& child : node.children) visit_every(*child.node, visit);
  }

  std::unique_ptr<Node> root_;
  std::size_t size_ = 0;
};

}  // namespace lockstep::core
