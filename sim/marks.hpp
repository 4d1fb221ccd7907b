// Marks: what a set of runs must have seen to be worth something.
//   always     a condition that holds whenever it is looked at; a failure where it does not
//   sometimes  must be seen at least once by the runs of a test, or the test fails
//   reachable  counted and shown, nothing more (rare things)
// A mark is one namespace-scope constant beside the code that hits it:
//   const Mark kGranted{Mark::Kind::sometimes, "core", "a waiter is granted"};
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/failure.hpp"

namespace lockstep::sim {

class Mark {
 public:
  enum class Kind { always, sometimes, reachable };
  Mark(Kind kind, std::string_view level, std::string_view name)
      : kind_(kind), level_(level), name_(name), index_(registry().size()) {
    registry().push_back(this);
  }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

  Kind kind() const { return kind_; }
  std::string_view level() const { return level_; }
  std::string_view name() const { return name_; }
  std::size_t index() const { return index_; }
  /// All marks of the program, in no order that means anything.
  static std::vector<const Mark*>& registry() {
    static std::vector<const Mark*> all;
    return all;
  }

 private:
  Kind kind_;
  std::string_view level_, name_;
  std::size_t index_;
};

/// How often each mark was hit, by one run or many.
class Marks {
 public:
  void hit(const Mark& mark) {
    if (counts_.size() <= mark.index()) counts_.resize(Mark::registry().size());
    ++counts_[mark.index()];
  }
  void always(const Mark& mark, bool holds, std::string_view what = {}) {
    hit(mark);
    if (holds) return;
    throw Failure(FailureKind::assertion,
                  std::string(mark.name()) + (what.empty() ? "" : ": ") + std::string(what));
  }
  void add(const Marks& other) {
    if (counts_.size() < other.counts_.size()) counts_.resize(other.counts_.size());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  }
  std::uint64_t count(const Mark& mark) const {
    return mark.index() < counts_.size() ? counts_[mark.index()] : 0;
  }
  /// Of a level, by name.
  std::map<std::string_view, const Mark*> of(std::string_view level) const {
    std::map<std::string_view, const Mark*> found;
    for (const Mark* mark : Mark::registry()) {
      if (mark->level() == level) found.emplace(mark->name(), mark);
    }
    return found;
  }

 private:
  std::vector<std::uint64_t> counts_;
};

}  // namespace lockstep::sim
