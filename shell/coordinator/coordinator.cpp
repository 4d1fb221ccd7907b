#include "shell/coordinator/coordinator.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::coordinator {

namespace {

using namespace core;

bool waits_for_disk(const Effect& effect) {
  return std::visit(
      [](const auto& body) {
        if constexpr (requires { body.durable; })
          return body.durable;
        else
          return false;
      },
      effect);
}

/// The Unlocked that takes back what this request would add.
std::optional<Unlocked> undo_of(const EventBody& body) {
  const auto* lock = std::get_if<LockRequested>(&body);
  if (!lock || !lock->more.empty()) return std::nullopt;
  return Unlocked{{}, lock->client, lock->open, lock->owner, lock->file, lock->element.range, {}};
}

bool is_change(Operation operation) {
  return operation != Operation::read && operation != Operation::get_attributes &&
         operation != Operation::list_directory && operation != Operation::rename_ancestor;
}

const LockRecord* lock_of(const Effect& effect) {
  const auto* persist = std::get_if<Persist>(&effect);
  return persist ? std::get_if<LockRecord>(&persist->change.record) : nullptr;
}

/// Whether all that the step did to its owner's locks is one new lock, just what `undo` names.
bool added_exactly(const Effects& effects, const Unlocked& undo, std::uint64_t newest_lock) {
  const LockRecord* added = nullptr;
  for (const Effect& effect : effects) {
    const LockRecord* lock = lock_of(effect);
    if (!lock || lock->client != undo.client || lock->open != undo.open ||
        lock->owner != undo.owner || lock->file != undo.file) {
      continue;
    }
    if (added || std::get<Persist>(effect).change.erase) return false;
    added = lock;
  }
  return added && added->lock > newest_lock && added->range == undo.range;
}

}  // namespace

CoreCoordinator::CoreCoordinator(Machine machine, wire::Clock& clock, Journal journal, Watch watch)
    : machine_(std::move(machine)),
      clock_(clock),
      journal_(std::move(journal)),
      watch_(std::move(watch)) {}

CoreCoordinator::~CoreCoordinator() {
  if (disarm_) disarm_();
}

void CoreCoordinator::recover(const journal::Contents& contents, std::uint64_t epoch) {
  epoch_ = epoch;
  newest_lock_ = epoch << 40;  // core/README.md: where this run's numbers start
  newest_open_.value = epoch << 40;
  std::vector<Record> records;
  records.reserve(contents.size());
  for (const auto& [key, value] : contents) {
    if (auto record = decode_record(key, value)) {
      records.push_back(std::move(*record));
    } else {
      ++unreadable_;
    }
  }
  machine_.recover(records, epoch, clock_.now(), effects_);
  persist(effects_);
  effects_.clear();
  arm();
}

void CoreCoordinator::submit(EventBody event, RequestId request, wire::ReplySink& sink) {
  if (stopped_) return sink.on_reply(Reply{request, Status::cancelled, false, {}});
  waiting_[request] = {&sink, undo_of(event), false, changed_by(event)};
  step(std::move(event));
}

void CoreCoordinator::report(EventBody event) {
  if (!stopped_) step(std::move(event));
}

void CoreCoordinator::attach(ClientId client, wire::ClientSink& sink) { clients_[client] = &sink; }

void CoreCoordinator::detach(ClientId client, wire::ClientSink& sink) {
  auto at = clients_.find(client);
  if (at != clients_.end() && at->second == &sink) clients_.erase(at);
}

void CoreCoordinator::step(EventBody body) {
  const Event event{clock_.now(), std::move(body)};
  effects_.clear();
  machine_.apply(event, effects_);
  if (watch_) watch_(event, effects_);
  note_what_is_new();
  count_changes(event);
  persist(effects_);
  // The notice of a break leaves before the reply of whoever caused it.
  std::uint64_t breaks = 0;
  for (Effect& effect : effects_) {
    if (std::holds_alternative<Persist>(effect)) continue;
    const bool notice = std::holds_alternative<SendBreak>(effect);
    const std::uint64_t batch = queue(std::move(effect), breaks);
    if (notice) breaks = std::max(breaks, batch);
  }
  arm();
  deliver();
}

