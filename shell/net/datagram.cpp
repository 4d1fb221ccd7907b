#include "shell/net/datagram.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/v6_only.hpp>
#include <cstring>
#include <utility>

#include "shell/net/address.hpp"
#include "shell/net/listener.hpp"

namespace lockstep::net {

namespace {

using boost::asio::ip::udp;

constexpr std::size_t kDatagramMax = 65536;
constexpr int kDatagramsAtOnce = 64;

/// Room for either family's packet information.
union ControlBuffer {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo))];
};

struct Destination {
  boost::asio::ip::address address;
  unsigned interface = 0;
};

/// The address that a datagram was sent to.
Destination destination_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      return {boost::asio::ip::address_v4(ntohl(info.ipi_spec_dst.s_addr)), 0};
    }
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      boost::asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &info.ipi6_addr, bytes.size());
      const boost::asio::ip::address_v6 address(bytes);
      // Only such an address needs its interface to be found again.
      return {address, address.is_link_local() ? info.ipi6_ifindex : 0};
    }
  }
  return {};
}

template <class Info>
void put_control(msghdr& message, int level, int type, const Info& info) {
  message.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(part), &info, sizeof info);
}

}  // namespace

DatagramSocket::DatagramSocket(boost::asio::io_context& loop, const wire::Address& address,
                               std::string_view flag, Handler handler)
    : socket_(loop), handler_(std::move(handler)), buffer_(kDatagramMax) {
  const auto endpoint = endpoint_of<udp::endpoint>(address);
  boost::system::error_code error;
  const auto check = [&] {
    if (error) throw ListenError(address, flag, error);
  };
  if (!endpoint) error = boost::system::error_code(EADDRNOTAVAIL, boost::system::system_category());
  check();
  socket_.open(endpoint->protocol(), error);
  check();
  const bool six = endpoint->protocol() == udp::v6();
  if (six) socket_.set_option(boost::asio::ip::v6_only(true), error);
  const int on = 1;
  (void)setsockopt(socket_.native_handle(), six ? IPPROTO_IPV6 : IPPROTO_IP,
                   six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof on);
  socket_.bind(*endpoint, error);
  check();
  socket_.non_blocking(true, error);
  check();
}

std::uint16_t DatagramSocket::port() const { return socket_.local_endpoint().port(); }

void DatagramSocket::start() { wait(); }

void DatagramSocket::stop() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void DatagramSocket::wait() {
  socket_.async_wait(udp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error || !self->socket_.is_open()) return;
                       self->read_some();
                       if (self->socket_.is_open()) self->wait();
                     });
}

void DatagramSocket::read_some() {
  for (int i = 0; i < kDatagramsAtOnce && socket_.is_open() && read_one(); ++i) {
  }
}

bool DatagramSocket::read_one() {
  udp::endpoint from;
  ControlBuffer control{};
  iovec place{buffer_.data(), buffer_.size()};
  msghdr message{};
  message.msg_name = from.data();
  message.msg_namelen = static_cast<socklen_t>(from.capacity());
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  const ssize_t size = recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
  if (size < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
  from.resize(message.msg_namelen);
  const Destination to = destination_of(message);
  const std::uint16_t own_port = port();
  handler_(address_of(from), {unmapped(to.address).to_string(), own_port},
           wire::Bytes(buffer_.begin(), buffer_.begin() + size),
           [weak = weak_from_this(), from, to](const wire::Bytes& reply) {
             if (const auto self = weak.lock()) self->send(from, to.address, to.interface, reply);
           });
  return true;
}

void DatagramSocket::send(const udp::endpoint& to, const boost::asio::ip::address& from,
                          unsigned interface, const wire::Bytes& bytes) {
  if (!socket_.is_open()) return;
  udp::endpoint target = to;
  ControlBuffer control{};
  iovec place{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = target.data();
  message.msg_namelen = static_cast<socklen_t>(target.size());
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  if (from.is_v4() && !from.is_unspecified()) {
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(from.to_v4().to_uint());
    put_control(message, IPPROTO_IP, IP_PKTINFO, info);
  } else if (from.is_v6() && !from.is_unspecified()) {
    in6_pktinfo info{};
    const auto source = from.to_v6().to_bytes();
    std::memcpy(&info.ipi6_addr, source.data(), source.size());
    info.ipi6_ifindex = interface;
    put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    message.msg_control = nullptr;
  }
  // A reply that finds no room is lost as any datagram may be: the client asks again.
  (void)sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace lockstep::net
