// Virtual time for code that waits: the agenda of closures, and the clock of one machine in it.
//
// Closures lie in places that are used again; what is sorted by time are small keys. Most things
// that happen in a world are a few words long and cost no allocation.
//
// A machine can be frozen (what is due happens when it thaws, as with a suspended guest) and loses
// its power: then nothing that it had put down happens any more, and it can put nothing down.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "shell/wire/ports.hpp"
#include "sim/agenda.hpp"

namespace lockstep::sim::wired {

using Action = std::function<void()>;

class VirtualTime {
 public:
  VirtualTime() = default;
  ~VirtualTime() { clear(); }
  VirtualTime(const VirtualTime&) = delete;
  VirtualTime& operator=(const VirtualTime&) = delete;

  Nanos now() const { return agenda_.now(); }
  /// When the next thing is due; kNever when nothing is.
  Nanos next() const { return agenda_.next(); }
  void pass_to(Nanos at) { agenda_.pass_to(at); }
  template <class What>
  void put(Nanos at, What what) {
    if constexpr (sizeof(What) > kPlaceSize) {
      put(at, [boxed = std::make_unique<What>(std::move(what))] { (*boxed)(); });
    } else {
      static_assert(alignof(What) <= alignof(std::max_align_t));
      const std::size_t number = free_place();
      Place& place = places_[number];
      new (place.bytes.data()) What(std::move(what));
      place.end = end<What>;
      agenda_.put(at, number);
    }
  }
  template <class What>
  void put_after(Nanos delay, What what) {
    put(now() + delay, std::move(what));
  }
  /// Goes to the time of the next thing and does it; only when there is one.
  void do_next() {
    const std::size_t number = agenda_.take();
    const Vacate vacate{*this, number};
    Place& place = places_[number];
    std::exchange(place.end, nullptr)(place.bytes.data(), /*act=*/true);
  }
  /// Nothing of it happens any more.
  void clear() {
    agenda_.clear();
    for (Place& place : places_) {
      if (place.end != nullptr) std::exchange(place.end, nullptr)(place.bytes.data(), false);
    }
  }

 private:
  static constexpr std::size_t kPlaceSize = 48;
  struct Place {
    alignas(std::max_align_t) std::array<std::byte, kPlaceSize> bytes;
    void (*end)(std::byte*, bool act) = nullptr;  ///< does what is there, or not, and destroys it
  };
  struct Vacate {
    VirtualTime& time;
    std::size_t number;
    ~Vacate() { time.free_.push_back(number); }
  };
  template <class What>
  static void end(std::byte* at, bool act) {
    const auto destroy = [](What* what) { std::destroy_at(what); };
    const std::unique_ptr<What, decltype(destroy)> what(std::launder(reinterpret_cast<What*>(at)));
    if (act) (*what)();
  }
  std::size_t free_place() {
    if (free_.empty()) {
      places_.emplace_back();
      return places_.size() - 1;
    }
    const std::size_t number = free_.back();
    free_.pop_back();
    return number;
  }

  Agenda<std::size_t> agenda_;
  std::deque<Place> places_;  ///< stay where they are while what is in them happens
  std::vector<std::size_t> free_;
};

/// A bound on what one run may do, so that a loop that never waits is found and not waited for.
inline constexpr std::uint64_t kActionsMax = 3'000'000;

class MachineClock final : public wire::Clock {
 public:
  explicit MachineClock(VirtualTime& time) : time_(time) {}
  ~MachineClock() override { power_off(); }
  MachineClock(const MachineClock&) = delete;
  MachineClock& operator=(const MachineClock&) = delete;

  Nanos now() const override { return time_.now(); }
  std::int64_t wall_nanos() const override {
    constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
    return kStart + static_cast<std::int64_t>(time_.now()) + wall_jump;
  }
  std::function<void()> at(Nanos when, std::function<void()> action) override {
    if (off_ || when == kNever) return [] {};
    const std::uint64_t number = ++last_;
    timers_.emplace(number, std::move(action));
    time_.put(when, [weak = std::weak_ptr<MachineClock*>(self_), number] {
      if (const auto self = weak.lock()) (*self)->due(number);
    });
    return [weak = std::weak_ptr<MachineClock*>(self_), number] {
      if (const auto self = weak.lock()) (*self)->timers_.erase(number);
    };
  }

  void freeze() { frozen_ = true; }
  void thaw() {
    frozen_ = false;
    for (const std::uint64_t number : std::exchange(missed_, {})) due(number);
  }
  void power_off() {
    off_ = true;
    // Actions own things whose destructors may look at the clock.
    const std::map<std::uint64_t, Action> dropped = std::exchange(timers_, {});
  }

  std::int64_t wall_jump = 0;  ///< somebody set the wall clock

 private:
  void due(std::uint64_t number) {
    const auto at = timers_.find(number);
    if (at == timers_.end()) return;
    if (frozen_) {
      missed_.push_back(number);
      return;
    }
    const Action action = std::move(at->second);
    timers_.erase(at);
    action();
  }

  VirtualTime& time_;
  const std::shared_ptr<MachineClock*> self_ = std::make_shared<MachineClock*>(this);
  std::map<std::uint64_t, Action> timers_;
  std::vector<std::uint64_t> missed_;
  std::uint64_t last_ = 0;
  bool frozen_ = false;
  bool off_ = false;
};

}  // namespace lockstep::sim::wired
