// A client machine: its clock, its coroutines, and what ends them when it crashes.
#pragma once

#include <coroutine>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "sim/wire/dialler.hpp"
#include "sim/wire/network.hpp"
#include "sim/wire/virtual_time.hpp"

namespace lockstep::sim::wired {

/// Thrown out of whatever a coroutine of a crashed machine awaits; caught where it was spawned.
struct Crashed {};

class Machine;

/// One coroutine waits here until somebody wakes it, any number of times. Not copyable: g++ 12
/// would await a copy.
class Wakeup {
 public:
  explicit Wakeup(Machine& machine) : machine_(machine) {}
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  void wake() {
    woken_ = true;
    if (waiting_) std::exchange(waiting_, {}).resume();
  }
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume();

 private:
  Machine& machine_;
  bool woken_ = false;
  std::uint64_t place_ = 0;
  std::coroutine_handle<> waiting_;
};

class Machine {
 public:
  Machine(VirtualTime& time, Network& net, std::string its_name, std::string its_address)
      : name(std::move(its_name)),
        address(std::move(its_address)),
        clock(time),
        network(net),
        dialler(net, address) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const std::string name, address;
  MachineClock clock;
  Network& network;
  NetworkDialler dialler;

  Nanos now() const { return clock.now(); }
  bool dead() const { return dead_; }
  void check() const {
    if (dead_) throw Crashed{};
  }
  wire::Task<void> sleep(Nanos time) {
    Wakeup wakeup(*this);
    const auto cancel = clock.at(now() + time, [&wakeup] { wakeup.wake(); });
    co_await wakeup;
    cancel();
  }
  void freeze() {
    clock.freeze();
    network.freeze(address);
  }
  void thaw() {
    network.thaw(address);
    clock.thaw();
  }
  /// Everything that waits here ends. Not from inside one of its coroutines.
  void crash(bool silent) {
    dead_ = true;
    clock.power_off();
    network.vanish(address, silent);
    dialler.power_off();
    while (!parked_.empty()) {
      Wakeup& one = *parked_.begin()->second;
      parked_.erase(parked_.begin());
      one.wake();
    }
  }
  std::size_t parked() const { return parked_.size(); }

 private:
  friend class Wakeup;
  std::map<std::uint64_t, Wakeup*> parked_;
  std::uint64_t last_ = 0;
  bool dead_ = false;
};

inline Wakeup::~Wakeup() { machine_.parked_.erase(place_); }
inline bool Wakeup::await_ready() const { return woken_ || machine_.dead_; }
inline void Wakeup::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  place_ = ++machine_.last_;
  machine_.parked_.emplace(place_, this);
}
inline void Wakeup::await_resume() {
  woken_ = false;
  machine_.parked_.erase(place_);
  machine_.check();
}

}  // namespace lockstep::sim::wired
