// Parked requests: one queue in order of arrival, each waiter knowing what it waits for.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

namespace {

/// The kind of waiting of a lock request; nothing for others.
const LockRequested* lock_of(const Waiter& waiter) {
  return std::get_if<LockRequested>(&waiter.body);
}

/// How long a request that had no answer yet may wait. Lock waits have no end.
Nanos until_when(const WaitingRequest& body, WaitFor why) {
  const auto* lock = std::get_if<LockRequested>(&body);
  const bool in_queue = lock && lock->wait != Wait::none;
  if (in_queue && (why == WaitFor::locks || lock->wait == Wait::callback)) return kNever;
  return std::visit(
      [](const auto& request) {
        if constexpr (requires { request.patience; })
          return request.patience;
        else
          return kNever;
      },
      body);
}

}  // namespace

template <class Request>
void State::run(const Request& request) {
  Outcome outcome = attempt(request, nullptr);
  if (outcome.done()) return;
  const bool stays = until_when(request, outcome.wait_for) > now;
  if (stays && queue_is_full(request)) return reply(request.request, Status::limit);
  Waiter waiter;
  waiter.request = request.request;
  waiter.since = now;
  waiter.body = request;
  park(std::move(waiter), outcome);
}

bool State::queue_is_full(const WaitingRequest& body) {
  const std::vector<File*> on = files_of(body);
  if (!on.empty() && on.front()->waiters.size() >= limits.waiters_per_file_max) return true;
  return client_of(body).waiters.size() >= limits.waiters_per_client_max;
}

Client& State::client_of(const WaitingRequest& body) {
  return std::visit(
      [this](const auto& request) -> Client& {
        if constexpr (requires { request.client; })
          return clients.at(request.client);
        else
          return *opens.at(request.open).client;
      },
      body);
}

template void State::run(const OpenRequested&);
template void State::run(const LockRequested&);
template void State::run(const LockTested&);
template void State::run(const AccessRequested&);
template void State::run(const DispositionSet&);

std::vector<Need> State::needs_of(const WaitingRequest& body) {
  if (const auto* access = std::get_if<AccessRequested>(&body)) return needs_of(*access);
  if (const auto* open = std::get_if<OpenRequested>(&body)) {
    return {{&file(open->file), cause_of(*open)}};
  }
  if (const auto* lock = std::get_if<LockRequested>(&body)) {
    const Client* client = find_client(lock->client);
    const bool smb = client && client->protocol == Protocol::smb;
    return {{&file(lock->file), smb ? Cause::lock_by_smb : Cause::lock_by_nfs}};
  }
  if (const auto* test = std::get_if<LockTested>(&body)) {
    return {{&file(test->file), Cause::test_lock}};
  }
  const auto& disposition = std::get<DispositionSet>(body);
  auto open = opens.find(disposition.open);
  if (open == opens.end()) return {};
  return {{open->second.file, Cause::remove}};
}

/// Where a request stands while it waits: the files that it names, and those that it is about.
std::vector<File*> State::files_of(const WaitingRequest& body) {
  std::vector<File*> on;
  auto add = [&on](File* file) {
    if (std::ranges::find(on, file) == on.end()) on.push_back(file);
  };
  if (const auto* access = std::get_if<AccessRequested>(&body)) {
    add(&file(access->target.file));
    for (const Target& target : access->others) add(&file(target.file));
  }
  for (const Need& need : needs_of(body)) add(need.file);
  for (File* each : on) untidy(*each);
  return on;
}

void State::park(Waiter waiter, const Outcome& outcome) {
  waiter.arrival = ++next_arrival;
  waiter.client = &client_of(waiter.body);
  const std::vector<File*> on = files_of(waiter.body);
  wait(line_up(std::move(waiter), on), outcome);
}

