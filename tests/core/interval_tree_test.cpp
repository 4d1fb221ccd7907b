// The interval tree against a flat list, over random histories.
#include "core/interval_tree.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace lockstep::core {
namespace {

struct Entry {
  Range range;
  std::uint64_t id = 0;
  friend bool operator==(const Entry&, const Entry&) = default;
};

std::vector<Entry> overlapping(const std::vector<Entry>& all, Range range) {
  std::vector<Entry> found;
  for (const Entry& entry : all) {
    if (entry.range.overlaps(range)) found.push_back(entry);
  }
  std::ranges::sort(found, {}, [](const Entry& e) { return std::pair(e.range.first, e.id); });
  return found;
}

RC_GTEST_PROP(IntervalTree, FindsWhatAFlatListFinds, ()) {
  IntervalTree<Entry> tree;
  std::vector<Entry> flat;
  std::uint64_t next = 0;
  const auto steps = *rc::gen::inRange(0, 400);
  for (int i = 0; i < steps; ++i) {
    const bool insert = flat.empty() || *rc::gen::inRange(0, 3) != 0;
    if (insert) {
      const auto first = *rc::gen::inRange<std::uint64_t>(0, 300);
      const auto length = *rc::gen::inRange<std::uint64_t>(0, 40);
      const Entry entry{Range::of(first, length), ++next};
      tree.insert(entry);
      flat.push_back(entry);
    } else {
      const auto at = *rc::gen::inRange<std::size_t>(0, flat.size());
      RC_ASSERT(tree.erase(flat[at].range.first, flat[at].id));
      flat.erase(flat.begin() + static_cast<std::ptrdiff_t>(at));
    }
    RC_ASSERT(tree.size() == flat.size());
  }
  for (std::uint64_t first = 0; first < 340; first += 7) {
    for (const Range range :
         {Range{first, first}, Range{first, first + 25}, Range::whole(), Range::of(first, 0)}) {
      std::vector<Entry> found;
      tree.visit_overlaps(range, [&](const Entry& entry) {
        found.push_back(entry);
        return true;
      });
      RC_ASSERT(found == overlapping(flat, range));
    }
  }
  for (const Entry& entry : flat) {
    const Entry* found = tree.find(entry.range.first, entry.id);
    RC_ASSERT(found && *found == entry);
  }
  RC_ASSERT(!tree.erase(1'000'000, 1));
}

TEST(IntervalTree, AMillionInAnyOrderAndEmptyAgain) {
  IntervalTree<Entry> tree;
  constexpr std::uint64_t kCount = 1'000'000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const std::uint64_t at = i * 7919 % kCount;
    tree.insert({{at * 10, at * 10 + 5}, at + 1});
  }
  std::size_t hits = 0;
  tree.visit_overlaps({5'000'000, 5'000'009}, [&](const Entry&) { return ++hits, true; });
  EXPECT_EQ(hits, 1u);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const std::uint64_t at = i * 104'729 % kCount;
    ASSERT_TRUE(tree.erase(at * 10, at + 1));
  }
  EXPECT_TRUE(tree.empty());
}

}  // namespace
}  // namespace lockstep::core
