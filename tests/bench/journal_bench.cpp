// What durability costs: NLM locks through coordinator, group commit and SQLite on the disk at hand
// (TMPDIR chooses it), so many owners at a time as the first argument says, each of which unlocks
// and locks again as soon as its lock is granted. The second argument makes the disk slower by so
// many microseconds a transaction. Locks a second over transactions a second is what sharing gains.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shell/coordinator/coordinator.hpp"
#include "shell/journal/group_commit.hpp"
#include "shell/journal/sqlite_store.hpp"
#include "shell/net/clock.hpp"
#include "shell/wire/task.hpp"
#include "tests/shell/temporary_directory.hpp"

namespace {

using namespace lockstep;

class World {
 public:
  explicit World(std::chrono::microseconds delay)
      : coordinator_(core::Machine(core::Limits{}), clock_,
                     {[this](std::uint64_t number, std::vector<journal::Record> records) {
                        journal_->append(number, std::move(records));
                      },
                      [this] { journal_->hurry(); }},
                     {}) {
    auto store = journal::SqliteStore::open(directory_.path() / "journal.sqlite");
    if (!store) std::abort();
    const std::uint64_t epoch = (*store)->epoch();
    journal_ = std::make_unique<journal::GroupCommit>(
        std::move(*store),
        [this](std::function<void()> fn) { boost::asio::post(loop_, std::move(fn)); },
        journal::GroupCommit::Handler{
            [this](std::uint64_t number) { coordinator_.durable(number); },
            [](const journal::Error&) { std::abort(); }},
        journal::GroupCommit::Options{.delay = delay});
    coordinator_.recover({}, epoch);
  }
  ~World() { coordinator_.stop(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void start(int owners) {
    for (int i = 0; i < owners; ++i) wire::spawn(lock_and_unlock("host-" + std::to_string(i)));
  }
  void run_until(std::uint64_t grants) {
    while (grants_ < grants) loop_.run_one();
  }
  std::uint64_t grants() const { return grants_; }
  std::uint64_t transactions() const { return journal_->stats().transactions; }

 private:
  wire::Task<> lock_and_unlock(std::string name) {
    core::ClientArrived arrival{{}, core::Protocol::nlm, name, name, name, 0};
    const core::Reply there = co_await wire::request(coordinator_, std::move(arrival));
    const core::ClientId client = std::get<core::ClientReply>(there.body).client;
    const core::FileId file{client.value, 0, 1};
    for (;;) {
      core::LockRequested lock;
      lock.client = client, lock.owner = "owner", lock.file = file;
      lock.element = {core::Range::whole(), core::LockMode::exclusive};
      const core::Reply granted = co_await wire::request(coordinator_, std::move(lock));
      if (granted.status != core::Status::ok) co_return;
      ++grants_;
      core::Unlocked unlock;
      unlock.client = client, unlock.owner = "owner", unlock.file = file;
      unlock.range = core::Range::whole();
      co_await wire::request(coordinator_, std::move(unlock));
    }
  }

  test::TemporaryDirectory directory_;
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      loop_.get_executor()};
  net::LoopClock clock_{loop_};
  coordinator::CoreCoordinator coordinator_;
  std::unique_ptr<journal::GroupCommit> journal_;
  std::uint64_t grants_ = 0;
};

void DurableLocks(benchmark::State& state) {
  const auto owners = static_cast<int>(state.range(0));
  World world(std::chrono::microseconds(state.range(1)));
  world.start(owners);
  world.run_until(static_cast<std::uint64_t>(owners));  // everybody has arrived
  const std::uint64_t grants = world.grants(), transactions = world.transactions();
  for (auto _ : state) world.run_until(world.grants() + 1);
  const auto done = static_cast<double>(world.grants() - grants);
  state.counters["locks"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["locks_per_transaction"] =
      done / static_cast<double>(std::max<std::uint64_t>(1, world.transactions() - transactions));
}
BENCHMARK(DurableLocks)
    ->ArgNames({"owners", "slower_us"})
    ->ArgsProduct({{1, 16, 256}, {0, 5'000}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
