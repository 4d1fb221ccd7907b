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
  friend class Machine;
  Machine& machine_;
  bool woken_ = false, parked_ = false;
  Wakeup *before_ = nullptr, *after_ = nullptr;  ///< among those who wait on this machine
  std::coroutine_handle<> waiting_;
};

/// Where coroutines wait for something of their client to change. Each looks again for itself.
class Bell {
 public:
  explicit Bell(Machine& machine) : machine_(machine) {}
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  /// Returns after the next ring(), or, as all do that wait, never when the machine crashes.
  wire::Task<void> wait();
  /// Wakes all who wait now, when the one who rings is done with what it does.
  void ring();

 private:
  Machine& machine_;
  std::map<std::uint64_t, Wakeup*> waiting_;
  std::uint64_t last_ = 0;
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
    while (first_ != nullptr) {
      Wakeup& one = *first_;
      unpark(one);
      one.wake();
    }
  }
  std::size_t parked() const { return parked_; }

 private:
  friend class Wakeup;
  void park(Wakeup& one) {
    one.parked_ = true;
    one.before_ = last_;
    one.after_ = nullptr;
    (last_ != nullptr ? last_->after_ : first_) = &one;
    last_ = &one;
    ++parked_;
  }
  void unpark(Wakeup& one) {
    if (!std::exchange(one.parked_, false)) return;
    (one.before_ != nullptr ? one.before_->after_ : first_) = one.after_;
    (one.after_ != nullptr ? one.after_->before_ : last_) = one.before_;
    --parked_;
  }

  Wakeup *first_ = nullptr, *last_ = nullptr;  ///< those who wait here, in order
  std::size_t parked_ = 0;
  bool dead_ = false;
};

inline Wakeup::~Wakeup() { machine_.unpark(*this); }
inline bool Wakeup::await_ready() const { return woken_ || machine_.dead_; }
inline void Wakeup::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  machine_.park(*this);
}
inline void Wakeup::await_resume() {
  woken_ = false;
  machine_.unpark(*this);
  machine_.check();
}

inline wire::Task<void> Bell::wait() {
  Wakeup wakeup(machine_);
  struct Entry {
    std::map<std::uint64_t, Wakeup*>& among;
    std::uint64_t number;
    ~Entry() { among.erase(number); }
  } const entry{waiting_, ++last_};
  waiting_[entry.number] = &wakeup;
  co_await wakeup;
}
inline void Bell::ring() {
  if (waiting_.empty()) return;
  machine_.clock.at(machine_.now(), [this] {
    const auto waiting = waiting_;
    for (const auto& [number, wakeup] : waiting) {
      if (waiting_.contains(number)) wakeup->wake();
    }
  });
}

}  // namespace lockstep::sim::wired
