#include "shell/net/listener.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <utility>

#include "shell/admin/log.hpp"
#include "shell/net/address.hpp"

namespace lockstep::net {

namespace {

using boost::asio::ip::tcp;

std::string_view remedy(const boost::system::error_code& why) {
  switch (why.value()) {
    case EADDRINUSE:
      return "stop the program that has it, or choose another port";
    case EACCES:
      return "run as root, give the program CAP_NET_BIND_SERVICE, or choose a port above 1023";
    case EADDRNOTAVAIL:
      return "no interface of this machine has that address: correct --bind";
    case EAFNOSUPPORT:
      return "this machine has no such kind of address: correct --bind";
    default:
      return "choose another address or port";
  }
}

std::string in_brackets(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

/// A peer that is gone without a word is noticed within two minutes.
void set_options(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  const int handle = socket.native_handle();
  const std::pair<int, int> numbers[] = {{TCP_KEEPIDLE, 60},
                                         {TCP_KEEPINTVL, 15},
                                         {TCP_KEEPCNT, 4},
                                         {TCP_USER_TIMEOUT, 120'000 /* ms */}};
  for (const auto& [option, value] : numbers) {
    (void)setsockopt(handle, IPPROTO_TCP, option, &value, sizeof value);
  }
}

}  // namespace

ListenError::ListenError(const wire::Address& address, std::string_view flag,
                         boost::system::error_code why)
    : std::runtime_error("cannot listen on " + in_brackets(address.host) + ":" +
                         std::to_string(address.port) + " (" + std::string(flag) +
                         "): " + why.message() + ": " + std::string(remedy(why))),
      why_(why) {}

Listener::Listener(boost::asio::io_context& loop, const wire::Address& address,
                   std::string_view flag, Framing framing, const ConnectionLimits& limits,
                   std::shared_ptr<Admission> admission, SessionFactory sessions)
    : acceptor_(loop),
      pause_(loop),
      framing_(framing),
      limits_(limits),
      admission_(std::move(admission)),
      sessions_(std::move(sessions)) {
  const auto endpoint = endpoint_of<tcp::endpoint>(address);
  boost::system::error_code error;
  const auto check = [&] {
    if (error) throw ListenError(address, flag, error);
  };
  if (!endpoint) error = boost::system::error_code(EADDRNOTAVAIL, boost::system::system_category());
  check();
  acceptor_.open(endpoint->protocol(), error);
  check();
  acceptor_.set_option(boost::asio::socket_base::reuse_address(true), error);
  // IPv4 has a socket of its own.
  if (endpoint->protocol() == tcp::v6()) {
    acceptor_.set_option(boost::asio::ip::v6_only(true), error);
  }
  acceptor_.bind(*endpoint, error);
  check();
  acceptor_.listen(1024, error);
  check();
}

std::uint16_t Listener::port() const { return acceptor_.local_endpoint().port(); }

void Listener::start() { accept(); }

void Listener::stop() {
  boost::system::error_code ignored;
  pause_.cancel();
  acceptor_.close(ignored);
  for (const auto& known : std::exchange(connections_, {})) {
    if (const auto connection = known.lock()) connection->abort("the server stops");
  }
}

void Listener::remember(const std::shared_ptr<Connection>& connection) {
  if (connections_.size() >= sweep_at_) {
    std::erase_if(connections_, [](const auto& known) { return known.expired(); });
    sweep_at_ = std::max<std::size_t>(64, 2 * connections_.size());
  }
  connections_.push_back(connection);
}

void Listener::accept() {
  acceptor_.async_accept(
      [self = shared_from_this()](const boost::system::error_code& error, tcp::socket socket) {
        self->on_accept(error, std::move(socket));
      });
}

void Listener::on_accept(const boost::system::error_code& error, tcp::socket socket) {
  if (!acceptor_.is_open()) return;
  const bool exhausted = error == boost::asio::error::no_descriptors || error.value() == ENFILE ||
                         error == boost::asio::error::no_buffer_space ||
                         error == boost::asio::error::no_memory;
  if (exhausted) {
    // Accepting would fail again at once; a connection that ends makes room.
    log::warn("connections wait",
              {{"reason", error.message()}, {"remedy", "raise the limit of open files"}});
    pause_.expires_after(std::chrono::milliseconds(250));
    pause_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
      if (!cancelled) self->accept();
    });
    return;
  }
  if (!error) admit(std::move(socket));
  accept();
}

void Listener::admit(tcp::socket socket) {
  boost::system::error_code gone;
  const auto remote = socket.remote_endpoint(gone);
  if (gone) return;
  const std::string host = address_of(remote).host;
  Admission::Place place = admission_->admit(host);
  if (!place) {
    if (!std::exchange(refusing_, true)) {
      log::warn("too many connections: refusing",
                {{"client", host},
                 {"connections", admission_->total()},
                 {"remedy", "raise connections_max or connections_per_address_max"}});
    }
    return;
  }
  refusing_ = false;
  set_options(socket);
  auto connection =
      std::make_shared<Connection>(std::move(socket), framing_, limits_, std::move(place));
  remember(connection);
  if (auto session = sessions_(connection))
    connection->start(std::move(session));
  else
    connection->abort("refused");
}

}  // namespace lockstep::net
