// TEST, LOCK, CANCEL, UNLOCK, SHARE and FREE_ALL in all versions, over the real core. Method: calls
// as bytes; what the core holds is looked at after each step.
#include <gtest/gtest.h>

#include "tests/wire/nlm_world.hpp"

namespace lockstep::wire::rpc_test::nlm_tests {
namespace {

using nlm::Status;

class NlmLock : public NlmWorld {
 protected:
  Locker alpha;
  Locker beta{"10.0.0.6", "beta", 1, "1@beta"};
};

TEST_F(NlmLock, LockTestUnlock) {
  EXPECT_EQ(lock(alpha, 0, 10), Status::granted);
  EXPECT_EQ(lock(alpha, 0, 10), Status::granted) << "a repeat changes nothing";
  EXPECT_EQ(lock(beta, 5, 10), Status::denied);
  EXPECT_EQ(lock(beta, 10, 10), Status::granted);
  EXPECT_EQ(ask(alpha, nlm::kTest, args(alpha, 0, 10)), Status::granted) << "one's own";
  EXPECT_EQ(unlock(alpha, 3, 2), Status::granted);
  EXPECT_EQ(locks(), 3U);
  EXPECT_EQ(unlock(alpha, 0, 0), Status::granted);
  EXPECT_EQ(unlock(alpha, 0, 0), Status::granted) << "unlocking nothing is fine";
  EXPECT_EQ(locks(), 1U);
}

TEST_F(NlmLock, TestNamesTheHolder) {
  Locker other = beta;
  other.svid = -7;
  lock(other, 100, 0, false);
  const auto call = args(alpha, 0, 0);
  const auto reply = send(alpha, nlm::kTest, call);
  ASSERT_EQ(status(*reply, call.cookie), Status::denied);
  BigReader in(ByteView(*reply).subspan(rpc::parse_reply(*reply).results));
  rpc::get_bytes(in, 1024);
  in.u32();
  EXPECT_FALSE(rpc::get_bool(in)) << "shared";
  EXPECT_EQ(static_cast<std::int32_t>(in.u32()), -7);
  EXPECT_EQ(rpc::get_string(in, 1024), "1@beta");
  EXPECT_EQ(in.u64(), 100U);
  EXPECT_EQ(in.u64(), 0U) << "to the end of file";
  EXPECT_TRUE(in.ok() && in.remaining() == 0);
}

TEST_F(NlmLock, RangesAtTheEnd) {
  EXPECT_EQ(lock(alpha, ~std::uint64_t{0}, 2), Status::fbig);
  EXPECT_EQ(lock(alpha, 5, ~std::uint64_t{0} - 4), Status::granted) << "just to the end";
  EXPECT_EQ(lock(beta, ~std::uint64_t{0} - 1, 1), Status::denied);
}

TEST_F(NlmLock, OlderVersionsHaveNarrowRangesAndFewWords) {
  EXPECT_EQ(ask(alpha, nlm::kLock, args(alpha, 0xFFFFFFF0, 0), 3), Status::granted);
  EXPECT_EQ(ask(beta, nlm::kLock, args(beta, 0xFFFFFFFF, 1), 1), Status::denied);
  EXPECT_EQ(lock(beta, std::uint64_t{1} << 40, 1), Status::denied) << "0 is the end of file";
  unlock(alpha, 0, 0);
  lock(beta, std::uint64_t{1} << 40, 1);
  const auto call = args(alpha, 0, 0);
  const auto reply = send(alpha, nlm::kTest, call, 3);
  ASSERT_EQ(status(*reply, call.cookie), Status::denied);
  BigReader in(ByteView(*reply).subspan(rpc::parse_reply(*reply).results));
  rpc::get_bytes(in, 1024);
  in.skip(12);
  rpc::get_string(in, 1024);
  EXPECT_EQ(in.u32(), 0xFFFFFFFF);
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_TRUE(in.ok() && in.remaining() == 0);
  handle = Bytes(16, 9);
  EXPECT_EQ(ask(alpha, nlm::kLock, args(alpha, 0, 1), 1), Status::denied_nolocks);
  EXPECT_EQ(ask(alpha, nlm::kLock, args(alpha, 0, 1), 4), Status::stale_fh);
}

TEST_F(NlmLock, TwoMachinesOfOneNameAreTwo) {
  Locker clone = alpha;
  clone.host = "10.0.0.7";
  EXPECT_EQ(lock(alpha, 0, 10), Status::granted);
  EXPECT_EQ(lock(clone, 0, 10), Status::denied);
}

TEST_F(NlmLock, DeadlockIsSaid) {
  lock(alpha, 0, 1);
  lock(beta, 1, 1);
  EXPECT_EQ(lock(alpha, 1, 1, true, true), Status::blocked);
  EXPECT_EQ(lock(beta, 0, 1, true, true), Status::deadlock);
  EXPECT_EQ(unlock(beta, 0, 0), Status::granted);
}

TEST_F(NlmLock, CancelTakesTheWaiterOutAndReleasesNothing) {
  lock(alpha, 0, 10);
  EXPECT_EQ(lock(beta, 0, 10, true, true), Status::blocked);
  EXPECT_EQ(lock(beta, 0, 10, true, true), Status::blocked) << "a repeat does not queue twice";
  EXPECT_EQ(waiters(), 1U);
  nlm::LockCall call = args(beta, 0, 10);
  call.block = true;
  EXPECT_EQ(ask(beta, nlm::kCancel, call), Status::granted);
  EXPECT_EQ(waiters(), 0U);
  EXPECT_EQ(ask(alpha, nlm::kCancel, args(alpha, 0, 10)), Status::denied) << "granted already";
  EXPECT_EQ(locks(), 1U);
  unlock(alpha, 0, 0);
  EXPECT_TRUE(dialler.datagrams.empty()) << "nobody is told";
}

TEST_F(NlmLock, ShareIsARealReservation) {
  const auto share = [&](const Locker& who, std::uint32_t deny, std::uint32_t access,
                         std::uint32_t procedure = nlm::kShare) {
    BigWriter out;
    const Bytes cookie{9};
    rpc::put_opaque(out, cookie);
    rpc::put_string(out, who.name);
    rpc::put_opaque(out, handle);
    rpc::put_string(out, who.oh);
    out.u32(deny);
    out.u32(access);
    rpc::put_bool(out, false);
    return status(*send(who.host, nlm::kProgram, 4, procedure, out), cookie);
  };
  EXPECT_EQ(share(alpha, 2, 1), Status::granted);  // deny write, access read
  EXPECT_EQ(share(beta, 0, 2), Status::denied);
  EXPECT_EQ(share(beta, 0, 1), Status::granted);
  EXPECT_EQ(coordinator.machine().view(id()).opens.size(), 2U);
  EXPECT_EQ(share(alpha, 0, 0, nlm::kUnshare), Status::granted);
  EXPECT_EQ(share(alpha, 0, 0, nlm::kUnshare), Status::granted);
  EXPECT_EQ(share(beta, 0, 2), Status::granted);
}

TEST_F(NlmLock, FreeAllAndRebootsFreeTheHost) {
  lock(alpha, 0, 10);
  EXPECT_EQ(lock(beta, 0, 5, true, true), Status::blocked);
  BigWriter who;
  rpc::put_string(who, "alpha");
  who.u32(0);
  send("10.0.0.9", nlm::kProgram, 4, nlm::kFreeAll, who);
  EXPECT_EQ(locks(), 1U) << "not from another address";
  send("10.0.0.5", nlm::kProgram, 4, nlm::kFreeAll, who);
  ASSERT_EQ(locks(), 1U);
  EXPECT_EQ(coordinator.machine().view(id()).locks[0].range, (core::Range{0, 4})) << "beta's turn";

  const auto notify = [&](const std::string& from, const std::string& name, std::uint32_t state) {
    BigWriter out;
    rpc::put_string(out, name);
    out.u32(state);
    send(from, nsm::kProgram, 1, 6, out);
  };
  notify("10.0.0.6", "whatever", 7);
  EXPECT_EQ(locks(), 0U) << "known by its address";
  EXPECT_EQ(lock(beta, 0, 5), Status::granted);
  notify("10.0.0.6", "beta", 7);
  EXPECT_EQ(locks(), 1U) << "the same reboot frees nothing that was taken after it";
  notify("192.168.1.6", "beta", 9);
  EXPECT_EQ(locks(), 0U) << "known by its name";
}

TEST_F(NlmLock, UnlockFindsAFileThatIsGone) {
  lock(alpha, 0, 10);
  const core::FileId file = id();
  nlm::LockCall call = args(alpha, 0, 0);
  spawn([](nfs3::ExportRef of) -> Task<void> {
    const files::Credentials root{0, 0, {}};
    const auto found =
        co_await of->files->lookup(root, of->files->root(), "f", files::NameCase::exact);
    const auto done = co_await of->files->remove(root, of->files->root(), "f", found->node);
    EXPECT_TRUE(done.has_value());
  }(exports.list().front()));
  EXPECT_EQ(ask(alpha, nlm::kLock, args(alpha, 0, 1)), Status::stale_fh);
  EXPECT_EQ(ask(alpha, nlm::kUnlock, call), Status::granted);
  EXPECT_TRUE(coordinator.machine().view(file).locks.empty());
}

TEST_F(NlmLock, ANonBlockingLockWaitsForALeaseAndIsThenDecided) {
  // A lease of an SMB client on the file.
  core::ClientId smb;
  core::OpenId open;
  spawn([](CoreCoordinator& to, core::FileId file, core::ClientId& holder,
           core::OpenId& made) -> Task<void> {
    core::ClientArrived arrived;
    arrived.protocol = core::Protocol::smb;
    arrived.identity = "0123456789abcdef";
    arrived.label = "desk";
    const core::Reply first = co_await request(to, std::move(arrived));
    holder = std::get<core::ClientReply>(first.body).client;
    core::OpenRequested event;
    event.client = holder;
    event.file = file;
    event.access = {core::AccessBit::read, core::AccessBit::write};
    event.wish.flavour = core::Flavour::lease;
    event.wish.rights = core::kRWH;
    event.wish.key.bytes[0] = 1;
    const core::Reply second = co_await request(to, std::move(event));
    made = std::get<core::OpenReply>(second.body).open;
    EXPECT_EQ(std::get<core::OpenReply>(second.body).rights, core::kRWH);
  }(coordinator, id(), smb, open));

  const auto test_call = args(alpha, 0, 10);
  const auto test_reply = send(alpha, nlm::kTest, test_call);
  const auto call = args(alpha, 0, 10);
  const auto reply = send(alpha, nlm::kLock, call);
  EXPECT_TRUE(reply->empty());
  ASSERT_EQ(coordinator.breaks.size(), 1U) << "broken once";
  pass(600 * core::kMillisecond);
  ASSERT_EQ(status(*test_reply, test_call.cookie), Status::denied);
  BigReader in(ByteView(*test_reply).subspan(rpc::kReplyHeaderSize));
  rpc::get_bytes(in, 1024);
  in.u32();
  EXPECT_TRUE(rpc::get_bool(in)) << "exclusive: the lease has W";
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_EQ(rpc::get_string(in, 100), "smb:desk");
  EXPECT_EQ(in.u64(), 0U);
  EXPECT_EQ(in.u64(), ~std::uint64_t{0});
  EXPECT_TRUE(reply->empty()) << "still waiting: no holder is invented";
  spawn([](CoreCoordinator& to, core::ClientId holder) -> Task<void> {
    core::BreakAcknowledged ack;
    ack.client = holder;
    ack.key.bytes[0] = 1;
    co_await request(to, std::move(ack));
  }(coordinator, smb));
  EXPECT_EQ(status(*reply, call.cookie), Status::granted);
}

}  // namespace
}  // namespace lockstep::wire::rpc_test::nlm_tests
