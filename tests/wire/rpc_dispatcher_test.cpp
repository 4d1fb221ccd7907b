// The dispatcher: refusals, concurrency and back-pressure of a connection, repeats. Method: a
// program that holds its calls until the test lets them go.
#include <gtest/gtest.h>

#include "shell/wire/rpc/dispatcher.hpp"
#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::rpc {
namespace {

using rpc_test::call_message;
using rpc_test::HandClock;
using rpc_test::KeepingPeer;

constexpr std::uint32_t kTestProgram = 400000;

/// Procedure 1 answers at once, 2 waits (join), 3 waits (keep), 4 throws, 5 is silent.
class HoldingProgram final : public Program {
 public:
  std::uint32_t number() const override { return kTestProgram; }
  VersionRange versions() const override { return {1, 4}; }
  bool serves(std::uint32_t version) const override { return version != 2 && version <= 4; }
  bool has_procedure(std::uint32_t, std::uint32_t procedure) const override {
    return procedure <= 5;
  }
  Repeat repeat(std::uint32_t, std::uint32_t procedure) const override {
    if (procedure == 2) return Repeat::join;
    return procedure == 3 ? Repeat::keep : Repeat::run;
  }
  Task<Reply> call(const CallContext& call) override {
    ++runs;
    if (call.header.procedure == 4) throw std::runtime_error("broken");
    if (call.header.procedure == 5) co_return Reply::none();
    if (call.header.procedure == 2 || call.header.procedure == 3) {
      auto gate = std::make_shared<Completion<int>>();
      gates.push_back(gate);
      Completion<int>& opened = *gate;
      co_await opened;
    }
    BigWriter out = begin_reply();
    out.u32(static_cast<std::uint32_t>(runs));
    co_return Reply::done(std::move(out));
  }
  int runs = 0;
  std::vector<std::shared_ptr<Completion<int>>> gates;
};

struct RpcDispatcher : testing::Test {
  RpcDispatcher() { dispatcher.add(program); }
  ~RpcDispatcher() override {
    for (const auto& gate : std::vector(program.gates)) {
      if (!gate->ready()) gate->set(0);
    }
  }
  std::uint32_t word(const Bytes& message, std::size_t index) {
    BigReader in(message);
    in.skip(4 * index);
    return in.u32();
  }
  HandClock clock;
  HoldingProgram program;
  Dispatcher dispatcher{clock};
  std::shared_ptr<KeepingPeer> peer = std::make_shared<KeepingPeer>("10.0.0.2");
  std::shared_ptr<Session> session = dispatcher.accept(peer);
};

TEST_F(RpcDispatcher, RefusesWhatItDoesNotServe) {
  session->on_message(call_message(1, 399999, 1, 0));
  session->on_message(call_message(2, kTestProgram, 5, 0));
  session->on_message(call_message(3, kTestProgram, 2, 0));
  session->on_message(call_message(4, kTestProgram, 1, 9));
  ASSERT_EQ(peer->sent.size(), 4U);
  EXPECT_EQ(word(peer->sent[0], 5), 1U);  // PROG_UNAVAIL
  EXPECT_EQ(word(peer->sent[1], 5), 2U);  // PROG_MISMATCH
  EXPECT_EQ(word(peer->sent[1], 6), 1U);
  EXPECT_EQ(word(peer->sent[1], 7), 4U);
  EXPECT_EQ(word(peer->sent[2], 5), 2U);
  EXPECT_EQ(word(peer->sent[3], 5), 3U);  // PROC_UNAVAIL
  EXPECT_EQ(program.runs, 0);
}

TEST_F(RpcDispatcher, AnExceptionConcernsOneCall) {
  session->on_message(call_message(1, kTestProgram, 1, 4));
  session->on_message(call_message(2, kTestProgram, 1, 5));
  session->on_message(call_message(3, kTestProgram, 1, 1));
  ASSERT_EQ(peer->sent.size(), 2U);
  EXPECT_EQ(word(peer->sent[0], 5), 5U);  // SYSTEM_ERR
  EXPECT_EQ(word(peer->sent[1], 0), 3U);
}

TEST_F(RpcDispatcher, AHeldCallStopsNoOther) {
  session->on_message(call_message(1, kTestProgram, 1, 2));
  session->on_message(call_message(2, kTestProgram, 1, 1));
  ASSERT_EQ(peer->sent.size(), 1U);
  EXPECT_EQ(word(peer->sent[0], 0), 2U);
  program.gates[0]->set(0);
  ASSERT_EQ(peer->sent.size(), 2U);
  EXPECT_EQ(word(peer->sent[1], 0), 1U);
}

TEST_F(RpcDispatcher, TheConnectionIsBounded) {
  const std::size_t most = dispatcher.limits().calls_per_connection_max;
  for (std::uint32_t i = 0; i < most + 2; ++i) {
    session->on_message(call_message(i, kTestProgram, 1, 2));
  }
  EXPECT_EQ(program.gates.size(), most);
  EXPECT_TRUE(peer->held);
  program.gates[0]->set(0);
  EXPECT_EQ(program.gates.size(), most + 1);
  EXPECT_TRUE(peer->held);
  program.gates[1]->set(0);
  EXPECT_EQ(program.gates.size(), most + 2);
  EXPECT_FALSE(peer->held);
  session->on_closed();
  for (std::size_t i = 2; i < most + 2; ++i) program.gates[i]->set(0);
  EXPECT_EQ(peer->sent.size(), 2U);
}

TEST_F(RpcDispatcher, ARepeatJoinsTheHeldCallFromAnotherConnection) {
  session->on_message(call_message(1, kTestProgram, 1, 3));
  session->on_closed();
  auto other = std::make_shared<KeepingPeer>("10.0.0.2", 701);
  const std::shared_ptr<Session> again = dispatcher.accept(other);
  again->on_message(call_message(1, kTestProgram, 1, 3));
  std::vector<Bytes> datagrams;
  dispatcher.on_datagram({"10.0.0.2", 900}, {"10.0.0.1", 2049}, call_message(1, kTestProgram, 1, 3),
                         [&](Bytes reply) { datagrams.push_back(std::move(reply)); });
  EXPECT_EQ(program.runs, 1);
  EXPECT_TRUE(other->sent.empty());
  program.gates[0]->set(0);
  EXPECT_TRUE(peer->sent.empty());
  ASSERT_EQ(other->sent.size(), 1U);
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(other->sent[0], datagrams[0]);
  // And afterwards the same reply, once more.
  again->on_message(call_message(1, kTestProgram, 1, 3));
  EXPECT_EQ(program.runs, 1);
  ASSERT_EQ(other->sent.size(), 2U);
  EXPECT_EQ(other->sent[1], other->sent[0]);
}

TEST_F(RpcDispatcher, WhatOnlyLooksLikeARepeatRuns) {
  session->on_message(call_message(1, kTestProgram, 1, 3));
  session->on_message(call_message(1, kTestProgram, 1, 3, Bytes{0, 0, 0, 1}));  // other arguments
  session->on_message(call_message(1, kTestProgram, 3, 3));                     // other version
  session->on_message(call_message(1, kTestProgram, 1, 3, {}, 7));              // other caller
  auto stranger = std::make_shared<KeepingPeer>("10.0.0.3");
  const std::shared_ptr<Session> foreign = dispatcher.accept(stranger);
  foreign->on_message(call_message(1, kTestProgram, 1, 3));
  EXPECT_EQ(program.runs, 5);
  for (const auto& gate : program.gates) gate->set(0);
  clock.advance(dispatcher.limits().replies.keep);
  session->on_message(call_message(1, kTestProgram, 1, 3));
  EXPECT_EQ(program.runs, 6) << "a reply is not kept for ever";
  program.gates.back()->set(0);
}

TEST_F(RpcDispatcher, AJoinedCallIsNotKept) {
  session->on_message(call_message(1, kTestProgram, 1, 2));
  session->on_message(call_message(1, kTestProgram, 1, 2));
  program.gates[0]->set(0);
  EXPECT_EQ(peer->sent.size(), 2U);
  EXPECT_EQ(dispatcher.replies().size(), 0U);
}

TEST(RpcReplyCache, IsBoundedByCountAndBytes) {
  ReplyCache::Limits limits;
  limits.replies_per_client_max = 3;
  limits.bytes_max = 1000;
  ReplyCache cache(limits);
  const auto key = [](const std::string& client, std::uint32_t xid) {
    CallKey made;
    made.client = client;
    made.xid = xid;
    return made;
  };
  const auto put = [&](const std::string& client, std::uint32_t xid, std::size_t size) {
    const auto outcome = cache.begin(key(client, xid), 0, [](const Bytes&) {});
    if (outcome == ReplyCache::Outcome::fresh) cache.finish(key(client, xid), 0, Bytes(size), true);
    return outcome;
  };
  for (std::uint32_t xid = 1; xid <= 4; ++xid) put("a", xid, 100);
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(put("a", 2, 100), ReplyCache::Outcome::answered);
  EXPECT_EQ(put("a", 1, 100), ReplyCache::Outcome::fresh) << "the oldest went first";
  put("b", 1, 400);
  put("b", 2, 400);
  EXPECT_LE(cache.bytes(), 1000U);
  EXPECT_EQ(put("b", 2, 400), ReplyCache::Outcome::answered);
}

}  // namespace
}  // namespace lockstep::wire::rpc
