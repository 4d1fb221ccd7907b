#include <gtest/gtest.h>

#include "shell/wire/smb2/io.hpp"
#include "tests/wire/smb2_file_world.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using S = NtStatus;
constexpr std::uint32_t kShared = 1, kExclusive = 2, kUnlock = 4, kAtOnce = 0x10;

struct Pair {
  FileWorld world;
  FileClient first{world, 1}, second{world, 2};
  FileHandle a, b;
  Pair() {
    Creating create;
    create.name = "f";
    a = first.create(create).handle;
    b = second.create(create).handle;
    EXPECT_EQ(first.write(a, 0, "0123456789"), S::success);
  }
};

TEST(Smb2Io, ReadsWhatWasWritten) {
  Pair pair;
  EXPECT_EQ(pair.second.read(pair.b, 3, 4), std::pair(S::success, std::string("3456")));
  EXPECT_EQ(pair.second.read(pair.b, 8, 10).second, "89");
  EXPECT_EQ(pair.second.read(pair.b, 10, 1).first, S::end_of_file);
  EXPECT_EQ(pair.second.read(pair.b, 10, 0).first, S::success);
  EXPECT_EQ(pair.second.read(pair.b, 0, 5, 6).first, S::end_of_file);
  EXPECT_EQ(pair.second.read(pair.b, std::uint64_t{1} << 63, 0).first, S::invalid_parameter);
  EXPECT_EQ(pair.second.read({1, 2}, 0, 1).first, S::file_closed);
}

TEST(Smb2Io, RightsOfTheHandleDecide) {
  Pair pair;
  Creating create;
  create.name = "f";
  create.access = access::kReadAttributes;
  const FileHandle none = pair.first.create(create).handle;
  EXPECT_EQ(pair.first.read(none, 0, 1).first, S::access_denied);
  EXPECT_EQ(pair.first.write(none, 0, "x"), S::access_denied);
  create.access = access::kExecute;
  EXPECT_EQ(pair.first.read(pair.first.create(create).handle, 0, 1).second, "0");
  create.access = access::kAppendData | access::kReadData;
  const FileHandle append = pair.first.create(create).handle;
  EXPECT_EQ(pair.first.write(append, 5, "x"), S::access_denied);
  EXPECT_EQ(pair.first.write(append, 10, "x"), S::success);
  create = {};
  create.name = "";
  create.disposition = Disposition::open;
  const FileHandle root = pair.first.create(create).handle;
  EXPECT_EQ(pair.first.read(root, 0, 1).first, S::invalid_device_request);
}

TEST(Smb2Io, LocksOfOthersStopReadsAndWrites) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {{2, 3, kExclusive | kAtOnce}}), S::success);
  EXPECT_EQ(pair.second.read(pair.b, 0, 3).first, S::file_lock_conflict);
  EXPECT_EQ(pair.second.read(pair.b, 0, 2).first, S::success);
  EXPECT_EQ(pair.second.write(pair.b, 4, "x"), S::file_lock_conflict);
  EXPECT_EQ(pair.first.write(pair.a, 4, "x"), S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{2, 3, kUnlock}}), S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{2, 3, kShared | kAtOnce}}), S::success);
  EXPECT_EQ(pair.second.read(pair.b, 0, 3).first, S::success);
  EXPECT_EQ(pair.first.write(pair.a, 2, "x"), S::file_lock_conflict) << "its own shared lock";
}

TEST(Smb2Io, AReadWaitsForTheWriteCacheOfAnother) {
  FileWorld world;
  FileClient holder(world, 1), reader(world, 2);
  Creating create;
  create.name = "f";
  const FileHandle b = reader.create(create).handle;
  reader.close(b);
  // The reader opens first, for attributes, and its handle may read: it breaks nothing yet.
  create.access = access::kReadData | access::kReadAttributes;
  const FileHandle open = reader.create(create).handle;
  create.access = access::kFileAll;
  create.lease = Creating::Lease{1, 7};
  const Created held = holder.create(create);
  EXPECT_EQ(held.lease_state(), 3u) << "another open rules out W";
  EXPECT_EQ(reader.read(open, 0, 1).first, S::end_of_file);
}

TEST(Smb2Io, AWriteTellsTheReadCaches) {
  FileWorld world;
  FileClient holder(world, 1), writer(world, 2);
  Creating create;
  create.name = "f";
  create.lease = Creating::Lease{1, 1};
  holder.create(create);
  create.lease.reset();
  const FileHandle b = writer.create(create).handle;
  EXPECT_EQ(writer.write(b, 0, "new"), S::success);
  const std::optional<BreakNotice> notice = holder.next_break();
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->to, 0u);
  EXPECT_FALSE(notice->ack);
}

TEST(Smb2Lock, ContradictionsAndImpossibleRanges) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {}), S::invalid_parameter);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, 0}}), S::invalid_parameter);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kShared | kExclusive}}), S::invalid_parameter);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kUnlock | kAtOnce}}), S::invalid_parameter);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kShared | kAtOnce}, {1, 1, kShared}}),
            S::invalid_parameter);
  constexpr std::uint64_t kMax = ~std::uint64_t{0};
  EXPECT_EQ(pair.first.lock(pair.a, {{kMax, kMax, kExclusive | kAtOnce}}), S::invalid_lock_range);
  EXPECT_EQ(pair.first.lock(pair.a, {{kMax, 1, kExclusive | kAtOnce}}), S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{5, 1, kUnlock}}), S::range_not_locked);
}

