#include <gtest/gtest.h>

#include "tests/wire/smb2_file_world.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using S = NtStatus;

Creating with(std::string name, Disposition disposition) {
  Creating create;
  create.name = std::move(name);
  create.disposition = disposition;
  return create;
}

TEST(Smb2Create, EveryDispositionOnAMissingAndAnExistingName) {
  struct Row {
    Disposition disposition;
    S missing, existing;
    CreateAction made, found;
  };
  const Row rows[] = {
      {Disposition::supersede, S::success, S::success, CreateAction::created,
       CreateAction::superseded},
      {Disposition::open, S::object_name_not_found, S::success, {}, CreateAction::opened},
      {Disposition::create, S::success, S::object_name_collision, CreateAction::created, {}},
      {Disposition::open_if, S::success, S::success, CreateAction::created, CreateAction::opened},
      {Disposition::overwrite, S::object_name_not_found, S::success, {}, CreateAction::overwritten},
      {Disposition::overwrite_if, S::success, S::success, CreateAction::created,
       CreateAction::overwritten},
  };
  for (const Row& row : rows) {
    FileWorld world;
    FileClient client(world);
    const Created missing = client.create(with("f", row.disposition));
    EXPECT_EQ(missing.status, row.missing);
    if (missing.status == S::success) {
      EXPECT_EQ(missing.action, static_cast<std::uint32_t>(row.made));
      client.close(missing.handle);
    } else {
      client.close(client.create(with("f", Disposition::create)).handle);
    }
    const Created writer = client.create(with("f", Disposition::open));
    EXPECT_EQ(client.write(writer.handle, 0, "content"), S::success);
    client.close(writer.handle);
    const Created existing = client.create(with("F", row.disposition));
    EXPECT_EQ(existing.status, row.existing);
    if (existing.status != S::success) continue;
    EXPECT_EQ(existing.action, static_cast<std::uint32_t>(row.found));
    EXPECT_EQ(existing.size, row.found == CreateAction::opened ? 7u : 0u);
  }
}

TEST(Smb2Create, PathsThatLeadNowhere) {
  FileWorld world;
  FileClient client(world);
  EXPECT_EQ(client.create(with("no\\f", Disposition::create)).status, S::object_path_not_found);
  client.close(client.create(with("file", Disposition::create)).handle);
  EXPECT_EQ(client.create(with("file\\f", Disposition::create)).status, S::object_path_not_found);
  EXPECT_EQ(client.create(with("a*", Disposition::create)).status, S::object_name_invalid);
  EXPECT_EQ(client.create(with("..\\f", Disposition::create)).status, S::object_path_syntax_bad);
  EXPECT_EQ(client.create(with("file:s", Disposition::open)).status, S::object_name_invalid);
  EXPECT_EQ(client.create(with("file::$DATA", Disposition::open)).status, S::success);
}

TEST(Smb2Create, DirectoriesAndFilesAreNotMistaken) {
  FileWorld world;
  FileClient client(world);
  Creating directory = with("d", Disposition::create);
  directory.options = option::kDirectoryFile;
  const Created made = client.create(directory);
  ASSERT_EQ(made.status, S::success);
  EXPECT_EQ(made.attributes, attribute::kDirectory);
  EXPECT_EQ(client.create(with("d\\f", Disposition::create)).attributes, attribute::kArchive);
  Creating wrong = with("d", Disposition::open);
  wrong.options = option::kNonDirectoryFile;
  EXPECT_EQ(client.create(wrong).status, S::file_is_a_directory);
  wrong = with("d\\f", Disposition::open);
  wrong.options = option::kDirectoryFile;
  EXPECT_EQ(client.create(wrong).status, S::not_a_directory);
  EXPECT_EQ(client.create(with("d", Disposition::overwrite)).status, S::object_name_collision);
  wrong.options = option::kDirectoryFile | option::kNonDirectoryFile;
  EXPECT_EQ(client.create(wrong).status, S::invalid_parameter);
}

