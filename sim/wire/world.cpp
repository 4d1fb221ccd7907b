#include "sim/wire/world.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace lockstep::sim::wired {

namespace {

using Kind = WireStep::Kind;

const Mark kCutOff{Mark::Kind::sometimes, "wire", "a client is cut off"};
const Mark kReset{Mark::Kind::sometimes, "wire", "connections are reset"};
const Mark kFrozen{Mark::Kind::sometimes, "wire", "a client is frozen"};
const Mark kClientCrash{Mark::Kind::sometimes, "wire", "a client crashes"};
const Mark kMisbehaves{Mark::Kind::sometimes, "wire", "a client sends garbage or repeats itself"};
const Mark kDiskTrouble{Mark::Kind::sometimes, "wire", "the disk is full or fails"};

}  // namespace

World::World(const Script& script, const Options& options) : script_(script), options_(options) {
  steps_.reserve(script.lines.size());
  for (const Line& line : script.lines) steps_.push_back(parse_wire_step(line));
  witness_.tell = [this](const std::string& column, const std::string& text) {
    tell(column, text);
  };
  witness_.locks.is_void = [this](const std::string& owner) {
    const Member* member = find(owner.substr(0, owner.find_first_of(".#")));
    return member == nullptr || !member->client || member->client->is_void(owner);
  };
  witness_.history.is_cut_off = [this](const std::string& who) {
    const Member* member = find(who);
    return member == nullptr || !member->client || member->client->is_cut_off();
  };
  if (!options.record.empty()) {
    recording_.open(options.record);
    if (!recording_) throw std::runtime_error("cannot write " + options.record);
    recorder_.emplace(recording_);
  }
  settings_.limits.break_timeout = 5 * kSecond;
  settings_.limits.grace = 15 * kSecond;
  if (options.tell) teller_.emplace(make_teller());
}

World::~World() {
  // Clients first: what they have spawned ends with them.
  for (auto& [name, member] : members_) {
    if (member.client) member.client->crash(/*silent=*/true);
    member.client.reset();
  }
  if (server_) {
    server_->cut_power();
    server_->settle(/*orderly=*/true);
  }
  time_.clear();
}

void World::tell(const std::string& column, const std::string& text) {
  witness_.trace.add(column);
  witness_.trace.add(text);
  witness_.trace.add(time_.now());
  show(column, text);
}

void World::show(const std::string& column, const std::string& text) {
  if (options_.tell) outcome_.story.moments.push_back({step_, time_.now(), column, text});
}

Teller World::make_teller() {
  return Teller({[this](const std::string& column, const std::string& text) { show(column, text); },
                 [this](const std::string& address) -> std::string {
                   for (const auto& [name, member] : members_) {
                     if (member.address == address) return name;
                   }
                   return address == kReaderAddress ? kReader : "";
                 },
                 [this](const core::ClientView& client, core::OpenId open,
                        const std::string& owner) { return process_of(client, open, owner); },
                 [this](core::FileId file) { return disk_->path_of(file); }},
                options_.explain);
}

// ---- Time ---------------------------------------------------------------------------------------

void World::after_action() {
  if (witness_.found) throw Failure(*witness_.found);
  if (++actions_ > kActionsMax) {
    throw Failure(FailureKind::liveness, "the world is busy for ever");
  }
}

bool World::pass_until(Nanos most, const std::function<bool()>& done) {
  const Nanos until = time_.now() + most;
  while (!done()) {
    if (time_.next() > until) {
      time_.pass_to(until);
      return false;
    }
    time_.do_next();
    after_action();
  }
  return true;
}

void World::pass(Nanos time) {
  (void)pass_until(time, [] { return false; });
}

// ---- The script ---------------------------------------------------------------------------------

Outcome World::run() {
  try {
    for (step_ = 0; step_ < steps_.size(); ++step_) {
      play(steps_[step_]);
      after_action();
      witness_.trace.end_step();
    }
    end();
  } catch (const Failure& failure) {
    outcome_.found = Found{failure.kind, failure.what(), step_};
    tell("server", std::string("FOUND ") + failure.what());
  }
  outcome_.hash = witness_.trace.value();
  outcome_.steps = witness_.trace.steps();
  outcome_.events = witness_.requests;
  outcome_.simulated = time_.now();
  outcome_.marks = witness_.marks;
  std::vector<std::string>& columns = outcome_.story.columns;
  for (const auto& [name, member] : members_) columns.push_back(name);
  columns.push_back(kReader);
  if (teller_) std::ranges::copy(teller_->files(), std::back_inserter(columns));
  columns.emplace_back("server");
  return std::move(outcome_);
}

