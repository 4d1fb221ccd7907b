// Caching rights: what is granted, how a break ends, what is remembered of it.
#include "tests/core/machine_fixture.hpp"

namespace lockstep::core {
namespace {

class RightsTest : public MachineTest {
 protected:
  RightsTest() : smb(client(Protocol::smb, "1")), nfs(client(Protocol::nfs3, "2")) {}
  ClientId smb, nfs;
};

TEST_F(RightsTest, BesideAnotherOpenNobodyCachesWrites) {
  const ClientId other = client(Protocol::smb, "3");
  opened(open(other, kReadWrite));
  EXPECT_EQ(opened(smb_open(smb, kRWH)).rights, kRH);
}

TEST_F(RightsTest, NothingIsGrantedIntoAWriteInFlight) {
  const AccessRequested write = access(nfs, Operation::write);
  EXPECT_EQ(status(write), Status::ok);
  EXPECT_EQ(opened(smb_open(smb, kRWH, 1)).rights, kNoRights);
  apply(AccessEnded{write.request});
  EXPECT_EQ(opened(smb_open(smb, kRWH, 1)).rights, kRWH) << "now it is upgraded";
}

TEST_F(RightsTest, ABreakIsWaitedForByAllAndLetsAllGo) {
  opened(smb_open(smb, kRWH));
  const AccessRequested one = access(nfs, Operation::read), two = access(nfs, Operation::read);
  EXPECT_NE(find<Parked>(apply(one)), nullptr);
  EXPECT_NE(find<Parked>(apply(two)), nullptr);
  const auto replies = all<Reply>(apply(ack(smb, kRH)));
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[1].request, one.request);
  EXPECT_EQ(replies[2].request, two.request);
}

TEST_F(RightsTest, AnOplockIsWaitedFor) {
  const OpenReply held = opened(with_oplock(smb, kRWH));
  EXPECT_EQ(held.rights, kRWH);
  const AccessRequested write = access(nfs, Operation::write);
  EXPECT_NE(find<Parked>(apply(write)), nullptr);
  BreakAcknowledged given{next(), smb, Flavour::oplock, {}, held.open, kNoRights};
  const auto replies = all<Reply>(apply(given));
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_EQ(replies[1].request, write.request);
}

TEST_F(RightsTest, ALevelTwoOplockFallsByItsOwnWrite) {
  const OpenReply held = opened(with_oplock(smb, kR));
  EXPECT_EQ(held.rights, kR);
  const Effects out = apply(access(smb, Operation::write, held.open));
  ASSERT_NE(find<SendBreak>(out), nullptr);
  EXPECT_EQ(find<SendBreak>(out)->to, kNoRights);
  EXPECT_EQ(reply(out).status, Status::ok);
}

TEST_F(RightsTest, AnAcknowledgmentOfMoreIsRefusedAndTheBreakStays) {
  opened(smb_open(smb, kRWH));
  apply(access(nfs, Operation::read));
  EXPECT_EQ(status(ack(smb, kRWH)), Status::ack_exceeds);
  EXPECT_TRUE(file().rights[0].breaking);
  EXPECT_EQ(status(ack(smb, kRH)), Status::ok);
}

TEST_F(RightsTest, ALeaseHas35SecondsAndWhatIsLateIsGone) {
  opened(smb_open(smb, kRWH));
  apply(access(nfs, Operation::read));
  EXPECT_EQ(file().rights[0].deadline, now + machine.limits().break_timeout);
  pass(machine.limits().break_timeout);
  ASSERT_EQ(file().rights.size(), 1u) << "the lease lives as long as its opens";
  EXPECT_EQ(file().rights[0].rights, kNoRights);
}

TEST_F(RightsTest, ADelegationHasALeasePeriodToCome) {
  const ClientId four = nfs4("4");
  EXPECT_EQ(opened(with_delegation(four, kReadWrite, kRW)).rights, kRW);
  EXPECT_NE(find<Parked>(apply(access(nfs, Operation::write))), nullptr);
  EXPECT_EQ(file().rights[0].deadline, now + machine.limits().delegation_timeout);
}

TEST_F(RightsTest, AfterARecallThereIsNoDelegationForAWhile) {
  const ClientId four = nfs4("4"), five = nfs4("5");
  const OpenReply first = opened(with_delegation(four, kRead, kR));
  EXPECT_EQ(first.rights, kR);
  const AccessRequested write = access(nfs, Operation::write);
  apply(write);
  apply(RightReturned{next(), four, first.right});
  apply(AccessEnded{write.request});
  EXPECT_EQ(opened(with_delegation(five, kRead, kR)).rights, kNoRights);
  pass(machine.limits().regrant_backoff);
  EXPECT_EQ(opened(with_delegation(five, kRead, kR)).rights, kR);
}

TEST_F(RightsTest, TheRecordFollowsTheRight) {
  opened(smb_open(smb, kRWH));
  ASSERT_EQ(on_record<RightRecord>().size(), 1u);
  EXPECT_EQ(on_record<RightRecord>()[0].rights, kRWH);
  apply(access(nfs, Operation::read));
  apply(ack(smb, kRH));
  ASSERT_EQ(on_record<RightRecord>().size(), 1u);
  EXPECT_EQ(on_record<RightRecord>()[0].rights, kRH);
}

TEST_F(RightsTest, WhoeverWasPutOffIsNotOvertakenByANewLease) {
  const OpenReply first = opened(smb_open(smb, kRWH));
  AccessRequested read = access(nfs, Operation::read);
  read.patience = now;
  EXPECT_EQ(status(read), Status::later);
  ASSERT_EQ(file().bars.size(), 1u);
  EXPECT_EQ(file().bars[0].client, nfs);
  apply(ack(smb, kRH));
  apply(OpenClosed{next(), first.open});
  const ClientId other = client(Protocol::smb, "3");
  EXPECT_EQ(opened(smb_open(other, kRWH)).rights, kRH);
  EXPECT_EQ(status(access(nfs, Operation::read)), Status::ok);
  EXPECT_TRUE(file().bars.empty()) << "it has come back";
}

}  // namespace
}  // namespace lockstep::core
