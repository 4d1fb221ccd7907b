// One UDP socket of the service: calls in, replies out from the address that was called (a client
// takes no answer from another).
#pragma once

#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "shell/wire/ports.hpp"

namespace lockstep::net {

class DatagramSocket : public std::enable_shared_from_this<DatagramSocket> {
 public:
  using Reply = std::function<void(wire::Bytes)>;
  /// Called for each datagram; `reply` may be called later, or not at all.
  using Handler = std::function<void(const wire::Address& from, const wire::Address& local,
                                     wire::Bytes message, Reply reply)>;

  /// Binds at once; throws ListenError.
  DatagramSocket(boost::asio::io_context& loop, const wire::Address& address, std::string_view flag,
                 Handler handler);
  void start();
  void stop();
  std::uint16_t port() const;

 private:
  void wait();
  /// Reads what is there, but not so much that others starve.
  void read_some();
  bool read_one();
  void send(const boost::asio::ip::udp::endpoint& to, const boost::asio::ip::address& from,
            unsigned interface, const wire::Bytes& message);

  boost::asio::ip::udp::socket socket_;
  const Handler handler_;
  wire::Bytes buffer_;
};

}  // namespace lockstep::net
