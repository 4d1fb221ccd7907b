// The server's side: every event goes through here, and what the machine wants done is done: by the
// order rule, nothing leaves before the records that it depends on are on disk.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

namespace {
constexpr Nanos kDownTime = 200 * kMillisecond;
constexpr Nanos kNotifyAgain = 5 * kSecond;
}  // namespace

void World::happen(EventBody body) {
  std::optional<Event> explained;
  if (options_.explain) explained = Event{now(), body};
  const Effects& effects = server_->apply(now(), std::move(body));
  route(effects, explained ? &*explained : nullptr);
  if (!up_) return;
  write_journal();
  watch_deadline();
  tell_files();
}

/// What the checkers have to know of a step, whether or not it gets to its end.
void World::take_note(const Effects& effects) {
  for (const Effect& effect : effects) {
    if (const auto* revoked = std::get_if<Revoked>(&effect)) {
      marks_.hit(revoked->right ? mark::revoked : mark::state_expired);
      if (revoked->right) {
        revoked_.insert(revoked->right);
      } else if (Client* client = client_of(revoked->client)) {
        client->lost = true;
      }
    } else if (std::holds_alternative<GraceEnded>(effect)) {
      marks_.hit(mark::grace_ends);
      // Those who have not come back, or are not through, may have lost what they held.
      for (Client& client : clients_) {
        const bool in_it = client.presence == Presence::arriving ||
                           (client.presence == Presence::reclaiming && client.reclaims > 0);
        client.lost = client.lost || in_it || client.boot_seen != server_->boots();
      }
    }
  }
}

void World::route(const Effects& effects, const Event* of) {
  take_note(effects);
  std::size_t end = effects.size();
  const bool crashes = armed_.effect > 0 && effects.size() >= armed_.effect;
  if (crashes) end = armed_.effect - 1;
  bool whole_batch = true;
  for (std::size_t i = end; i < effects.size(); ++i) {
    whole_batch = whole_batch && !std::holds_alternative<Persist>(effects[i]);
  }
  for (std::size_t i = 0; i < end; ++i) {
    const Effect& effect = effects[i];
    if (options_.tell) {
      const std::string text = effect_words(effect, *this);
      const std::string why = of != nullptr ? reason(effect, *of, *this) : "";
      if (!text.empty()) tell("server", text + (why.empty() ? "" : ", " + why));
    }
    if (const auto* reply = std::get_if<Reply>(&effect)) {
      route(*reply);
    } else if (const auto* sent = std::get_if<SendBreak>(&effect)) {
      route(*sent);
    } else if (const auto* granted = std::get_if<NotifyGranted>(&effect)) {
      route(*granted);
    } else if (const auto* turn = std::get_if<NotifyLock>(&effect)) {
      route(*turn);
    } else if (const auto* stop = std::get_if<StopNotifying>(&effect)) {
      notifying_.erase(stop->grant);
    } else if (std::holds_alternative<Parked>(effect)) {
      marks_.hit(mark::parked);
    } else if (std::holds_alternative<ConflictSeen>(effect)) {
      marks_.hit(mark::cross_family);
    }
  }
  if (!crashes) return;
  // The step's batch is one write: without its last record it is none.
  marks_.hit(mark::crash_in_step);
  const std::size_t keeping = std::exchange(armed_, Step{}).count;
  const std::size_t pending = server_->pending();
  crash_now(whole_batch || pending == 0 ? keeping : std::min(keeping, pending - 1));
}

void World::route(const Reply& reply) {
  const auto id = static_cast<std::size_t>(reply.request.value);
  const bool first = id < answered_.size() && !answered_[id];
  marks_.always(mark::answered_once, first, "request " + std::to_string(id));
  answered_[id] = true;
  const Op& op = ops_[by_request_[id]];
  const auto* closed = std::get_if<CloseReply>(&reply.body);
  const bool overwrites =
      op.kind == Op::Kind::open && op.overwriting && op.purpose != Op::Purpose::reclaim;
  const bool io = reply.status == Status::ok && (op.kind == Op::Kind::access || overwrites);
  if (io || (closed && closed->remove)) {
    in_io_.emplace(reply.request, reply);
    agenda_.put_after(io_time_, {Due::Kind::io, op.client, 0, reply.request.value});
    return;
  }
  message(op.client, reply, reply.durable, false);
}

