#include "shell/wire/rpc/client.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "shell/wire/rpc/universal_address.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::rpc {
namespace {

constexpr std::uint32_t kPortmapProgram = 100000;
constexpr std::uint16_t kPortmapPort = 111;
constexpr std::uint32_t kGetPort = 3;  // also RPCBPROC_GETADDR
constexpr std::uint32_t kProtocolTcp = 6;
constexpr std::uint32_t kProtocolUdp = 17;

}  // namespace

/// One call under way: whichever comes first, its reply, the timer or the connection's end, wakes
/// the one coroutine that waits. Shared with the callbacks, which may outlive it.
class Exchange {
 public:
  explicit Exchange(std::uint32_t xid) : xid_(xid) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void on_message(Bytes message) {
    if (result_) return;
    const ParsedReply parsed = parse_reply(message);
    if (!parsed.valid || parsed.xid != xid_) return;
    CallResult result;
    const bool good = parsed.accepted && parsed.status == AcceptStatus::success;
    result.outcome = good ? CallResult::Outcome::answered : CallResult::Outcome::refused;
    result.status = parsed.status;
    result.message = std::move(message);
    result.results = parsed.results;
    result_ = std::move(result);
    wake();
  }
  void wake() {
    woken_ = true;
    if (waiting_) std::exchange(waiting_, {}).resume();
  }
  void interrupt() {
    interrupted_ = true;
    wake();
  }
  std::optional<CallResult>& result() { return result_; }
  /// Whether waiting on makes no sense.
  bool over() const { return result_ || interrupted_; }

  bool await_ready() const noexcept { return woken_; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  void await_resume() noexcept { woken_ = false; }

 private:
  std::uint32_t xid_;
  std::optional<CallResult> result_;
  bool woken_ = false;
  bool interrupted_ = false;
  std::coroutine_handle<> waiting_;
};

namespace {

class ReplySession final : public Session {
 public:
  explicit ReplySession(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  void on_message(Bytes message) override {
    const std::shared_ptr<Exchange> exchange = exchange_;
    exchange->on_message(std::move(message));
  }
  void on_closed() override {
    const std::shared_ptr<Exchange> exchange = exchange_;
    exchange->wake();
  }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace

Bytes encode_call(std::uint32_t xid, const Outgoing& call) {
  CallHeader header;
  header.xid = xid;
  header.program = call.program;
  header.version = call.version;
  header.procedure = call.procedure;
  header.credential = call.credential;
  BigWriter out;
  put_call(out, header);
  out.bytes(call.arguments);
  return out.take();
}

Client::Client(Clock& clock, Dialler& dialler, std::uint64_t seed)
    : clock_(clock),
      dialler_(dialler),
      next_xid_(static_cast<std::uint32_t>((seed * 0x9E3779B97F4A7C15) >> 32)) {}

Task<void> Client::wait(std::shared_ptr<Exchange> exchange, core::Nanos time) {
  if (interrupted_) co_return;
  Exchange& event = *exchange;
  const std::uint64_t number = ++last_wait_;
  waiting_.emplace(number, exchange);
  const std::function<void()> cancel =
      clock_.at(clock_.now() + time, [exchange] { exchange->wake(); });
  co_await event;
  cancel();
  waiting_.erase(number);
}

Task<void> Client::sleep(core::Nanos time) { co_await wait(std::make_shared<Exchange>(0), time); }

void Client::interrupt() {
  interrupted_ = true;
  const auto all = waiting_;
  for (const auto& [number, exchange] : all) exchange->interrupt();
}

Task<CallResult> Client::call_udp(Address to, Outgoing call, Retry retry) {
  const std::uint32_t xid = next_xid_++;
  const Bytes message = encode_call(xid, call);
  const auto exchange = std::make_shared<Exchange>(xid);
  // Every socket stays open to the end: an answer to an earlier try is as good.
  std::vector<std::function<void()>> sockets;
  core::Nanos pause = retry.first;
  for (unsigned i = 0; i < retry.tries && !exchange->over() && !interrupted_; ++i) {
    if (!retry.wanted()) break;
    sockets.push_back(dialler_.datagram(to, message, [exchange](Bytes reply) {
      // What is waked may close this socket, and end the function that runs here.
      // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
      const std::shared_ptr<Exchange> kept = exchange;
      kept->on_message(std::move(reply));
    }));
    co_await wait(exchange, pause);
    pause = std::min(pause * 2, retry.most);
  }
  for (const auto& close : sockets) close();
  CallResult result;
  if (exchange->result()) result = std::move(*exchange->result());
  result.copies = static_cast<unsigned>(sockets.size());
  co_return result;
}

Task<CallResult> Client::call_tcp(Address to, Outgoing call, core::Nanos patience) {
  const std::uint32_t xid = next_xid_++;
  Bytes message = encode_call(xid, call);
  const auto exchange = std::make_shared<Exchange>(xid);
  const auto session = std::make_shared<ReplySession>(exchange);
  const std::shared_ptr<Peer> peer = co_await dialler_.connect(std::move(to), session);
  if (!peer) co_return CallResult{};
  peer->send(std::move(message));
  co_await wait(exchange, patience);
  peer->close();
  CallResult result;
  if (exchange->result()) result = std::move(*exchange->result());
  result.copies = 1;
  co_return result;
}

Task<std::optional<std::uint16_t>> Client::find_port(std::string host, std::uint32_t program,
                                                     std::uint32_t version, Transport transport,
                                                     std::function<bool()> wanted) {
  const bool ipv6 = host.find(':') != std::string::npos;
  Outgoing call;
  call.program = kPortmapProgram;
  call.version = ipv6 ? 4 : 2;
  call.procedure = kGetPort;
  BigWriter arguments;
  arguments.u32(program);
  arguments.u32(version);
  if (ipv6) {
    put_string(arguments, transport == Transport::tcp ? "tcp6" : "udp6");
    put_string(arguments, "");
    put_string(arguments, "");
  } else {
    arguments.u32(transport == Transport::tcp ? kProtocolTcp : kProtocolUdp);
    arguments.u32(0);
  }
  call.arguments = arguments.take();

  Address portmapper;
  portmapper.host = std::move(host);
  portmapper.port = kPortmapPort;
  Retry retry;
  retry.first = 500 * core::kMillisecond;
  retry.tries = 3;
  retry.wanted = wanted;
  CallResult result = co_await call_udp(portmapper, call, retry);
  if (result.outcome == CallResult::Outcome::silent && !interrupted_ && wanted()) {
    result = co_await call_tcp(portmapper, call, 5 * core::kSecond);
  }
  if (!result.answered()) co_return std::nullopt;
  BigReader in = result.reader();
  std::uint32_t port = 0;
  if (ipv6) {
    const std::optional<Address> at = parse_universal(get_string(in, kUniversalAddressMax));
    if (at) port = at->port;
  } else {
    port = in.u32();
  }
  if (in.failed() || port == 0 || port > 0xFFFF) co_return std::nullopt;
  co_return static_cast<std::uint16_t>(port);
}

}  // namespace lockstep::wire::rpc
