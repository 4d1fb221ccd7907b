// Where the enumeration of an open directory stands (MS-SMB2 3.3.5.18).
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "shell/wire/smb2/names.hpp"

namespace lockstep::wire::smb2 {

/// One at a time, in order of arrival.
class Turn {
 public:
  class Held {
   public:
    explicit Held(Turn& turn) : turn_(&turn) {}
    Held(Held&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (turn_ != nullptr) turn_->leave();
    }

   private:
    Turn* turn_;
  };
  auto enter() {
    struct Awaiter {
      Turn& turn;
      bool await_ready() const noexcept { return !turn.taken_; }
      void await_suspend(std::coroutine_handle<> waiting) { turn.waiting_.push_back(waiting); }
      Held await_resume() const noexcept {
        turn.taken_ = true;
        return Held(turn);
      }
    };
    return Awaiter{*this};
  }

 private:
  void leave() {
    taken_ = false;
    if (waiting_.empty()) return;
    const std::coroutine_handle<> next = waiting_.front();
    waiting_.pop_front();
    taken_ = true;
    next.resume();
  }
  bool taken_ = false;
  std::deque<std::coroutine_handle<>> waiting_;
};

struct DirectoryCursor {
  Turn turn;
  std::optional<SearchPattern> pattern;
  std::uint64_t cookie = 0;  ///< of the entry returned last
  bool returned_any = false;
  bool single_done = false;  ///< a pattern that is one name has been looked up
};

}  // namespace lockstep::wire::smb2
