// The control socket: a Unix stream in the state directory, one JSON request a line, one JSON reply
// a line. Only the server's user may connect (the socket's mode is 0600).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <memory>

#include "shell/admin/commands.hpp"

namespace lockstep::admin {

class ControlServer : public std::enable_shared_from_this<ControlServer> {
 public:
  /// Throws std::runtime_error with one line: another server answers there, or what is wrong with
  /// the path. `commands` must outlive the server and what it has begun.
  ControlServer(boost::asio::io_context& loop, const std::filesystem::path& path,
                Commands& commands);
  ~ControlServer();
  void start();
  void stop();

 private:
  class Connection;
  void accept();

  boost::asio::io_context& loop_;
  const std::filesystem::path path_;
  Commands& commands_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::size_t connections_ = 0;
};

}  // namespace lockstep::admin
