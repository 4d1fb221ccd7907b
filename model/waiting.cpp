// Waiting: what is done with a verdict, who is woken, and what time brings about.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

namespace {
const LockRequested* lock_of(const Waiter& waiter) {
  return std::get_if<LockRequested>(&waiter.request);
}
bool queued(const Waiter& waiter) {
  const auto* lock = lock_of(waiter);
  return lock != nullptr && lock->wait != Wait::none;
}
}  // namespace

void Model::apply(const Event& event, Effects& effects) {
  out_ = &effects;
  now_ = std::max(now_, event.now);
  fire_deadlines();
  std::visit([this](const auto& body) { on(body); }, event.body);
  settle();
  out_ = nullptr;
}

Waiter Model::waiter_of(Request request) {
  Waiter waiter;
  waiter.request = std::move(request);
  return waiter;
}

// ---- One request ------------------------------------------------------------------------------

void Model::on(const OpenRequested& e) { attempt(waiter_of(e)); }
void Model::on(const DispositionSet& e) {
  if (e.remove || open(e.open) == nullptr) return attempt(waiter_of(e));
  const FileId file = open(e.open)->file;
  std::erase(delete_pending_, file);
  reply(e.request, Status::ok);
}
void Model::on(const LockRequested& e) { attempt(waiter_of(e)); }
void Model::on(const LockTested& e) { attempt(waiter_of(e)); }
void Model::on(const AccessRequested& e) { attempt(waiter_of(e)); }

/// Judges a request, new or woken, and does what the verdict says.
void Model::attempt(Waiter waiter) {
  const Verdict verdict = judge(waiter);
  const Asked asked = reduce(waiter.request);
  switch (verdict.kind) {
    case Verdict::Kind::parked:
      return park(std::move(waiter), asked, verdict);
    case Verdict::Kind::refused:
      if (waiter.arrival != 0) return end_waiter(waiter.arrival, verdict.status, verdict.body);
      return answer(waiter, verdict.status, verdict.body);
    case Verdict::Kind::go:
      break;
  }
  std::erase_if(waiters_, [&](const Waiter& w) { return w.arrival == waiter.arrival; });
  perform(waiter);
}

void Model::park(Waiter waiter, const Asked& asked, Verdict verdict) {
  const auto* lock = lock_of(waiter);
  const bool for_locks = verdict.what == Verdict::For::locks;
  const bool patient = for_locks || asked.wait == Wait::callback || waiter.answered;
  const bool again = waiter.arrival != 0;
  auto leave = [&](Status status, ReplyBody body = {}) {
    again ? end_waiter(waiter.arrival, status, body) : answer(waiter, status, std::move(body));
  };
  if (!patient && asked.patience <= now_) {
    waiter.breaks = verdict.breaks;
    waiter.for_breaks = verdict.what == Verdict::For::breaks;
    waiter.for_grace = verdict.what == Verdict::For::grace;
    return out_of_patience(waiter);
  }
  if (for_locks && lock->wait == Wait::reserve) {
    const Waiter* before = same_request(*lock);  // its turn is kept already
    if (before != nullptr && before->arrival != waiter.arrival)
      return leave(Status::denied, verdict.body);
  }
  if (for_locks && !waiter.for_locks && on_cycle(waiter)) return leave(Status::deadlock);
  if (!again) {
    std::size_t on_file = 0, of_client = 0;
    for (const Waiter& w : waiters_) {
      const Asked other = reduce(w.request);
      if (!other.touches.empty() && other.touches[0].file == asked.touches[0].file) ++on_file;
      if (other.client == asked.client) ++of_client;
    }
    if (on_file >= limits_.waiters_per_file_max || of_client >= limits_.waiters_per_client_max)
      return leave(Status::limit);
    waiter.arrival = ++arrivals_;
    waiter.since = now_;
  }
  waiter.for_breaks = verdict.what == Verdict::For::breaks;
  waiter.for_locks = for_locks;
  waiter.for_accesses = verdict.what == Verdict::For::accesses;
  waiter.for_grace = verdict.what == Verdict::For::grace;
  waiter.breaks = verdict.breaks;
  waiter.clashed = verdict.clashed;
  waiter.until = patient ? kNever : asked.patience;
  if (!waiter.answered && asked.wait == Wait::callback) {
    reply(asked.request, Status::blocked);
    waiter.answered = true;
  } else if (!waiter.answered && for_locks && asked.wait == Wait::reserve) {
    reply(asked.request, Status::denied, verdict.body);
    waiter.answered = true;
  } else if (!waiter.answered && !waiter.announced) {
    out_->push_back(Parked{asked.request});
    waiter.announced = true;
  }
  if (!again) return waiters_.push_back(std::move(waiter));
  for (Waiter& w : waiters_)
    if (w.arrival == waiter.arrival) w = std::move(waiter);
}