/// Puts it behind all others, wherever it is looked for.
Waiter& State::line_up(Waiter waiter, const std::vector<File*>& on) {
  const Arrival arrival = waiter.arrival;
  Waiter& kept = waiters.emplace_hint(waiters.end(), arrival, std::move(waiter))->second;
  for (File* file : on) {
    kept.places.push_back({file, file->waiters.insert(file->waiters.end(), &kept)});
    ++file->parked(kept.wait_for);
  }
  Line& line = kept.client->waiters;
  kept.at_client = line.insert(line.end(), &kept);
  kept.at_parked = parked.emplace_hint(parked.end(), kept.request, &kept);
  if (const LockRequested* lock = lock_of(kept)) {
    kept.owner = &owner_of(*kept.client, lock->open, lock->owner);
    kept.owner->waiting.push_back(&kept);
    if (lock->wait != Wait::none) {
      kept.file()->lock_queue.insert({lock->element.range, arrival, &kept, lock->element.mode});
    }
  }
  return kept;
}

/// Lets the waiter wait for what the outcome says, or answers it when its patience is over.
void State::wait(Waiter& waiter, const Outcome& outcome) {
  const LockRequested* lock = lock_of(waiter);
  const bool callback = lock && lock->wait == Wait::callback;
  drop_timer(waiter.until, waiter.told ? TimerKind::reservation : TimerKind::patience,
             waiter.arrival);
  for (const Waiter::Place& place : waiter.places) {
    --place.file->parked(waiter.wait_for);
    ++place.file->parked(outcome.wait_for);
  }
  waiter.wait_for = outcome.wait_for;
  waiter.breaks.clear();
  for (Right* right : outcome.breaks) {
    waiter.breaks.push_back(right->id);
    const bool listed = std::ranges::find(right->waiting, waiter.arrival) != right->waiting.end();
    if (!listed) right->waiting.push_back(waiter.arrival);
  }
  if (outcome.wait_for == WaitFor::reserved) {
    waiter.until = now + limits.reservation;
    set_timer(waiter.until, TimerKind::reservation, waiter.arrival);
    return;
  }
  // Who was told `blocked` or `denied` keeps its place however long anything takes.
  waiter.until = waiter.answered ? kNever : until_when(waiter.body, outcome.wait_for);
  if (lock && lock->wait == Wait::reserve && outcome.wait_for == WaitFor::locks) {
    waiter.announced = waiter.answered = true;  // `denied` was said when it was judged
  } else if (callback && !waiter.answered) {
    stop_heard_grant(*waiter.file(), *waiter.owner, lock->element.range);
    reply(waiter.request, Status::blocked);
    waiter.announced = waiter.answered = true;
  } else if (waiter.until <= now) {
    return patience_ended(waiter);
  } else if (!waiter.announced) {
    emit(Parked{waiter.request});
    waiter.announced = true;
  }
  set_timer(waiter.until, TimerKind::patience, waiter.arrival);
}

void State::judge_again(Waiter& waiter) {
  if (waiter.told) return;
  const Outcome outcome =
      std::visit([&](const auto& request) { return attempt(request, &waiter); }, waiter.body);
  if (outcome.done()) {
    outcome.granted ? remove_waiter(waiter) : leave_queue(waiter);
  } else {
    wait(waiter, outcome);
  }
}

void State::remove_waiter(Waiter& waiter) {
  drop_timer(waiter.until, waiter.told ? TimerKind::reservation : TimerKind::patience,
             waiter.arrival);
  for (const auto& [file, at] : waiter.places) {
    file->waiters.erase(at);
    --file->parked(waiter.wait_for);
    untidy(*file);
  }
  const LockRequested* lock = lock_of(waiter);
  LockOwner* owner = waiter.owner;
  if (owner) {
    std::erase(owner->waiting, &waiter);
    if (lock->wait != Wait::none) {
      waiter.file()->lock_queue.erase(lock->element.range.first, waiter.arrival);
    }
  }
  waiter.client->waiters.erase(waiter.at_client);
  parked.erase(waiter.at_parked);
  woken_.erase(waiter.arrival);
  waiters.erase(waiters.find(waiter.arrival));
  if (owner) tidy(*owner);
}

