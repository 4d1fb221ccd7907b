#include "shell/wire/smb2/connection.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <utility>

#include "shell/wire/smb2/authentication.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::size_t kDeferredMax = 16;
/// What is taken from a client that has not logged on: a set-up token fits well.
constexpr std::size_t kStrangerFrameMax = 128 * 1024;

bool has_setup(const Incoming& incoming) {
  for (const Part& part : incoming.parts) {
    if (part.header.command == Command::session_setup) return true;
  }
  return false;
}

}  // namespace

Connection::Connection(Server& server, std::shared_ptr<Peer> peer)
    : server_(server), peer_(std::move(peer)), credits_(server.options().credits_max) {}

Connection::~Connection() = default;

void Connection::disconnect() {
  leaving_ = true;
  peer_->close();
}

/// Who connects and never logs on gives its place back.
void Connection::expect_log_on() {
  spoke_ = true;
  const core::Nanos timeout = server_.options().log_on_timeout;
  if (timeout == 0) return;
  stop_timer_ = server_.clock().at(server_.clock().now() + timeout, [weak = weak_from_this()] {
    const std::shared_ptr<Connection> self = weak.lock();
    if (self && !self->authenticated()) self->disconnect();
  });
}

bool Connection::authenticated() const {
  return std::ranges::any_of(
      sessions_, [](const auto& entry) { return entry.second->state() == State::valid; });
}

void Connection::on_message(Bytes message) {
  if (closed_ || leaving_) return;
  if (!spoke_) expect_log_on();
  if (!authenticated() && message.size() > kStrangerFrameMax) return disconnect();
  if (!message.empty() && message[0] == 0xFF) return on_smb1(message);
  std::optional<Incoming> incoming = receive(std::move(message));
  if (!incoming || !take_message_ids(*incoming)) return disconnect();
  if (has_setup(*incoming) && setup_running_) {
    if (deferred_.size() == kDeferredMax) return disconnect();
    deferred_.push_back(std::move(*incoming));
    return;
  }
  start(std::move(*incoming));
}

/// Decrypts and splits. Nothing: the connection must end (3.3.5.2.1).
std::optional<Incoming> Connection::receive(Bytes frame) {
  Incoming incoming;
  incoming.frame = std::move(frame);
  ByteView message = incoming.frame;
  if (!message.empty() && message[0] == 0xFD) {
    const std::optional<crypto::TransformHeader> transform = crypto::decode_transform(message);
    if (!transform) return std::nullopt;
    const auto session = sessions_.find(transform->session_id);
    if (session == sessions_.end() || !session->second->crypto_ ||
        !session->second->crypto_->open) {
      return std::nullopt;
    }
    message = session->second->crypto_->open->open(incoming.frame);
    if (message.empty()) return std::nullopt;
    incoming.encrypted = true;
    incoming.transform_session = transform->session_id;
  }
  auto parts = split_compound(message, server_.options().compound_parts_max);
  if (!parts) return std::nullopt;
  incoming.parts = std::move(*parts);
  return incoming;
}

/// 3.3.5.2.3: every request but CANCEL uses up as many ids as it is charged.
bool Connection::take_message_ids(const Incoming& incoming) {
  for (const Part& part : incoming.parts) {
    if (part.header.command == Command::cancel) continue;
    const std::uint16_t charge = negotiated_.multi_credit() && part.header.credit_charge != 0
                                     ? part.header.credit_charge
                                     : 1;
    if (!credits_.consume(part.header.message_id, charge)) return false;
  }
  return true;
}

void Connection::start(Incoming incoming) {
  if (has_setup(incoming)) setup_running_ = true;
  spawn(process(shared_from_this(), std::move(incoming)));
}

void Connection::start_deferred() {
  setup_running_ = false;
  if (deferred_.empty() || closed_) return;
  Incoming next = std::move(deferred_.front());
  deferred_.pop_front();
  start(std::move(next));
}