/// Go: the request takes effect.
void Model::perform(const Waiter& waiter) {
  const Asked asked = reduce(waiter.request);
  if (const auto* e = std::get_if<OpenRequested>(&waiter.request)) return open_file(*e);
  if (std::holds_alternative<LockRequested>(waiter.request)) return grant_lock(waiter);
  if (const auto* access = std::get_if<AccessRequested>(&waiter.request))
    for (const auto& touch : asked.touches)
      accesses_.push_back({asked, touch, access->range, false});
  if (std::holds_alternative<DispositionSet>(waiter.request) &&
      !delete_pending(asked.touches[0].file))
    delete_pending_.push_back(asked.touches[0].file);
  answer(waiter, Status::ok);
}

void Model::reply(RequestId request, Status status, ReplyBody body, bool durable) {
  out_->push_back(Reply{request, status, durable, std::move(body)});
}

/// The one reply of a request; `later` leaves bars, anything else takes them away.
void Model::answer(const Waiter& waiter, Status status, ReplyBody body, bool durable) {
  const Asked asked = reduce(waiter.request);
  if (!waiter.answered) reply(asked.request, status, std::move(body), durable);
  for (const auto& touch : asked.touches) {
    if (!touch.breaks) continue;
    std::erase_if(bars_, [&](const Bar& bar) {
      return bar.file == touch.file && bar.client == asked.client && bar.cause == touch.cause;
    });
    if (status == Status::later && client(asked.client) != nullptr)
      bars_.push_back({touch.file, asked.client, touch.cause, now_ + limits_.bar});
  }
}

/// Lock requests that go away empty-handed are told of a right that is breaking; for NLM_TEST,
/// which has no "later", it is the holder.
void Model::out_of_patience(const Waiter& waiter) {
  const Asked asked = reduce(waiter.request);
  Status status = waiter.for_grace ? Status::grace : Status::later;
  ReplyBody body;
  const bool test = std::holds_alternative<LockTested>(waiter.request);
  if (test || lock_of(waiter) != nullptr) {
    const Right* lowest = nullptr;
    for (const Right& r : rights_)
      if (r.breaking && r.file == asked.touches[0].file && r.client != asked.client &&
          (lowest == nullptr || r.id < lowest->id))
        lowest = &r;
    if (lowest != nullptr && !waiter.for_grace) {
      const bool writes = lowest->rights.has(RightBit::write);
      body = Holder{Holder::Kind::right,
                    protocol(lowest->client),
                    lowest->client,
                    client(lowest->client)->label,
                    {},
                    lowest->open,
                    Range::whole(),
                    writes ? LockMode::exclusive : LockMode::shared};
      if (test && asked.protocol == Protocol::nlm) status = Status::denied;
    }
  }
  if (waiter.arrival != 0) return end_waiter(waiter.arrival, status, body);
  answer(waiter, status, body);
}

