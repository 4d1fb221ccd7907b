#include "tests/model/pair.hpp"

#include <algorithm>

#include "tests/model/describe.hpp"
#include "tests/model/properties.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

class ModelSide : public Side {
 public:
  explicit ModelSide(const Limits& limits) : machine_(limits) {}
  void recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos now,
               Effects& effects) override {
    machine_.recover(records, epoch, now, effects);
  }
  void apply(const Event& event, Effects& effects) override { machine_.apply(event, effects); }
  Nanos next_deadline() const override { return machine_.next_deadline(); }
  StateView view() const override { return machine_.view(); }

 private:
  model::Model machine_;
};

class CoreSide : public Side {
 public:
  explicit CoreSide(const Limits& limits) : machine_(limits) {}
  void recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos now,
               Effects& effects) override {
    machine_.recover(records, epoch, now, effects);
  }
  void apply(const Event& event, Effects& effects) override { machine_.apply(event, effects); }
  Nanos next_deadline() const override { return machine_.next_deadline(); }
  StateView view() const override { return machine_.view(); }
  std::optional<std::string> check() const override { return machine_.check_invariants(); }
  std::uint64_t hash() const override { return machine_.hash(); }
  void save_and_load() override { machine_ = Machine::load(machine_.save()); }

 private:
  Machine machine_;
};

std::pair<int, std::uint64_t> key_of(const Record& record) {
  const int kind = static_cast<int>(record.index());
  if (const auto* c = std::get_if<ClientRecord>(&record)) return {kind, c->client.value};
  if (const auto* o = std::get_if<OpenRecord>(&record)) return {kind, o->open.value};
  if (const auto* l = std::get_if<LockRecord>(&record)) return {kind, l->lock};
  if (const auto* r = std::get_if<RightRecord>(&record)) return {kind, r->right.value};
  return {kind, 0};
}

void take_in(Side::Journal& journal, const std::vector<Change>& batch) {
  for (const Change& change : batch) {
    journal.erase(key_of(change.record));
    if (!change.erase) journal.emplace(key_of(change.record), change.record);
  }
}

/// The journal without the ids of lock records, which are each machine's own.
std::string comparable(const Side::Journal& journal) {
  std::vector<std::string> lines;
  for (const auto& [key, record] : journal) {
    Record shown = record;
    if (auto* lock = std::get_if<LockRecord>(&shown)) lock->lock = 0;
    lines.push_back(describe(shown));
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

/// Effects that leave, in their order; records are compared as what they leave in the journal.
std::string outward(const Effects& effects) {
  std::string all;
  for (const Effect& effect : effects)
    if (!std::holds_alternative<Persist>(effect)) all += "    " + describe(effect) + "\n";
  return all;
}

const char* kind_of(const EventBody& body) {
  static constexpr const char* names[] = {
      "Tick",          "ClientArrived",       "ClientRenewed",
      "ClientLeft",    "HostRebooted",        "ReclaimCompleted",
      "OpenRequested", "OpenDowngraded",      "OpenClosed",
      "ShareReleased", "DispositionSet",      "LockRequested",
      "Unlocked",      "LockCancelled",       "RequestCancelled",
      "LockTested",    "GrantAnswered",       "BreakAcknowledged",
      "RightReturned", "CallbackPathChanged", "AccessRequested",
      "AccessEnded",   "JournalChanged"};
  static_assert(std::size(names) == std::variant_size_v<EventBody>);
  return names[body.index()];
}
const char* kind_of(const Effect& effect) {
  static constexpr const char* names[] = {
      "Reply",      "Parked",  "SendBreak", "NotifyGranted", "StopNotifying",
      "NotifyLock", "Revoked", "Persist",   "ConflictSeen",  "GraceEnded"};
  static_assert(std::size(names) == std::variant_size_v<Effect>);
  return names[effect.index()];
}

RequestId request_of(const EventBody& body) {
  return std::visit(
      [](const auto& e) {
        if constexpr (requires { e.request; })
          return e.request;
        else
          return RequestId{};
      },
      body);
}

}  // namespace

Side::Journal Side::everything() const {
  Journal all = durable;
  for (const auto& batch : batches) take_in(all, batch);
  return all;
}

std::unique_ptr<Side> model_side(const Limits& limits) {
  return std::make_unique<ModelSide>(limits);
}
std::unique_ptr<Side> core_side(const Limits& limits) { return std::make_unique<CoreSide>(limits); }

Pair::Pair(const Scene& scene, Who who, Marks& marks)
    : limits_(scene.limits()), who_(who), marks_(marks), player_(scene, *this) {
  make_sides();
  crash(0);
}

void Pair::make_sides() {
  Limits limits = limits_;
  if (epoch_ % 2 == 1) limits.grace /= 2;  // what the run before promised is kept nonetheless
  std::vector<std::unique_ptr<Side>> fresh;
  if (who_ != Who::core_alone) fresh.push_back(model_side(limits));
  if (who_ != Who::model_alone) fresh.push_back(core_side(limits));
  for (std::size_t i = 0; i < sides_.size(); ++i) fresh[i]->durable = std::move(sides_[i]->durable);
  sides_ = std::move(fresh);
}

void Pair::become_durable() {
  story_ += "  -- all on disk\n";
  for (auto& side : sides_) {
    for (const auto& batch : side->batches) take_in(side->durable, batch);
    side->batches.clear();
  }
}

void Pair::crash(std::size_t survivors) {
  std::size_t pending = 0;
  for (auto& side : sides_) {
    pending = std::min(survivors, side->batches.size());
    for (std::size_t i = 0; i < pending; ++i) take_in(side->durable, side->batches[i]);
  }
  ++marks_[epoch_ == 0 ? "start" : "crash"];
  make_sides();
  open_requests_.clear();
  ++epoch_;
  story_ += "  -- start " + std::to_string(epoch_) + ", " + std::to_string(pending) +
            " batches survive of those not durable\n";
  std::vector<Effects> effects(sides_.size());
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    std::vector<Record> records;
    for (const auto& [key, record] : sides_[i]->durable) records.push_back(record);
    sides_[i]->recover(records, epoch_, now_, effects[i]);
  }
  after(effects);
}

