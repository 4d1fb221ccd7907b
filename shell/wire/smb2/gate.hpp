// What coroutines wait for: something that happens once, and "nobody is inside".
#pragma once

#include <coroutine>
#include <cstdint>
#include <utility>
#include <vector>

namespace lockstep::wire::smb2 {

/// Opens once and stays open; any number may wait.
class Gate {
 public:
  bool is_open() const { return open_; }
  void open() {
    open_ = true;
    for (const std::coroutine_handle<> waiting : std::exchange(waiting_, {})) waiting.resume();
  }
  auto wait() {
    struct Awaiter {
      Gate& gate;
      bool await_ready() const noexcept { return gate.open_; }
      void await_suspend(std::coroutine_handle<> waiting) { gate.waiting_.push_back(waiting); }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

 private:
  bool open_ = false;
  std::vector<std::coroutine_handle<>> waiting_;
};

/// Counts who is inside; whoever waits goes on when nobody is.
class Occupancy {
 public:
  void enter() { ++inside_; }
  void leave() {
    if (--inside_ != 0) return;
    for (const std::coroutine_handle<> waiting : std::exchange(waiting_, {})) waiting.resume();
  }
  auto empty() {
    struct Awaiter {
      Occupancy& of;
      bool await_ready() const noexcept { return of.inside_ == 0; }
      void await_suspend(std::coroutine_handle<> waiting) { of.waiting_.push_back(waiting); }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

 private:
  std::uint32_t inside_ = 0;
  std::vector<std::coroutine_handle<>> waiting_;
};

/// Inside until it leaves, or goes out of scope.
class Inside {
 public:
  Inside() = default;
  explicit Inside(Occupancy& of) : of_(&of) { of.enter(); }
  Inside(Inside&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  Inside& operator=(Inside&& other) noexcept {
    std::swap(of_, other.of_);
    return *this;
  }
  ~Inside() { leave(); }
  void leave() {
    if (Occupancy* const of = std::exchange(of_, nullptr)) of->leave();
  }

 private:
  Occupancy* of_ = nullptr;
};

}  // namespace lockstep::wire::smb2
