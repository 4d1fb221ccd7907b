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
  Outcome outcome = attempt(request, kNotQueued);
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
  const Arrival arrival = waiter.arrival;
  waiter.client = &client_of(waiter.body);
  waiter.files = files_of(waiter.body);
  for (File* file : waiter.files) {
    file->waiters.insert(arrival);
    ++file->parked(waiter.wait_for);
  }
  waiter.client->waiters.insert(arrival);
  parked[waiter.request] = arrival;
  Waiter& kept = waiters.emplace(arrival, std::move(waiter)).first->second;
  if (const LockRequested* lock = lock_of(kept)) {
    kept.owner = &owner_of(*kept.client, lock->open, lock->owner);
    kept.owner->waiting.push_back(arrival);
    if (lock->wait != Wait::none) {
      kept.files.front()->lock_queue.insert(
          {lock->element.range, arrival, kept.owner, lock->element.mode});
    }
  }
  wait(kept, outcome);
}

/// Lets the waiter wait for what the outcome says, or answers it when its patience is over.
void State::wait(Waiter& waiter, const Outcome& outcome) {
  const LockRequested* lock = lock_of(waiter);
  const bool callback = lock && lock->wait == Wait::callback;
  drop_timer(waiter.until, waiter.told ? TimerKind::reservation : TimerKind::patience,
             waiter.arrival);
  for (File* file : waiter.files) {
    --file->parked(waiter.wait_for);
    ++file->parked(outcome.wait_for);
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
    stop_heard_grant(*waiter.files.front(), *waiter.owner, lock->element.range);
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

void State::judge_again(Arrival arrival) {
  auto at = waiters.find(arrival);
  if (at == waiters.end() || at->second.told) return;
  Waiter& waiter = at->second;
  Outcome outcome =
      std::visit([&](const auto& request) { return attempt(request, arrival); }, waiter.body);
  at = waiters.find(arrival);  // an expiry on the way may have taken it
  if (at == waiters.end()) return;
  if (outcome.done()) {
    outcome.granted ? remove_waiter(at->second) : leave_queue(at->second);
  } else {
    wait(at->second, outcome);
  }
}

void State::remove_waiter(Waiter& waiter) {
  drop_timer(waiter.until, waiter.told ? TimerKind::reservation : TimerKind::patience,
             waiter.arrival);
  for (File* file : waiter.files) {
    file->waiters.erase(waiter.arrival);
    --file->parked(waiter.wait_for);
    untidy(*file);
  }
  const LockRequested* lock = lock_of(waiter);
  LockOwner* owner = waiter.owner;
  if (owner) {
    std::erase(owner->waiting, waiter.arrival);
    if (lock->wait != Wait::none) {
      waiter.files.front()->lock_queue.erase(lock->element.range.first, waiter.arrival);
    }
  }
  waiter.client->waiters.erase(waiter.arrival);
  if (auto known = parked.find(waiter.request);
      known != parked.end() && known->second == waiter.arrival) {
    parked.erase(known);
  }
  waiters.erase(waiter.arrival);
  if (owner) tidy(*owner);
}

/// Leaves the queue without what it asked for.
void State::cancel(Waiter& waiter, Status status, ReplyBody body) {
  if (!waiter.answered) reply(waiter.request, status, std::move(body));
  leave_queue(waiter);
}

/// Those behind it may go now; a turn that was kept held up those ahead of it too.
void State::leave_queue(Waiter& waiter) {
  const LockRequested* lock = lock_of(waiter);
  if (!lock || lock->wait == Wait::none) return remove_waiter(waiter);
  File& file = *waiter.files.front();
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
    for (const auto& [id, right] : waiter.files.front()->rights) {
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
  if (at != parked.end()) cancel(waiters.at(at->second), Status::cancelled);
}

/// The lock waiters that a freed range may let go; they wait for locks and overlap it.
void State::wake_range(const File& file, Range range, Arrival behind) {
  if (file.lock_queue.empty()) return;
  file.lock_queue.visit_overlaps(range, [this, behind](const QueuedLock& queued) {
    if (queued.id > behind && waiters.at(queued.id).wait_for == WaitFor::locks) wake(queued.id);
    return true;
  });
}

/// The owner's own lock waiters: bytes that it holds now let them pass the queue, or a call has
/// ended that they had to wait for.
void State::wake_own(const LockOwner& owner, const File& file, Range range) {
  for (const Arrival queued : owner.waiting) {
    const Waiter& waiter = waiters.at(queued);
    if (waiter.wait_for == WaitFor::locks && waiter.files.front() == &file &&
        lock_of(waiter)->element.range.overlaps(range)) {
      wake(queued);
    }
  }
}

void State::wake_accesses(const File& file) {
  if (file.parked(WaitFor::accesses) == 0) return;
  for (const Arrival arrival : file.waiters) {
    if (waiters.at(arrival).wait_for == WaitFor::accesses) wake(arrival);
  }
}

void State::wake_grace() {
  for (const auto& [arrival, waiter] : waiters) {
    if (waiter.wait_for == WaitFor::grace) wake(arrival);
  }
}

}  // namespace lockstep::core
