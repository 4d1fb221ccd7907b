// NLM_GRANTED, the asynchronous procedures, and SM_NOTIFY going out. Method: a dialler that keeps
// what is sent; the test plays the client's portmapper and lock manager.
#include <gtest/gtest.h>

#include "tests/wire/nlm_world.hpp"

namespace lockstep::wire::rpc_test::nlm_tests {
namespace {

using nlm::Status;

class NlmCallback : public NlmWorld {
 protected:
  NlmCallback() {
    lock(alpha, 0, 10);
    EXPECT_EQ(lock(beta, 2, 3, false, true), Status::blocked);
    EXPECT_TRUE(dialler.datagrams.empty());
  }
  nlm::LockCall told(const KeepingDialler::Datagram& datagram, std::uint32_t version = 4) {
    BigReader in(ByteView(datagram.payload).subspan(datagram.call().arguments));
    return nlm::get_test_call(in, version);
  }
  Locker alpha;
  Locker beta{"10.0.0.6", "beta", 42, "42@beta"};
};

TEST_F(NlmCallback, TheGrantIsToldAsItWasAsked) {
  unlock(alpha, 0, 0);
  ASSERT_EQ(dialler.datagrams.size(), 1U);
  EXPECT_EQ(dialler.datagrams[0].to, (Address{"10.0.0.6", 111}));
  answer_port(4045);
  ASSERT_EQ(dialler.datagrams.size(), 2U);
  EXPECT_EQ(dialler.datagrams[1].to, (Address{"10.0.0.6", 4045}));
  const rpc::ParsedCall call = dialler.datagrams[1].call();
  EXPECT_EQ(call.header.program, nlm::kProgram);
  EXPECT_EQ(call.header.version, 4U);
  const nlm::LockCall granted = told(dialler.datagrams[1]);
  EXPECT_EQ(granted.cookie.size(), 4U);
  EXPECT_FALSE(granted.exclusive);
  EXPECT_EQ(granted.lock.caller, "beta");
  EXPECT_EQ(granted.lock.svid, 42);
  EXPECT_EQ(granted.lock.handle, handle);
  EXPECT_EQ(granted.lock.offset, 2U);
  EXPECT_EQ(granted.lock.length, 3U);
  answer_granted(Status::granted);
  pass(300 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), 2U) << "answered: it ends";
  EXPECT_EQ(locks(), 1U);
}

TEST_F(NlmCallback, SilenceIsRepeatedWithBackOff) {
  unlock(alpha, 0, 0);
  answer_port(4045);
  pass(120 * core::kSecond);
  const std::size_t after_two_minutes = dialler.datagrams.size();
  EXPECT_GE(after_two_minutes, 8U);
  EXPECT_LE(after_two_minutes, 40U);
  EXPECT_EQ(locks(), 1U) << "unreachable is not dead";
  pass(600 * core::kSecond);
  EXPECT_GT(dialler.datagrams.size(), after_two_minutes);
  EXPECT_EQ(lock(beta, 2, 3, false), Status::granted) << "the client asks again itself";
  pass(200 * core::kSecond);
  const std::size_t ended = dialler.datagrams.size();
  pass(600 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), ended) << "and that ends the callback";
}

TEST_F(NlmCallback, DeniedReleasesAndWakesTheNext) {
  Locker gamma{"10.0.0.7", "gamma", 1, "g"};
  EXPECT_EQ(lock(gamma, 2, 1, true, true), Status::blocked);
  unlock(alpha, 0, 0);
  answer_port(4045);
  answer_granted(Status::denied);
  ASSERT_EQ(locks(), 1U);
  EXPECT_EQ(coordinator.machine().view(id()).locks[0].range, (core::Range{2, 2}));
  EXPECT_EQ(dialler.datagrams.back().to.host, "10.0.0.7");
}

// Linux answers DENIED to the repeat of a call that it has answered GRANTED: it waits no more, and
// believes in its lock.
TEST_F(NlmCallback, DeniedToARepeatKeepsTheLock) {
  unlock(alpha, 0, 0);
  answer_port(4045);
  pass(1500 * core::kMillisecond);  // the answer to the first copy is lost
  answer_granted(Status::denied);
  EXPECT_EQ(locks(), 1U);
  const std::size_t sent = dialler.datagrams.size();
  pass(600 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), sent) << "and that ends the callback";
}

