#include <gtest/gtest.h>

#include "shell/wire/smb2/break.hpp"
#include "tests/wire/smb2_file_world.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using S = NtStatus;

Creating leased(std::uint8_t key, std::uint32_t state) {
  Creating create;
  create.name = "f";
  create.lease = Creating::Lease{key, state};
  return create;
}

TEST(Smb2Break, OneNoticeForALeaseWithSeveralOpens) {
  FileWorld world;
  FileClient holder(world, 1), other(world, 2);
  holder.create(leased(1, 7));
  holder.create(leased(1, 7));
  Creating plain;
  plain.name = "f";
  EXPECT_EQ(other.create(plain).status, S::pending);
  ASSERT_TRUE(holder.next_break());
  EXPECT_FALSE(holder.next_break());
}

TEST(Smb2Break, AcknowledgmentsThatDoNotFit) {
  FileWorld world;
  FileClient holder(world, 1), other(world, 2);
  holder.create(leased(1, 7));
  EXPECT_EQ(holder.acknowledge_lease(9, 0), S::object_name_not_found);
  EXPECT_EQ(holder.acknowledge_lease(1, 0), S::unsuccessful) << "nothing is breaking";
  Creating plain;
  plain.name = "f";
  EXPECT_EQ(other.create(plain).status, S::pending);
  EXPECT_EQ(other.acknowledge_lease(1, 3), S::object_name_not_found) << "not its lease";
  EXPECT_EQ(holder.acknowledge_lease(1, 7), S::request_not_accepted);
  EXPECT_EQ(holder.acknowledge_lease(1, 3), S::success);
  EXPECT_EQ(holder.acknowledge_lease(1, 3), S::unsuccessful);
}

TEST(Smb2Break, ALateAcknowledgmentFindsNothing) {
  FileWorld world;
  FileClient holder(world, 1), other(world, 2);
  holder.create(leased(1, 7));
  Creating plain;
  plain.name = "f";
  EXPECT_EQ(other.create(plain).status, S::pending);
  world.wait(36 * core::kSecond);
  EXPECT_EQ(created_of(*other.later()).status, S::success);
  EXPECT_EQ(holder.acknowledge_lease(1, 3), S::unsuccessful);
}

TEST(Smb2Break, EpochsOfVersionTwo) {
  FileWorld world;
  FileClient holder(world, 1), other(world, 2);
  Creating create = leased(1, 7);
  create.lease->version2 = true;
  create.lease->epoch = 0x4711;
  const Created held = holder.create(create);
  ASSERT_EQ(held.contexts.at("RqLs").size(), 52u);
  EXPECT_EQ(LittleReader(ByteView(held.contexts.at("RqLs")).subspan(48)).u16(), 0x4712);
  Creating plain;
  plain.name = "f";
  other.create(plain);
  EXPECT_EQ(holder.next_break()->epoch, 0x4713);
}

TEST(Smb2Break, ABreakThatIsNotEnoughForAllGoesOnInSteps) {
  FileWorld world;
  FileClient holder(world, 1), reader(world, 2), writer(world, 3);
  Creating create = leased(1, 7);
  create.lease->version2 = true;
  holder.create(create);
  Creating plain;
  plain.name = "f";
  EXPECT_EQ(reader.create(plain).status, S::pending);
  const BreakNotice first = *holder.next_break();
  EXPECT_EQ(first.to, 3u);
  plain.disposition = Disposition::overwrite;
  EXPECT_EQ(writer.create(plain).status, S::pending);
  EXPECT_FALSE(holder.next_break()) << "one notice at a time";

  EXPECT_EQ(holder.acknowledge_lease(1, 3), S::success);
  const BreakNotice second = *holder.next_break();
  EXPECT_EQ(second.from, 3u);
  EXPECT_EQ(second.to, 1u);
  EXPECT_TRUE(second.ack);
  EXPECT_EQ(second.epoch, first.epoch) << "the same break";
  EXPECT_FALSE(reader.later());
  EXPECT_FALSE(writer.later());

  EXPECT_EQ(holder.acknowledge_lease(1, 1), S::success);
  const BreakNotice third = *holder.next_break();
  EXPECT_EQ(third.from, 1u);
  EXPECT_EQ(third.to, 0u);
  EXPECT_FALSE(third.ack);
  EXPECT_EQ(created_of(*reader.later()).status, S::success);
  EXPECT_EQ(created_of(*writer.later()).status, S::success);
  EXPECT_EQ(holder.acknowledge_lease(1, 0), S::unsuccessful);
}

TEST(Smb2Break, EachStepHasItsOwnDeadline) {
  FileWorld world;
  FileClient holder(world, 1), reader(world, 2), writer(world, 3);
  holder.create(leased(1, 7));
  Creating plain;
  plain.name = "f";
  reader.create(plain);
  plain.disposition = Disposition::overwrite;
  writer.create(plain);
  world.wait(30 * core::kSecond);
  EXPECT_EQ(holder.acknowledge_lease(1, 3), S::success);
  world.wait(30 * core::kSecond);
  EXPECT_FALSE(writer.later());
  world.wait(6 * core::kSecond);
  EXPECT_EQ(created_of(*writer.later()).status, S::success);
  EXPECT_EQ(holder.acknowledge_lease(1, 1), S::unsuccessful);
}