TEST(Smb2Create, OptionsMasksAndAttributesThatDoNotExist) {
  FileWorld world;
  FileClient client(world);
  Creating create = with("f", Disposition::open_if);
  for (std::uint32_t bit = 24; bit < 32; ++bit) {
    create.options = 1u << bit;
    EXPECT_EQ(client.create(create).status, S::invalid_parameter) << bit;
  }
  for (const std::uint32_t option : {0x80u, 0x2000u, 0x100000u}) {
    create.options = option;
    EXPECT_EQ(client.create(create).status, S::not_supported);
  }
  create = with("f", Disposition::open_if);
  create.access = 0;
  EXPECT_EQ(client.create(create).status, S::access_denied);
  create.access = 0x04000000;
  EXPECT_EQ(client.create(create).status, S::access_denied);
  create.access = access::kSystemSecurity;
  EXPECT_EQ(client.create(create).status, S::privilege_not_held);
  create = with("f", Disposition::open_if);
  create.attributes = 0x40;
  EXPECT_EQ(client.create(create).status, S::invalid_parameter);
}

TEST(Smb2Create, SharingModesAreCheckedBothWays) {
  FileWorld world;
  FileClient client(world);
  Creating first = with("f", Disposition::create);
  first.access = access::kReadData;
  first.share = share::kRead;
  ASSERT_EQ(client.create(first).status, S::success);
  Creating second = with("f", Disposition::open);
  second.access = access::kWriteData;
  EXPECT_EQ(client.create(second).status, S::sharing_violation);
  second.access = access::kReadData;
  second.share = share::kWrite;  // denies the read that the first one has
  EXPECT_EQ(client.create(second).status, S::sharing_violation);
  second.share = share::kRead;
  EXPECT_EQ(client.create(second).status, S::success);
  second.access = access::kReadAttributes;
  second.share = 0;
  EXPECT_EQ(client.create(second).status, S::success);
}

TEST(Smb2Create, RightsOfTheUser) {
  FileWorld world;
  FileClient alice(world);
  const Created made = alice.create(with("f", Disposition::create));
  ASSERT_EQ(made.status, S::success);
  alice.close(made.handle);
  TestClient other(world, 0xB2);
  other.ntlm.user = "Bob";
  other.ntlm.password = "builder";
  other.ready(Dialect::smb302);
  Ask ask;
  ask.command = Command::create;
  Creating wants = with("f", Disposition::open);
  wants.access = access::kWriteData;
  ask.body = create_body(wants);
  EXPECT_EQ(other.call(ask).status(), S::access_denied);
  wants.access = access::kReadData;
  ask.body = create_body(wants);
  EXPECT_EQ(other.call(ask).status(), S::success);
  wants = with("new", Disposition::create);
  ask.body = create_body(wants);
  EXPECT_EQ(other.call(ask).status(), S::access_denied) << "the directory is Alice's";
}

TEST(Smb2Create, AReadOnlyShareLetsNothingChange) {
  FileWorld world;
  FileClient writer(world);
  writer.close(writer.create(with("f", Disposition::create)).handle);
  FileClient reader(world, 0xC2, Dialect::smb302, "\\\\server\\ro");
  EXPECT_EQ(reader.create(with("g", Disposition::create)).status, S::access_denied);
  EXPECT_EQ(reader.create(with("f", Disposition::open)).status, S::access_denied);
  Creating wants = with("f", Disposition::open);
  wants.access = access::kMaximumAllowed;
  EXPECT_EQ(reader.create(wants).status, S::success);
  EXPECT_EQ(reader.create(with("f", Disposition::overwrite)).status, S::access_denied);
}

TEST(Smb2Create, ReadOnlyFilesAreNotWrittenAndNotDeleted) {
  FileWorld world;
  FileClient client(world);
  Creating create = with("f", Disposition::create);
  create.attributes = attribute::kReadOnly;
  const Created made = client.create(create);
  ASSERT_EQ(made.status, S::success);
  EXPECT_EQ(made.attributes, attribute::kReadOnly | attribute::kArchive);
  EXPECT_EQ(client.write(made.handle, 0, "who made it may write"), S::success);
  EXPECT_EQ(client.dispose(made.handle), S::cannot_delete);
  client.close(made.handle);
  Creating again = with("f", Disposition::open);
  again.access = access::kWriteData;
  EXPECT_EQ(client.create(again).status, S::access_denied);
  EXPECT_EQ(client.create(with("f", Disposition::overwrite)).status, S::access_denied);
  again.access = access::kDelete;
  EXPECT_EQ(client.create(again).status, S::success);
  again.options = option::kDeleteOnClose;
  EXPECT_EQ(client.create(again).status, S::cannot_delete);
}

