// Goal: messages cross real sockets whole and in order, and a client that floods, stalls, says
// nothing or does not read is closed without a cost to the others. One loop runs both ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <numeric>

#include "shell/net/clock.hpp"
#include "shell/net/datagram.hpp"
#include "shell/net/dialler.hpp"
#include "shell/net/listener.hpp"

namespace lockstep::net {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;
using wire::Bytes;

/// Answers each message with itself, and keeps what it saw.
class Echo final : public wire::Session {
 public:
  explicit Echo(std::shared_ptr<wire::Peer> peer) : peer_(std::move(peer)) {}
  void on_message(Bytes message) override {
    EXPECT_FALSE(closed);
    received.push_back(message);
    if (answers) {
      for (int i = 0; i < copies; ++i) peer_->send(message);
    }
    if (close_after) peer_->close();
  }
  void on_closed() override {
    EXPECT_FALSE(closed) << "told twice";
    closed = true;
  }
  wire::Peer& peer() { return *peer_; }

  std::vector<Bytes> received;
  bool closed = false, answers = true, close_after = false;
  int copies = 1;

 private:
  std::shared_ptr<wire::Peer> peer_;
};

class NetTest : public testing::Test {
 protected:
  ~NetTest() override {
    // A connection and its session refer to each other until it ends.
    if (listener_) listener_->stop();
    loop_.restart();
    loop_.poll();
  }

  void listen(Framing framing = Framing::rpc) {
    if (listener_) listener_->stop();
    listener_ = std::make_shared<Listener>(
        loop_, wire::Address{"127.0.0.1", 0}, "--nfs-port", framing, limits_,
        std::make_shared<Admission>(admission_limits_), [this](std::shared_ptr<wire::Peer> peer) {
          sessions_.push_back(std::make_shared<Echo>(std::move(peer)));
          sessions_.back()->copies = copies_;
          return sessions_.back();
        });
    listener_->start();
  }
  tcp::socket connect() {
    tcp::socket socket(loop_);
    socket.connect({boost::asio::ip::address_v4::loopback(), listener_->port()});
    return socket;
  }
  template <class Done>
  bool run_until(Done done, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    loop_.restart();
    while (!done()) {
      if (std::chrono::steady_clock::now() > end || loop_.run_one_until(end) == 0) return done();
    }
    return true;
  }
  static void send_message(tcp::socket& socket, Framing framing, const Bytes& message) {
    const auto mark = frame_mark(framing, message.size());
    boost::asio::write(socket, boost::asio::buffer(mark));
    boost::asio::write(socket, boost::asio::buffer(message));
  }
  /// True when the server has closed the connection.
  bool closed(tcp::socket& socket) {
    bool ended = false;
    char byte = 0;
    socket.async_read_some(
        boost::asio::buffer(&byte, 1),
        [&](const boost::system::error_code& error, std::size_t) { ended = error.failed(); });
    return run_until([&] { return ended; }, 3s);
  }

