// Accepts TCP connections on one address and port and gives each to a session.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "shell/net/connection.hpp"

namespace lockstep::net {

/// One line: what cannot be listened on, which flag says so, and what to do.
class ListenError : public std::runtime_error {
 public:
  ListenError(const wire::Address& address, std::string_view flag, boost::system::error_code why);
  boost::system::error_code code() const { return why_; }

 private:
  boost::system::error_code why_;
};

/// Makes the session of a connection; null: the connection is closed again.
using SessionFactory =
    std::function<std::shared_ptr<wire::Session>(std::shared_ptr<wire::Peer> peer)>;

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  /// Binds and listens at once; throws ListenError. `flag` is what messages call the port. Port 0
  /// takes any free one: see `port()`.
  Listener(boost::asio::io_context& loop, const wire::Address& address, std::string_view flag,
           Framing framing, const ConnectionLimits& limits, std::shared_ptr<Admission> admission,
           SessionFactory sessions);
  void start();
  /// No further connections, and the end of those that are there.
  void stop();
  std::uint16_t port() const;

 private:
  void accept();
  void on_accept(const boost::system::error_code& error, Connection::Socket socket);
  void admit(Connection::Socket socket);
  void remember(const std::shared_ptr<Connection>& connection);

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  const Framing framing_;
  const ConnectionLimits limits_;
  const std::shared_ptr<Admission> admission_;
  const SessionFactory sessions_;
  std::vector<std::weak_ptr<Connection>> connections_;  ///< some may have gone
  std::size_t sweep_at_ = 64;
  bool refusing_ = false;  ///< told already that connections are refused
};

}  // namespace lockstep::net