TEST(Smb2Break, ReadingTheDescriptorBreaksOplocksButNoLease) {
  FileWorld world;
  FileClient holder(world, 1), other(world, 2);
  Creating look;
  look.name = "f";
  look.disposition = Disposition::open;
  look.access = access::kReadControl;
  const Created held = holder.create(leased(1, 7));
  EXPECT_EQ(other.create(look).status, S::success);
  EXPECT_FALSE(holder.next_break());
  EXPECT_EQ(holder.create(leased(1, 7)).lease_state(), 7u) << "nor does it stand in its way";
  Creating batch;
  batch.name = "g";
  batch.oplock = OplockLevel::batch;
  const Created exclusive = holder.create(batch);
  EXPECT_EQ(exclusive.oplock, OplockLevel::batch);
  look.name = "g";
  look.access = access::kReadAttributes;
  EXPECT_EQ(other.create(look).status, S::success);
  look.access = access::kReadControl;
  EXPECT_EQ(other.create(look).status, S::pending);
  EXPECT_EQ(holder.next_break()->level, 1);
  EXPECT_EQ(holder.acknowledge_oplock(exclusive.handle, OplockLevel::level2), S::success);
  EXPECT_EQ(created_of(*other.later()).status, S::success);
}

TEST(Smb2Break, TheSecondVersionBeginsWith300) {
  FileWorld world;
  FileClient old(world, 1, Dialect::smb210);
  Creating create = leased(1, 7);
  create.lease->version2 = true;
  EXPECT_EQ(old.create(create).contexts.count("RqLs"), 0u);
  create.lease->version2 = false;
  EXPECT_EQ(old.create(create).lease_state(), 3u) << "beside its own open without a lease";
}

TEST(Smb2Break, ADirectoryMayNotUseTheKeyOfAFile) {
  FileWorld world;
  FileClient client(world, 1);
  client.create(leased(1, 7));
  Creating directory = leased(1, 7);
  directory.name = "d";
  directory.options = option::kDirectoryFile;
  EXPECT_EQ(client.create(directory).status, S::invalid_parameter);
  directory.lease->key = 2;
  const Created made = client.create(directory);
  EXPECT_EQ(made.status, S::success);
  EXPECT_EQ(made.oplock, OplockLevel::none);
  EXPECT_EQ(made.action, static_cast<std::uint32_t>(CreateAction::created))
      << "no trace of the first";
}

TEST(Smb2Break, TheVersionIsTheLeasesNotTheRequests) {
  FileWorld world;
  FileClient client(world, 1);
  Creating first = leased(1, 1);
  first.lease->version2 = true;
  first.lease->epoch = 0x4711;
  EXPECT_EQ(client.create(first).contexts.at("RqLs").size(), 52u);
  const Created second = client.create(leased(1, 3));
  ASSERT_EQ(second.contexts.at("RqLs").size(), 52u);
  EXPECT_EQ(LittleReader(ByteView(second.contexts.at("RqLs")).subspan(48)).u16(), 0x4713);
}

TEST(Smb2Break, NoticesGoToTheClientsFirstConnection) {
  FileWorld world;
  FileClient first(world, 1), second(world, 1), other(world, 2);
  Creating plain;
  plain.name = "g";
  first.create(plain);
  second.create(leased(1, 7));
  plain.name = "f";
  EXPECT_EQ(other.create(plain).status, S::pending);
  EXPECT_TRUE(first.next_break());
  EXPECT_FALSE(second.next_break());
}

TEST(Smb2Break, ALeaseKeyBelongsToOneFile) {
  FileWorld world;
  FileClient holder(world, 1);
  holder.create(leased(1, 7));
  Creating second = leased(1, 7);
  second.name = "g";
  EXPECT_EQ(holder.create(second).status, S::invalid_parameter);
}

TEST(Smb2Break, OplocksAreBrokenByTheirFileId) {
  FileWorld world;
  FileClient holder(world, 1), other(world, 2);
  Creating create;
  create.name = "f";
  create.oplock = OplockLevel::exclusive;
  const Created held = holder.create(create);
  EXPECT_EQ(held.oplock, OplockLevel::exclusive);
  create.oplock = OplockLevel::batch;
  EXPECT_EQ(other.create(create).status, S::pending);
  const std::optional<BreakNotice> notice = holder.next_break();
  ASSERT_TRUE(notice);
  EXPECT_FALSE(notice->lease);
  EXPECT_EQ(notice->file, held.handle);
  EXPECT_EQ(notice->level, static_cast<std::uint8_t>(OplockLevel::level2));
  EXPECT_EQ(holder.acknowledge_oplock(held.handle, OplockLevel::level2), S::success);
  EXPECT_EQ(created_of(*other.later()).oplock, OplockLevel::level2);
  EXPECT_EQ(holder.acknowledge_oplock(held.handle, OplockLevel::none), S::invalid_device_state);
}

TEST(Smb2Break, OwnWritesEndALevelTwoOplock) {
  FileWorld world;
  FileClient client(world, 1);
  Creating create;
  create.name = "f";
  create.oplock = OplockLevel::level2;
  const Created held = client.create(create);
  EXPECT_EQ(client.write(held.handle, 0, "x"), S::success);
  ASSERT_TRUE(client.next_break());
  EXPECT_EQ(client.acknowledge_oplock(held.handle, OplockLevel::none), S::invalid_oplock_protocol);
}

TEST(Smb2Break, DirectoriesGetNoLeaseYet) {
  FileWorld world;
  FileClient client(world, 1);
  Creating create = leased(1, 3);
  create.name = "d";
  create.options = option::kDirectoryFile;
  create.lease->version2 = true;
  const Created made = client.create(create);
  EXPECT_EQ(made.status, S::success);
  EXPECT_EQ(made.oplock, OplockLevel::none);
  EXPECT_FALSE(made.contexts.contains("RqLs"));
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
