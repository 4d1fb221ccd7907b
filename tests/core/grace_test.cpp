// Leases that end, restarts, and what may be claimed after them.
#include "tests/core/machine_fixture.hpp"

namespace lockstep::core {
namespace {

using GraceTest = MachineTest;

Limits judging() {  // new state is judged against what is on record
  Limits limits;
  limits.grace_scope = GraceScope::recorded;
  return limits;
}

// ---- Leases ------------------------------------------------------------------------------------

TEST_F(GraceTest, ALeaseDoesNotEndUnderARequest) {
  const ClientId nfs = nfs4("1");
  const OpenId id = opened(open(nfs, kReadWrite, {}, "owner")).open;
  const AccessRequested write = access(nfs, Operation::write, id);
  EXPECT_EQ(status(write), Status::ok);
  pass(kLease);
  EXPECT_FALSE(machine.clients()[0].courtesy);
  apply(AccessEnded{write.request});
  pass(kLease);
  EXPECT_TRUE(machine.clients()[0].courtesy);
}

TEST_F(GraceTest, WhatAnExpiredClientHoldsGoesWhenSomebodyWantsIt) {
  const ClientId nfs = nfs4("1"), other = client(Protocol::nfs3, "2");
  const OpenReply held = opened(with_delegation(nfs, kRead, kR));
  EXPECT_EQ(held.rights, kR);
  apply(OpenClosed{next(), held.open});
  pass(kLease);
  EXPECT_EQ(file().rights.size(), 1u) << "courtesy";
  const Effects out = apply(access(other, Operation::write));
  EXPECT_EQ(reply(out).status, Status::ok) << "nobody is asked who is not there";
  ASSERT_NE(find<Revoked>(out), nullptr);
  EXPECT_EQ(find<Revoked>(out)->client, nfs);
}

TEST_F(GraceTest, WhoeverLostStateReclaimsNothing) {
  const ClientId nfs = nfs4("1"), other = client(Protocol::nlm, "2");
  const OpenId id = opened(open(nfs, kReadWrite, {}, "owner")).open;
  apply(nfs4_lock(nfs, id, {0, 9}, kExclusive));
  pass(kLease);
  EXPECT_EQ(status(nlm_lock(other, {5, 5}, kExclusive)), Status::ok);
  const auto clients = on_record<ClientRecord>();
  ASSERT_EQ(clients.size(), 2u);
  EXPECT_TRUE(clients[0].lost_state) << "on record before the other has it";
  restart();
  EXPECT_EQ(nfs4("1"), nfs);
  EXPECT_EQ(status(reclaimed(nfs4_lock(nfs, {}, {0, 9}, kExclusive))), Status::no_grace);
}

TEST_F(GraceTest, ANoticeOfAnNlmRebootActsOnce) {
  const ClientId nfs = client(Protocol::nlm, "1");
  apply(nlm_lock(nfs, {0, 9}, kExclusive));
  apply(HostRebooted{"1", "", 5});
  EXPECT_TRUE(file().locks.empty());
  apply(nlm_lock(nfs, {0, 9}, kExclusive));
  apply(HostRebooted{"1", "", 5});
  EXPECT_EQ(file().locks.size(), 1u) << "the notice came twice";
}

// ---- Restarts ----------------------------------------------------------------------------------

TEST_F(GraceTest, GraceLastsAsLongAsAnyRunPromised) {
  Limits limits;
  limits.grace = 200 * kSecond;
  restart(limits);
  apply(nlm_lock(client(Protocol::nlm, "1"), {0, 9}, kExclusive));
  limits.grace = 20 * kSecond;
  restart(limits);
  EXPECT_EQ(machine.view().grace_until, now + 200 * kSecond);
}

TEST_F(GraceTest, AGapInWhatWasHeldIsNotReclaimed) {
  const ClientId nfs = client(Protocol::nlm, "1");
  apply(nlm_lock(nfs, {0, 1}, kExclusive));
  apply(nlm_lock(nfs, {4, 5}, kExclusive));
  restart();
  EXPECT_EQ(status(reclaimed(nlm_lock(nfs, {0, 5}, kExclusive))), Status::reclaim_bad);
  EXPECT_EQ(status(reclaimed(nlm_lock(nfs, {4, 5}, kExclusive))), Status::ok);
}

TEST_F(GraceTest, ASharedLockIsNotReclaimedAsExclusive) {
  const ClientId nfs = client(Protocol::nlm, "1");
  apply(nlm_lock(nfs, {0, 9}, kShared));
  restart();
  EXPECT_EQ(status(reclaimed(nlm_lock(nfs, {0, 9}, kExclusive))), Status::reclaim_bad);
  EXPECT_EQ(status(reclaimed(nlm_lock(nfs, {0, 9}, kShared))), Status::ok);
}

TEST_F(GraceTest, ARecoveredLeaseIsWaitedForAndNotBroken) {
  const ClientId smb = client(Protocol::smb, "1");
  opened(smb_open(smb, kRWH));
  restart(judging());
  const ClientId nfs = client(Protocol::nfs3, "2");
  const Effects out = apply(access(nfs, Operation::read));
  EXPECT_EQ(find<SendBreak>(out), nullptr) << "nobody is there to answer";
  EXPECT_NE(find<Parked>(out), nullptr);
}

TEST_F(GraceTest, GraceWaitsForTheWordOfAnNfs41Client) {
  const ClientId nfs = nfs4("1", Protocol::nfs41);
  opened(open(nfs, kReadWrite, {}, "owner"));
  restart();
  EXPECT_EQ(nfs4("1", Protocol::nfs41), nfs);
  EXPECT_EQ(status(reclaimed(open(nfs, kReadWrite, {}, "owner"))), Status::ok);
  EXPECT_TRUE(machine.in_grace()) << "it might have more to claim";
  EXPECT_NE(find<GraceEnded>(apply(ReclaimCompleted{next(), nfs, false})), nullptr);
}

TEST_F(GraceTest, WhatNobodyClaimsEndsWithGrace) {
  const ClientId nfs = nfs4("1");
  opened(open(nfs, kReadWrite, {}, "owner"));
  restart();
  EXPECT_EQ(file().opens.size(), 1u);
  EXPECT_NE(find<GraceEnded>(pass(machine.limits().grace)), nullptr);
  EXPECT_TRUE(file().opens.empty());
  EXPECT_TRUE(on_record<OpenRecord>().empty());
}

}  // namespace
}  // namespace lockstep::core
