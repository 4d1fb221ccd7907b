// Who may do what: the same answers from the kernel's checks on a host directory and from the
// files in memory. Needs root, to be able to act as others.
#include "tests/shell/files_conformance.hpp"

namespace lockstep::files::test {
namespace {

class FilesRightsTest : public FilesTest {
 protected:
  void SetUp() override {
    if (GetParam() != Kind::memory && !is_root()) GTEST_SKIP() << "acting as others needs root";
    SetAttributes open_to_all;
    open_to_all.mode = 0777;
    ASSERT_EQ(calls.error(calls->set_attributes(kRoot, calls.root(), open_to_all)), 0);
  }
  std::uint32_t access(const Credentials& who, const NodeRef& node) {
    return calls.run(calls->access(who, node)).value();
  }
  int open_error(const Credentials& who, const NodeRef& node, bool read, bool write,
                 bool owner_override = false) {
    OpenMode mode;
    mode.read = read;
    mode.write = write;
    mode.owner_override = owner_override;
    return calls.error(calls->open(who, node, mode));
  }
};

TEST_P(FilesRightsTest, NewFilesBelongToTheirMaker) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0666);
  const Attributes found = calls.attributes(file);
  EXPECT_EQ(found.uid, kAlice.uid);
  EXPECT_EQ(found.gid, kAlice.gid);
  EXPECT_EQ(found.mode, 0666U) << "no umask of the server's";
  const NodeRef dir = calls.must_make_directory(kBob, calls.root(), "d", 0777);
  EXPECT_EQ(calls.attributes(dir).uid, kBob.uid);
  EXPECT_EQ(calls.attributes(dir).mode, 0777U);
}

TEST_P(FilesRightsTest, AccessFollowsOwnerGroupAndOthers) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0640);
  SetAttributes change;
  change.gid = 3000;
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  EXPECT_EQ(access(kAlice, file), 6U);
  EXPECT_EQ(access(kBob, file), 4U) << "by a supplementary group";
  EXPECT_EQ(access(kEve, file), 0U);
  EXPECT_EQ(access(kRoot, file), 6U);
  change = {};
  change.mode = 0751;
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  EXPECT_EQ(access(kAlice, file), 7U);
  EXPECT_EQ(access(kBob, file), 5U);
  EXPECT_EQ(access(kEve, file), 1U);
  EXPECT_EQ(access(kRoot, file), 7U);
}

TEST_P(FilesRightsTest, OpensAreChecked) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0604);
  EXPECT_EQ(open_error(kAlice, file, true, true), 0);
  EXPECT_EQ(open_error(kEve, file, true, false), 0);
  EXPECT_EQ(open_error(kEve, file, false, true), EACCES);
  EXPECT_EQ(open_error(kEve, file, true, true), EACCES);
  EXPECT_EQ(open_error(kRoot, file, true, true), 0);
}

TEST_P(FilesRightsTest, AnOpenIsNotRememberedPastAChangeOfMode) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0644);
  EXPECT_EQ(open_error(kEve, file, true, false), 0);
  SetAttributes change;
  change.mode = 0600;
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  EXPECT_EQ(open_error(kEve, file, true, false), EACCES);
  EXPECT_EQ(open_error(kAlice, file, true, false), 0);
}

TEST_P(FilesRightsTest, TheOwnerPassesHisOwnModeOverNfsOnly) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0000);
  EXPECT_EQ(open_error(kAlice, file, true, true), EACCES);
  EXPECT_EQ(open_error(kAlice, file, true, true, true), 0);
  EXPECT_EQ(open_error(kBob, file, true, false, true), EACCES);
  SetAttributes change;
  change.mode = 0711;
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  EXPECT_EQ(open_error(kBob, file, true, false, true), 0) << "a program may be paged in";
  EXPECT_EQ(open_error(kBob, file, true, true, true), EACCES);
  // SETATTR of the size passes too: the client had it open.
  change = {};
  change.mode = 0400;
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  change = {};
  change.size = 100;
  EXPECT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  EXPECT_EQ(calls.error(calls->set_attributes(kBob, file, change)), EACCES);
}

TEST_P(FilesRightsTest, OwnersAndModesAreTheOwnersToChange) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0644);
  SetAttributes change;
  change.mode = 0600;
  EXPECT_EQ(calls.error(calls->set_attributes(kBob, file, change)), EPERM);
  change = {};
  change.uid = kBob.uid;
  EXPECT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), EPERM);
  change = {};
  change.gid = 3000;
  EXPECT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  change.gid = 4000;
  EXPECT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), EPERM);
  change = {};
  change.uid = kBob.uid;
  change.mode = 04755;
  EXPECT_EQ(calls.run(calls->set_attributes(kRoot, file, change)).value().mode, 04755U);
  EXPECT_EQ(calls.attributes(file).uid, kBob.uid);
}

TEST_P(FilesRightsTest, WritingTakesSetIdBitsAway) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0644);
  SetAttributes change;
  change.mode = 06777;
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
  ASSERT_EQ(calls.attributes(file).mode, 06777U);
  calls.write(calls.must_open(kEve, file), 0, "x");
  EXPECT_EQ(calls.attributes(file).mode, 0777U);
}

