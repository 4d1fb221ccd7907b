// The door: time first, then the event, then the wakes that it caused.
#include "core/machine.hpp"

#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

/// Whoever asks for something is alive: a request renews its client's lease when it arrives.
template <class Body>
void State::renew_by(const Body& body) {
  if constexpr (requires { body.request, body.client; }) {
    if (Client* client = find_client(body.client)) touch_lease(*client);
  } else if constexpr (requires { body.request, body.open; }) {
    if (auto at = opens.find(body.open); at != opens.end()) touch_lease(*at->second.client);
  }
}

void State::apply(const Event& event, Effects& out) {
  out_ = &out;
  now = std::max(now, event.now);
  fire_due_timers();
  std::visit([this](const auto& body) { renew_by(body), on(body); }, event.body);
  settle();
  tidy();
  out_ = nullptr;
}

void State::fire_due_timers() {
  while (!timers.empty() && std::get<0>(*timers.begin()) <= now) {
    const auto [at, kind, id] = *timers.begin();
    timers.erase(timers.begin());
    switch (kind) {
      case TimerKind::brk:
        revoke(rights.at(RightId{id}), LeaveReason::expired);
        break;
      case TimerKind::patience:
      case TimerKind::reservation:
        patience_ended(waiters.at(id));
        break;
      case TimerKind::lease:
        lease_ended(clients.at(ClientId{id}));
        break;
      case TimerKind::grace:
        end_grace();
        break;
    }
    settle();
  }
}

/// Runs what was woken, in order of arrival, until nobody can go. A grant may free something that
/// an earlier waiter wants, so the earliest is always taken next.
void State::settle() {
  do {
    while (!woken_.empty()) {
      Waiter& next = *woken_.begin()->second;
      woken_.erase(woken_.begin());
      judge_again(next);
    }
    refuse_cycles();
    if (woken_.empty()) end_grace_if_done();
  } while (!woken_.empty());
}

void State::reply(RequestId request, Status status, ReplyBody body, bool durable) {
  out_->emplace_back(std::in_place_type<Reply>, request, status, durable, std::move(body));
}

void State::set_timer(Nanos at, TimerKind kind, std::uint64_t id) {
  if (at != kNever) timers.emplace(at, kind, id);
}

void State::drop_timer(Nanos at, TimerKind kind, std::uint64_t id) {
  if (at != kNever) timers.erase({at, kind, id});
}

File& State::file(FileId id) {
  auto at = files.lower_bound(id);
  if (at == files.end() || at->first != id) {
    at = files.emplace_hint(at, std::piecewise_construct, std::forward_as_tuple(id),
                            std::forward_as_tuple(id));
  }
  return at->second;
}

/// Forgets files that nothing is known about any more.
void State::tidy() {
  while (!fading.empty() && fading.begin()->first <= now) {
    if (File* file = find_file(fading.begin()->second)) untidy(*file);
    fading.erase(fading.begin());
  }
  for (File* file : untidy_) {
    file->untidy = false;
    std::erase_if(file->bars, [this](const Bar& bar) { return bar.until <= now; });
    if (file->no_delegation_until <= now) file->no_delegation_until = 0;
    if (file->idle()) files.erase(file->id);
  }
  untidy_.clear();
}

Client* State::find_client(ClientId id) {
  auto at = clients.find(id);
  return at == clients.end() ? nullptr : &at->second;
}
const Client* State::find_client(ClientId id) const {
  auto at = clients.find(id);
  return at == clients.end() ? nullptr : &at->second;
}
File* State::find_file(FileId id) {
  auto at = files.find(id);
  return at == files.end() ? nullptr : &at->second;
}
const File* State::find_file(FileId id) const {
  auto at = files.find(id);
  return at == files.end() ? nullptr : &at->second;
}

void State::on(const JournalChanged& event) { journal_failed = event.failed; }

// ---- Machine: the public face ------------------------------------------------------------------

Machine::Machine(Limits limits) : state_(std::make_unique<State>(limits)) {}
Machine::~Machine() = default;
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;

void Machine::recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos now,
                      Effects& effects) {
  state_->recover(records, epoch, now, effects);
}
void Machine::apply(const Event& event, Effects& effects) { state_->apply(event, effects); }
Nanos Machine::next_deadline() const { return state_->next_deadline(); }
bool Machine::in_grace() const { return state_->grace; }
StateView Machine::view() const { return state_->view(); }
StateView Machine::overview() const { return state_->overview(); }

FileView Machine::view(FileId file) const {
  const File* known = state_->find_file(file);
  if (known) return state_->view_of(*known);
  FileView nothing;
  nothing.file = file;
  return nothing;
}

std::vector<FileView> Machine::view_of(ClientId client) const {
  const Client* known = state_->find_client(client);
  if (!known) return {};
  std::set<FileId> its_files;
  for (const OpenId id : known->opens) its_files.insert(state_->opens.at(id).file->id);
  for (const RightId id : known->rights) its_files.insert(state_->rights.at(id).file->id);
  for (const Waiter* waiter : known->waiters) {
    for (const Waiter::Place& place : waiter->places) its_files.insert(place.file->id);
  }
  for (const auto& [key, owner] : known->owners) {
    for (const LockOwner::Holding& held : owner.holdings) its_files.insert(held.file->id);
  }
  std::vector<FileView> views;
  views.reserve(its_files.size());
  for (const FileId id : its_files) views.push_back(state_->view_of(state_->files.at(id)));
  return views;
}

std::vector<ClientView> Machine::clients() const { return state_->overview().clients; }

std::vector<FileId> Machine::files(std::size_t limit) const {
  std::vector<FileId> ids;
  for (const auto& [id, file] : state_->files) {
    if (ids.size() == limit) break;
    ids.push_back(id);
  }
  return ids;
}
std::size_t Machine::file_count() const { return state_->files.size(); }

Explanation Machine::explain(const Event& request) const { return state_->explain(request); }
std::optional<std::string> Machine::check_invariants() const { return state_->check_invariants(); }
const Limits& Machine::limits() const { return state_->limits; }

}  // namespace lockstep::core
