// What the core costs, beside the kernel's own byte-range locks on the same machine in the same
// run.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "core/machine.hpp"

namespace {

using namespace lockstep::core;

constexpr FileId kFile{1, 0, 1};

struct World {
  World() : machine(Limits{}) { machine.recover({}, 1, 0, effects); }
  ClientId client(Protocol protocol, const std::string& name) {
    run(ClientArrived{RequestId{++requests}, protocol, name, name, name, 0});
    for (const Effect& effect : effects) {
      if (const auto* reply = std::get_if<Reply>(&effect)) {
        return std::get<ClientReply>(reply->body).client;
      }
    }
    std::abort();
  }
  void run(EventBody body) {
    effects.clear();
    machine.apply(Event{now, std::move(body)}, effects);
  }
  LockRequested lock(ClientId who, const std::string& owner, Range range, LockMode mode,
                     Wait wait = Wait::none) {
    LockRequested event;
    event.request = RequestId{++requests};
    event.client = who;
    event.owner = owner;
    event.file = kFile;
    event.element = {range, mode};
    event.wait = wait;
    return event;
  }
  Unlocked unlock(ClientId who, const std::string& owner, Range range) {
    return {RequestId{++requests}, who, {}, owner, kFile, range, {}};
  }
  OpenId open(ClientId who, FileId file, Rights rights, std::uint64_t key) {
    OpenRequested event;
    event.request = RequestId{++requests};
    event.client = who;
    event.file = file;
    event.access = AccessBit::read;
    if (!rights.empty()) event.wish = {Flavour::lease, rights, {}, false, 0};
    for (int i = 0; i < 8; ++i) {
      event.wish.key.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(key >> (8 * i));
    }
    run(event);
    for (const Effect& effect : effects) {
      if (const auto* reply = std::get_if<Reply>(&effect)) {
        return std::get<OpenReply>(reply->body).open;
      }
    }
    std::abort();
  }
  Machine machine;
  Effects effects;
  Nanos now = kSecond;
  std::uint64_t requests = 0;
};

/// One pair takes and gives back a lock in the middle of `held` disjoint ones.
void LockUnlock(benchmark::State& state) {
  World world;
  const ClientId host = world.client(Protocol::nlm, "host");
  const auto held = static_cast<std::uint64_t>(state.range(0));
  for (std::uint64_t i = 0; i < held; ++i) {
    world.run(world.lock(host, "holder", {i * 10, i * 10 + 3}, LockMode::exclusive));
  }
  const std::uint64_t middle = held / 2 * 10 + 5;
  // What is measured is the machine, not how events are built.
  Event lock{world.now, world.lock(host, "me", {middle, middle + 3}, LockMode::exclusive)};
  Event unlock{world.now, world.unlock(host, "me", {middle, middle + 3})};
  for (auto _ : state) {
    std::get<LockRequested>(lock.body).request = RequestId{++world.requests};
    std::get<Unlocked>(unlock.body).request = RequestId{++world.requests};
    world.effects.clear();
    world.machine.apply(lock, world.effects);
    world.machine.apply(unlock, world.effects);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(LockUnlock)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000)->Arg(1'000'000);

void KernelOfdLockUnlock(benchmark::State& state) {
  char path[] = "/tmp/lockstep-bench-XXXXXX";
  const int holder = ::mkstemp(path);
  const int me = ::open(path, O_RDWR | O_CLOEXEC);
  ::unlink(path);
  struct flock lock{};
  lock.l_whence = SEEK_SET;
  lock.l_len = 4;
  lock.l_type = F_WRLCK;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    lock.l_start = i * 10;
    ::fcntl(holder, F_OFD_SETLK, &lock);
  }
  lock.l_start = state.range(0) / 2 * 10 + 5;
  for (auto _ : state) {
    lock.l_type = F_WRLCK;
    ::fcntl(me, F_OFD_SETLK, &lock);
    lock.l_type = F_UNLCK;
    ::fcntl(me, F_OFD_SETLK, &lock);
  }
  ::close(holder);
  ::close(me);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(KernelOfdLockUnlock)->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000);

/// A release that one waiter waits for, beside `waiters` that wait for other bytes; and without any
/// waiter at all. Only the UNLOCK is timed.
void Release(benchmark::State& state) {
  World world;
  const ClientId host = world.client(Protocol::nlm, "host");
  world.run(world.lock(host, "big", {1'000'000, 2'000'000}, LockMode::exclusive));
  const auto waiters = static_cast<std::uint64_t>(state.range(0));
  for (std::uint64_t i = 1; i < waiters; ++i) {
    world.run(world.lock(host, "w" + std::to_string(i), {1'000'000 + i, 1'000'000 + i},
                         LockMode::exclusive, Wait::callback));
  }
  using Clock = std::chrono::steady_clock;
  for (auto _ : state) {
    world.run(world.lock(host, "me", {5, 9}, LockMode::exclusive));
    LockRequested next = world.lock(host, "next", {5, 9}, LockMode::exclusive, Wait::callback);
    const RequestId waiting = next.request;
    if (waiters > 0) world.run(std::move(next));
    Unlocked unlock = world.unlock(host, "me", {5, 9});
    const Clock::time_point begin = Clock::now();
    world.run(std::move(unlock));
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count());
    if (waiters == 0) continue;
    world.run(GrantAnswered{waiting, true});
    world.run(world.unlock(host, "next", {5, 9}));
  }
}
BENCHMARK(Release)->Arg(0)->Arg(1)->Arg(100'000)->UseManualTime();

/// One write breaks `holders` read leases: one pass.
void BreakReadHolders(benchmark::State& state) {
  World world;
  const auto holders = static_cast<std::uint64_t>(state.range(0));
  Limits limits;
  limits.opens_per_client_max = 1'000'000;
  world.machine = Machine(limits);
  world.effects.clear();
  world.machine.recover({}, 1, 0, world.effects);
  const ClientId smb = world.client(Protocol::smb, "guid");
  const ClientId nfs = world.client(Protocol::nfs3, "host");
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<OpenId> opens;
    for (std::uint64_t i = 0; i < holders; ++i) opens.push_back(world.open(smb, kFile, kR, i + 1));
    state.ResumeTiming();
    AccessRequested write;
    write.request = RequestId{++world.requests};
    write.client = nfs;
    write.target = {kFile, Operation::write};
    const RequestId access = write.request;
    world.run(std::move(write));
    state.PauseTiming();
    world.run(AccessEnded{access});
    for (const OpenId open : opens) world.run(OpenClosed{RequestId{++world.requests}, open});
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BreakReadHolders)->Arg(1'000)->Arg(100'000)->Iterations(3)->Unit(benchmark::kMillisecond);

std::size_t allocated() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

void BytesPerHeldLock(benchmark::State& state) {
  for (auto _ : state) {
    World world;
    const ClientId host = world.client(Protocol::nlm, "host");
    const std::size_t before = allocated();
    constexpr std::uint64_t kLocks = 1'000'000;
    for (std::uint64_t i = 0; i < kLocks; ++i) {
      const std::uint64_t at = i * 7919 % kLocks;  // not in order
      world.run(world.lock(host, "holder", {at * 10, at * 10 + 3}, LockMode::exclusive));
    }
    state.counters["bytes_per_lock"] =
        static_cast<double>(allocated() - before) / static_cast<double>(kLocks);
  }
}
BENCHMARK(BytesPerHeldLock)->Iterations(1)->Unit(benchmark::kMillisecond);

void BytesPerOpenFile(benchmark::State& state) {
  for (auto _ : state) {
    Limits limits;
    limits.opens_per_client_max = 10'000'000;
    World world;
    world.machine = Machine(limits);
    world.effects.clear();
    world.machine.recover({}, 1, 0, world.effects);
    const ClientId smb = world.client(Protocol::smb, "guid");
    const std::size_t before = allocated();
    constexpr std::uint64_t kFiles = 1'000'000;
    for (std::uint64_t i = 0; i < kFiles; ++i) world.open(smb, {i + 1, 0, 1}, kNoRights, 0);
    state.counters["bytes_per_file"] =
        static_cast<double>(allocated() - before) / static_cast<double>(kFiles);
  }
}
BENCHMARK(BytesPerOpenFile)->Iterations(1)->Unit(benchmark::kMillisecond);

/// READ under an SMB open: asked, let through, ended.
void AccessPair(benchmark::State& state) {
  World world;
  const ClientId smb = world.client(Protocol::smb, "guid");
  const OpenId open = world.open(smb, kFile, kRH, 1);
  for (auto _ : state) {
    AccessRequested read;
    read.request = RequestId{++world.requests};
    read.client = smb;
    read.open = open;
    read.target = {kFile, Operation::read};
    read.range = {0, 4095};
    const RequestId access = read.request;
    world.run(std::move(read));
    world.run(AccessEnded{access});
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(AccessPair);

}  // namespace
