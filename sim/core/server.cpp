#include "sim/core/server.hpp"

#include <algorithm>

#include "sim/core/fold.hpp"
#include "sim/core/tell.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

namespace {

/// The state's hash goes into the trace every so often: it is dear, and an effect tells most.
constexpr std::uint64_t kHashEvery = 64;

std::uint64_t id_of(const Record& record) {
  if (const auto* c = std::get_if<ClientRecord>(&record)) return c->client.value;
  if (const auto* o = std::get_if<OpenRecord>(&record)) return o->open.value;
  if (const auto* l = std::get_if<LockRecord>(&record)) return l->lock;
  if (const auto* r = std::get_if<RightRecord>(&record)) return r->right.value;
  return 0;
}

/// Records are compared as what they leave on disk.
bool outward(const Effect& effect) { return !std::holds_alternative<Persist>(effect); }

std::vector<Change> changes_of(const Effects& effects) {
  std::vector<Change> changes;
  for (const Effect& effect : effects) {
    if (const auto* persist = std::get_if<Persist>(&effect)) changes.push_back(persist->change);
  }
  return changes;
}

bool has_persist(const Effects& effects) {
  return std::ranges::any_of(
      effects, [](const Effect& effect) { return std::holds_alternative<Persist>(effect); });
}

}  // namespace

void Records::take(const Change& change) {
  const std::pair key{change.record.index(), id_of(change.record)};
  if (change.erase) {
    records_.erase(key);
  } else {
    records_.insert_or_assign(key, change.record);
  }
}

std::vector<Record> Records::all() const {
  std::vector<Record> list;
  list.reserve(records_.size());
  for (const auto& [key, record] : records_) list.push_back(record);
  return list;
}

std::vector<std::string> Records::comparable() const {
  std::vector<std::string> lines;
  for (const auto& [key, record] : records_) {
    Record shown = record;
    if (auto* lock = std::get_if<LockRecord>(&shown)) lock->lock = 0;
    lines.push_back(tell_raw(shown));
  }
  std::ranges::sort(lines);
  return lines;
}

Server::Server(const Limits& limits, const Options& options, Trace& trace)
    : limits_(limits),
      with_model_(options.model),
      with_invariants_(options.invariants),
      every_(options.thorough ? 1 : 64),
      trace_(trace) {}

const Effects& Server::start(Nanos now) {
  ++epoch_;
  machine_.emplace(limits_);
  effects_.clear();
  machine_->recover(durable_.all(), epoch_, now, effects_);
  if (with_model_) {
    model_ = std::make_unique<model::Model>(limits_);
    of_model_.clear();
    model_->recover(durable_of_model_.all(), epoch_, now, of_model_);
  }
  note_batch();
  fold(trace_, effects_);
  if (with_model_ || with_invariants_) check_all();
  return effects_;
}

const Effects& Server::apply(Nanos now, EventBody body) {
  ++events_;
  const Event event{now, std::move(body)};
  fold(trace_, event);
  effects_.clear();
  machine_->apply(event, effects_);
  fold(trace_, effects_);
  if (with_model_) {
    of_model_.clear();
    model_->apply(event, of_model_);
  }
  note_batch();
  after_step();
  return effects_;
}

void Server::note_batch() {
  if (!has_persist(effects_) && !(with_model_ && has_persist(of_model_))) return;
  ++newest_;
  pending_.push_back(
      {changes_of(effects_), with_model_ ? changes_of(of_model_) : std::vector<Change>{}});
}

void Server::after_step() {
  if (events_ % kHashEvery == 0) trace_.add(machine_->hash());
  if (with_model_) compare_effects();
  if (events_ % every_ == 0) check_all();
}

void Server::check_all() {
  if (with_model_) compare_views();
  if (!with_invariants_) return;
  if (const auto broken = machine_->check_invariants()) {
    throw Failure(FailureKind::assertion, *broken);
  }
}

void Server::compare_effects() const {
  auto ours = effects_.begin();
  auto theirs = of_model_.begin();
  auto skip = [](auto& at, const Effects& list) {
    while (at != list.end() && !outward(*at)) ++at;
  };
  for (;;) {
    skip(ours, effects_);
    skip(theirs, of_model_);
    if (ours == effects_.end() && theirs == of_model_.end()) break;
    const bool same = ours != effects_.end() && theirs != of_model_.end() && *ours == *theirs;
    if (!same) {
      throw Failure(FailureKind::divergence,
                    "effects differ: the core " +
                        (ours == effects_.end() ? "is done" : tell_raw(*ours)) + ", the model " +
                        (theirs == of_model_.end() ? "is done" : tell_raw(*theirs)));
    }
    ++ours;
    ++theirs;
  }
  if (machine_->next_deadline() != model_->next_deadline()) {
    throw Failure(FailureKind::divergence, "next_deadline differs: the core " +
                                               time_text(machine_->next_deadline()) +
                                               ", the model " + time_text(model_->next_deadline()));
  }
}

void Server::compare_views() const {
  const StateView ours = machine_->view();
  const StateView theirs = model_->view();
  if (!(ours == theirs)) {
    throw Failure(FailureKind::divergence, "views differ:" + difference(ours, theirs));
  }
  Records all = durable_, all_of_model = durable_of_model_;
  for (const Batch& batch : pending_) {
    for (const Change& change : batch.changes) all.take(change);
    for (const Change& change : batch.of_model) all_of_model.take(change);
  }
  const auto records = all.comparable(), of_model = all_of_model.comparable();
  if (records == of_model) return;
  std::string what = "records differ:";
  for (const std::string& line : records) {
    if (std::ranges::find(of_model, line) == of_model.end()) what += "\n  core only: " + line;
  }
  for (const std::string& line : of_model) {
    if (std::ranges::find(records, line) == records.end()) what += "\n  model only: " + line;
  }
  throw Failure(FailureKind::divergence, what);
}

void Server::become_durable(std::size_t count) {
  for (; count > 0 && !pending_.empty(); --count) {
    for (const Change& change : pending_.front().changes) durable_.take(change);
    for (const Change& change : pending_.front().of_model) durable_of_model_.take(change);
    pending_.pop_front();
  }
}

void Server::crash(std::size_t survivors) {
  if (with_model_ || with_invariants_) check_all();
  become_durable(survivors);
  newest_ -= pending_.size();  // those numbers are given anew: nobody waits for them any more
  pending_.clear();
  machine_.reset();
  model_.reset();
}

}  // namespace lockstep::sim
