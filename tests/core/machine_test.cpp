// The walk of the main cases through the one door, with the order of effects.
#include "tests/core/machine_fixture.hpp"

namespace lockstep::core {
namespace {

TEST_F(MachineTest, GrantIsPersistedBeforeItsReply) {
  const ClientId nfs = client(Protocol::nlm, "host");
  const Effects out = apply(nlm_lock(nfs, {0, 9}, LockMode::exclusive));
  ASSERT_EQ(out.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<ClientRecord>(std::get<Persist>(out[0]).change.record));
  EXPECT_TRUE(std::holds_alternative<LockRecord>(std::get<Persist>(out[1]).change.record));
  EXPECT_EQ(std::get<Reply>(out[2]).status, Status::ok);
  EXPECT_TRUE(std::get<Reply>(out[2]).durable);
}

TEST_F(MachineTest, NfsLockWaitsForTheAcknowledgmentOfAWriteLease) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId nfs = client(Protocol::nlm, "host");
  const auto opened = std::get<OpenReply>(reply(apply(smb_open(smb, kRWH))).body);
  EXPECT_EQ(opened.rights, kRWH);
  EXPECT_EQ(opened.epoch, 1);

  const LockRequested lock = nlm_lock(nfs, {0, 9}, LockMode::exclusive, Wait::callback);
  Effects out = apply(lock);
  const auto* sent = find<SendBreak>(out);
  ASSERT_NE(sent, nullptr);
  EXPECT_EQ(sent->to, kNoRights);
  EXPECT_EQ(sent->epoch, 2);
  EXPECT_EQ(reply(out).status, Status::blocked);
  EXPECT_TRUE(machine.view(kFile).locks.empty());

  out = apply(ack(smb, kNoRights));
  const auto* granted = find<NotifyGranted>(out);
  ASSERT_NE(granted, nullptr);
  EXPECT_EQ(granted->grant, lock.request);
  EXPECT_EQ(machine.view(kFile).locks.size(), 1u);
  apply(GrantAnswered{lock.request, true});
  EXPECT_TRUE(machine.view(kFile).grants.empty());
}

TEST_F(MachineTest, ALateAcknowledgmentChangesNothing) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId nfs = client(Protocol::nlm, "host");
  apply(smb_open(smb, kRWH));
  apply(nlm_lock(nfs, {0, 9}, LockMode::exclusive, Wait::callback));
  now = machine.next_deadline();
  const Effects out = apply(Tick{});
  EXPECT_NE(find<Revoked>(out), nullptr);
  EXPECT_NE(find<NotifyGranted>(out), nullptr);
  EXPECT_EQ(reply(apply(ack(smb, kRH))).status, Status::not_breaking);
}

TEST_F(MachineTest, AnNfsLockKeepsSmbFromAWriteLease) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId nfs = client(Protocol::nlm, "host");
  apply(nlm_lock(nfs, {0, 9}, LockMode::exclusive));
  const auto opened = std::get<OpenReply>(reply(apply(smb_open(smb, kRWH))).body);
  EXPECT_EQ(opened.rights, kRH);
  const Reply denied = reply(apply(smb_lock(smb, opened.open, {5, 5}, LockMode::exclusive)));
  EXPECT_EQ(denied.status, Status::denied);
  EXPECT_EQ(std::get<Holder>(denied.body).label, "host");
}

TEST_F(MachineTest, WaitersOfBothFamiliesGoInOrderOfArrival) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId one = client(Protocol::nlm, "one");
  const ClientId two = client(Protocol::nlm, "two");
  const auto opened = std::get<OpenReply>(reply(apply(smb_open(smb, kNoRights))).body);
  apply(nlm_lock(one, {0, 9}, LockMode::exclusive));
  const LockRequested first = smb_lock(smb, opened.open, {0, 9}, LockMode::exclusive, Wait::queue);
  EXPECT_NE(find<Parked>(apply(first)), nullptr);
  EXPECT_EQ(reply(apply(nlm_lock(two, {0, 9}, LockMode::exclusive, Wait::callback))).status,
            Status::blocked);

  Unlocked unlock{next(), one, {}, "svid", kFile, Range::whole(), {}};
  Effects out = apply(unlock);
  EXPECT_EQ(find<NotifyGranted>(out), nullptr);
  EXPECT_EQ(machine.view(kFile).locks.size(), 1u);
  EXPECT_EQ(machine.view(kFile).locks[0].client, smb);

  out = apply(OpenClosed{next(), opened.open});
  EXPECT_NE(find<NotifyGranted>(out), nullptr);
}

TEST_F(MachineTest, DeadlockAcrossProtocolsIsRefused) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId nfs = client(Protocol::nlm, "host");
  const auto opened = std::get<OpenReply>(reply(apply(smb_open(smb, kNoRights))).body);
  apply(nlm_lock(nfs, {0, 0}, LockMode::exclusive));
  apply(smb_lock(smb, opened.open, {1, 1}, LockMode::exclusive));
  apply(smb_lock(smb, opened.open, {0, 0}, LockMode::exclusive, Wait::queue));
  EXPECT_EQ(reply(apply(nlm_lock(nfs, {1, 1}, LockMode::exclusive, Wait::callback))).status,
            Status::deadlock);
}

