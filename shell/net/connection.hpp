// One TCP connection: cuts the stream into messages for a session, and sends the session's
// messages, several with one system call. It costs nobody else anything: what is unsent is bounded
// (a client that does not read is cut off), what is received is bounded, and a connection on which
// nothing moves is closed.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "shell/net/admission.hpp"
#include "shell/net/framing.hpp"
#include "shell/wire/ports.hpp"

namespace lockstep::net {

struct ConnectionLimits {
  std::size_t message_max = 9u << 20;
  /// More than this queued for a client that does not read: the connection is closed.
  std::size_t unsent_max = 64u << 20;
  /// More than this queued: nothing is read until it is less.
  std::size_t unsent_pause = 16u << 20;
  std::chrono::nanoseconds handshake = std::chrono::seconds(20);  ///< until the first message
  std::chrono::nanoseconds stall = std::chrono::seconds(60);      ///< in the middle of a message
  std::chrono::nanoseconds idle{0};                               ///< between messages; 0: for ever
};

class Connection final : public wire::Peer, public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// `place` is kept as long as the connection lasts.
  Connection(Socket socket, Framing framing, const ConnectionLimits& limits,
             Admission::Place place);
  /// Begins to read; the connection keeps itself and the session alive until it is closed.
  void start(std::shared_ptr<wire::Session> session);

  void send(wire::Bytes message) override;
  /// What was sent before still leaves, if the client takes it within two seconds.
  void close() override;
  void hold_reading(bool hold) override;
  const wire::Address& remote() const override { return remote_; }
  const wire::Address& local() const override { return local_; }

  /// Ends it at once, whatever is unsent. The reason is logged at debug level.
  void abort(std::string_view reason);

 private:
  using Error = boost::system::error_code;
  struct Unsent {
    std::array<std::uint8_t, 4> mark;
    wire::Bytes message;
    std::size_t size() const { return mark.size() + message.size(); }
  };

  void read();
  void on_read(const Error& error, std::size_t size);
  void deliver();
  void flush();
  void write();
  void on_written(const Error& error, std::size_t size);
  void watch();
  void on_watch();
  std::optional<std::chrono::steady_clock::time_point> deadline() const;
  void end_session();
  void end_socket();
  bool may_read() const;

  Socket socket_;
  boost::asio::steady_timer timer_;
  const Framing framing_;
  const ConnectionLimits limits_;
  Admission::Place place_;
  wire::Address remote_, local_;
  std::shared_ptr<wire::Session> session_;

  Framer framer_;
  bool reading_ = false;
  bool delivering_ = false;
  bool held_ = false;
  bool spoke_ = false;  ///< a first whole message has come
  bool watching_ = false;
  std::chrono::steady_clock::time_point opened_, moved_;

  std::deque<Unsent> unsent_;
  std::size_t unsent_bytes_ = 0;
  std::size_t written_of_first_ = 0;
  bool writing_ = false;
  bool flush_posted_ = false;

  bool closing_ = false;  ///< close() or abort(): the session hears no more
  bool ended_ = false;    ///< the socket is closed
};

}  // namespace lockstep::net
