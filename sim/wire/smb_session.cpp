#include "sim/wire/smb_session.hpp"

#include <algorithm>
#include <utility>

#include "sim/wire/server_node.hpp"

namespace lockstep::sim::wired {

using smb2::Command;
using smb2::NtStatus;
using wire::Task;

namespace {

constexpr Nanos kAgain = kSecond;
constexpr Nanos kExpires = 60 * kSecond;
constexpr std::uint16_t kCreditsAsked = 16;

const Mark kReconnect{Mark::Kind::sometimes, "wire",
                      "an SMB client comes back on a new connection"};
const Mark kExpired{Mark::Kind::sometimes, "wire",
                    "an SMB client gives up a server that does not answer"};
const Mark kInterim{Mark::Kind::sometimes, "wire", "an SMB request goes asynchronous"};

/// Takes an entry out of a map when the scope ends, also by a crash.
template <class Map>
struct Entry {
  Map& map;
  typename Map::key_type key;
  ~Entry() { map.erase(key); }
};

}  // namespace

class SmbSession::Incoming final : public wire::Session {
 public:
  explicit Incoming(SmbSession& session) : session_(&session) {}
  void on_message(Bytes message) override {
    if (session_) session_->on_message(std::move(message));
  }
  void on_closed() override {
    if (session_) session_->on_closed();
  }
  void detach() { session_ = nullptr; }