TEST_F(MachineTest, RecoveredLocksProtectAndAreGivenBack) {
  const ClientId nfs = client(Protocol::nlm, "host");
  apply(nlm_lock(nfs, {0, 9}, LockMode::exclusive));
  restart();
  EXPECT_TRUE(machine.view().grace);

  const ClientId other = client(Protocol::nlm, "other");
  EXPECT_EQ(reply(apply(nlm_lock(other, {50, 59}, LockMode::shared))).status, Status::grace);
  LockRequested wider = nlm_lock(nfs, {0, 10}, LockMode::exclusive);
  wider.reclaim = Reclaim::previous;
  EXPECT_EQ(reply(apply(wider)).status, Status::reclaim_bad);
  LockRequested same = nlm_lock(nfs, {0, 9}, LockMode::exclusive);
  same.reclaim = Reclaim::previous;
  const Effects out = apply(same);
  EXPECT_EQ(reply(out).status, Status::ok);
  EXPECT_NE(find<GraceEnded>(out), nullptr) << "everybody on the roster is done";
  EXPECT_EQ(reply(apply(nlm_lock(other, {5, 5}, LockMode::shared))).status, Status::denied);
}

TEST_F(MachineTest, WhatIsNotYetReclaimedOfAnOpenProtects) {
  const Access read{AccessBit::read}, write{AccessBit::write};
  const ClientId holder = client(Protocol::nfs40, "holder");
  apply(open(holder, read, {}, "owner"));
  apply(open(holder, write, write, "owner"));  // its own deny mode is in the way of no earlier part

  Limits limits;
  limits.grace_scope = GraceScope::recorded;
  restart(limits);
  client(Protocol::nfs40, "holder");
  const ClientId newcomer = client(Protocol::nfs40, "newcomer");
  EXPECT_EQ(reply(apply(reclaimed(open(holder, read, {}, "owner")))).status, Status::ok);
  EXPECT_EQ(reply(apply(open(newcomer, write, {}, "owner"))).status, Status::grace);
  const Effects out = apply(reclaimed(open(holder, write, write, "owner")));
  EXPECT_EQ(reply(out).status, Status::ok);
  EXPECT_NE(find<GraceEnded>(out), nullptr) << "now it has all back";
  EXPECT_EQ(reply(apply(open(newcomer, write, {}, "owner"))).status, Status::share_conflict);
}

TEST_F(MachineTest, ThePartOfAnOpenThatNobodyReclaimedIsGoneWithGrace) {
  const Access read{AccessBit::read}, write{AccessBit::write};
  const ClientId holder = client(Protocol::nfs40, "holder");
  apply(open(holder, read, {}, "owner"));
  apply(open(holder, write, write, "owner"));
  Limits limits;
  limits.grace_scope = GraceScope::recorded;
  restart(limits);
  client(Protocol::nfs40, "holder");
  const ClientId newcomer = client(Protocol::nfs40, "newcomer");
  EXPECT_EQ(find<GraceEnded>(apply(reclaimed(open(holder, read, {}, "owner")))), nullptr);
  now += limits.grace;
  EXPECT_NE(find<GraceEnded>(apply(Tick{})), nullptr);
  EXPECT_EQ(reply(apply(open(newcomer, write, {}, "owner"))).status, Status::ok);
  for (const OpenRecord& record : on_record<OpenRecord>()) {
    if (record.client == holder) {
      EXPECT_EQ(record.access, read) << "and off the record";
    }
  }
}

TEST_F(MachineTest, ABreakEndsAfterTheWritesThatWereSentBeforeItsAcknowledgment) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId nfs = client(Protocol::nfs3, "host");
  const auto opened = std::get<OpenReply>(reply(apply(smb_open(smb, kRWH))).body);
  AccessRequested read;
  read.request = next();
  read.client = nfs;
  read.target = {kFile, Operation::read};
  EXPECT_NE(find<SendBreak>(apply(read)), nullptr);

  AccessRequested flush;
  flush.request = next();
  flush.client = smb;
  flush.open = opened.open;
  flush.target = {kFile, Operation::write};
  EXPECT_EQ(reply(apply(flush)).status, Status::ok) << "the holder passes its own break";
  Effects out = apply(ack(smb, kRH));
  ASSERT_EQ(out.size(), 1u) << "the read still waits for the flush";
  EXPECT_EQ(reply(out).status, Status::ok);
  EXPECT_EQ(reply(apply(ack(smb, kRH))).status, Status::not_breaking);

  out = apply(AccessEnded{flush.request});
  EXPECT_EQ(reply(out).request, read.request);
  EXPECT_EQ(reply(out).status, Status::ok);
  EXPECT_EQ(machine.view(kFile).rights[0].rights, kRH);
}

TEST_F(MachineTest, ARefusedSharedGrantLeavesWhatItLoweredShared) {
  const ClientId one = client(Protocol::nlm, "one");
  const ClientId two = client(Protocol::nlm, "two");
  apply(nlm_lock(one, {0, 0}, LockMode::exclusive));
  apply(nlm_lock(two, {1, 1}, LockMode::exclusive));
  const LockRequested wider = nlm_lock(one, {0, 1}, LockMode::shared, Wait::callback);
  EXPECT_EQ(reply(apply(wider)).status, Status::blocked);
  apply(Unlocked{next(), two, {}, "svid", kFile, {1, 1}, {}});
  EXPECT_EQ(reply(apply(nlm_lock(two, {0, 0}, LockMode::shared))).status, Status::ok);
  apply(GrantAnswered{wider.request, false});
  ASSERT_EQ(machine.view(kFile).locks.size(), 2u);
  for (const LockView& lock : machine.view(kFile).locks) EXPECT_EQ(lock.mode, LockMode::shared);
}

TEST_F(MachineTest, PatienceThatEndsNowIsOver) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId nfs = client(Protocol::nfs3, "host");
  apply(smb_open(smb, kRWH));
  AccessRequested read;
  read.request = next();
  read.client = nfs;
  read.target = {kFile, Operation::read};
  read.patience = now;
  EXPECT_EQ(reply(apply(read)).status, Status::later);
}

}  // namespace
}  // namespace lockstep::core
