#include "shell/net/dialler.hpp"

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

#include "shell/net/address.hpp"

namespace lockstep::net {

namespace {

using boost::asio::ip::tcp;
using boost::asio::ip::udp;
using Error = boost::system::error_code;

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::size_t kReplyMax = 65536;

/// Opens the socket for `to` and gives it the service address of that family.
template <class Socket, class Endpoint>
bool open_bound(Socket& socket, const Endpoint& to, const std::vector<std::string>& sources) {
  Error error;
  socket.open(to.protocol(), error);
  if (error) return false;
  for (const std::string& source : sources) {
    const auto from = endpoint_of<Endpoint>({source, 0});
    if (!from || from->protocol() != to.protocol() || from->address().is_unspecified()) continue;
    socket.bind(*from, error);
    return !error;
  }
  return true;
}

struct Attempt {
  explicit Attempt(boost::asio::io_context& loop) : socket(loop), timer(loop) {}
  tcp::socket socket;
  boost::asio::steady_timer timer;
  wire::Completion<bool> connected;
};

struct Exchange {
  explicit Exchange(boost::asio::io_context& loop) : socket(loop), buffer(kReplyMax) {}
  udp::socket socket;
  wire::Bytes buffer;
  std::function<void(wire::Bytes)> on_reply;
};

void receive(const std::shared_ptr<Exchange>& exchange) {
  exchange->socket.async_receive(
      boost::asio::buffer(exchange->buffer), [exchange](const Error& error, std::size_t size) {
        if (!exchange->on_reply || error == boost::asio::error::operation_aborted) return;
        // An error here is the ICMP of an earlier datagram; a repeat may still be answered.
        if (!error) {
          const auto on_reply = exchange->on_reply;
          on_reply(wire::Bytes(exchange->buffer.begin(),
                               exchange->buffer.begin() + static_cast<std::ptrdiff_t>(size)));
        }
        if (exchange->on_reply) receive(exchange);
      });
}

}  // namespace

wire::Task<std::shared_ptr<wire::Peer>> LoopDialler::connect(
    wire::Address to, std::shared_ptr<wire::Session> session) {
  const auto endpoint = endpoint_of<tcp::endpoint>(to);
  auto attempt = std::make_shared<Attempt>(loop_);
  if (!endpoint || !open_bound(attempt->socket, *endpoint, sources_)) co_return nullptr;
  attempt->timer.expires_after(kConnectTimeout);
  attempt->timer.async_wait([attempt](const Error& cancelled) {
    Error ignored;
    if (!cancelled) attempt->socket.close(ignored);
  });
  attempt->socket.async_connect(*endpoint, [attempt](const Error& error) {
    attempt->timer.cancel();
    attempt->connected.set(!error && attempt->socket.is_open());
  });
  if (!co_await attempt->connected) co_return nullptr;
  Error ignored;
  attempt->socket.set_option(tcp::no_delay(true), ignored);
  ConnectionLimits limits = limits_;
  // The called program may take its time with its first answer; who waits for it has a limit.
  limits.handshake = limits.stall;
  auto connection = std::make_shared<Connection>(std::move(attempt->socket), Framing::rpc, limits,
                                                 Admission::Place());
  connection->start(std::move(session));
  co_return connection;
}

std::function<void()> LoopDialler::datagram(wire::Address to, wire::Bytes payload,
                                            std::function<void(wire::Bytes)> on_reply) {
  const auto endpoint = endpoint_of<udp::endpoint>(to);
  auto exchange = std::make_shared<Exchange>(loop_);
  Error error;
  if (!endpoint || !open_bound(exchange->socket, *endpoint, sources_)) return [] {};
  // Connected: what another host sends to this port is nobody's answer.
  exchange->socket.connect(*endpoint, error);
  if (!error) exchange->socket.send(boost::asio::buffer(payload), 0, error);
  exchange->on_reply = std::move(on_reply);
  receive(exchange);
  return [weak = std::weak_ptr<Exchange>(exchange)] {
    if (const auto live = weak.lock()) {
      live->on_reply = {};
      Error ignored;
      live->socket.close(ignored);
    }
  };
}

}  // namespace lockstep::net