TEST_F(NlmCallback, GracePeriodOfTheClientMeansLater) {
  unlock(alpha, 0, 0);
  answer_port(4045);
  answer_granted(Status::denied_grace_period);
  EXPECT_EQ(locks(), 1U);
  const std::size_t before = dialler.datagrams.size();
  pass(1500 * core::kMillisecond);
  ASSERT_EQ(dialler.datagrams.size(), before + 1) << "the port is still known";
  answer_granted(Status::granted);
  EXPECT_EQ(locks(), 1U);
}

TEST_F(NlmCallback, UnlockBeforeTheAnswerStopsTheCallback) {
  unlock(alpha, 0, 0);
  answer_port(4045);
  unlock(beta, 0, 0);
  EXPECT_EQ(locks(), 0U);
  answer_granted(Status::denied);
  pass(100 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), 2U);
}

// The client may wait for the same range again: it would take a late copy for the new lock.
TEST_F(NlmCallback, WhatIsOverIsNotRepeated) {
  unlock(alpha, 0, 0);
  answer_port(4045);
  const std::size_t sent = dialler.datagrams.size();
  unlock(beta, 0, 0);
  pass(100 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), sent);
}

// Clients compare ranges and not modes: it would take the call about its shared lock for the
// exclusive one that it waits for now.
TEST_F(NlmCallback, TheOtherModeOfTheRangeShowsThatTheCallWasHeard) {
  const Locker gamma{"10.0.0.7", "gamma", 1, "g"}, delta{"10.0.0.8", "delta", 1, "d"};
  EXPECT_EQ(lock(gamma, 8, 2, false, true), Status::blocked);
  unlock(alpha, 0, 0);
  answer_port(4045);
  EXPECT_EQ(lock(delta, 8, 2, false), Status::granted);
  const auto to_gamma = [&] {
    return std::ranges::count_if(dialler.datagrams,
                                 [&](const auto& sent) { return sent.to.host == gamma.host; });
  };
  const auto before = to_gamma();
  EXPECT_EQ(lock(gamma, 8, 2, true, true), Status::blocked);
  pass(100 * core::kSecond);
  EXPECT_EQ(to_gamma(), before);
  unlock(delta, 0, 0);
  EXPECT_EQ(to_gamma(), before + 1) << "this is its own call";
}

TEST_F(NlmCallback, WhatIsOverBeforeThePortIsKnownIsNotSent) {
  unlock(alpha, 0, 0);
  unlock(beta, 0, 0);
  answer_port(4045);
  pass(100 * core::kSecond);
  ASSERT_EQ(dialler.datagrams.size(), 1U);
  EXPECT_EQ(dialler.datagrams[0].to.port, 111);
}

TEST_F(NlmCallback, GrantsComeInOrderOfArrival) {
  Locker gamma{"10.0.0.7", "gamma", 1, "g"};
  Locker delta{"10.0.0.8", "delta", 1, "d"};
  EXPECT_EQ(lock(gamma, 0, 0, true, true), Status::blocked);
  EXPECT_EQ(lock(delta, 0, 0, true, true), Status::blocked);
  unlock(alpha, 0, 0);
  EXPECT_EQ(dialler.datagrams.back().to.host, "10.0.0.6");
  answer_port(4045);
  answer_granted(Status::granted);
  unlock(beta, 0, 0);
  EXPECT_EQ(dialler.datagrams.back().to.host, "10.0.0.7");
  answer_port(4045);
  answer_granted(Status::granted);
  unlock(gamma, 0, 0);
  EXPECT_EQ(dialler.datagrams.back().to.host, "10.0.0.8");
}