/// A waiter leaves the queue without a grant; what is answered already is not answered again.
void Model::end_waiter(std::uint64_t arrival, Status status, ReplyBody body) {
  const auto at = std::find_if(waiters_.begin(), waiters_.end(),
                               [&](const Waiter& w) { return w.arrival == arrival; });
  const Waiter gone = *at;
  waiters_.erase(at);
  answer(gone, status, std::move(body));
  if (queued(gone)) {
    const auto& lock = *lock_of(gone);
    wake_freed(lock.file, lock.element.range, gone.told ? 0 : arrival);
  }
}

void Model::end_waiters(const std::function<bool(const Waiter&)>& which, Status status) {
  std::vector<std::uint64_t> arrivals;
  for (const Waiter& w : waiters_)
    if (which(w)) arrivals.push_back(w.arrival);
  for (std::uint64_t arrival : arrivals) end_waiter(arrival, status);
}

void Model::on(const RequestCancelled& e) {
  end_waiters([&](const Waiter& w) { return !w.answered && reduce(w.request).request == e.target; },
              Status::cancelled);
}

// ---- Waking -----------------------------------------------------------------------------------

void Model::wake_if(const std::function<bool(const Waiter&)>& which) {
  for (const Waiter& w : waiters_)
    if (!w.told && which(w)) woken_.push_back(w.arrival);
}

void Model::wake_break_ended(RightId id) {
  for (Waiter& w : waiters_) {
    if (std::erase(w.breaks, id) != 0 && w.breaks.empty() && w.for_breaks)
      woken_.push_back(w.arrival);
  }
}

/// Lock waiters that overlap what was freed, those behind `behind` only.
void Model::wake_freed(FileId file, Range range, std::uint64_t behind) {
  wake_if([&](const Waiter& w) {
    const auto* lock = lock_of(w);
    return w.for_locks && lock->file == file && lock->element.range.overlaps(range) &&
           w.arrival > behind;
  });
}

/// The end of a step: the earliest of the woken is judged again, until nobody is left; then a
/// cycle that a grant closed is cut.
void Model::settle() {
  for (;;) {
    if (grace_ && grace_over()) end_grace();
    if (!woken_.empty()) {
      const std::uint64_t arrival = *std::min_element(woken_.begin(), woken_.end());
      std::erase(woken_, arrival);
      if (const Waiter* w = waiter(arrival)) attempt(*w);
      continue;
    }
    const Waiter* youngest = nullptr;
    for (const Waiter& w : waiters_)
      if (w.for_locks && on_cycle(w)) youngest = &w;
    if (youngest == nullptr) return;
    end_waiter(youngest->arrival, Status::deadlock);
  }
}

// ---- Time -------------------------------------------------------------------------------------

Model::Deadline Model::earliest_deadline() const {
  enum Kind { breaks, patience, lease, reservation, grace };
  Deadline first{kNever, 0, 0};
  auto consider = [&](Nanos time, int kind, std::uint64_t id) {
    if (time != kNever) first = std::min(first, Deadline{time, kind, id});
  };
  for (const Right& r : rights_)
    if (r.breaking) consider(r.deadline, breaks, r.id.value);
  for (const Waiter& w : waiters_) consider(w.until, w.told ? reservation : patience, w.arrival);
  for (const Client& c : clients_)
    if (c.lease != 0)
      consider(c.lease_until + (c.courtesy ? limits_.courtesy : 0), lease, c.id.value);
  if (grace_) consider(grace_until_, grace, 0);
  return first;
}

Nanos Model::next_deadline() const { return earliest_deadline().time; }

void Model::fire_deadlines() {
  for (;;) {
    const Deadline due = earliest_deadline();
    if (due.time > now_ || due.time == kNever) return;
    switch (due.kind) {
      case 0: {
        const Right r = *right(RightId{due.id});
        end_break(r.id, kNoRights);
        out_->push_back(Revoked{r.client, r.file, r.id, LeaveReason::expired});
        break;
      }
      case 1:
        out_of_patience(*waiter(due.id));
        break;
      case 2:
        lease_ended(ClientId{due.id});
        break;
      case 3:
        end_waiter(due.id, Status::denied);
        break;
      default:
        end_grace();
        break;
    }
    settle();
  }
}

}  // namespace lockstep::model