/// Leaves the queue without what it asked for.
void State::cancel(Waiter& waiter, Status status, ReplyBody body) {
  if (!waiter.answered) reply(waiter.request, status, std::move(body));
  leave_queue(waiter);
}

void State::cancel_all(Client& client) {
  while (!client.waiters.empty()) cancel(*client.waiters.front(), Status::cancelled);
}

/// Those behind it may go now; a turn that was kept held up those ahead of it too.
void State::leave_queue(Waiter& waiter) {
  const LockRequested* lock = lock_of(waiter);
  if (!lock || lock->wait == Wait::none) return remove_waiter(waiter);
  File& file = *waiter.file();
  const Range range = lock->element.range;
  const Arrival behind = waiter.told ? 0 : waiter.arrival;
  remove_waiter(waiter);
  wake_range(file, range, behind);
}

void State::patience_ended(Waiter& waiter) {
  if (waiter.told) return cancel(waiter, Status::cancelled);
  if (waiter.wait_for == WaitFor::grace) return cancel(waiter, Status::grace);
  ReplyBody body;
  if (lock_of(waiter) || std::holds_alternative<LockTested>(waiter.body)) {
    // NLM TEST has no "later": its answer names the right that is still being broken.
    for (const auto& [id, right] : waiter.file()->rights) {
      if (!right->breaking || right->client == waiter.client) continue;
      body = holder_of(*right);
      break;
    }
  }
  const bool test = waiter.client->protocol == Protocol::nlm &&
                    std::holds_alternative<LockTested>(waiter.body) &&
                    std::holds_alternative<Holder>(body);
  if (!test) add_bars(waiter);
  cancel(waiter, test ? Status::denied : Status::later, std::move(body));
}

void State::on(const RequestCancelled& event) {
  auto at = parked.find(event.target);
  if (at != parked.end()) cancel(*at->second, Status::cancelled);
}

/// The lock waiters that a freed range may let go; they wait for locks and overlap it.
void State::wake_range(const File& file, Range range, Arrival behind) {
  if (file.lock_queue.empty()) return;
  file.lock_queue.visit_overlaps(range, [this, behind](const QueuedLock& queued) {
    Waiter& waiter = *queued.waiter;
    if (queued.id > behind && waiter.wait_for == WaitFor::locks) wake(waiter);
    return true;
  });
}

/// The same for a place between two bytes, where zero-length ranges stand.
void State::wake_between(const File& file, std::uint64_t before) {
  if (file.lock_queue.empty()) return;
  file.lock_queue.visit_overlaps({before - 1, before}, [this](const QueuedLock& queued) {
    Waiter& waiter = *queued.waiter;
    if (queued.range.empty() && waiter.wait_for == WaitFor::locks) wake(waiter);
    return true;
  });
}

/// The owner's own lock waiters: bytes that it holds now let them pass the queue, or a call has
/// ended that they had to wait for.
void State::wake_own(const LockOwner& owner, const File& file, Range range) {
  for (Waiter* waiter : owner.waiting) {
    if (waiter->wait_for == WaitFor::locks && waiter->file() == &file &&
        lock_of(*waiter)->element.range.overlaps(range)) {
      wake(*waiter);
    }
  }
}

void State::wake_accesses(const File& file) {
  if (file.parked(WaitFor::accesses) == 0) return;
  for (Waiter* waiter : file.waiters) {
    if (waiter->wait_for == WaitFor::accesses) wake(*waiter);
  }
}

void State::wake_grace() {
  for (auto& [arrival, waiter] : waiters) {
    if (waiter.wait_for == WaitFor::grace) wake(waiter);
  }
}

}  // namespace lockstep::core
