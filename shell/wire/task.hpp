// The coroutine type of all wire code: lazy, awaited once, resumed wherever the awaited thing
// completes. It knows no executor: the same code runs on Asio's loop and on simulated time.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace lockstep::wire {

template <class T = void>
class Task;

namespace detail {

struct FinalResume {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
    std::coroutine_handle<> next = done.promise().waiting;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> waiting;
  std::exception_ptr error;
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalResume final_suspend() noexcept { return {}; }
  void unhandled_exception() { error = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    frame_.promise().waiting = waiting;
    return frame_;
  }
  T await_resume() { return frame_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> frame_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() { std::terminate(); }
  };
};
inline Detached run_detached(Task<void> task) { co_await std::move(task); }
}  // namespace detail

/// Starts a task that nobody awaits. Whatever it waits for must complete exactly once, also at
/// shutdown: that is what frees its frame. An exception that leaves it ends the process.
inline void spawn(Task<void> task) { detail::run_detached(std::move(task)); }

/// A one-shot value that one coroutine awaits and somebody else sets, once, on the same thread.
/// Not copyable: g++ 12 would quietly await a copy in `co_await *pointer`; bind a reference first.
template <class T>
class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  void set(T value) {
    value_.emplace(std::move(value));
    if (waiting_) std::exchange(waiting_, {}).resume();
  }
  bool ready() const { return value_.has_value(); }
  bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  T await_resume() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  std::coroutine_handle<> waiting_;
};

}  // namespace lockstep::wire
