// Byte ranges: what is held after a request, who waits, who goes when something is given back.
#include "tests/core/machine_fixture.hpp"

namespace lockstep::core {
namespace {

using LocksTest = MachineTest;

TEST_F(LocksTest, AnUnlockInTheMiddleLeavesBothEnds) {
  const ClientId nfs = client(Protocol::nlm, "1");
  const LockRequested lock = nlm_lock(nfs, {0, 9}, kExclusive);
  apply(lock);
  apply(unlock(lock, {3, 5}));
  EXPECT_EQ(held(), (std::vector<Range>{{0, 2}, {6, 9}}));
  EXPECT_EQ(on_record<LockRecord>().size(), 2u);
}

TEST_F(LocksTest, PosixRangesThatTouchBecomeOne) {
  const ClientId nfs = client(Protocol::nlm, "1");
  apply(nlm_lock(nfs, {0, 4}, kExclusive));
  apply(nlm_lock(nfs, {5, 9}, kExclusive));
  EXPECT_EQ(held(), (std::vector<Range>{{0, 9}}));
  const auto records = on_record<LockRecord>();
  ASSERT_EQ(records.size(), 1u) << "the record of the part is replaced by one of the whole";
  EXPECT_EQ(records[0].range, (Range{0, 9}));
}

TEST_F(LocksTest, WhatIsGivenBackIsOffTheRecord) {
  const ClientId nfs = client(Protocol::nlm, "1");
  const LockRequested lock = nlm_lock(nfs, {0, 9}, kShared);
  apply(lock);
  EXPECT_EQ(on_record<LockRecord>().size(), 1u);
  apply(unlock(lock, {0, 9}));
  EXPECT_TRUE(on_record<LockRecord>().empty());
}

TEST_F(LocksTest, ADowngradeLetsSharedWaitersGo) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  apply(nlm_lock(one, {0, 9}, kExclusive));
  EXPECT_EQ(status(nlm_lock(two, {0, 9}, kShared, Wait::callback)), Status::blocked);
  EXPECT_NE(find<NotifyGranted>(apply(nlm_lock(one, {0, 9}, kShared))), nullptr);
}

TEST_F(LocksTest, ACancelledWaiterIsNoLongerInTheWay) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  const ClientId three = client(Protocol::nlm, "3");
  apply(nlm_lock(one, {0, 4}, kExclusive));
  apply(nlm_lock(two, {0, 9}, kExclusive, Wait::callback));
  const LockRequested behind = nlm_lock(three, {5, 9}, kExclusive, Wait::callback);
  EXPECT_EQ(status(behind), Status::blocked) << "nobody overtakes";
  const Effects out = apply(LockCancelled{next(), two, "svid", kFile, {{0, 9}, kExclusive}});
  ASSERT_NE(find<NotifyGranted>(out), nullptr);
  EXPECT_EQ(find<NotifyGranted>(out)->grant, behind.request);
}

TEST_F(LocksTest, ABlockingLockThatIsSentAgainKeepsItsPlace) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  apply(nlm_lock(one, {0, 9}, kExclusive));
  apply(nlm_lock(two, {0, 9}, kExclusive, Wait::callback));
  EXPECT_EQ(status(nlm_lock(two, {0, 9}, kExclusive, Wait::callback)), Status::blocked);
  EXPECT_EQ(file().waiters.size(), 1u);
}

TEST_F(LocksTest, AFurtherLockOfTheOwnerEndsItsCallback) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  const LockRequested first = nlm_lock(one, {0, 9}, kExclusive);
  apply(first);
  const LockRequested waiting = nlm_lock(two, {0, 9}, kExclusive, Wait::callback);
  apply(waiting);
  EXPECT_NE(find<NotifyGranted>(apply(unlock(first, {0, 9}))), nullptr);
  const Effects out = apply(nlm_lock(two, {0, 4}, kExclusive));
  ASSERT_NE(find<StopNotifying>(out), nullptr) << "it knows that it has the lock";
  EXPECT_EQ(find<StopNotifying>(out)->grant, waiting.request);
}