void World::route(const SendBreak& effect) {
  marks_.hit(effect.ack_required ? mark::broken : mark::broken_notice);
  unheard_.insert_or_assign(effect.right, effect);
  Client* client = client_of(effect.client);
  if (!client) return;
  const bool delegated = effect.flavour == Flavour::delegation;
  message(static_cast<std::uint8_t>(index_of(*client)), effect, effect.durable, delegated);
}

void World::route(const NotifyGranted& effect) {
  marks_.hit(mark::granted_call);
  Client* client = client_of(effect.client);
  if (!client) return;
  notifying_.emplace(effect.grant, effect);
  message(static_cast<std::uint8_t>(index_of(*client)), effect, effect.durable, true);
  agenda_.put_after(kNotifyAgain, {Due::Kind::notify_again, 0, 0, effect.grant.value});
}

void World::notify_again(RequestId grant) {
  const auto found = notifying_.find(grant);
  if (found == notifying_.end()) return;
  marks_.hit(mark::granted_again);
  const Client* client = client_of(found->second.client);
  if (!client) return;
  message(static_cast<std::uint8_t>(index_of(*client)), found->second, true, true);
  agenda_.put_after(kNotifyAgain, {Due::Kind::notify_again, 0, 0, grant.value});
}

void World::route(const NotifyLock& effect) {
  marks_.hit(mark::turn_told);
  if (const Client* client = client_of(effect.client)) {
    message(static_cast<std::uint8_t>(index_of(*client)), effect, false, true);
  }
}

Client* World::client_of(ClientId id) {
  for (Client& client : clients_) {
    if (client.id == id && id) return &client;
  }
  return nullptr;
}

// ---- Messages ----------------------------------------------------------------------------------

void World::message(std::uint8_t client, Effect effect, bool durable, bool callback) {
  Message made;
  made.client = client;
  made.incarnation = clients_[client].incarnation;
  made.callback = callback;
  made.batch = durable ? server_->newest_batch() : 0;
  made.boot = server_->boots();
  made.effect = std::move(effect);
  if (made.batch > server_->durable_batch()) {
    marks_.hit(mark::waited_for_disk);
    held_.push_back(std::move(made));
  } else {
    post(std::move(made));
  }
}

void World::post(Message message) {
  marks_.always(mark::durable_first, message.batch <= server_->durable_batch());
  Client& client = clients_[message.client];
  if (client.incarnation != message.incarnation || client.dead) return;
  if (message.callback && client.silent) {
    marks_.hit(mark::callback_lost);
    if (!client.nfs4()) return;
    // The server sees that the call did not get through.
    Op down;
    down.kind = Op::Kind::callback_path;
    down.client = message.client;
    down.purpose = Op::Purpose::machine;
    down.up = false;
    submit(down);
    return;
  }
  // NFSv4 calls back on another connection, which may be the faster one.
  Nanos& last = message.callback ? client.last_callback : client.last_delivery;
  const Nanos latency = message.callback && client.nfs4() ? client.latency / 2 : client.latency;
  last = std::max(last, now() + latency);
  std::size_t place = messages_.size();
  if (free_messages_.empty()) {
    messages_.emplace_back();
  } else {
    place = free_messages_.back();
    free_messages_.pop_back();
  }
  const std::uint8_t to = message.client;
  messages_[place] = std::move(message);
  agenda_.put(last, {Due::Kind::to_client, to, client.incarnation, place});
}

// ---- The journal -------------------------------------------------------------------------------

/// Group commit: while one write is under way, what comes waits for the next.
void World::write_journal() {
  if (writing_ || disk_failed_ || !up_ || server_->pending() == 0) return;
  writing_ = true;
  in_write_ = server_->pending();
  agenda_.put_after(disk_time_, {Due::Kind::durable, 0, 0, 0});
}

