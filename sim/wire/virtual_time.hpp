// Virtual time for code that waits: the agenda of closures, and the clock of one machine in it.
//
// A machine can be frozen (what is due happens when it thaws, as with a suspended guest) and loses
// its power: then nothing that it had put down happens any more, and it can put nothing down.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "shell/wire/ports.hpp"
#include "sim/agenda.hpp"

namespace lockstep::sim::wired {

using Action = std::function<void()>;
using VirtualTime = Agenda<Action>;

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