TEST_P(FilesRightsTest, TimesNeedTheOwnerOrWriteAccess) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0646);
  SetAttributes change;
  change.atime = change.mtime = SetAttributes::Time::now;
  EXPECT_EQ(calls.error(calls->set_attributes(kEve, file, change)), 0);
  EXPECT_EQ(calls.error(calls->set_attributes({3999, 3000, {1001}}, file, change)), EACCES);
  change.mtime = SetAttributes::Time::given;
  EXPECT_EQ(calls.error(calls->set_attributes(kEve, file, change)), EPERM);
  EXPECT_EQ(calls.error(calls->set_attributes(kAlice, file, change)), 0);
}

TEST_P(FilesRightsTest, DirectoriesAreClosedToWhomTheyAreClosed) {
  const NodeRef dir = calls.must_make_directory(kAlice, calls.root(), "d", 0700);
  const NodeRef file = calls.must_create(kAlice, dir, "f");
  EXPECT_EQ(calls.find_error(kEve, dir, "f"), EACCES);
  EXPECT_EQ(calls.find_error(kEve, dir, "F", NameCase::folded), EACCES);
  EXPECT_EQ(calls.find_error(kEve, dir, ".."), EACCES);
  EXPECT_EQ(calls.error(calls->list(kEve, dir, 0, 10, false)), EACCES);
  EXPECT_EQ(calls.error(calls->remove(kEve, dir, "f", file)), EACCES);
  EXPECT_EQ(calls.error(calls->rename(kEve, dir, "f", file, calls.root(), "g", nullptr)), EACCES);
  EXPECT_EQ(calls.error(calls->link(kAlice, file, dir, "g")), 0);
  EXPECT_EQ(calls.error(calls->make_directory(kEve, dir, "x", 0755)), EACCES);

  SetAttributes change;
  change.mode = 0744;  // names may be read, entries not reached
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, dir, change)), 0);
  const Listing listed = calls.run(calls->list(kEve, dir, 0, 10, true)).value();
  ASSERT_EQ(listed.entries.size(), 4U);
  for (const Entry& entry : listed.entries) EXPECT_EQ(entry.ref, nullptr) << entry.name;
  change.mode = 0711;  // the other way round
  ASSERT_EQ(calls.error(calls->set_attributes(kAlice, dir, change)), 0);
  EXPECT_EQ(calls.find_error(kEve, dir, "f"), 0);
  EXPECT_EQ(calls.error(calls->list(kEve, dir, 0, 10, false)), EACCES);
  EXPECT_EQ(calls.error(calls->create(kEve, dir, "h", {})), EACCES);
  EXPECT_EQ(calls.error(calls->create(kEve, dir, "f", {})), 0) << "found, not made";
}

TEST_P(FilesRightsTest, StickyDirectoriesProtectWhatIsInThem) {
  SetAttributes change;
  change.mode = 01777;
  ASSERT_EQ(calls.error(calls->set_attributes(kRoot, calls.root(), change)), 0);
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f");
  const NodeRef own = calls.must_create(kBob, calls.root(), "g");
  EXPECT_EQ(calls.error(calls->remove(kBob, calls.root(), "f", file)), EPERM);
  EXPECT_EQ(calls.error(calls->rename(kBob, calls.root(), "g", own, calls.root(), "f", file)),
            EPERM);
  EXPECT_EQ(calls.error(calls->remove(kAlice, calls.root(), "f", file)), 0);
}

TEST_P(FilesRightsTest, GroupsOfDirectoriesAreInherited) {
  const NodeRef dir = calls.must_make_directory(kRoot, calls.root(), "d");
  SetAttributes change;
  change.gid = 3000;
  change.mode = 02777;
  ASSERT_EQ(calls.error(calls->set_attributes(kRoot, dir, change)), 0);
  EXPECT_EQ(calls.attributes(calls.must_create(kEve, dir, "f")).gid, 3000U);
  const Attributes inner = calls.attributes(calls.must_make_directory(kEve, dir, "sub", 0755));
  EXPECT_EQ(inner.gid, 3000U);
  EXPECT_EQ(inner.mode, 02755U);
}

TEST_P(FilesRightsTest, DosInfoIsTheOwnersOrTheWritersToSet) {
  const NodeRef file = calls.must_create(kAlice, calls.root(), "f", 0400);
  DosInfo info;
  info.attributes = 1;
  EXPECT_EQ(calls.error(calls->set_dos_info(kEve, file, info)), EACCES);
  EXPECT_EQ(calls.error(calls->set_dos_info(kAlice, file, info)), 0);
  EXPECT_EQ(calls.run(calls->dos_info(file)).value().attributes, 1U);
}

TEST_P(FilesRightsTest, DevicesAreRootsToMake) {
  EXPECT_EQ(
      calls.error(calls->make_special(kAlice, calls.root(), "n", FileType::character, 0666, 1, 3)),
      EPERM);
  const auto made =
      calls.run(calls->make_special(kRoot, calls.root(), "n", FileType::character, 0666, 1, 3));
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->attributes.rdev_major, 1U);
  EXPECT_EQ(made->attributes.rdev_minor, 3U);
}

TEST_P(FilesRightsTest, NobodyGetsRootsRightsByAnImpossibleId) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "secret", 0600);
  const Credentials impossible{0xffffffff, 0xffffffff, {}};
  EXPECT_EQ(open_error(impossible, file, true, false), EACCES);
  EXPECT_EQ(access(impossible, file), 0U);
  const Credentials half{kEve.uid, 0xffffffff, {}};
  EXPECT_EQ(open_error(half, file, true, false), EACCES);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, FilesRightsTest, ::testing::Values(Kind::memory, Kind::host),
                         kind_name);

}  // namespace
}  // namespace lockstep::files::test