TEST_F(NlmCallback, AsynchronousCallsAreAnsweredByRes) {
  const nlm::LockCall test = args(beta, 0, 1);
  const auto reply = send(beta, nlm::kTestMsg, test);
  EXPECT_EQ(reply->size(), rpc::kReplyHeaderSize) << "an empty reply at once";
  answer_port(999);
  const rpc::ParsedCall call = dialler.datagrams.back().call();
  EXPECT_EQ(call.header.procedure, nlm::kTestRes);
  EXPECT_EQ(dialler.datagrams.back().to, (Address{"10.0.0.6", 999}));
  BigReader in(ByteView(dialler.datagrams.back().payload).subspan(call.arguments));
  EXPECT_EQ(rpc::get_bytes(in, 1024), test.cookie);
  EXPECT_EQ(in.u32(), static_cast<std::uint32_t>(Status::denied));
  dialler.datagrams.back().answer({});

  // The same message again: the result again, without running it again.
  const std::size_t sent = dialler.datagrams.size();
  --xid;
  send(beta, nlm::kTestMsg, test);
  ASSERT_EQ(dialler.datagrams.size(), sent + 1);
  EXPECT_EQ(dialler.datagrams.back().call().header.procedure, nlm::kTestRes);
  dialler.datagrams.back().answer({});

  // A blocking LOCK_MSG gets LOCK_RES, then GRANTED_MSG, which GRANTED_RES answers.
  Locker gamma{"10.0.0.6", "beta", 43, "43@beta"};
  nlm::LockCall blocking = args(gamma, 6, 1);
  blocking.block = true;
  send(gamma, nlm::kLockMsg, blocking);
  EXPECT_EQ(dialler.datagrams.back().call().header.procedure, nlm::kLockRes);
  dialler.datagrams.back().answer({});
  unlock(alpha, 6, 1);
  ASSERT_EQ(dialler.datagrams.back().call().header.procedure, nlm::kGrantedMsg);
  const nlm::LockCall granted = told(dialler.datagrams.back());
  dialler.datagrams.back().answer({});
  BigWriter res;
  rpc::put_opaque(res, granted.cookie);
  res.u32(0);
  send("10.0.0.9", nlm::kProgram, 4, nlm::kGrantedRes, res);
  pass(1500 * core::kMillisecond);
  EXPECT_EQ(dialler.datagrams.back().call().header.procedure, nlm::kGrantedMsg);
  const std::size_t repeated = dialler.datagrams.size();
  dialler.datagrams.back().answer({});
  send("10.0.0.6", nlm::kProgram, 4, nlm::kGrantedRes, res);
  pass(100 * core::kSecond);
  EXPECT_EQ(dialler.datagrams.size(), repeated);
}

TEST(Nsm, StateIsOddAndGrows) {
  EXPECT_EQ(nsm::state_of_epoch(1), 3);
  EXPECT_EQ(nsm::state_of_epoch(2), 5);
}

TEST_F(NlmCallback, NsmServesThisMachineOnly) {
  BigWriter name;
  rpc::put_string(name, "host");
  const auto stat = send("10.0.0.5", nsm::kProgram, 1, 1, name);
  BigReader in(ByteView(*stat).subspan(rpc::kReplyHeaderSize));
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_EQ(in.u32(), 5U);
  const auto refused = send("10.0.0.5", nsm::kProgram, 1, 4, name);
  EXPECT_FALSE(rpc::parse_reply(*refused).accepted);
  const auto local = send("127.0.0.1", nsm::kProgram, 1, 4, name);
  EXPECT_TRUE(rpc::parse_reply(*local).accepted);
}

TEST_F(NlmCallback, HostsOnRecordAreToldOfTheRestart) {
  nsm::Notifier notifier(client, 7, {"server", "10.0.0.1"});
  notifier.notify({{"alpha", "10.0.0.5"}});
  answer_port(662);
  const auto first = dialler.datagrams.back();
  const rpc::ParsedCall call = first.call();
  EXPECT_EQ(call.header.program, nsm::kProgram);
  EXPECT_EQ(call.header.procedure, 6U);
  BigReader in(ByteView(first.payload).subspan(call.arguments));
  EXPECT_EQ(rpc::get_string(in, 100), "server");
  EXPECT_EQ(in.u32(), 7U);
  first.answer({});
  answer_port(662);
  dialler.datagrams.back().answer({});
  EXPECT_EQ(notifier.counters().answered, 1U);
  notifier.notify({{"gone", "10.0.0.99"}});
  pass(3600 * core::kSecond);
  EXPECT_EQ(notifier.counters().given_up, 1U);
}

}  // namespace
}  // namespace lockstep::wire::rpc_test::nlm_tests
