#include "sim/wire/disk.hpp"

#include <algorithm>
#include <utility>

#include "shell/files/memory_files.hpp"
#include "sim/wire/slow_files.hpp"

namespace lockstep::sim::wired {

namespace {

const files::Credentials kRoot{0, 0, {}};
constexpr std::uint32_t kContentMax = 1u << 20;
constexpr Nanos kJournalRetry = kSecond;

std::shared_ptr<files::FileSystem> make_files() {
  files::MemoryOptions options;
  options.root_mode = 0777;
  return files::memory_file_system(options);
}

// Files in memory complete before they suspend, so what these start is done when they return.
wire::Task<void> read_into(files::FileSystem& from, files::NodeRef node, wire::Bytes& out) {
  files::OpenMode mode;
  mode.read = true;
  const auto file = co_await from.open(kRoot, std::move(node), mode);
  if (!file) co_return;
  auto bytes = co_await (*file)->read(0, kContentMax);
  if (bytes) out = std::move(*bytes);
}
wire::Task<void> write_from(files::FileSystem& to, files::NodeRef node, const wire::Bytes& bytes) {
  files::OpenMode mode;
  mode.write = true;
  const auto file = co_await to.open(kRoot, std::move(node), mode);
  if (!file) co_return;
  (void)co_await (*file)->truncate(bytes.size());
  if (!bytes.empty()) (void)co_await (*file)->write(0, bytes, true);
}

void apply(wire::Bytes& content, std::uint64_t offset, wire::ByteView data) {
  content.resize(std::max<std::size_t>(content.size(), offset + data.size()));
  std::copy(data.begin(), data.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

Disk::Disk(VirtualTime& time, std::uint64_t seed)
    : time_(time), chance_(seed, "disk"), inner_(make_files()) {}
Disk::~Disk() = default;

std::shared_ptr<files::FileSystem> Disk::mount() {
  return std::make_shared<SlowFiles>(*this, run_, inner_);
}

std::string Disk::path_of(core::FileId id) const {
  return inner_->root()->id() == id ? "/" : inner_->path(id);
}

void Disk::Pause::await_suspend(std::coroutine_handle<> waiting) {
  const std::uint64_t number = ++disk_.last_wait_;
  disk_.waiting_.emplace(number, waiting);
  disk_.time_.put_after(time_, [&disk = disk_, number] {
    const auto at = disk.waiting_.find(number);
    if (at == disk.waiting_.end()) return;
    const std::coroutine_handle<> handle = at->second;
    disk.waiting_.erase(at);
    handle.resume();
  });
}

wire::Bytes Disk::content(const files::NodeRef& node) {
  wire::Bytes bytes;
  wire::spawn(read_into(*inner_, node, bytes));
  return bytes;
}

void Disk::put_content(const files::NodeRef& node, const wire::Bytes& bytes) {
  wire::spawn(write_from(*inner_, node, bytes));
}

void Disk::wrote(const files::NodeRef& node, Write write, const wire::Bytes& before) {
  const auto [at, fresh] = unsynced_.try_emplace(node->id().node);
  if (fresh) at->second = {node, Unsynced{before, {}}};
  at->second.second.writes.push_back(std::move(write));
}

int Disk::synced(const files::NodeRef& node) {
  // A failed fsync leaves everything as it was: neither lost nor safe.
  if (health.sync_fails) return EIO;
  unsynced_.erase(node->id().node);
  return 0;
}

void Disk::settle(bool orderly) {
  while (!waiting_.empty()) {
    const std::coroutine_handle<> handle = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    handle.resume();
  }
  const auto all = std::exchange(unsynced_, {});
  if (orderly) return;
  for (const auto& [number, entry] : all) {
    const auto& [node, unsynced] = entry;
    wire::Bytes now = unsynced.base;
    for (const Write& write : unsynced.writes) {
      const std::uint64_t fate = write.durable ? 0 : chance_.below(4);  // 3: lost
      if (fate == 3) continue;
      if (write.truncate) {
        now.resize(*write.truncate);
        continue;
      }
      // Torn: a part of it came to the disk.
      const std::size_t part = fate == 2 ? chance_.below(write.data.size() + 1) : write.data.size();
      apply(now, write.offset, wire::ByteView(write.data).first(part));
    }
    put_content(node, now);
  }
}

// ---- The journal --------------------------------------------------------------------------------

JournalDisk::JournalDisk(VirtualTime& time, Random& chance, const DiskHealth& health,
                         std::shared_ptr<journal::MemoryMedium> medium, Handler handler)
    : time_(time),
      chance_(chance),
      health_(health),
      store_(std::move(medium)),
      handler_(std::move(handler)) {}

JournalDisk::~JournalDisk() { *on_ = false; }

void JournalDisk::append(std::uint64_t number, std::vector<journal::Record> records) {
  if (!*on_) return;
  queue_.append(number, std::move(records));
  start();
}

void JournalDisk::hurry() {
  if (!*on_) return;
  queue_.hurry();
  start();
}

void JournalDisk::after(Nanos delay, void (JournalDisk::*then)()) {
  time_.put_after(delay, [this, then, on = on_] {
    if (*on) (this->*then)();
  });
}

void JournalDisk::start() {
  if (busy_) return;
  if (queue_.due()) return begin();
  if (!queue_.lingers() || std::exchange(lingering_, true)) return;
  after(chance_.below(health_.sync_max) + 1, &JournalDisk::linger_ends);
}

void JournalDisk::linger_ends() {
  lingering_ = false;
  if (!busy_ && queue_.lingers()) begin();
}

void JournalDisk::retry() {
  if (!busy_) begin();
}

void JournalDisk::begin() {
  writing_ = queue_.gather();
  if (writing_.empty()) return;
  busy_ = true;
  after(chance_.below(health_.sync_max) + 1, &JournalDisk::write);
}

void JournalDisk::write() {
  if (on_effect) on_effect();
  if (!*on_) return;
  journal::Result<> outcome;
  const bool fails = health_.full || health_.sync_fails;
  // An error may hide that it was written: writing again must be right then, too.
  if (!fails || (health_.sync_fails && chance_.one_in(2))) {
    if (on_durable) on_durable(writing_);
    outcome = store_.write(writing_);
  }
  if (fails) {
    outcome = journal::Error{health_.full ? journal::Failure::full : journal::Failure::io,
                             "the simulated disk"};
  }
  const journal::CommitQueue::News news = queue_.written(outcome);
  busy_ = false;
  if (on_effect) on_effect();
  if (!*on_) return;
  if (news.durable) handler_.durable(*news.durable);
  if (news.failed && *on_) handler_.failed(*news.failed);
  if (!*on_) return;
  start();
  if (queue_.retries()) after(kJournalRetry, &JournalDisk::retry);
}

void JournalDisk::power_off() {
  if (!*on_) return;
  *on_ = false;
  if (!busy_ || health_.full || !chance_.one_in(2)) return;
  if (on_durable) on_durable(writing_);
  (void)store_.write(writing_);
}

}  // namespace lockstep::sim::wired