TEST(Smb2Create, OverwritingAHiddenFileNeedsToSayHidden) {
  FileWorld world;
  FileClient client(world);
  Creating create = with("f", Disposition::create);
  create.attributes = attribute::kHidden;
  client.close(client.create(create).handle);
  EXPECT_EQ(client.create(with("f", Disposition::overwrite)).status, S::access_denied);
  Creating over = with("f", Disposition::overwrite);
  over.attributes = attribute::kHidden;
  EXPECT_EQ(client.create(over).status, S::success);
}

TEST(Smb2Create, ContextsAreAnsweredRefusedOrIgnored) {
  FileWorld world;
  FileClient client(world);
  Creating create = with("f", Disposition::open_if);
  create.contexts = {{"MxAc", {}}, {"QFid", {}}, {"FooO", {}}, {"DHnQ", Bytes(16)}};
  const Created made = client.create(create);
  ASSERT_EQ(made.status, S::success);
  ASSERT_TRUE(made.contexts.contains("MxAc"));
  EXPECT_EQ(LittleReader(ByteView(made.contexts.at("MxAc")).subspan(4)).u32(), access::kFileAll);
  ASSERT_TRUE(made.contexts.contains("QFid"));
  EXPECT_EQ(made.contexts.at("QFid").size(), 32u);
  EXPECT_EQ(made.contexts.size(), 2u);
  create.contexts = {{"TWrp", Bytes(8)}};
  EXPECT_EQ(client.create(create).status, S::object_name_not_found);
  create.contexts = {{"xxx", {}}};
  EXPECT_EQ(client.create(create).status, S::invalid_parameter);
  create.contexts = {{"ExtA", Bytes(16)}};
  EXPECT_EQ(client.create(create).status, S::eas_not_supported);
}

TEST(Smb2Create, AnOpenWaitsForTheBreakAndThenGoesOn) {
  FileWorld world;
  FileClient holder(world, 1), asker(world, 2);
  Creating leased = with("f", Disposition::open_if);
  leased.lease = Creating::Lease{1, 7};
  const Created held = holder.create(leased);
  EXPECT_EQ(held.oplock, OplockLevel::lease);
  EXPECT_EQ(held.lease_state(), 7u);
  EXPECT_EQ(asker.create(with("f", Disposition::open)).status, S::pending);
  EXPECT_FALSE(asker.later()) << "answered before the break was";
  const std::optional<BreakNotice> notice = holder.next_break();
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->key, 1);
  EXPECT_EQ(notice->from, 7u);
  EXPECT_EQ(notice->to, 3u);
  EXPECT_TRUE(notice->ack);
  EXPECT_FALSE(asker.later());
  EXPECT_EQ(holder.acknowledge_lease(1, 3), S::success);
  const std::optional<Answer> answer = asker.later();
  ASSERT_TRUE(answer);
  EXPECT_EQ(created_of(*answer).status, S::success);
}

TEST(Smb2Create, AWaitingOpenCanBeCancelled) {
  FileWorld world;
  FileClient holder(world, 1), asker(world, 2);
  Creating leased = with("f", Disposition::open_if);
  leased.oplock = OplockLevel::batch;
  const Created held = holder.create(leased);
  EXPECT_EQ(held.oplock, OplockLevel::batch);
  EXPECT_EQ(asker.create(with("f", Disposition::open)).status, S::pending);
  asker.cancel(asker.async_id);
  const std::optional<Answer> answer = asker.later();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), S::cancelled);
}

TEST(Smb2Create, TheTruncationOfAnOverwriteComesAfterTheBreak) {
  FileWorld world;
  FileClient holder(world, 1), asker(world, 2);
  Creating leased = with("f", Disposition::open_if);
  leased.oplock = OplockLevel::batch;
  const Created held = holder.create(leased);
  EXPECT_EQ(holder.write(held.handle, 0, "cached"), S::success);
  EXPECT_EQ(asker.create(with("f", Disposition::overwrite)).status, S::pending);
  EXPECT_EQ(holder.read(held.handle, 0, 10).second, "cached");
  EXPECT_EQ(holder.next_break()->level, 0);
  EXPECT_EQ(holder.write(held.handle, 6, " and flushed"), S::success);
  EXPECT_EQ(holder.acknowledge_oplock(held.handle, OplockLevel::none), S::success);
  const std::optional<Answer> answer = asker.later();
  ASSERT_TRUE(answer);
  EXPECT_EQ(created_of(*answer).action, static_cast<std::uint32_t>(CreateAction::overwritten));
  EXPECT_EQ(holder.read(held.handle, 0, 10).first, S::end_of_file);
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
