// Clients of a world: their lives, and their processes' work.
#include <utility>

#include "sim/wire/world.hpp"

namespace lockstep::sim::wired {

using wire::Task;

namespace {

constexpr std::string_view kVerbWords[] = {"open",   "close", "read",   "write",  "sync", "lock",
                                           "unlock", "test",  "remove", "rename", "cut",  "list"};

std::string words(const Deed& deed) {
  std::string text(kVerbWords[static_cast<std::size_t>(deed.verb)]);
  using Verb = Deed::Verb;
  if (deed.verb != Verb::list) text += " " + deed.file;
  if (deed.verb == Verb::rename) text += " to " + deed.to;
  if (deed.verb == Verb::read || deed.verb == Verb::write || deed.verb == Verb::truncate) {
    text += " " + std::to_string(deed.range.first);
  }
  if (deed.verb == Verb::lock || deed.verb == Verb::unlock || deed.verb == Verb::test) {
    text += " " + std::to_string(deed.range.first) + "-" + std::to_string(deed.range.last);
  }
  if (deed.verb == Verb::lock) text += deed.exclusive ? " exclusive" : " shared";
  return text;
}

}  // namespace

World::Member* World::find(const std::string& name) {
  const auto at = members_.find(name);
  return at == members_.end() ? nullptr : &at->second;
}

void World::start(Member& member) {
  ++member.boot;
  member.arrived = false;
  member.left = false;
  for (const unsigned number : {1u, 2u}) {
    Member::Process& process = member.processes[number];
    process.busy = false;
    process.finished = false;
    process.doing.clear();
  }
  // Another incarnation draws other numbers.
  const std::uint64_t seed = seed_ + member.boot * 1000;
  if (member.setup.smb) {
    member.client =
        std::make_unique<SmbClient>(time_, *network_, witness_, seed, member.name, member.address,
                                    member.setup.smb_habits, settings_.limits.break_timeout);
  } else {
    NfsHabits habits = member.setup.nfs;
    habits.boot = member.boot;
    habits.getattr_breaks = settings_.policy.v3_getattr_breaks;
    member.client = std::make_unique<NfsClient>(time_, *network_, witness_, seed, member.name,
                                                member.address, habits);
  }
  wire::spawn(attended(witness_, arrive(member)));
}

void World::stop(Member& member, bool silently) {
  if (!member.client) return;
  tell(member.name, "crashes");
  member.client->crash(silently);
  member.client.reset();
  network_->thaw(member.address);
  for (auto& [number, process] : member.processes) {
    process.deeds.clear();
    process.busy = false;
  }
}

Task<void> World::arrive(Member& member) {
  co_await member.client->arrive();
  tell(member.name, "is there");
  member.arrived = true;
  for (const unsigned number : {1u, 2u}) wake(member, number);
}

void World::give(Member& member, unsigned number, Deed deed) {
  if (!member.client) return;
  member.processes[number].deeds.push_back(std::move(deed));
  wake(member, number);
}

void World::wake(Member& member, unsigned number) {
  if (!member.client || !member.arrived || member.processes[number].busy) return;
  member.processes[number].busy = true;
  wire::spawn(attended(witness_, work(member, number)));
}

Task<void> World::work(Member& member, unsigned number) {
  Member::Process& process = member.processes[number];
  while (!process.deeds.empty()) {
    Deed deed = process.deeds.front();
    process.deeds.pop_front();
    const std::string who = member.name + "." + std::to_string(number);
    process.doing = words(deed);
    const std::string said = process.doing;
    const std::string how = co_await member.client->perform(std::move(deed), number);
    process.doing.clear();
    ++done_;
    tell(member.name, who + " " + said + ": " + how);
  }
  if (process.finishing && !process.finished) {
    process.doing = "finish";
    co_await member.client->finish(number);
    process.doing.clear();
    process.finished = true;
  }
  process.busy = false;
}

Task<void> World::go(Member& member) {
  co_await member.client->leave();
  member.left = true;
  tell(member.name, "leaves");
}

bool World::all_finished() const {
  for (const auto& [name, member] : members_) {
    for (const auto& [number, process] : member.processes) {
      if (!process.finished) return false;
    }
  }
  return true;
}

bool World::all_left() const {
  for (const auto& [name, member] : members_) {
    if (!member.left) return false;
  }
  return true;
}

}  // namespace lockstep::sim::wired
