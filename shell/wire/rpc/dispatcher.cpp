#include "shell/wire/rpc/dispatcher.hpp"

#include <deque>
#include <exception>
#include <utility>

namespace lockstep::wire::rpc {
namespace {

/// The message that answers `reply`, or nothing for a silent one.
Bytes finish(const CallContext& call, Reply reply) {
  if (reply.silent) return {};
  if (reply.too_weak) return reply_auth_error(call.header.xid, AuthStatus::too_weak);
  if (reply.status != AcceptStatus::success) return reply_error(call.header.xid, reply.status);
  set_xid(reply.message, call.header.xid);
  return std::move(reply.message);
}

/// Runs a program's call. An exception is this server's fault and concerns this call alone.
Task<Bytes> answer(Program& program, const CallContext& call) {
  Reply reply;
  try {
    reply = co_await program.call(call);
  } catch (const std::exception&) {
    reply = Reply::error(AcceptStatus::system_err);
  }
  co_return finish(call, std::move(reply));
}

}  // namespace

Dispatcher::Dispatcher(Clock& clock, Limits limits)
    : clock_(clock), limits_(limits), replies_(limits.replies) {}
Dispatcher::~Dispatcher() = default;

void Dispatcher::add(Program& program) { programs_[program.number()] = &program; }

void Dispatcher::refuse(Bytes rejection, const Send& send, const std::function<void()>& done) {
  ++counters_.rejected;
  send(std::move(rejection));
  done();
}

void Dispatcher::run(CallContext call, Send send, std::function<void()> done) {
  ParsedCall parsed = parse_call(call.message);
  if (parsed.kind == ParsedCall::Kind::drop) {
    ++counters_.dropped;
    return done();
  }
  if (parsed.kind == ParsedCall::Kind::reject) {
    return refuse(std::move(parsed.rejection), send, done);
  }
  call.header = std::move(parsed.header);
  call.arguments = parsed.arguments;
  const CallHeader& header = call.header;

  const auto found = programs_.find(header.program);
  if (found == programs_.end()) {
    return refuse(reply_error(header.xid, AcceptStatus::prog_unavail), send, done);
  }
  Program& program = *found->second;
  if (!program.serves(header.version)) {
    const VersionRange range = program.versions();
    return refuse(reply_error(header.xid, AcceptStatus::prog_mismatch, range.low, range.high), send,
                  done);
  }
  if (!program.has_procedure(header.version, header.procedure)) {
    return refuse(reply_error(header.xid, AcceptStatus::proc_unavail), send, done);
  }
  ++counters_.calls;
  if (program.repeat(header.version, header.procedure) == Repeat::run) {
    spawn(run_fresh(program, std::move(call), std::move(send), std::move(done)));
  } else {
    spawn(run_once(program, std::move(call), std::move(send), std::move(done)));
  }
}

Task<void> Dispatcher::run_fresh(Program& program, CallContext call, Send send,
                                 std::function<void()> done) {
  Bytes reply = co_await answer(program, call);
  if (!reply.empty()) send(std::move(reply));
  done();
}

Task<void> Dispatcher::run_once(Program& program, CallContext call, Send send,
                                std::function<void()> done) {
  const CallKey key = key_of(call);
  const ReplyCache::Outcome outcome =
      replies_.begin(key, clock_.now(), [send, done](const Bytes& reply) {
        if (!reply.empty()) send(reply);
        done();
      });
  if (outcome == ReplyCache::Outcome::fresh) {
    Bytes reply = co_await answer(program, call);
    const bool keep = program.repeat(key.version, key.procedure) == Repeat::keep;
    replies_.finish(key, clock_.now(), reply, keep);
    if (!reply.empty()) send(std::move(reply));
    done();
  }
}

void Dispatcher::on_datagram(const Address& from, const Address& local, Bytes message, Send send) {
  std::size_t& of_host = datagram_hosts_[from.host];
  if (datagram_calls_ >= limits_.datagram_calls_max ||
      of_host >= limits_.datagram_calls_per_host_max) {
    ++counters_.dropped;
    if (of_host == 0) datagram_hosts_.erase(from.host);
    return;
  }
  ++datagram_calls_;
  ++of_host;
  CallContext call;
  call.remote = from;
  call.local = local;
  call.transport = Transport::udp;
  call.message = std::move(message);
  run(std::move(call), std::move(send), [this, host = from.host] {
    --datagram_calls_;
    const auto at = datagram_hosts_.find(host);
    if (--at->second == 0) datagram_hosts_.erase(at);
  });
}

// ---- Stream connections -------------------------------------------------------------------------

/// Calls that run keep the session alive; once the connection is gone their replies go nowhere but
/// into the reply cache.
class StreamSession final : public Session, public std::enable_shared_from_this<StreamSession> {
 public:
  StreamSession(Dispatcher& dispatcher, std::shared_ptr<Peer> peer)
      : dispatcher_(dispatcher),
        peer_(std::move(peer)),
        remote_(peer_->remote()),
        local_(peer_->local()) {}

  void on_message(Bytes message) override {
    waiting_.push_back(std::move(message));
    pump();
  }

  void on_closed() override {
    waiting_.clear();
    peer_.reset();
  }

 private:
  // Never re-entered: a call that ends at once comes back here through `done`, and recursion for
  // each of a long queue of messages would eat the stack.
  void pump() {
    if (pumping_) return;
    pumping_ = true;
    const std::shared_ptr<StreamSession> self = shared_from_this();
    const std::size_t most = dispatcher_.limits().calls_per_connection_max;
    while (peer_ && !waiting_.empty() && running_ < most) {
      Bytes message = std::move(waiting_.front());
      waiting_.pop_front();
      start(std::move(message));
    }
    pumping_ = false;
    hold(peer_ && !waiting_.empty());
  }

  void start(Bytes message) {
    ++running_;
    CallContext call;
    call.remote = remote_;
    call.local = local_;
    call.transport = Transport::tcp;
    call.message = std::move(message);
    const std::shared_ptr<StreamSession> self = shared_from_this();
    dispatcher_.run(
        std::move(call),
        [self](Bytes reply) {
          if (self->peer_) self->peer_->send(std::move(reply));
        },
        [self] {
          --self->running_;
          self->pump();
        });
  }

  void hold(bool on) {
    if (on == held_ || !peer_) return;
    held_ = on;
    peer_->hold_reading(on);
  }

  Dispatcher& dispatcher_;
  std::shared_ptr<Peer> peer_;
  Address remote_, local_;
  std::deque<Bytes> waiting_;
  std::size_t running_ = 0;
  bool pumping_ = false;
  bool held_ = false;
};

std::shared_ptr<Session> Dispatcher::accept(std::shared_ptr<Peer> peer) {
  return std::make_shared<StreamSession>(*this, std::move(peer));
}

}  // namespace lockstep::wire::rpc