TEST(Smb2Lock, AnArrayIsAllOrNothing) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {{10, 1, kExclusive | kAtOnce}}), S::success);
  EXPECT_EQ(pair.second.lock(pair.b, {{0, 1, kExclusive | kAtOnce}, {10, 1, kExclusive | kAtOnce}}),
            S::lock_not_granted);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kExclusive | kAtOnce}}), S::success);
}

TEST(Smb2Lock, AnUnlockArrayStopsAtTheFirstFailure) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kExclusive | kAtOnce}, {2, 1, kExclusive | kAtOnce}}),
            S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kUnlock}, {1, 1, kUnlock}, {2, 1, kUnlock}}),
            S::range_not_locked);
  EXPECT_EQ(pair.second.lock(pair.b, {{0, 1, kExclusive | kAtOnce}}), S::success);
  EXPECT_EQ(pair.second.lock(pair.b, {{2, 1, kExclusive | kAtOnce}}), S::lock_not_granted);
}

TEST(Smb2Lock, ABlockingLockIsGrantedWhenTheOtherGoes) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 5, kExclusive}}), S::success);
  EXPECT_EQ(pair.second.lock(pair.b, {{4, 5, kExclusive}}), S::pending);
  EXPECT_FALSE(pair.second.later());
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 5, kUnlock}}), S::success);
  EXPECT_EQ(pair.second.later()->status(), S::success);
}

TEST(Smb2Lock, CancelAndCloseEndTheWait) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 5, kExclusive}}), S::success);
  EXPECT_EQ(pair.second.lock(pair.b, {{0, 5, kExclusive}}), S::pending);
  pair.second.cancel(pair.second.async_id);
  EXPECT_EQ(pair.second.later()->status(), S::cancelled);
  EXPECT_EQ(pair.second.lock(pair.b, {{0, 5, kShared}}), S::pending);
  EXPECT_EQ(pair.second.close(pair.b), S::range_not_locked) << "the waiting lock answers first";
  EXPECT_EQ(pair.second.later()->status(), S::success);
}

TEST(Smb2Lock, ASequenceSentAgainIsAnsweredWithoutEffect) {
  Pair pair;
  constexpr std::uint32_t kBucket1 = 0x10;
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kExclusive | kAtOnce}}, kBucket1 + 1), S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kExclusive | kAtOnce}}, kBucket1 + 1), S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kExclusive | kAtOnce}}, kBucket1 + 2),
            S::lock_not_granted);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kUnlock}}, kBucket1 + 3), S::success);
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kUnlock}}, 65 * 0x10), S::range_not_locked);
}

TEST(Smb2Close, LocksFallAndAttributesAreTold) {
  Pair pair;
  EXPECT_EQ(pair.first.lock(pair.a, {{0, 1, kExclusive | kAtOnce}}), S::success);
  EXPECT_EQ(pair.first.close(pair.a, true), S::success);
  LittleReader in(pair.first.last.body());
  in.skip(2);
  EXPECT_EQ(in.u16(), 1);
  in.skip(4 + 32 + 8);
  EXPECT_EQ(in.u64(), 10u);
  EXPECT_EQ(pair.second.lock(pair.b, {{0, 1, kExclusive | kAtOnce}}), S::success);
  EXPECT_EQ(pair.first.close(pair.a), S::file_closed);
}

TEST(Smb2Close, DeleteOnCloseTakesTheNameWithTheLastClose) {
  Pair pair;
  Creating doomed;
  doomed.name = "f";
  doomed.options = option::kDeleteOnClose;
  const FileHandle c = pair.first.create(doomed).handle;
  EXPECT_EQ(pair.first.close(c), S::success);
  Creating again;
  again.name = "f";
  again.disposition = Disposition::open;
  EXPECT_EQ(pair.first.create(again).status, S::delete_pending);
  EXPECT_EQ(pair.first.close(pair.a), S::success);
  EXPECT_EQ(pair.second.read(pair.b, 0, 1).second, "0");
  EXPECT_EQ(pair.second.close(pair.b), S::success);
  EXPECT_EQ(pair.first.create(again).status, S::object_name_not_found);
}

TEST(Smb2Close, TheEndOfAConnectionClosesEverything) {
  FileWorld world;
  FileClient stays(world, 2);
  {
    FileClient goes(world, 1);
    Creating create;
    create.name = "f";
    create.share = 0;
    create.options = option::kDeleteOnClose;
    create.lease = Creating::Lease{1, 7};
    EXPECT_EQ(goes.create(create).status, S::success);
    EXPECT_EQ(world.core.machine().view().files.size(), 1u);
  }
  EXPECT_EQ(world.service->opens().size(), 0u);
  EXPECT_TRUE(world.core.machine().view().files.empty());
  Creating create;
  create.name = "f";
  create.disposition = Disposition::open;
  EXPECT_EQ(stays.create(create).status, S::object_name_not_found);
}

TEST(Smb2Flush, NeedsTheRightToWrite) {
  Pair pair;
  const auto flush = [&](FileHandle file) {
    LittleWriter out;
    out.u16(24);
    out.zeros(6);
    write_handle(out, file);
    return pair.first.command(Command::flush, out.take()).status();
  };
  EXPECT_EQ(flush(pair.a), S::success);
  Creating create;
  create.name = "f";
  create.access = access::kReadData;
  EXPECT_EQ(flush(pair.first.create(create).handle), S::access_denied);
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