  boost::asio::io_context loop_{1};
  ConnectionLimits limits_;
  AdmissionLimits admission_limits_;
  std::shared_ptr<Listener> listener_;
  std::vector<std::shared_ptr<Echo>> sessions_;
  int copies_ = 1;
};

TEST_F(NetTest, EchoesMessagesOfEverySizeInOrder) {
  for (const Framing framing : {Framing::rpc, Framing::smb}) {
    sessions_.clear();
    listen(framing);
    tcp::socket client = connect();
    Bytes expected;
    std::size_t sent = 0;
    for (const std::size_t size : {1u, 4u, 100u, 70'000u, 3u, 900'000u, 17u}) {
      Bytes message(size);
      std::iota(message.begin(), message.end(), static_cast<std::uint8_t>(size));
      const auto mark = frame_mark(framing, size);
      expected.insert(expected.end(), mark.begin(), mark.end());
      expected.insert(expected.end(), message.begin(), message.end());
      ++sent;
    }
    Bytes got(expected.size());
    bool read = false, written = false;
    boost::asio::async_write(client, boost::asio::buffer(expected),
                             [&](const auto& error, std::size_t) { written = !error; });
    boost::asio::async_read(client, boost::asio::buffer(got),
                            [&](const auto& error, std::size_t) { read = !error; });
    ASSERT_TRUE(run_until([&] { return read && written; }));
    EXPECT_TRUE(got == expected);
    EXPECT_EQ(sessions_.at(0)->received.size(), sent);
    EXPECT_EQ(sessions_.at(0)->peer().remote().host, "127.0.0.1");
    EXPECT_EQ(sessions_.at(0)->peer().local().port, listener_->port());
    client.close();
    EXPECT_TRUE(run_until([&] { return sessions_.at(0)->closed; }));
  }
}

TEST_F(NetTest, WhatWasSentBeforeCloseStillArrives) {
  listen();
  tcp::socket client = connect();
  ASSERT_TRUE(run_until([&] { return !sessions_.empty(); }));
  sessions_[0]->close_after = true;
  send_message(client, Framing::rpc, Bytes(500'000, 7));
  Bytes got(500'004);
  bool read = false;
  boost::asio::async_read(client, boost::asio::buffer(got),
                          [&](const auto& error, std::size_t) { read = !error; });
  ASSERT_TRUE(run_until([&] { return read; }));
  EXPECT_TRUE(sessions_[0]->closed);
  EXPECT_TRUE(closed(client));
}

TEST_F(NetTest, AClientThatDoesNotReadIsCutOff) {
  limits_.unsent_max = 8 << 20;
  limits_.unsent_pause = 4 << 20;
  copies_ = 100;
  listen();
  tcp::socket client = connect();
  send_message(client, Framing::rpc, Bytes(1 << 20, 1));
  ASSERT_TRUE(run_until([&] { return !sessions_.empty() && sessions_[0]->closed; }));
}

TEST_F(NetTest, NothingMoreIsReadWhileTooMuchIsUnsent) {
  limits_.unsent_pause = 1 << 20;
  copies_ = 24;
  listen();
  tcp::socket client = connect();
  // The first request's replies fill the way; the later ones must wait for them, and then come.
  Bytes stream;
  for (int i = 0; i < 3; ++i) {
    const auto mark = frame_mark(Framing::rpc, 1 << 20);
    stream.insert(stream.end(), mark.begin(), mark.end());
    stream.insert(stream.end(), 1 << 20, static_cast<std::uint8_t>(i));
  }
  bool written = false, read = false;
  boost::asio::async_write(client, boost::asio::buffer(stream),
                           [&](const auto& error, std::size_t) { written = !error; });
  run_until([&] { return false; }, 300ms);
  EXPECT_LT(sessions_.at(0)->received.size(), 3u);
  Bytes got(72 * ((1 << 20) + 4));
  boost::asio::async_read(client, boost::asio::buffer(got),
                          [&](const auto& error, std::size_t) { read = !error; });
  ASSERT_TRUE(run_until([&] { return written && read; }));
  EXPECT_EQ(sessions_.at(0)->received.size(), 3u);
}

TEST_F(NetTest, HeldReadingReadsNoFurther) {
  listen();
  tcp::socket client = connect();
  ASSERT_TRUE(run_until([&] { return !sessions_.empty(); }));
  send_message(client, Framing::rpc, {1});
  ASSERT_TRUE(run_until([&] { return sessions_[0]->received.size() == 1; }));
  sessions_[0]->peer().hold_reading(true);
  // One read was under way already; what it brings may still come.
  send_message(client, Framing::rpc, {2});
  run_until([] { return false; }, 50ms);
  send_message(client, Framing::rpc, {3});
  EXPECT_FALSE(run_until([&] { return sessions_[0]->received.size() == 3; }, 100ms));
  sessions_[0]->peer().hold_reading(false);
  EXPECT_TRUE(run_until([&] { return sessions_[0]->received.size() == 3; }));
}

TEST_F(NetTest, SilentAndStalledConnectionsEnd) {
  limits_.handshake = 50ms;
  limits_.stall = 50ms;
  listen();
  tcp::socket silent = connect();
  EXPECT_TRUE(closed(silent));
  tcp::socket stalled = connect();
  send_message(stalled, Framing::rpc, {1});
  const Bytes half = {0x80, 0, 0, 9, 1, 2};
  boost::asio::write(stalled, boost::asio::buffer(half));
  ASSERT_TRUE(run_until([&] { return sessions_.size() == 2 && sessions_[1]->closed; }));
  tcp::socket idle = connect();
  send_message(idle, Framing::rpc, {1});
  EXPECT_FALSE(run_until([&] { return sessions_.size() == 3 && sessions_[2]->closed; }, 200ms))
      << "silence between messages is no fault";
}

TEST_F(NetTest, ConnectionsOfOneAddressAreBounded) {
  admission_limits_.connections_per_address_max = 2;
  listen();
  tcp::socket first = connect(), second = connect(), third = connect();
  EXPECT_TRUE(closed(third));
  EXPECT_EQ(sessions_.size(), 2u);
  first.close();
  ASSERT_TRUE(run_until([&] { return sessions_[0]->closed; }));
  tcp::socket fourth = connect();
  EXPECT_TRUE(run_until([&] { return sessions_.size() == 3; })) << "a place was given back";
}

TEST_F(NetTest, GarbageEndsItsConnectionOnly) {
  listen(Framing::smb);
  tcp::socket good = connect(), bad = connect();
  boost::asio::write(bad, boost::asio::buffer(std::string("GET / HTTP/1.0\r\n\r\n")));
  EXPECT_TRUE(closed(bad));
  send_message(good, Framing::smb, {1});
  EXPECT_TRUE(run_until([&] { return sessions_.at(0)->received.size() == 1; }));
}

TEST_F(NetTest, ErrorsNameAddressFlagAndRemedy) {
  listen();
  const wire::Address taken{"127.0.0.1", listener_->port()};
  const auto message = [&](const wire::Address& address) -> std::string {
    try {
      Listener second(loop_, address, "--smb-port", Framing::smb, limits_,
                      std::make_shared<Admission>(admission_limits_), {});
    } catch (const ListenError& error) {
      return error.what();
    }
    return "it listens";
  };
  EXPECT_THAT(message(taken),
              testing::AllOf(testing::HasSubstr("127.0.0.1:" + std::to_string(taken.port)),
                             testing::HasSubstr("--smb-port"), testing::HasSubstr("in use"),
                             testing::HasSubstr("choose another port")));
  EXPECT_THAT(message({"192.0.2.1", 9}), testing::HasSubstr("correct --bind"));
}

TEST_F(NetTest, DialledConnectionsCarryMessagesBothWays) {
  listen();
  LoopDialler dialler(loop_, {"0.0.0.0", "127.0.0.1"}, limits_);
  auto answer = std::make_shared<Echo>(nullptr);
  answer->answers = false;
  std::shared_ptr<wire::Peer> peer;
  bool done = false;
  const auto dial = [](LoopDialler& from, wire::Address to, std::shared_ptr<Echo> session,
                       std::shared_ptr<wire::Peer>& result, bool& finished) -> wire::Task<> {
    result = co_await from.connect(std::move(to), std::move(session));
    finished = true;
  };
  wire::spawn(dial(dialler, {"127.0.0.1", listener_->port()}, answer, peer, done));
  ASSERT_TRUE(run_until([&] { return done; }));
  ASSERT_TRUE(peer);
  peer->send({1, 2, 3});
  ASSERT_TRUE(run_until([&] { return answer->received.size() == 1; }));
  EXPECT_EQ(answer->received[0], (Bytes{1, 2, 3}));
  peer->close();
  EXPECT_TRUE(run_until([&] { return answer->closed && sessions_.at(0)->closed; }));
  // Nobody listens any more.
  const wire::Address gone{"127.0.0.1", listener_->port()};
  listener_->stop();
  done = false;
  wire::spawn(dial(dialler, gone, answer, peer, done));
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_FALSE(peer);
}

TEST_F(NetTest, DatagramsAreAnsweredFromTheAddressThatWasCalled) {
  std::string called;
  auto server =
      std::make_shared<DatagramSocket>(loop_, wire::Address{"0.0.0.0", 0}, "--nsm-port",
                                       [&](const wire::Address&, const wire::Address& local,
                                           Bytes message, const DatagramSocket::Reply& reply) {
                                         called = local.host;
                                         std::reverse(message.begin(), message.end());
                                         reply(message);
                                       });
  server->start();
  LoopDialler dialler(loop_, {}, limits_);
  Bytes got;
  const auto stop = dialler.datagram({"127.0.0.9", server->port()}, {1, 2, 3},
                                     [&](Bytes reply) { got = std::move(reply); });
  ASSERT_TRUE(run_until([&] { return !got.empty(); }));
  EXPECT_EQ(got, (Bytes{3, 2, 1}));
  EXPECT_EQ(called, "127.0.0.9");
  stop();
}

TEST_F(NetTest, TimersFireOnceInOrderUnlessCancelled) {
  LoopClock clock(loop_);
  std::vector<int> fired;
  const core::Nanos now = clock.now();
  clock.at(now + 20 * core::kMillisecond, [&] { fired.push_back(2); });
  clock.at(now + 10 * core::kMillisecond, [&] { fired.push_back(1); });
  const auto cancel = clock.at(now + 15 * core::kMillisecond, [&] { fired.push_back(9); });
  const auto due = clock.at(now, [&] { fired.push_back(8); });
  clock.at(core::kNever, [&] { fired.push_back(7); });
  cancel();
  due();
  EXPECT_TRUE(run_until([&] { return fired.size() == 2; }));
  EXPECT_EQ(fired, (std::vector<int>{1, 2}));
  cancel();
}

}  // namespace
}  // namespace lockstep::net
