// Virtual time and what is to happen in it: one heap keyed (time, sequence). Things of one time
// happen in the order in which they were put down, so nothing depends on the heap's own order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/ids.hpp"

namespace lockstep::sim {

using core::kMillisecond;
using core::kNever;
using core::kSecond;
using core::Nanos;

template <class What>
class Agenda {
 public:
  using Ticket = std::uint64_t;

  Nanos now() const { return now_; }
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  /// When the next thing is due; kNever when nothing is.
  Nanos next() const { return heap_.empty() ? kNever : heap_.front().at; }

  /// Not before now: what should have happened already happens next.
  Ticket put(Nanos at, What what) {
    heap_.push_back({std::max(at, now_), ++sequence_, std::move(what)});
    std::push_heap(heap_.begin(), heap_.end(), later);
    return sequence_;
  }
  Ticket put_after(Nanos delay, What what) { return put(now_ + delay, std::move(what)); }
  /// Whether it was still to happen.
  bool cancel(Ticket ticket) {
    auto found = std::find_if(heap_.begin(), heap_.end(),
                              [ticket](const Item& item) { return item.sequence == ticket; });
    if (found == heap_.end()) return false;
    *found = std::move(heap_.back());
    heap_.pop_back();
    std::make_heap(heap_.begin(), heap_.end(), later);
    return true;
  }
  /// Takes the next thing and goes to its time; only when not empty().
  What take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Item item = std::move(heap_.back());
    heap_.pop_back();
    now_ = item.at;
    return std::move(item.what);
  }
  /// Time goes on; never past what is due.
  void pass_to(Nanos at) { now_ = std::max(now_, std::min(at, next())); }
  void clear() { heap_.clear(); }
  /// Takes away what `gone(what)` says, e.g. the messages of a connection that was cut.
  template <class Gone>
  void remove_if(Gone gone) {
    std::erase_if(heap_, [&](const Item& item) { return gone(item.what); });
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

 private:
  struct Item {
    Nanos at;
    std::uint64_t sequence;
    What what;
  };
  static bool later(const Item& a, const Item& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }

  std::vector<Item> heap_;
  std::uint64_t sequence_ = 0;
  Nanos now_ = 0;
};

}  // namespace lockstep::sim
