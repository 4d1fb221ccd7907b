// Threads for file calls that may block. A job runs on one of them under the caller's identity and
// its coroutine goes on on the loop's thread.
//
// Everything here is called from the loop's thread. `post(fn)` must be callable from any thread
// and run fn later on the loop's thread (with Asio: `asio::post(context, std::move(fn))`); one
// post carries all that has finished since the last. Completed jobs resume in the order in which
// they finished.
//
// Every job completes exactly once: stop() (and the destructor) lets what was submitted run to its
// end, resumes the coroutines in place, and joins. A job submitted later runs before its
// co_await returns, on a thread of its own, so that the loop's thread never takes on an identity.
#pragma once

#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "shell/files/io_identity.hpp"
#include "shell/wire/task.hpp"

namespace lockstep::files {

class IoPool {
 public:
  using Post = std::function<void(std::function<void()>)>;

  static constexpr unsigned kThreadsDefault = 8;

  IoPool(unsigned threads, Post post);
  ~IoPool();
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  /// Runs `job` for `who`; its result, or its exception, is the task's. When the identity cannot
  /// be taken on the job does not run: a Result then holds EPERM, anything else throws.
  template <class F>
  wire::Task<std::invoke_result_t<F&>> run(Credentials who, F job) {
    co_return co_await perform(Identity::of(who), job);
  }

  /// The same without copies: `job`, and what `as` refers to, live in the awaiting coroutine.
  template <class F>
  auto perform(Identity as, F& job);

  /// Calls `what` on the loop's thread after `delay`; forgotten when the pool stops first.
  void call_later(std::chrono::milliseconds delay, std::function<void()> what);

  /// Runs `chore` on a thread of the pool and tells nobody; before stop() returns at the latest.
  void do_apart(std::function<void()> chore);

  void stop();

 private:
  template <class F>
  class Awaiter;
  struct Job {
    explicit Job(Identity identity) : as(identity) {}
    Job(const Job&) = delete;  // the queues hold its address
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;
    virtual void work() noexcept = 0;
    virtual void refuse() noexcept = 0;
    void run() noexcept;
    Job* next = nullptr;
    Identity as;
    std::coroutine_handle<> waiting;
  };
  struct Shared;

  /// False: the pool has stopped, the job has been run already.
  bool submit(Job& job);

  std::shared_ptr<Shared> shared_;
};

template <class F>
class IoPool::Awaiter final : public IoPool::Job {
 public:
  using Value = std::invoke_result_t<F&>;
  static_assert(!std::is_void_v<Value>, "return a Result<void>");

  Awaiter(IoPool& pool, Identity identity, F& job) : Job(identity), pool_(pool), job_(job) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    waiting = handle;
    return pool_.submit(*this);
  }
  Value await_resume() {
    if (error_) std::rethrow_exception(error_);
    return std::move(*value_);
  }

 private:
  void work() noexcept override {
    try {
      value_.emplace(job_());
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void refuse() noexcept override {
    if constexpr (std::is_constructible_v<Value, boost::system::error_code>) {
      value_.emplace(fail(EPERM));
    } else {
      error_ = std::make_exception_ptr(boost::system::system_error(fail(EPERM)));
    }
  }

  IoPool& pool_;
  F& job_;
  std::optional<Value> value_;
  std::exception_ptr error_;
};

template <class F>
auto IoPool::perform(Identity as, F& job) {
  return Awaiter<F>(*this, as, job);
}

}  // namespace lockstep::files