// Who is judged again breaks the rights that were granted meanwhile: nobody is without a reason.
TEST_F(LocksTest, AnUnlockWakesOnlyThoseWhoseBytesItFrees) {
  const ClientId nfs = client(Protocol::nlm, "1");
  const ClientId smb = client(Protocol::smb, "2"), reader = client(Protocol::smb, "3");
  const LockRequested held = nlm_lock(nfs, {0, 9}, kExclusive);
  apply(held);
  const OpenId id = opened(open(smb, kReadWrite)).open;
  apply(smb_lock(smb, id, {5, 9}, kExclusive, Wait::queue));
  ASSERT_EQ(file().waiters.size(), 1u);
  OpenRequested with_lease = open(reader, AccessBit::read);
  with_lease.wish = {Flavour::lease, RightBit::read, {}, true, 0};
  ASSERT_EQ(opened(with_lease).rights, Rights(RightBit::read));
  EXPECT_EQ(find<SendBreak>(apply(unlock(held, {4, 4}))), nullptr) << "it stands beside";
  const Effects out = apply(unlock(held, {5, 9}));
  EXPECT_NE(find<SendBreak>(out), nullptr);
  EXPECT_TRUE(file().waiters.empty());
}

// Clients compare ranges and not modes: a late copy of the call would pass for the new lock's.
TEST_F(LocksTest, AWaitForTheSameRangeEndsTheCallbackAboutIt) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  const ClientId three = client(Protocol::nlm, "3");
  const LockRequested first = nlm_lock(one, {0, 9}, kExclusive);
  apply(first);
  const LockRequested shared = nlm_lock(two, {0, 9}, kShared, Wait::callback);
  apply(shared);
  apply(unlock(first, {0, 9}));
  const LockRequested beside = nlm_lock(three, {0, 9}, kShared);
  EXPECT_EQ(status(beside), Status::ok);
  EXPECT_EQ(status(nlm_lock(two, {0, 4}, kExclusive, Wait::callback)), Status::blocked);
  const LockRequested exclusive = nlm_lock(two, {0, 9}, kExclusive, Wait::callback);
  const Effects out = apply(exclusive);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0], Effect(StopNotifying{two, shared.request}));
  EXPECT_EQ(out[1], Effect(Reply{exclusive.request, Status::blocked, false, {}}));
  EXPECT_EQ(held(), (std::vector<Range>{{0, 9}, {0, 9}})) << "the lock itself stays";
}

// ---- SMB ---------------------------------------------------------------------------------------

TEST_F(LocksTest, SmbLaysSharedOnItsOwnAndExclusiveOnNothing) {
  const ClientId smb = client(Protocol::smb, "1");
  const OpenId id = opened(open(smb, kReadWrite)).open;
  EXPECT_EQ(status(smb_lock(smb, id, {0, 9}, kShared)), Status::ok);
  EXPECT_EQ(status(smb_lock(smb, id, {5, 14}, kShared)), Status::ok);
  EXPECT_EQ(status(smb_lock(smb, id, {5, 5}, kExclusive)), Status::denied);
}

TEST_F(LocksTest, SmbUnlockTakesTheExclusiveOfTwoEqualRangesFirst) {
  const ClientId smb = client(Protocol::smb, "1");
  const OpenId id = opened(open(smb, kReadWrite)).open;
  const LockRequested lock = smb_lock(smb, id, {0, 9}, kExclusive);
  EXPECT_EQ(status(lock), Status::ok);
  EXPECT_EQ(status(smb_lock(smb, id, {0, 9}, kShared)), Status::ok);
  EXPECT_EQ(status(unlock(lock, {0, 9})), Status::ok);
  ASSERT_EQ(file().locks.size(), 1u);
  EXPECT_EQ(file().locks[0].mode, kShared);
}

TEST_F(LocksTest, AnSmbArrayIsAllOrNothing) {
  const ClientId nfs = client(Protocol::nlm, "1"), smb = client(Protocol::smb, "2");
  const OpenId id = opened(open(smb, kReadWrite)).open;
  apply(nlm_lock(nfs, {5, 5}, kExclusive));
  LockRequested both = smb_lock(smb, id, {0, 0}, kExclusive);
  both.more = {{{5, 5}, kExclusive}};
  EXPECT_EQ(status(both), Status::denied);
  EXPECT_EQ(held(), (std::vector<Range>{{5, 5}}));
}

