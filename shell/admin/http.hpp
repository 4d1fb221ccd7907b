// A small HTTP endpoint: /metrics for Prometheus, /state.json with every lock, open and waiter, and
// / with a page that shows them live. It only answers questions; nothing can be changed through it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "shell/admin/commands.hpp"
#include "shell/wire/ports.hpp"

namespace lockstep::admin {

class HttpServer : public std::enable_shared_from_this<HttpServer> {
 public:
  /// Throws net::ListenError.
  HttpServer(boost::asio::io_context& loop, const wire::Address& address, Commands& commands);
  ~HttpServer();
  void start();
  void stop();
  std::uint16_t port() const;

 private:
  class Connection;
  void accept();

  Commands& commands_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::size_t connections_ = 0;
};

/// The page, as served at "/".
std::string page();

}  // namespace lockstep::admin