/// The records of one step are one batch.
void CoreCoordinator::persist(Effects& effects) {
  std::vector<journal::Record> records;
  bool barrier = false;
  for (const Effect& effect : effects) {
    if (std::holds_alternative<GraceEnded>(effect)) barrier = true;
    const auto* persist = std::get_if<Persist>(&effect);
    if (!persist) continue;
    const Record& record = persist->change.record;
    const auto* client = std::get_if<ClientRecord>(&record);
    barrier = barrier || (client && client->lost_state);
    journal::Record change{encode_key(record), std::nullopt};
    if (!persist->change.erase) change.value = encode(record);
    records.push_back(std::move(change));
  }
  if (records.empty()) return;
  ++last_batch_;
  if (barrier) barrier_ = last_batch_;
  journal_.append(last_batch_, std::move(records));
}

std::uint16_t CoreCoordinator::slot_of(FileId file) {
  const std::uint64_t mixed = (file.node ^ std::uint64_t{file.volume} << 32) * 0x9E3779B97F4A7C15u;
  return static_cast<std::uint16_t>((mixed >> 32) % kSlots);
}

CoreCoordinator::Slots CoreCoordinator::changed_by(const EventBody& body) {
  Slots slots;
  auto add = [&](FileId file) {
    const std::uint16_t slot = slot_of(file);
    if (std::ranges::find(slots, slot) == slots.end()) slots.push_back(slot);
  };
  if (const auto* opening = std::get_if<OpenRequested>(&body)) {
    if (opening->overwrite) add(opening->file);
  } else if (const auto* access = std::get_if<AccessRequested>(&body)) {
    if (is_change(access->target.operation)) add(access->target.file);
    for (const Target& target : access->others) {
      if (is_change(target.operation)) add(target.file);
    }
  }
  return slots;
}

void CoreCoordinator::count_changes(const Event& event) {
  if (const auto* ended = std::get_if<AccessEnded>(&event.body)) {
    const auto done = changing_.extract(ended->request);
    if (done.empty()) return;
    for (const std::uint16_t slot : done.mapped()) --changes_[slot].in_flight;
    return;
  }
  for (const Effect& effect : effects_) {
    const auto* reply = std::get_if<Reply>(&effect);
    auto at = reply && reply->status == Status::ok ? waiting_.find(reply->request) : waiting_.end();
    if (at == waiting_.end() || at->second.changes.empty()) continue;
    for (const std::uint16_t slot : at->second.changes) {
      ++changes_[slot].started;
      ++changes_[slot].in_flight;
    }
    changing_.emplace(reply->request, std::move(at->second.changes));
  }
}

/// Only what is wholly new can be taken back. What makes more of a lock or an open that its owner
/// has is not: holding more than the client knows of is safe, less is not.
void CoreCoordinator::note_what_is_new() {
  const std::uint64_t before = newest_lock_;
  for (const Effect& effect : effects_) {
    const auto* reply = std::get_if<Reply>(&effect);
    auto at = reply ? waiting_.find(reply->request) : waiting_.end();
    if (at == waiting_.end()) continue;
    std::optional<Unlocked>& undo = at->second.undo;
    if (undo && !added_exactly(effects_, *undo, before)) undo.reset();
    const auto* open = std::get_if<OpenReply>(&reply->body);
    if (!open) continue;
    at->second.opened = open->open > newest_open_;
    newest_open_ = std::max(newest_open_, open->open);
  }
  for (const Effect& effect : effects_) {
    if (const auto* lock = lock_of(effect)) newest_lock_ = std::max(newest_lock_, lock->lock);
  }
}

/// The batch that it waits for, at least `least`.
std::uint64_t CoreCoordinator::queue(Effect effect, std::uint64_t least) {
  // What waits for the disk must not leave after what stops it: nobody was called yet.
  if (const auto* stop = std::get_if<StopNotifying>(&effect)) {
    std::erase_if(held_, [stop](const Held& held) {
      const auto* granted = std::get_if<NotifyGranted>(&held.effect);
      return granted && granted->grant == stop->grant;
    });
  }
  std::uint64_t batch = std::max(barrier_, least);
  if (waits_for_disk(effect)) batch = last_batch_;
  if (batch > durable_) {
    held_.push_back({batch, std::move(effect)});
    if (batch > hurried_) {
      hurried_ = last_batch_;
      journal_.hurry();
    }
  } else {
    outbox_.push_back(std::move(effect));
  }
  return batch;
}

