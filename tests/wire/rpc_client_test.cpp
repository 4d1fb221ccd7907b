// Outgoing calls: repeats with a doubling pause, any try's answer counts, look-ups through a
// portmapper. Method: a dialler that keeps what was sent, a clock moved by hand.
#include <gtest/gtest.h>

#include "shell/wire/portmap/registration.hpp"
#include "shell/wire/rpc/client.hpp"
#include "tests/wire/rpc_dialler.hpp"
#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::rpc {
namespace {

using rpc_test::HandClock;
using rpc_test::KeepingDialler;

struct RpcClient : testing::Test {
  HandClock clock;
  KeepingDialler dialler;
  Client client{clock, dialler, 5};
  std::optional<CallResult> result;
  std::optional<std::optional<std::uint16_t>> port;

  Task<void> run_udp(Outgoing call, Retry retry) {
    const Address to{"10.0.0.9", 4045};
    result = co_await client.call_udp(to, std::move(call), retry);
  }
  Task<void> run_find(std::string host) {
    const std::function<bool()> asked = [this] { return wanted; };
    port = co_await client.find_port(std::move(host), 100021, 4, Transport::tcp, asked);
  }
  bool wanted = true;
};

TEST_F(RpcClient, RepeatsWithDoublingPauseAndOneXid) {
  spawn(run_udp(Outgoing{}, Retry{}));
  ASSERT_EQ(dialler.datagrams.size(), 1U);
  clock.advance(core::kSecond);
  ASSERT_EQ(dialler.datagrams.size(), 2U);
  clock.advance(core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), 2U);
  clock.advance(core::kSecond);
  ASSERT_EQ(dialler.datagrams.size(), 3U);
  EXPECT_EQ(dialler.datagrams[0].payload, dialler.datagrams[2].payload);
  EXPECT_FALSE(result);
  dialler.datagrams[0].answer(BigWriter());
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->answered());
  EXPECT_EQ(clock.timers(), 0U);
  for (const auto& datagram : dialler.datagrams) EXPECT_TRUE(*datagram.closed);
}

TEST_F(RpcClient, SilenceEnds) {
  spawn(run_udp(Outgoing{}, Retry{core::kSecond, 2 * core::kSecond, 3}));
  clock.advance(10 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), 3U);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, CallResult::Outcome::silent);
}

TEST_F(RpcClient, OnlyAnswersToThisCallCount) {
  spawn(run_udp(Outgoing{}, Retry{}));
  dialler.datagrams[0].raw(Bytes{1, 2, 3});
  dialler.datagrams[0].raw(reply_error(0x12345678, AcceptStatus::success));
  EXPECT_FALSE(result);
  BigReader in(dialler.datagrams[0].payload);
  dialler.datagrams[0].raw(reply_error(in.u32(), AcceptStatus::prog_unavail));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, CallResult::Outcome::refused);
}

TEST_F(RpcClient, FindsAPortByVersion2OverIpv4AndByGetaddrOverIpv6) {
  spawn(run_find("10.0.0.9"));
  ASSERT_EQ(dialler.datagrams.size(), 1U);
  EXPECT_EQ(dialler.datagrams[0].to, (Address{"10.0.0.9", 111}));
  BigWriter answer;
  answer.u32(4045);
  dialler.datagrams[0].answer(std::move(answer));
  ASSERT_TRUE(port && *port);
  EXPECT_EQ(**port, 4045);

  port.reset();
  spawn(run_find("fd00::9"));
  BigWriter address;
  put_string(address, "fd00::9.15.205");
  dialler.datagrams.back().answer(std::move(address));
  ASSERT_TRUE(port && *port);
  EXPECT_EQ(**port, 4045);
}

TEST_F(RpcClient, FallsBackToTcpForThePortmapper) {
  spawn(run_find("10.0.0.9"));
  clock.advance(60 * core::kSecond);
  ASSERT_EQ(dialler.connections.size(), 1U);
  EXPECT_EQ(dialler.connections[0].to, (Address{"10.0.0.9", 111}));
  BigWriter answer;
  answer.u32(0);
  dialler.connections[0].answer(std::move(answer));
  ASSERT_TRUE(port);
  EXPECT_FALSE(*port) << "port 0 means not registered";
  EXPECT_TRUE(dialler.connections[0].peer->closed);
}

TEST_F(RpcClient, ALookUpThatIsNotWantedAnyMoreEndsAtItsNextTry) {
  spawn(run_find("10.0.0.9"));
  ASSERT_EQ(dialler.datagrams.size(), 1U);
  wanted = false;
  EXPECT_FALSE(port);
  clock.advance(500 * core::kMillisecond);
  ASSERT_TRUE(port);
  EXPECT_FALSE(*port);
  EXPECT_EQ(dialler.datagrams.size(), 1U);
  EXPECT_TRUE(dialler.connections.empty());
  EXPECT_EQ(client.waiting(), 0U);
}

TEST_F(RpcClient, ALostConnectionIsSilence) {
  dialler.refuse = true;
  spawn(run_find("10.0.0.9"));
  clock.advance(60 * core::kSecond);
  ASSERT_TRUE(port);
  EXPECT_FALSE(*port);
}

}  // namespace
}  // namespace lockstep::wire::rpc
