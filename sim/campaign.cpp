#include "sim/campaign.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>

#include "sim/trace.hpp"

namespace lockstep::sim {

namespace {

constexpr std::size_t kJobsMax = 64;
std::array<std::atomic<std::uint64_t>, kJobsMax> in_work{};  ///< seed + 1; 0: idle

/// Only what a signal handler may do.
void interrupted(int signal) {
  auto say = [](const char* text, std::size_t size) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, size);
  };
  const bool died = signal != SIGINT;
  died ? say("\ndied; in work:", 15) : say("\ninterrupted; in work:", 22);
  for (const auto& slot : in_work) {
    std::uint64_t seed = slot.load();
    if (seed == 0) continue;
    --seed;
    char digits[24];
    std::size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + seed % 10);
      seed /= 10;
    } while (seed != 0);
    say(" --seed ", 8);
    say(digits + at, sizeof digits - at);
  }
  say("\n", 1);
  ::_exit(died ? exit_code(FailureKind::assertion) : 130);
}

class Run {
 public:
  explicit Run(const Campaign& campaign) : campaign_(campaign), begin_(Clock::now()) {}

  Tally all() {
    for (const int signal : {SIGINT, SIGSEGV, SIGABRT, SIGFPE}) std::signal(signal, interrupted);
    std::vector<std::thread> threads;
    const std::size_t jobs = std::clamp<std::size_t>(campaign_.jobs, 1, kJobsMax);
    for (std::size_t job = 1; job < jobs; ++job) threads.emplace_back([this, job] { work(job); });
    work(0);
    for (std::thread& thread : threads) thread.join();
    for (const int signal : {SIGINT, SIGSEGV, SIGABRT, SIGFPE}) std::signal(signal, SIG_DFL);
    tally_.seconds = seconds();
    if (campaign_.progress) {
      show();
      std::fputc('\n', stderr);
    }
    return std::move(tally_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  bool next(std::uint64_t& seed) {
    const std::uint64_t place = next_.fetch_add(1);
    if (stop_.load()) return false;
    if (place < campaign_.seeds.size()) {
      seed = campaign_.seeds[place];
      return true;
    }
    seed = campaign_.first + (place - campaign_.seeds.size());
    if (campaign_.hours > 0) return seconds() < campaign_.hours * 3600;
    return seed <= campaign_.last;
  }

  void work(std::size_t job) {
    Tally mine;
    for (std::uint64_t seed = 0; next(seed);) {
      in_work[job].store(seed + 1);
      one(seed, mine);
      in_work[job].store(0);
      if (mine.seeds % 16 == 0) hand_in(mine, job);
    }
    hand_in(mine, job);
  }

  void one(std::uint64_t seed, Tally& mine) {
    const Level& level = *campaign_.level;
    Options options = campaign_.options;
    if (!options.record.empty()) options.record += "/seed-" + std::to_string(seed) + ".trace";
    Outcome outcome = level.run_seed(seed, options);
    if (campaign_.twice) {
      Options other = campaign_.options;
      other.record.clear();
      // A failing run ends where its oracle says so.
      if (!outcome.found) other.model = other.invariants = other.coherence = false;
      const Outcome again = level.run(level.expand(seed, other), other);
      const auto parted = first_difference(outcome.steps, again.steps);
      if (parted || outcome.hash != again.hash) {
        const std::size_t step = parted.value_or(outcome.steps.size());
        outcome.found = Found{FailureKind::nondeterminism,
                              "two runs part at step " + std::to_string(step), step};
      }
    }
    ++mine.seeds;
    mine.events += outcome.events;
    mine.simulated += outcome.simulated;
    Trace mixed;
    mixed.add(seed);
    mixed.add(outcome.hash);
    mine.hash += mixed.value();
    mine.marks.add(outcome.marks);
    if (!outcome.found) return;
    mine.found.emplace(seed, *outcome.found);
    if (campaign_.stop_at_failure) stop_.store(true);
  }

  void hand_in(Tally& mine, std::size_t job) {
    const std::lock_guard guard(mutex_);
    tally_.seeds += mine.seeds;
    tally_.events += mine.events;
    tally_.simulated += mine.simulated;
    tally_.hash += mine.hash;
    tally_.marks.add(mine.marks);
    tally_.found.merge(mine.found);
    mine = Tally{};
    if (campaign_.progress && job == 0 && seconds() - shown_ > 0.5) {
      shown_ = seconds();
      show();
    }
  }

  void show() const {
    std::size_t hit = 0, marks = 0;
    for (const auto& [name, mark] : tally_.marks.of(campaign_.level->name())) {
      ++marks;
      hit += tally_.marks.count(*mark) > 0 ? 1 : 0;
    }
    const double time = std::max(seconds(), 0.001);
    std::fprintf(
        stderr,
        "\r%llu seeds, %.0f/s; %.0f k events/s; %.1f days simulated; %zu of %zu marks; "
        "%zu failed ",
        static_cast<unsigned long long>(tally_.seeds), static_cast<double>(tally_.seeds) / time,
        static_cast<double>(tally_.events) / time / 1000,
        static_cast<double>(tally_.simulated) / 1e9 / 86400, hit, marks, tally_.found.size());
    std::fflush(stderr);
  }

  const Campaign& campaign_;
  Clock::time_point begin_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  Tally tally_;
  double shown_ = 0;
};

}  // namespace

Tally run_campaign(const Campaign& campaign) { return Run(campaign).all(); }

std::vector<const Mark*> never_hit(const Level& level, const Marks& marks) {
  std::vector<const Mark*> missing;
  for (const auto& [name, mark] : marks.of(level.name())) {
    if (mark->kind() == Mark::Kind::sometimes && marks.count(*mark) == 0) missing.push_back(mark);
  }
  return missing;
}

}  // namespace lockstep::sim