Task<void> Connection::process([[maybe_unused]] std::shared_ptr<Connection> self,
                               Incoming incoming) {
  running_.enter();
  Chain chain;
  Outgoing outgoing;
  const std::size_t count = incoming.parts.size();
  for (std::size_t i = 0; i < count && !closed_ && !leaving_; ++i) {
    const Part& part = incoming.parts[i];
    Request request;
    request.header = part.header;
    request.message = part.message;
    request.dialect = dialect();
    request.encrypted = incoming.encrypted;
    request.transform_session_ = incoming.transform_session;
    request.connection_ = this;
    request.outgoing_ = &outgoing;
    // Only the last of a compound may wait for long; a CREATE that waits for a break is answered
    // apart with what came before it (MS-SMB2 3.3.5.2.7, notes).
    request.may_go_async_ = i + 1 == count || part.header.command == Command::create;

    Response response = co_await run_part(request, chain);
    std::move(request.after_.begin(), request.after_.end(), std::back_inserter(outgoing.after));
    if (response.disconnect) {
      disconnect();
      break;
    }
    if (part.header.command != Command::cancel) append(outgoing, request, std::move(response));
  }
  flush(outgoing);
  if (has_setup(incoming)) start_deferred();
  running_.leave();
}

/// One request from its checks to its answer, known to CANCEL meanwhile.
Task<Response> Connection::run_part(Request& request, Chain& chain) {
  if (Refusal refusal = admit(request, chain)) {
    if (request.header.command == Command::create) chain.create_error = refusal->status;
    co_return std::move(*refusal);
  }
  if (request.header.command == Command::cancel) {
    on_cancel(request);
    co_return Response{};
  }
  const std::uint64_t id = request.header.message_id;
  in_flight_[id] = &request;
  request.chain_file_ = chain.file;
  Response response;
  try {
    response = co_await route(request);
  } catch (const std::bad_alloc&) {
    response = Response(NtStatus::insufficient_resources);
  } catch (const std::exception&) {
    response = Response(NtStatus::internal_error);
  }
  request.on_cancel_ = {};
  in_flight_.erase(id);
  if (request.is_async()) waiting_.erase(request.async_id_);
  chain.session = request.foreign_ ? nullptr : request.session;
  chain.session_failed = !chain.session;
  chain.tree = request.tree;
  chain.file = request.chain_file_;
  if (request.header.command == Command::create) {
    chain.create_error = is_error(response.status) ? response.status : NtStatus::success;
  }
  co_return response;
}

/// 3.3.5.16: by AsyncId when the flag says so, else by MessageId. There is never an answer.
void Connection::on_cancel(const Request& request) {
  const bool by_async_id = request.header.has(kFlagAsync);
  const auto& among = by_async_id ? waiting_ : in_flight_;
  const auto found = among.find(by_async_id ? request.header.async_id : request.header.message_id);
  if (found == among.end() || found->second->session != request.session) return;
  found->second->cancel(CancelReason::asked);
}

void Connection::drop(const std::function<bool(const Request&)>& which) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, request] : in_flight_) {
    if (which(*request)) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) {
    const auto found = in_flight_.find(id);  // an earlier one may have taken it along
    if (found != in_flight_.end()) found->second->cancel(CancelReason::dropped);
  }
}

void Connection::cancel_requests(const smb2::Session& session, bool creates_only) {
  drop([&](const Request& request) {
    const Command command = request.header.command;
    if (request.session.get() != &session) return false;
    // What ends the session must not be ended by it.
    if (command == Command::logoff || command == Command::session_setup) return false;
    return !creates_only || command == Command::create;
  });
}

void Connection::cancel_creates(const Tree& tree) {
  drop([&](const Request& request) {
    return request.header.command == Command::create && request.tree.get() == &tree;
  });
}

void Connection::on_closed() {
  if (closed_) return;
  closed_ = true;
  if (stop_timer_) stop_timer_();
  deferred_.clear();
  for (const auto& [id, request] : in_flight_) request->connection_ = nullptr;
  spawn(end_all(shared_from_this()));
}

/// The sessions end side by side: none waits for what another one waits for. The client leaves the
/// core when nothing of it runs any more: an access in flight protects its file until then.
Task<void> Connection::end_all([[maybe_unused]] std::shared_ptr<Connection> self) {
  const std::map<std::uint64_t, SessionRef> sessions = sessions_;
  for (const auto& [id, session] : sessions) spawn(server_.end_session(session));
  for (const auto& [id, session] : sessions) co_await server_.end_session(session);
  co_await running_.empty();
  if (client_) server_.release_client(identity_);
  client_ = {};
}

}  // namespace lockstep::wire::smb2
