// Share reservations, names that go, and accesses that somebody's open is in the way of.
#include "tests/core/machine_fixture.hpp"

namespace lockstep::core {
namespace {

using SharesTest = MachineTest;
constexpr Access kRemove{AccessBit::remove}, kWrite{AccessBit::write};

TEST_F(SharesTest, AnNlmShareReplacesTheOneOfItsOwner) {
  const ClientId one = client(Protocol::nlm, "1"), two = client(Protocol::nlm, "2");
  apply(open(one, kReadWrite, kReadWrite, "oh"));
  EXPECT_EQ(status(open(one, kRead, kReadWrite, "oh")), Status::ok);
  ASSERT_EQ(file().opens.size(), 1u);
  EXPECT_EQ(file().opens[0].access, kRead);
  EXPECT_EQ(status(open(two, kRead, {}, "oh")), Status::share_conflict);
}

TEST_F(SharesTest, ADowngradeEndsInWhatWasOpenedBefore) {
  const ClientId nfs = nfs4("1");
  const OpenId id = opened(open(nfs, kReadWrite, {}, "owner")).open;
  EXPECT_EQ(status(OpenDowngraded{next(), id, kReadWrite, kWrite}), Status::bad_mode);
  EXPECT_EQ(file().opens[0].deny, Access{});
}

TEST_F(SharesTest, AFileThatIsToGoIsNotOpened) {
  const ClientId smb = client(Protocol::smb, "1"), other = client(Protocol::smb, "2");
  const OpenId id = opened(open(smb, {AccessBit::read, AccessBit::remove})).open;
  EXPECT_EQ(status(DispositionSet{next(), id, true}), Status::ok);
  EXPECT_EQ(status(open(other, kRead)), Status::delete_pending);
}

TEST_F(SharesTest, AnSmbOpenThatDeniesDeletionKeepsTheFile) {
  const ClientId smb = client(Protocol::smb, "1"), nfs = client(Protocol::nfs3, "2");
  const OpenId id = opened(open(smb, kRead, kRemove)).open;
  EXPECT_EQ(status(access(nfs, Operation::remove)), Status::file_open);
  apply(OpenClosed{next(), id});
  EXPECT_EQ(status(access(nfs, Operation::remove)), Status::ok);
}

TEST_F(SharesTest, ARefusedRemoveRecallsNoDelegation) {
  const ClientId smb = client(Protocol::smb, "1"), nfs = client(Protocol::nfs3, "2");
  const ClientId four = nfs4("4");
  opened(open(smb, kRead, kRemove));
  EXPECT_EQ(opened(with_delegation(four, kRead, kR)).rights, kR);
  const Effects out = apply(access(nfs, Operation::remove));
  EXPECT_EQ(reply(out).status, Status::file_open);
  EXPECT_EQ(find<SendBreak>(out), nullptr);
}

}  // namespace
}  // namespace lockstep::core