void Pair::happen(EventBody body) {
  const Event event{now_, std::move(body)};
  story_ += describe(event) + "\n";
  ++marks_[std::string("event ") + kind_of(event.body)];
  if (const RequestId request = request_of(event.body)) open_requests_[request] = 0;
  if (const auto* ended = std::get_if<AccessEnded>(&event.body))
    open_requests_.erase(ended->request);
  std::vector<Effects> effects(sides_.size());
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    sides_[i]->apply(event, effects[i]);
    if (save_every_ != 0 && events_ % static_cast<std::uint64_t>(save_every_) == 0)
      sides_[i]->save_and_load();
  }
  after(effects);
}

/// Everything that must agree and hold after a step.
void Pair::after(const std::vector<Effects>& effects) {
  ++events_;
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    std::vector<Change> batch;
    for (const Effect& effect : effects[i])
      if (const auto* persist = std::get_if<Persist>(&effect)) batch.push_back(persist->change);
    if (!batch.empty() || i > 0) sides_[i]->batches.push_back(batch);
    if (batch.empty() && i == 0) sides_[i]->batches.push_back({});
  }
  const std::string ours = outward(effects[0]);
  story_ += ours;
  for (const Effect& effect : effects[0]) {
    ++marks_[std::string("effect ") + kind_of(effect)];
    if (const auto* reply = std::get_if<Reply>(&effect))
      ++marks_["status " + std::string(name(reply->status))];
  }
  follow_replies(effects[0]);
  view_ = sides_[0]->view();
  for (std::size_t i = 1; i < sides_.size(); ++i) {
    const std::string theirs = outward(effects[i]);
    if (theirs != ours) fail("effects differ; of the core:\n" + theirs);
    const StateView view = sides_[i]->view();
    if (!(view == view_)) fail("views differ\n" + difference(describe(view_), describe(view)));
    const std::string record = comparable(sides_[0]->everything());
    const std::string other = comparable(sides_[i]->everything());
    if (record != other) fail("records differ\n" + difference(record, other));
    if (sides_[0]->next_deadline() != sides_[i]->next_deadline())
      fail("next_deadline differs: model " + std::to_string(sides_[0]->next_deadline()) +
           ", core " + std::to_string(sides_[i]->next_deadline()));
  }
  for (const auto& side : sides_)
    if (auto broken = side->check()) fail("check_invariants: " + *broken);
  if (auto broken = broken_property(view_)) fail("property: " + *broken);
  for (const char c : ours) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 1099511628211U;
  digest_ = (digest_ ^ sides_.back()->hash()) * 1099511628211U;
}

/// GrantOnce: every request is answered exactly once.
void Pair::follow_replies(const Effects& effects) {
  for (const Effect& effect : effects) {
    const auto* reply = std::get_if<Reply>(&effect);
    if (reply == nullptr) continue;
    const auto found = open_requests_.find(reply->request);
    if (found == open_requests_.end()) fail("a reply to a request that nobody made");
    if (++found->second > 1) fail("GrantOnce: a request was answered twice");
  }
}

void Pair::fail(const std::string& why) {
  throw Divergence(story_ + "\n" + why + "\nstate:\n" + describe(sides_[0]->view()));
}

void Pair::play(const std::vector<Command>& commands) {
  for (const Command& command : commands) player_.play(command);
}

}  // namespace lockstep::test