void CoreCoordinator::deliver() {
  if (std::exchange(delivering_, true)) return;
  while (!outbox_.empty()) {
    Effect effect = std::move(outbox_.front());
    outbox_.pop_front();
    carry_out(effect);
  }
  delivering_ = false;
}

void CoreCoordinator::carry_out(Effect& effect) {
  auto client_of = [this](ClientId id) -> wire::ClientSink* {
    auto at = clients_.find(id);
    return at == clients_.end() ? nullptr : at->second;
  };
  if (auto* reply = std::get_if<Reply>(&effect)) {
    auto at = waiting_.find(reply->request);
    if (at == waiting_.end()) return;
    wire::ReplySink* sink = at->second.sink;
    waiting_.erase(at);
    sink->on_reply(std::move(*reply));
  } else if (const auto* parked = std::get_if<Parked>(&effect)) {
    auto at = waiting_.find(parked->request);
    if (at != waiting_.end()) at->second.sink->on_parked();
  } else if (const auto* notice = std::get_if<SendBreak>(&effect)) {
    if (auto* sink = client_of(notice->client)) sink->on_break(*notice);
  } else if (const auto* granted = std::get_if<NotifyGranted>(&effect)) {
    if (auto* sink = client_of(granted->client)) sink->on_granted(*granted);
  } else if (const auto* stop = std::get_if<StopNotifying>(&effect)) {
    if (auto* sink = client_of(stop->client)) sink->on_stop_notifying(stop->grant);
  } else if (const auto* notify = std::get_if<NotifyLock>(&effect)) {
    if (auto* sink = client_of(notify->client)) sink->on_notify_lock(*notify);
  } else if (const auto* revoked = std::get_if<Revoked>(&effect)) {
    if (auto* sink = client_of(revoked->client)) sink->on_revoked(*revoked);
  }
}

void CoreCoordinator::durable(std::uint64_t number) {
  durable_ = std::max(durable_, number);
  while (!held_.empty() && held_.front().batch <= durable_) {
    outbox_.push_back(std::move(held_.front().effect));
    held_.pop_front();
  }
  if (std::exchange(failed_, false)) report(JournalChanged{false});
  deliver();
}

/// Nobody is told "granted" for what may be lost. The batches stay queued in the journal, and what
/// takes their grants back is queued behind them, so that disk and memory agree again later.
void CoreCoordinator::journal_failed() {
  if (std::exchange(failed_, true)) return;
  report(JournalChanged{true});
  std::vector<EventBody> undone;
  std::deque<Held> kept;
  for (Held& held : held_) {
    auto* reply = std::get_if<Reply>(&held.effect);
    if (!reply || reply->status != Status::ok) {
      kept.push_back(std::move(held));
      continue;
    }
    auto at = waiting_.find(reply->request);
    const auto* open = std::get_if<OpenReply>(&reply->body);
    if (open && at != waiting_.end() && at->second.opened) {
      undone.emplace_back(OpenClosed{new_request(), open->open});
    } else if (at != waiting_.end() && at->second.undo) {
      at->second.undo->request = new_request();
      undone.emplace_back(*at->second.undo);
    }
    // Whoever is told that it failed does not begin its I/O, nor end it.
    undone.emplace_back(AccessEnded{reply->request});
    outbox_.push_back(Reply{reply->request, Status::journal_failed, false, {}});
  }
  held_ = std::move(kept);
  for (EventBody& event : undone) report(std::move(event));
  deliver();
}

void CoreCoordinator::arm() {
  const Nanos next = machine_.next_deadline();
  if (next == armed_ || stopped_) return;
  if (disarm_) std::exchange(disarm_, {})();
  armed_ = next;
  if (next == kNever) return;
  disarm_ = clock_.at(next, [this] {
    disarm_ = {};
    armed_ = kNever;
    step(Tick{});
  });
}

void CoreCoordinator::stop() {
  if (std::exchange(stopped_, true)) return;
  if (disarm_) std::exchange(disarm_, {})();
  outbox_.clear();
  held_.clear();
  clients_.clear();
  while (!waiting_.empty()) {
    const auto [request, waiting] = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    waiting.sink->on_reply(Reply{request, Status::cancelled, false, {}});
  }
}

}  // namespace lockstep::coordinator