 private:
  SmbSession* session_;
};

SmbSession::SmbSession(Machine& machine, Witness& witness, const SmbHabits& habits,
                       std::uint64_t seed, Events events)
    : machine_(machine),
      witness_(witness),
      habits_(habits),
      chance_(seed, "smb " + machine.name),
      events_(std::move(events)) {
  for (std::uint8_t& byte : guid_.bytes) byte = static_cast<std::uint8_t>(chance_.below(256));
}

SmbSession::~SmbSession() {
  if (stop_watching_) stop_watching_();
  close();
}

void SmbSession::close() {
  if (incoming_) incoming_->detach();
  if (end_) std::exchange(end_, nullptr)->close();
  up_ = false;
  lose_pending();
}

void SmbSession::lose_pending() {
  while (!pending_.empty()) {
    Pending& pending = *pending_.begin()->second;
    pending_.erase(pending_.begin());
    pending.lost = true;
    pending.wakeup.wake();
  }
}

// ---- The connection -----------------------------------------------------------------------------

Task<bool> SmbSession::connect() {
  if (up_) on_closed();  // the end of the last one was still to be told
  close();
  incoming_ = std::make_shared<Incoming>(*this);
  Wakeup done(machine_);
  // Shared: the answer may come after a crash.
  const auto answer = std::make_shared<std::pair<bool, std::shared_ptr<End>>>();
  const auto wakeup = std::make_shared<Wakeup*>(&done);
  machine_.network.connect(machine_.address, {kServer, kSmbPort}, net::Framing::smb, incoming_,
                           [answer, weak = std::weak_ptr<Wakeup*>(wakeup)](auto end) {
                             const auto live = weak.lock();
                             if (!live && end) end->close();
                             answer->second = std::move(end);
                             answer->first = true;
                             if (live) (*live)->wake();
                           });
  while (!answer->first) co_await done;
  end_ = answer->second;
  if (!end_) co_return false;
  ++generation_;
  endpoint_ = std::make_unique<Smb2Endpoint>();
  endpoint_->client_guid = guid_;
  endpoint_->previous_session = session_;
  endpoint_->ntlm.exported.assign(16, static_cast<std::uint8_t>(chance_.below(256)));
  credits_ = 1;
  co_return co_await log_on();
}

Task<bool> SmbSession::log_on() {
  std::uint64_t id = endpoint_->next_id;
  const bool ciphers = habits_.encrypt;
  Bytes frame = endpoint_->negotiate_frame(
      habits_.dialect, ciphers ? std::vector<std::uint16_t>{2, 1} : std::vector<std::uint16_t>{},
      {1});
  std::optional<Answer> answer = co_await exchange(std::move(frame), id, {});
  if (!answer) co_return false;
  if (answer->status() != NtStatus::success || !endpoint_->on_negotiated(*answer)) {
    throw Failure(FailureKind::assertion, machine_.name + ": NEGOTIATE is refused");
  }
  smb2::crypto::PreauthHash hash = endpoint_->preauth;
  id = endpoint_->next_id;
  frame = endpoint_->setup_frame(endpoint_->ntlm.negotiate(), hash);
  answer = co_await exchange(std::move(frame), id, {});
  if (!answer) co_return false;
  if (answer->status() != NtStatus::more_processing_required) co_return false;
  hash.add(answer->message);
  endpoint_->session_id = answer->header.session_id;
  id = endpoint_->next_id;
  frame =
      endpoint_->setup_frame(endpoint_->ntlm.authenticate(Smb2Endpoint::token_of(*answer)), hash);
  endpoint_->make_keys(hash);
  answer = co_await exchange(std::move(frame), id, {});
  if (!answer || answer->status() != NtStatus::success) co_return false;
  endpoint_->sign = true;
  endpoint_->encrypt = habits_.encrypt && endpoint_->keys.seal != nullptr;
  session_ = endpoint_->session_id;
  Ask ask;
  ask.command = Command::tree_connect;
  ask.body = Smb2Endpoint::tree_body("\\\\server\\" + kShare);
  ask.credits = kCreditsAsked;
  id = endpoint_->next_id;
  frame = endpoint_->encode({std::move(ask)});
  answer = co_await exchange(std::move(frame), id, {});
  if (!answer || answer->status() != NtStatus::success) co_return false;
  endpoint_->tree_id = answer->header.tree_id;
  co_return true;
}

Task<void> SmbSession::ready() {
  while (!up()) {
    if (coming_) {
      Wakeup wakeup(machine_);
      const Entry<decltype(for_ready_)> entry{for_ready_, ++last_wait_};
      for_ready_[entry.key] = &wakeup;
      co_await wakeup;
      continue;
    }
    coming_ = true;
    const bool again = generation_ != 0;
    const bool good = co_await connect();
    if (!good) co_await machine_.sleep(kAgain);
    coming_ = false;
    if (good && end_ && end_->open()) {
      up_ = true;
      if (again) witness_.marks.hit(kReconnect);
    }
    const auto waiting = for_ready_;
    for (const auto& [key, wakeup] : waiting) {
      if (for_ready_.contains(key)) wakeup->wake();
    }
  }
}

Task<void> SmbSession::leave() {
  if (up()) {
    const auto answer = co_await command(Command::logoff, simple_body());
    (void)answer;
  }
  close();
}

// ---- Commands -----------------------------------------------------------------------------------

Task<std::optional<Answer>> SmbSession::exchange(Bytes frame, std::uint64_t message_id,
                                                 std::shared_ptr<Started> started) {
  ++witness_.requests;
  last_frame_ = frame;
  if (!end_ || !end_->open()) co_return std::nullopt;
  Pending pending(machine_);
  pending.started = std::move(started);
  pending.sent = machine_.now();
  const Entry<decltype(pending_)> entry{pending_, message_id};
  pending_[message_id] = &pending;
  watch();
  if (credits_ > 0) --credits_;
  end_->send(std::move(frame));
  Wakeup& wakeup = pending.wakeup;
  while (!pending.answer && !pending.lost) co_await wakeup;
  co_return std::move(pending.answer);
}

Task<std::optional<Answer>> SmbSession::command(Command command, Bytes body,
                                                std::shared_ptr<Started> started, bool urgent) {
  const std::uint64_t generation = generation_;
  const std::uint64_t kept = urgent ? 0 : 1;
  while (up() && generation_ == generation && credits_ <= kept) {
    Wakeup wakeup(machine_);
    const Entry<decltype(for_credits_)> entry{for_credits_, ++last_wait_};
    for_credits_[entry.key] = &wakeup;
    co_await wakeup;
  }
  if (!up() || generation_ != generation) co_return std::nullopt;
  Ask ask;
  ask.command = command;
  ask.body = std::move(body);
  ask.credits = kCreditsAsked;
  const std::uint64_t id = endpoint_->next_id;
  if (started) {
    started->message_id = id;
    started->sent = true;
  }
  Bytes frame = endpoint_->encode({std::move(ask)});
  co_return co_await exchange(std::move(frame), id, std::move(started));
}

void SmbSession::cancel(const Started& started) {
  if (!up() || !started.sent) return;
  Ask ask;
  ask.command = Command::cancel;
  ask.body = simple_body();
  ask.message_id = started.message_id;
  ask.charge = 0;
  ask.credits = 0;
  if (started.async_id != 0) {
    ask.flags = smb2::kFlagAsync;
    ask.async_id = started.async_id;
  }
  end_->send(endpoint_->encode({std::move(ask)}));
}

void SmbSession::on_message(Bytes frame) {
  std::string error;
  const std::vector<Answer> answers = endpoint_->decode(std::move(frame), error);
  if (!error.empty()) throw Failure(FailureKind::assertion, machine_.name + ": " + error);
  const std::uint64_t generation = generation_;
  for (const Answer& answer : answers) {
    if (generation_ != generation || !end_) return;
    credits_ += answer.header.credits;
    if (answer.header.message_id == smb2::kNoMessageId) {
      const auto notice = break_of(answer);
      if (!notice) {
        throw Failure(FailureKind::assertion,
                      machine_.name + ": a break that a client cannot read");
      }
      events_.on_break(*notice);
      continue;
    }
    const auto at = pending_.find(answer.header.message_id);
    if (at == pending_.end()) {
      throw Failure(FailureKind::assertion,
                    machine_.name + ": an answer to what was not asked, or a second one");
    }
    Pending& pending = *at->second;
    if (answer.status() == NtStatus::pending) {
      witness_.marks.hit(kInterim);
      pending.interim = true;
      if (pending.started) pending.started->async_id = answer.header.async_id;
      continue;
    }
    pending_.erase(at);
    pending.answer = answer;
    pending.wakeup.wake();
  }
  const auto waiting = for_credits_;
  for (const auto& [key, wakeup] : waiting) {
    if (for_credits_.contains(key)) wakeup->wake();
  }
}

/// One timer for all that is under way: it costs nothing while there are answers.
void SmbSession::watch() {
  if (stop_watching_) return;
  stop_watching_ = machine_.clock.at(machine_.now() + kExpires, [this] {
    stop_watching_ = nullptr;
    look();
  });
}

void SmbSession::look() {
  const bool expired = std::ranges::any_of(pending_, [&](const auto& each) {
    return !each.second->interim && each.second->sent + kExpires <= machine_.now();
  });
  if (!expired) return pending_.empty() ? void() : watch();
  witness_.marks.hit(kExpired);
  const std::shared_ptr<End> end = end_;
  incoming_->detach();
  on_closed();
  if (end) end->close();
}

void SmbSession::on_closed() {
  lost_at_ = end_ ? end_->heard_until() : machine_.now();
  end_.reset();
  const bool was_up = std::exchange(up_, false);
  if (was_up && events_.on_lost) events_.on_lost();
  lose_pending();
  const auto waiting = for_credits_;
  for (const auto& [key, wakeup] : waiting) {
    if (for_credits_.contains(key)) wakeup->wake();
  }
}

}  // namespace lockstep::sim::wired