TEST_F(LocksTest, AnSmbSharedRangeStopsEvenItsOwnWrites) {
  const ClientId smb = client(Protocol::smb, "1");
  const OpenId id = opened(open(smb, kReadWrite)).open;
  apply(smb_lock(smb, id, {0, 9}, kShared));
  EXPECT_EQ(status(access(smb, Operation::write, id)), Status::lock_conflict);
  EXPECT_EQ(status(access(smb, Operation::read, id)), Status::ok);
}

TEST_F(LocksTest, AnSmbLockWaitsForReadsInFlight) {
  const ClientId smb = client(Protocol::smb, "1"), nfs = client(Protocol::nfs3, "2");
  const OpenId id = opened(open(smb, kReadWrite)).open;
  const AccessRequested read = access(nfs, Operation::read);
  EXPECT_EQ(status(read), Status::ok);
  const LockRequested lock = smb_lock(smb, id, {0, 9}, kExclusive);
  EXPECT_NE(find<Parked>(apply(lock)), nullptr);
  const Reply said = reply(apply(AccessEnded{read.request}));
  EXPECT_EQ(said.request, lock.request);
  EXPECT_EQ(said.status, Status::ok);
}

// ---- NFSv4: a turn is kept ---------------------------------------------------------------------

TEST_F(LocksTest, AReservedRangeIsKeptForWhoeverWasTold) {
  const ClientId one = nfs4("1"), two = nfs4("2"), three = client(Protocol::nlm, "3");
  const OpenId of_one = opened(open(one, kReadWrite, {}, "owner")).open;
  const OpenId of_two = opened(open(two, kReadWrite, {}, "owner")).open;
  const LockRequested first = nfs4_lock(one, of_one, {0, 9}, kExclusive);
  EXPECT_EQ(status(first), Status::ok);
  EXPECT_EQ(status(nfs4_lock(two, of_two, {0, 9}, kExclusive, Wait::reserve)), Status::denied);
  const Effects out = apply(unlock(first, {0, 9}));
  ASSERT_NE(find<NotifyLock>(out), nullptr);
  EXPECT_EQ(find<NotifyLock>(out)->client, two);
  EXPECT_EQ(status(nlm_lock(three, {5, 5}, kExclusive)), Status::denied);
  EXPECT_EQ(status(nfs4_lock(two, of_two, {0, 9}, kExclusive)), Status::ok);
  EXPECT_TRUE(file().waiters.empty()) << "its turn has come";
}

// ---- Deadlock ----------------------------------------------------------------------------------

TEST_F(LocksTest, AWaitBehindAWaiterCanCloseACircle) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  const ClientId three = client(Protocol::nlm, "3");
  apply(nlm_lock(one, {0, 0}, kExclusive));
  apply(nlm_lock(three, {5, 5}, kExclusive));
  apply(nlm_lock(two, {0, 1}, kExclusive, Wait::callback));    // for one
  apply(nlm_lock(three, {1, 1}, kExclusive, Wait::callback));  // behind two: nobody holds byte 1
  EXPECT_EQ(status(nlm_lock(one, {5, 5}, kExclusive, Wait::callback)), Status::deadlock);
}

TEST_F(LocksTest, AGrantThatClosesACircleCostsTheYoungestWaiterItsPlace) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  const ClientId three = client(Protocol::nlm, "3");
  apply(nlm_lock(one, {0, 0}, kShared));
  apply(nlm_lock(two, {5, 5}, kExclusive));
  apply(nlm_lock(three, {1, 1}, kExclusive));
  const LockRequested older = nlm_lock(two, {0, 1}, kShared, Wait::callback);  // for three
  EXPECT_EQ(status(older), Status::blocked);
  EXPECT_EQ(status(nlm_lock(one, {5, 5}, kExclusive, Wait::callback)), Status::blocked);  // for two
  EXPECT_EQ(status(nlm_lock(one, {0, 0}, kExclusive)), Status::ok) << "one's own byte";
  ASSERT_EQ(file().waiters.size(), 1u);
  EXPECT_EQ(file().waiters[0].request, older.request);
}

}  // namespace
}  // namespace lockstep::core
