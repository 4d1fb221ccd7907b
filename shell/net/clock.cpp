#include "shell/net/clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

namespace lockstep::net {

namespace {

struct Timer {
  explicit Timer(boost::asio::io_context& loop) : timer(loop) {}
  boost::asio::steady_timer timer;
  std::function<void()> action;
};

}  // namespace

core::Nanos LoopClock::now() const {
  return static_cast<core::Nanos>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

std::int64_t LoopClock::wall_nanos() const {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::function<void()> LoopClock::at(core::Nanos when, std::function<void()> action) {
  constexpr core::Nanos kLatest = ~core::Nanos{0} >> 1;  // what the clock's type can hold
  if (when >= kLatest) return [] {};
  auto timer = std::make_shared<Timer>(loop_);
  timer->action = std::move(action);
  timer->timer.expires_at(std::chrono::steady_clock::time_point(
      std::chrono::nanoseconds(static_cast<std::int64_t>(when))));
  timer->timer.async_wait([timer](const boost::system::error_code&) {
    // Cancelled timers have lost their action, also when they were due already.
    if (auto due = std::exchange(timer->action, {})) due();
  });
  return [weak = std::weak_ptr<Timer>(timer)] {
    if (const auto live = weak.lock()) {
      live->action = {};
      live->timer.cancel();
    }
  };
}

}  // namespace lockstep::net