void World::journal_written() {
  writing_ = false;
  if (disk_failed_) return;
  server_->become_durable(in_write_);
  release_held();
  write_journal();
}

void World::release_held() {
  while (!held_.empty() && held_.front().batch <= server_->durable_batch()) {
    Message message = std::move(held_.front());
    held_.pop_front();
    post(std::move(message));
  }
}

void World::watch_deadline() {
  if (!up_) return;
  const Nanos deadline = server_->machine().next_deadline();
  if (deadline == kNever || tick_at_ != kNever) {
    if (deadline == kNever || deadline + lateness_ >= tick_at_) return;
  }
  if (lateness_ != 0) marks_.hit(mark::late_tick);
  tick_at_ = deadline + lateness_;
  agenda_.put(tick_at_, {Due::Kind::tick, 0, 0, 0});
}

// ---- Crash and restart -------------------------------------------------------------------------

void World::crash(const Step& step) {
  if (step.effect > 0) {
    armed_ = step;
    return;
  }
  crash_again_ = step.again;
  if (up_) crash_now(step.count);
}

void World::crash_now(std::size_t keeping) {
  const std::size_t pending = server_->pending();
  const std::size_t kept = std::min(keeping, pending);
  marks_.hit(mark::crash);
  if (kept < pending) marks_.hit(mark::crash_loses);
  if (kept > 0) marks_.hit(mark::crash_keeps);
  if (server_->machine().in_grace()) marks_.hit(mark::crash_in_grace);
  if (!held_.empty()) marks_.hit(mark::held_reply_dies);
  if (options_.tell) {
    tell("server", "crashes; of " + std::to_string(pending) + " batches on their way to disk " +
                       std::to_string(kept) + " survive");
  }
  server_->crash(keeping);
  up_ = false;
  writing_ = false;
  tick_at_ = kNever;
  held_.clear();
  notifying_.clear();
  in_io_.clear();
  agenda_.remove_if([](const Due& due) {
    return due.kind == Due::Kind::to_server || due.kind == Due::Kind::io ||
           due.kind == Due::Kind::durable || due.kind == Due::Kind::tick ||
           due.kind == Due::Kind::notify_again;
  });
  agenda_.put_after(kDownTime, {Due::Kind::restart, 0, 0, 0});
}

void World::restart() {
  up_ = true;
  const Effects& effects = server_->start(now());
  if (server_->boots() > 1 && options_.tell) tell("server", "starts again");
  route(effects, nullptr);
  if (!up_) return;
  if (std::exchange(crash_again_, false)) {
    marks_.hit(mark::crash_in_recovery);
    return crash_now(0);
  }
  if (server_->machine().in_grace()) marks_.hit(mark::grace);
  if (disk_failed_) happen(JournalChanged{true});
  write_journal();
  watch_deadline();
  tell_files();
  if (server_->boots() == 1) return;
  check_amnesia();
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const Client& client = clients_[i];
    if (client.dead || client.cut) continue;
    agenda_.put_after(client.latency, {Due::Kind::notice, static_cast<std::uint8_t>(i),
                                       client.incarnation, server_->boots()});
  }
}

/// The file itself is read or written, between the machine's `ok` and the end of the access.
void World::carry_out_io(RequestId request) {
  const auto found = in_io_.find(request);
  if (found == in_io_.end()) return;
  const Reply reply = std::move(found->second);
  in_io_.erase(found);
  Op& op = ops_[by_request_[static_cast<std::size_t>(request.value)]];
  if (op.kind == Op::Kind::access) {
    check_broken(op);
    if (op.operation == Operation::read) read_file(op);
    if (op.operation == Operation::write || op.operation == Operation::set_size) write_file(op);
  } else if (op.kind == Op::Kind::open) {
    op.content.fill(++writes_);
    op.range = Range::whole();
    write_file(op);
  }
  happen(AccessEnded{request});
  if (up_) message(op.client, reply, reply.durable, false);
}

}  // namespace lockstep::sim