/// The stage is complete when the first thing happens on it.
void World::set_stage(const WireStep& step) {
  if (server_) return;
  switch (step.kind) {
    case Kind::weather:
      seed_ = step.seed;
      network_ = std::make_unique<Network>(time_, seed_, step.weather);
      break;
    case Kind::disk_times:
      well_.latency_max = step.latency;
      well_.sync_max = step.sync;
      break;
    case Kind::server:
      settings_ = step.settings;
      break;
    default:
      break;
  }
}

void World::play(const WireStep& step) {
  if (step.kind == Kind::weather || step.kind == Kind::disk_times || step.kind == Kind::server) {
    return set_stage(step);
  }
  if (!server_ && !disk_) {
    if (!network_) network_ = std::make_unique<Network>(time_, seed_, Weather{});
    disk_ = std::make_unique<Disk>(time_, seed_);
    disk_->health = well_;
    journal_chance_ = Random(seed_, "journal");
    boot_server();
    watch_for_circles();
  }
  if (step.kind != Kind::wait && step.kind != Kind::client) show("", script_.lines[step_].text);
  if (step.kind == Kind::wait) return pass(step.time);
  if (step.kind == Kind::disk) return set_disk(step.how);
  if (step.kind == Kind::clock) {
    const auto by = static_cast<std::int64_t>(step.time);
    if (server_) server_->set_wall(step.how == "back" ? -by : by);
    return;
  }
  if (step.kind == Kind::crash_server) {
    if (!server_) return;
    crash_in_ = step.effects;
    crash_power_ = step.power;
    crash_back_ = step.time;
    if (step.effects == 0) on_effect();
    return;
  }
  if (step.kind == Kind::client) {
    Member& member = members_[step.who];
    if (member.client || member.boot != 0) return;
    member.name = step.who;
    member.setup = step;
    member.address = "10.0.1." + std::to_string(members_.size());
    return start(member);
  }
  Member* const member = find(step.who);
  if (member == nullptr) return;
  switch (step.kind) {
    case Kind::deed:
      return give(*member, step.process, step.deed);
    case Kind::give_up:
      if (member->client) member->client->give_up(step.process);
      return;
    case Kind::misbehave:
      witness_.marks.hit(kMisbehaves);
      if (member->client) member->client->misbehave(step.how);
      return;
    case Kind::crash_client:
      witness_.marks.hit(kClientCrash);
      return stop(*member, step.silently);
    case Kind::start_client:
      if (!member->client) start(*member);
      return;
    default:
      return play_network(step, *member);
  }
}

void World::play_network(const WireStep& step, Member& member) {
  const std::string& host = member.address;
  switch (step.kind) {
    case Kind::cut:
      witness_.marks.hit(kCutOff);
      if (step.how == "callbacks") return network_->deafen(host);
      if (step.how != "in") network_->cut(host, kServer);
      if (step.how != "out") network_->cut(kServer, host);
      return;
    case Kind::mend:
      network_->undeafen(host);
      network_->mend(host, kServer);
      network_->mend(kServer, host);
      return;
    case Kind::reset:
      witness_.marks.hit(kReset);
      network_->reset(host, kServer,
                      step.how == "client"   ? Network::Notice::first
                      : step.how == "server" ? Network::Notice::second
                                             : Network::Notice::both);
      return;
    case Kind::freeze:
      witness_.marks.hit(kFrozen);
      if (member.client) member.client->machine.freeze();
      return;
    case Kind::thaw:
      if (member.client) member.client->machine.thaw();
      return;
    default:
      return;
  }
}

void World::set_disk(const std::string& how) {
  disk_->health = well_;
  if (how != "well") witness_.marks.hit(kDiskTrouble);
  disk_->health.full = how == "full";
  disk_->health.sync_fails = how == "failing";
  if (how == "slow") {
    disk_->health.sync_max = 400 * kMillisecond;
    disk_->health.latency_max = 100 * kMillisecond;
  }
}

}  // namespace lockstep::sim::wired
