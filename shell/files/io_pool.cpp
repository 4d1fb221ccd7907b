#include "shell/files/io_pool.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep::files {

using Clock = std::chrono::steady_clock;

/// Outlives the pool while a posted drain is still under way to the loop.
struct IoPool::Shared : std::enable_shared_from_this<IoPool::Shared> {
  struct Queue {
    Job* first = nullptr;
    Job* last = nullptr;
    void push(Job& job) {
      job.next = nullptr;
      (first ? last->next : first) = &job;
      last = &job;
    }
    Job* pop() {
      Job* job = first;
      if (job) first = job->next;
      return job;
    }
  };

  explicit Shared(Post to_loop) : post(std::move(to_loop)) {}

  void worker();
  void drain();
  /// Moves what is due to `fired`; the caller holds the mutex. True when there was something.
  bool fire(Clock::time_point now);
  void request_drain(std::unique_lock<std::mutex>& lock);

  const Post post;
  std::mutex mutex;
  std::condition_variable work_ready, work_done;
  Queue ready, finished;
  std::vector<std::function<void()>> chores;
  std::multimap<Clock::time_point, std::function<void()>> timers;
  std::vector<std::function<void()>> fired;
  std::size_t unfinished = 0;  ///< submitted and not yet in `finished`
  bool drain_posted = false;
  bool quit = false;
  std::vector<std::thread> threads;
};

void IoPool::Job::run() noexcept {
  bool assumed = false;
  try {
    assumed = as.assume();
  } catch (...) {
    assumed = false;  // out of memory for the groups
  }
  if (assumed)
    work();
  else
    refuse();
}

bool IoPool::Shared::fire(Clock::time_point now) {
  bool any = false;
  while (!timers.empty() && timers.begin()->first <= now) {
    fired.push_back(std::move(timers.begin()->second));
    timers.erase(timers.begin());
    any = true;
  }
  return any;
}

void IoPool::Shared::request_drain(std::unique_lock<std::mutex>& lock) {
  if (drain_posted || quit) return;
  drain_posted = true;
  lock.unlock();
  post([self = shared_from_this()] { self->drain(); });
  lock.lock();
}

void IoPool::Shared::worker() {
  prepare_io_thread();
  std::unique_lock lock(mutex);
  for (;;) {
    if (!chores.empty()) {
      const std::function<void()> chore = std::move(chores.back());
      chores.pop_back();
      lock.unlock();
      chore();
      lock.lock();
    } else if (Job* job = ready.pop()) {
      lock.unlock();
      job->run();
      lock.lock();
      finished.push(*job);
      if (--unfinished == 0) work_done.notify_all();
      request_drain(lock);
    } else if (quit) {
      return;
    } else if (timers.empty()) {
      work_ready.wait(lock);
    } else if (fire(Clock::now())) {
      request_drain(lock);
    } else {
      const Clock::time_point due = timers.begin()->first;
      work_ready.wait_until(lock, due);
    }
  }
}

void IoPool::Shared::drain() {
  std::vector<std::function<void()>> calls;
  Job* job = nullptr;
  {
    const std::lock_guard lock(mutex);
    drain_posted = false;
    job = std::exchange(finished.first, nullptr);
    calls.swap(fired);
    if (quit) calls.clear();
  }
  while (job) {
    Job* const next = job->next;  // the job lives in the frame that resume() may end
    job->waiting.resume();
    job = next;
  }
  for (const auto& call : calls) call();
}

IoPool::IoPool(unsigned threads, Post post) : shared_(std::make_shared<Shared>(std::move(post))) {
  (void)can_switch_identity();  // remembers the server's own identity before any thread changes
  for (unsigned i = 0; i < std::max(1U, threads); ++i) {
    shared_->threads.emplace_back([shared = shared_.get()] { shared->worker(); });
  }
}

IoPool::~IoPool() { stop(); }

bool IoPool::submit(Job& job) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->quit) {
      shared_->ready.push(job);
      ++shared_->unfinished;
      shared_->work_ready.notify_one();
      return true;
    }
  }
  std::thread([&job] {
    prepare_io_thread();
    job.run();
  }).join();
  return false;
}

void IoPool::call_later(std::chrono::milliseconds delay, std::function<void()> what) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->quit) return;
  shared_->timers.emplace(Clock::now() + delay, std::move(what));
  shared_->work_ready.notify_one();
}

void IoPool::do_apart(std::function<void()> chore) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->quit) {
      shared_->chores.push_back(std::move(chore));
      shared_->work_ready.notify_one();
      return;
    }
  }
  chore();
}

void IoPool::stop() {
  Shared& shared = *shared_;
  for (;;) {
    {
      std::unique_lock lock(shared.mutex);
      shared.work_done.wait(lock, [&] { return shared.unfinished == 0; });
      if (!shared.finished.first) {
        shared.quit = true;
        shared.timers.clear();
        shared.fired.clear();
        break;
      }
    }
    shared.drain();  // what goes on may submit more
  }
  shared.work_ready.notify_all();
  for (std::thread& thread : shared.threads) thread.join();
  shared.threads.clear();
}

}  // namespace lockstep::files
