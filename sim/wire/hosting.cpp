// The server's life in a world: boots, crashes, and the oracles that watch each step of it.
#include <utility>

#include "sim/wire/world.hpp"

namespace lockstep::sim::wired {

namespace {

const Mark kCrash{Mark::Kind::sometimes, "wire", "the server crashes"};
const Mark kCrashInGrace{Mark::Kind::sometimes, "wire", "the server crashes in grace"};
const Mark kGrace{Mark::Kind::sometimes, "wire", "a restart begins with grace"};
const Mark kBreakTimeout{Mark::Kind::sometimes, "wire", "a right is revoked"};
const Mark kJournalFailed{Mark::Kind::reachable, "wire", "the journal fails"};

/// How often the whole state is looked at (hashed, compared with the model's); effects are each
/// time.
constexpr std::uint64_t kLookEvery = 16;

/// Effects that leave. Records are compared as what they make of the state (ids of locks are each
/// machine's own).
core::Effects outward(const core::Effects& effects) {
  core::Effects kept;
  for (const core::Effect& effect : effects) {
    if (!std::holds_alternative<core::Persist>(effect)) kept.push_back(effect);
  }
  return kept;
}

/// By index in the variants, which is what a person needs to begin to look.
std::string kinds(const core::Effects& effects) {
  std::string text;
  for (const core::Effect& effect : effects) {
    text += " " + std::to_string(effect.index());
    if (const auto* reply = std::get_if<core::Reply>(&effect)) {
      text += ":" + std::string(core::name(reply->status));
    }
  }
  return text;
}

}  // namespace

void World::boot_server() {
  ServerNode::Hooks hooks;
  hooks.on_effect = [this] { on_effect(); };
  hooks.on_durable = [this](std::span<const journal::Batch> batches) {
    try {
      witness_.ledger.written(batches, time_.now());
    } catch (const Failure& failure) {
      witness_.note(failure);
    }
  };
  hooks.on_recover = [this](const journal::Contents& contents, std::uint64_t epoch) {
    on_recover(contents, epoch);
  };
  hooks.on_recovered = [this](const core::Machine& machine, std::uint64_t epoch) {
    if (recorder_) recorder_->began(time_.now(), epoch, machine);
  };
  hooks.on_step = [this](const core::Event& event, const core::Effects& effects,
                         const core::Machine& machine) {
    if (recorder_) recorder_->after_step(event, effects, machine);
    try {
      on_step(event, effects, machine);
    } catch (const Failure& failure) {
      witness_.note(failure);
    }
  };
  disk_->on_effect = hooks.on_effect;
  ++witness_.run;
  server_ = std::make_unique<ServerNode>(time_, *network_, *disk_, journal_chance_, medium_,
                                         settings_, seed_, std::move(hooks));
  if (server_->machine().in_grace()) {
    witness_.marks.hit(kGrace);
  } else {
    grace_over();
  }
  tell("server", server_->machine().in_grace() ? "starts, in grace" : "starts");
  if (teller_) teller_->started(server_->machine());
}

void World::grace_over() {
  for (auto& [name, member] : members_) {
    if (member.client) member.client->grace_over(witness_.run);
  }
}

/// Something is about to reach the disk, or has just done so: the power may go now.
void World::on_effect() {
  if (!crash_in_ || !server_ || server_->dead()) return;
  if (*crash_in_ > 0) {
    --*crash_in_;
    return;
  }
  crash_in_.reset();
  witness_.marks.hit(kCrash);
  if (server_->machine().in_grace()) witness_.marks.hit(kCrashInGrace);
  tell("server", crash_power_ ? "loses its power" : "is killed");
  server_->cut_power();
  time_.put_after(0, [this] { server_died(); });
}

void World::server_died() {
  server_->settle(/*orderly=*/!crash_power_);
  if (server_->coordinator().outstanding() != 0 || disk_->waiting() != 0 ||
      server_->protocols().waiting() != 0) {
    throw Failure(FailureKind::leak, "the server is gone, and something in it still waits");
  }
  if (crash_power_) witness_.history.server_crashed(time_.now());
  server_.reset();
  time_.put_after(crash_back_, [this] {
    if (!server_) boot_server();
  });
}

void World::on_recover(const journal::Contents& contents, std::uint64_t epoch) {
  if (!options_.model && !teller_) return;
  std::vector<core::Record> records;
  for (const auto& [key, value] : contents) {
    if (auto record = core::decode_record(key, value)) records.push_back(std::move(*record));
  }
  if (teller_) teller_->recovers(settings_.limits, records, epoch, time_.now());
  if (!options_.model) return;
  model_ = std::make_unique<model::Model>(settings_.limits);
  core::Effects effects;
  model_->recover(records, epoch, time_.now(), effects);
}

void World::on_step(const core::Event& event, const core::Effects& effects,
                    const core::Machine& machine) {
  ++events_;
  if (teller_) teller_->stepped(event, effects, machine);
  Trace& trace = witness_.trace;
  trace.add(event.now);
  trace.add(event.body.index());
  for (const core::Effect& effect : effects) {
    trace.add(effect.index());
    if (const auto* reply = std::get_if<core::Reply>(&effect)) {
      trace.add(reply->request.value << 8 | static_cast<std::uint64_t>(reply->status));
    }
    if (std::holds_alternative<core::Revoked>(effect)) {
      witness_.marks.hit(kBreakTimeout);
    }
    if (std::holds_alternative<core::GraceEnded>(effect)) grace_over();
  }
  if (const auto* journal = std::get_if<core::JournalChanged>(&event.body)) {
    if (journal->failed) witness_.marks.hit(kJournalFailed);
  }
  if (options_.invariants) {
    if (const auto broken = machine.check_invariants()) {
      throw Failure(FailureKind::assertion, *broken);
    }
  }
  if (events_ % kLookEvery == 0) trace.add(machine.hash());
  if (!model_) return;
  core::Effects expected;
  model_->apply(event, expected);
  const core::Effects ours = outward(effects), theirs = outward(expected);
  if (ours != theirs || machine.next_deadline() != model_->next_deadline()) {
    throw Failure(FailureKind::divergence, "event " + std::to_string(event.body.index()) +
                                               ": core does" + kinds(ours) + ", model" +
                                               kinds(theirs));
  }
  if (options_.thorough || events_ % kLookEvery == 0) compare_view(machine);
}

void World::compare_view(const core::Machine& machine) {
  if (machine.view() != model_->view()) {
    throw Failure(FailureKind::divergence, "core and model are in different states");
  }
}

}  // namespace lockstep::sim::wired
