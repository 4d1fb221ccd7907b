// The clock of the loop: monotonic time, wall time, and one-shot timers that fire on the loop.
#pragma once

#include <boost/asio/io_context.hpp>

#include "shell/wire/ports.hpp"

namespace lockstep::net {

class LoopClock final : public wire::Clock {
 public:
  explicit LoopClock(boost::asio::io_context& loop) : loop_(loop) {}
  core::Nanos now() const override;
  std::int64_t wall_nanos() const override;
  std::function<void()> at(core::Nanos when, std::function<void()> action) override;

 private:
  boost::asio::io_context& loop_;
};

}  // namespace lockstep::net
