#include "sim/core/world.hpp"

#include <algorithm>
#include <utility>

#include "sim/core/marks.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

World::World(const Options& options) : options_(options) {
  limits_.break_timeout = 5 * kSecond;
  limits_.delegation_timeout = 9 * kSecond;
  limits_.grace = 20 * kSecond;
  limits_.courtesy = 60 * kSecond;
  limits_.bar = 2 * kSecond;
  limits_.regrant_backoff = 3 * kSecond;
  limits_.reservation = 7 * kSecond;
  clients_.reserve(kClientsMax);
  by_request_.push_back(0);
  answered_.push_back(true);
  agenda_.pass_to(kSecond);
}

/// The first step that needs a server starts it: limits come before.
void World::begin() {
  if (server_) return;
  for (const Client& client : clients_) story_.columns.push_back(client.name);
  for (std::size_t file = 0; file <= kFiles; ++file) story_.columns.push_back(file_name(file));
  story_.columns.push_back("server");
  server_.emplace(limits_, options_, trace_);
  restart();
}

void World::play(const Step& step, std::size_t index) {
  step_ = index;
  switch (step.verb) {
    case Verb::client:
      add_client(step);
      break;
    case Verb::limit:
      set_limit(step);
      break;
    case Verb::policy:
      set_policy(step);
      break;
    case Verb::wait:
      begin();
      settle(now() + step.time);
      break;
    default:
      begin();
      if (options_.tell) tell("", describe(step));
      befall(step);
      // A moment, so that steps follow each other; what they cause goes on beside them.
      settle(now() + 50'000);
  }
  trace_.end_step();
}

void World::add_client(const Step& step) {
  if (server_ || step.who != clients_.size()) return;  // taken out of its order: not there
  Client client;
  client.name = client_name(step.who);
  client.protocol = step.protocol;
  client.trait = step.trait;
  clients_.push_back(std::move(client));
}

void World::set_limit(const Step& step) {
  if (server_) return;
  const std::pair<std::string_view, Nanos*> times[] = {{"break", &limits_.break_timeout},
                                                       {"delegation", &limits_.delegation_timeout},
                                                       {"grace", &limits_.grace},
                                                       {"courtesy", &limits_.courtesy},
                                                       {"bar", &limits_.bar},
                                                       {"reservation", &limits_.reservation},
                                                       {"regrant", &limits_.regrant_backoff},
                                                       {"lease", &lease_},
                                                       {"hold", &hold_}};
  const std::pair<std::string_view, std::uint32_t*> numbers[] = {
      {"clients", &limits_.clients_max},
      {"opens", &limits_.opens_max},
      {"locks", &limits_.locks_max},
      {"waiters", &limits_.waiters_per_file_max},
      {"elements", &limits_.elements_per_request_max},
      {"opens_each", &limits_.opens_per_client_max},
      {"locks_each", &limits_.locks_per_owner_max},
      {"waiters_each", &limits_.waiters_per_client_max}};
  for (const auto& [name, value] : times) {
    if (name == step.word) *value = step.time;
  }
  for (const auto& [name, value] : numbers) {
    if (name == step.word) *value = step.count;
  }
  if (step.word == "recorded") limits_.grace_scope = GraceScope::recorded;
}

void World::set_policy(const Step& step) {
  policy_.nfs_ranges_on_nfs_io |= step.word == "nfs_ranges";
  policy_.smb_ranges_on_nfs_io &= step.word != "no_smb_ranges";
  policy_.smb_deny_on_nfs_io &= step.word != "no_smb_deny";
  policy_.unlink_while_open |= step.word == "unlink";
  policy_.v3_getattr_breaks |= step.word == "getattr_breaks";
}

/// Everything that is due until then, in order.
void World::settle(Nanos until) {
  while (!agenda_.empty() && agenda_.next() <= until) carry_out(agenda_.take());
  agenda_.pass_to(until);
}

void World::carry_out(const Due& due) {
  switch (due.kind) {
    case Due::Kind::to_server:
      return arrive_at_server(due);
    case Due::Kind::to_client:
      return deliver(due);
    case Due::Kind::io:
      return carry_out_io(RequestId{due.what});
    case Due::Kind::durable:
      return journal_written();
    case Due::Kind::tick:
      tick_at_ = kNever;
      if (up_ && server_->machine().next_deadline() <= now()) happen(Tick{});
      return watch_deadline();
    case Due::Kind::restart:
      return restart();
    case Due::Kind::notify_again:
      return notify_again(RequestId{due.what});
    case Due::Kind::connection_dead: {
      const Client& client = clients_[due.client];
      if (up_ && client.id && client.incarnation == due.incarnation) {
        happen(ClientLeft{client.id, LeaveReason::disconnected});
      }
      return;
    }
    case Due::Kind::retry:
    case Due::Kind::notice:
    case Due::Kind::renew:
    case Due::Kind::come_back:
      break;
  }
  Client& client = clients_[due.client];
  if (client.incarnation != due.incarnation || client.dead) return;
  if (due.kind == Due::Kind::come_back) return come_back(client);
  if (client.frozen) {  // its timers go off when it thaws
    agenda_.put_after(500 * kMillisecond, due);
    return;
  }
  if (due.kind == Due::Kind::retry) {
    const auto op = static_cast<std::size_t>(due.what & 0xFFFF'FFFF);
    if (ops_[op].tries == due.what >> 32) send(op);
  } else if (due.kind == Due::Kind::notice) {
    notice_restart(client);
  } else {
    renew(client);
  }
}

Outcome World::outcome() {
  Outcome result;
  result.hash = trace_.value();
  result.steps = trace_.steps();
  result.events = server_ ? server_->events() : 0;
  result.simulated = now();
  result.marks = std::move(marks_);
  result.story = std::move(story_);
  return result;
}

void World::incoherent(const std::string& what) const {
  throw Failure(FailureKind::incoherence, what);
}

}  // namespace lockstep::sim
