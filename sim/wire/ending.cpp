// After the script: everything heals, everybody is answered, gives back what he has and leaves; and
// nothing is left.
#include <utility>

#include "sim/wire/world.hpp"

namespace lockstep::sim::wired {

namespace {

/// Half-open connections are noticed by then.
constexpr Nanos kSettle = kUnreachable + 10 * kSecond;
constexpr Nanos kLastBoot = 500 * kMillisecond;

}  // namespace

void World::heal() {
  crash_in_.reset();
  set_disk("well");
  network_->mend_all();
  network_->weather().loss = 0;
  network_->weather().duplicate = 0;
  for (auto& [name, member] : members_) {
    if (member.client) member.client->machine.thaw();
  }
  pass(kLastBoot);
  for (auto& [name, member] : members_) {
    if (!member.client) start(member);
    for (auto& [number, process] : member.processes) process.finishing = true;
    for (const unsigned number : {1u, 2u}) wake(member, number);
  }
}

/// Breaks, grace, and what a client needs to notice a dead connection and to ask again.
void World::end() {
  if (!disk_) return;
  show("", "everything heals, and everybody finishes");
  heal();
  const Nanos most =
      settings_.limits.grace + 4 * settings_.limits.break_timeout + 2 * kUnreachable + crash_back_;
  const auto finished = [this] { return all_finished(); };
  // What they have still to do is finite: something of it must get done every so often.
  for (std::uint64_t before = done_; !pass_until(most, finished); before = done_) {
    check_liveness(done_ != before, "finish");
  }
  show("", "everybody leaves");
  for (auto& [name, member] : members_) wire::spawn(attended(witness_, go(member)));
  check_liveness(pass_until(most, [this] { return all_left(); }), "leave");
  pass(kSettle);
  if (server_->machine().in_grace()) pass(settings_.limits.grace);
  check_nothing_left();
  if (model_) compare_view(server_->machine());
  // What everybody's programs rely on is there for a stranger.
  show("", "a stranger reads everything");
  NfsClient reader(time_, *network_, witness_, seed_, kReader, kReaderAddress, NfsHabits{});
  bool done = false;
  wire::spawn(attended(witness_, read_everything(reader, done)));
  const bool read = pass_until(most, [&done] { return done; });
  reader.crash(/*silent=*/true);
  check_liveness(read, "let a stranger read");
}

wire::Task<void> World::read_everything(Client& reader, bool& done) {
  co_await reader.arrive();
  for (const std::string file : {"f", "g"}) {
    for (std::uint32_t cell = 0; cell < kCells; ++cell) {
      Deed deed;
      deed.verb = Deed::Verb::read;
      deed.file = file;
      deed.range = {cell, cell};
      co_await reader.perform(std::move(deed), 1);
    }
  }
  done = true;
}

std::string World::who_waits() const {
  std::string text;
  for (const auto& [name, member] : members_) {
    if (!member.arrived) text += " " + name + " (to arrive)";
    for (const auto& [number, process] : member.processes) {
      if (process.doing.empty()) continue;
      text += " " + name + "." + std::to_string(number) + " (" + process.doing + ")";
    }
  }
  return text;
}

void World::check_liveness(bool done, const std::string& what) {
  if (done) return;
  throw Failure(FailureKind::liveness,
                "all is healed, and still they do not " + what + ":" + who_waits());
}

void World::check_nothing_left() {
  const core::StateView view = server_->machine().view();
  const auto leak = [](const std::string& what) { throw Failure(FailureKind::leak, what); };
  for (const core::FileView& file : view.files) {
    if (!file.opens.empty()) leak("an open of a client that left");
    if (!file.locks.empty()) leak("a lock of a client that left");
    if (!file.rights.empty()) leak("a right of a client that left");
    if (!file.waiters.empty()) leak("a request that still waits");
    if (!file.accesses.empty()) leak("an access that has not ended");
    if (!file.grants.empty()) leak("a GRANTED that nobody answers");
  }
  if (server_->coordinator().outstanding() != 0) leak("a request without an answer");
  if (!server_->protocols().smb().sessions().empty()) leak("an SMB session");
  if (server_->protocols().waiting() != 0) leak("a callback that goes on");
  if (disk_->waiting() != 0) leak("a file call that goes on");
  if (network_->streams() != 0) leak("a connection");
  for (const auto& [name, member] : members_) {
    if (member.client->machine.parked() != 0) leak("a call of " + name + " that goes on");
  }
}

}  // namespace lockstep::sim::wired
