#include <gtest/gtest.h>

#include "shell/wire/smb2/fscc_security.hpp"
#include "shell/wire/smb2/fscc_volume.hpp"
#include "tests/wire/smb2_file_world.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using S = NtStatus;

struct InfoFixture {
  FileWorld world;
  FileClient client{world};
  FileHandle file;
  InfoFixture() {
    file = open("f").handle;
    EXPECT_EQ(client.write(file, 0, "0123456789"), S::success);
  }
  Created open(const std::string& name, std::uint32_t options = 0,
               std::uint32_t access = access::kFileAll, std::uint32_t share = share::kAll) {
    Creating create;
    create.name = name;
    create.options = options;
    create.access = access;
    create.share = share;
    return client.create(create);
  }
  bool exists(const std::string& name) {
    Creating create;
    create.name = name;
    create.disposition = Disposition::open;
    create.access = access::kReadAttributes;
    const Created found = client.create(create);
    if (found.status == S::success) client.close(found.handle);
    return found.status == S::success;
  }
  std::uint64_t size() {
    const Bytes standard = client.query(file, FileInfoClass::standard).second;
    return LittleReader(ByteView(standard).subspan(8)).u64();
  }
};

Bytes number(std::uint64_t value) {
  LittleWriter out;
  out.u64(value);
  return out.take();
}

TEST(Smb2QueryInfo, SizesOfTheClassesAndTooSmallBuffers) {
  InfoFixture f;
  const std::pair<FileInfoClass, std::size_t> classes[] = {
      {FileInfoClass::basic, 40},        {FileInfoClass::standard, 24},
      {FileInfoClass::internal, 8},      {FileInfoClass::ea, 4},
      {FileInfoClass::access, 4},        {FileInfoClass::position, 8},
      {FileInfoClass::mode, 4},          {FileInfoClass::alignment, 4},
      {FileInfoClass::all, 104},         {FileInfoClass::network_open, 56},
      {FileInfoClass::attribute_tag, 8}, {FileInfoClass::stream, 38},
      {FileInfoClass::compression, 16},  {FileInfoClass::id, 24},
  };
  for (const auto& [info, size] : classes) {
    const auto [status, bytes] = f.client.query(f.file, info);
    EXPECT_EQ(status, S::success) << int(info);
    EXPECT_EQ(bytes.size(), size) << int(info);
    EXPECT_EQ(f.client.query(f.file, info, 3).first, S::info_length_mismatch) << int(info);
  }
  const auto [status, cut] = f.client.query(f.file, FileInfoClass::stream, 34);
  EXPECT_EQ(status, S::buffer_overflow);
  EXPECT_EQ(cut.size(), 34u);
  EXPECT_EQ(f.client.query(f.file, FileInfoClass::full_ea).first, S::no_eas_on_file);
  EXPECT_EQ(f.client.query(f.file, FileInfoClass::rename).first, S::invalid_info_class);
  EXPECT_EQ(f.client.query(f.file, FileInfoClass::normalized_name).first, S::not_supported);
}

TEST(Smb2QueryInfo, SaysWhatTheHandleMay) {
  InfoFixture f;
  const FileHandle read = f.open("f", 0, access::kReadData | access::kReadAttributes).handle;
  EXPECT_EQ(LittleReader(f.client.query(read, FileInfoClass::access).second).u32(),
            access::kReadData | access::kReadAttributes);
  const FileHandle blind = f.open("f", 0, access::kReadData).handle;
  EXPECT_EQ(f.client.query(blind, FileInfoClass::basic).first, S::access_denied);
  EXPECT_EQ(f.client.query(blind, FileInfoClass::standard).first, S::success);
}

TEST(Smb2QueryInfo, FileSystems) {
  InfoFixture f;
  for (const auto& [info, size] :
       {std::pair{1, 26}, {3, 24}, {4, 8}, {5, 20}, {6, 48}, {7, 32}, {8, 64}, {11, 28}}) {
    const auto [status, bytes] = f.client.query(f.file, 2, static_cast<std::uint8_t>(info));
    EXPECT_EQ(status, S::success) << info;
    EXPECT_EQ(bytes.size(), static_cast<std::size_t>(size)) << info;
  }
  EXPECT_EQ(f.client.query(f.file, 2, 2).first, S::invalid_info_class);
}

TEST(Smb2QueryInfo, SecurityIsTheModeAndTellsItsSize) {
  InfoFixture f;
  constexpr std::uint32_t kAll = security::kOwner | security::kGroup | security::kDacl;
  const auto [status, bytes] = f.client.query(f.file, 3, 0, 4096, kAll);
  ASSERT_EQ(status, S::success);
  files::Attributes now;
  now.uid = now.gid = 1000;
  const SecurityChange read = decode_security(bytes, kAll, now);
  EXPECT_EQ(read.uid, 1000u);
  EXPECT_EQ(read.gid, 1000u);
  EXPECT_EQ(f.client.query(f.file, 3, 0, 8, kAll).first, S::buffer_too_small);
  EXPECT_EQ(f.client.query(f.file, 3, 0, 4096, security::kSacl).first, S::access_denied);
}

TEST(Smb2SetInfo, AttributesAndTimes) {
  InfoFixture f;
  const auto basic = [&](std::uint64_t created, std::uint64_t modified, std::uint32_t attributes) {
    LittleWriter out;
    out.u64(created);
    out.u64(0);
    out.u64(modified);
    out.u64(0);
    out.u32(attributes);
    out.u32(0);
    return f.client.set(f.file, FileInfoClass::basic, out.take());
  };
  const auto now = [&] { return f.client.query(f.file, FileInfoClass::basic).second; };
  constexpr std::uint64_t kTime = 130'000'000'000'000'000;
  EXPECT_EQ(basic(kTime, kTime + 1000, attribute::kHidden), S::success);
  LittleReader in(now());
  EXPECT_EQ(LittleReader(now()).u64(), kTime);
  EXPECT_EQ(LittleReader(ByteView(now()).subspan(16)).u64(), kTime + 1000);
  EXPECT_EQ(LittleReader(ByteView(now()).subspan(32)).u32(), attribute::kHidden);
  EXPECT_EQ(basic(0, 0, attribute::kNormal), S::success);
  EXPECT_EQ(LittleReader(ByteView(now()).subspan(32)).u32(), attribute::kNormal);
  EXPECT_EQ(LittleReader(now()).u64(), kTime) << "zero leaves it";
  EXPECT_EQ(basic(0, ~std::uint64_t{0}, 0), S::success);
  EXPECT_EQ(f.client.write(f.file, 0, "x"), S::success);
  EXPECT_EQ(LittleReader(ByteView(now()).subspan(16)).u64(), kTime + 1000) << "frozen";
  EXPECT_EQ(basic(0, ~std::uint64_t{0} - 1, 0), S::success);
  EXPECT_EQ(f.client.write(f.file, 0, "x"), S::success);
  EXPECT_NE(LittleReader(ByteView(now()).subspan(16)).u64(), kTime + 1000);
  EXPECT_EQ(basic(0, ~std::uint64_t{0} - 2, 0), S::invalid_parameter);
  EXPECT_EQ(basic(0, 0, attribute::kDirectory), S::invalid_parameter);
}

TEST(Smb2SetInfo, Sizes) {
  InfoFixture f;
  EXPECT_EQ(f.client.set(f.file, FileInfoClass::end_of_file, number(4)), S::success);
  EXPECT_EQ(f.size(), 4u);
  EXPECT_EQ(f.client.set(f.file, FileInfoClass::end_of_file, number(100)), S::success);
  EXPECT_EQ(f.size(), 100u);
  EXPECT_EQ(f.client.set(f.file, FileInfoClass::allocation, number(1 << 20)), S::success);
  EXPECT_EQ(f.size(), 100u);
  EXPECT_EQ(f.client.set(f.file, FileInfoClass::allocation, number(10)), S::success);
  EXPECT_EQ(f.size(), 10u);
  EXPECT_EQ(f.client.set(f.file, FileInfoClass::end_of_file, number(~0ull)), S::invalid_parameter);
  EXPECT_EQ(f.client.set(f.file, FileInfoClass::end_of_file, {1}), S::info_length_mismatch);
  const FileHandle read = f.open("f", 0, access::kReadData).handle;
  EXPECT_EQ(f.client.set(read, FileInfoClass::end_of_file, number(0)), S::access_denied);
}

TEST(Smb2SetInfo, DispositionIsSetAndTakenBack) {
  InfoFixture f;
  EXPECT_EQ(f.client.dispose(f.file), S::success);
  EXPECT_EQ(f.open("f").status, S::delete_pending);
  const Bytes standard = f.client.query(f.file, FileInfoClass::standard).second;
  EXPECT_EQ(standard[16], 0) << "links";
  EXPECT_EQ(standard[20], 1) << "delete pending";
  EXPECT_EQ(f.client.dispose(f.file, false), S::success);
  EXPECT_EQ(f.open("f").status, S::success);
}

TEST(Smb2SetInfo, ADirectoryThatIsNotEmptyStays) {
  InfoFixture f;
  const FileHandle directory = f.open("d", option::kDirectoryFile).handle;
  const FileHandle inside = f.open("d\\g").handle;
  EXPECT_EQ(f.client.dispose(directory), S::directory_not_empty);
  EXPECT_EQ(f.client.dispose(inside), S::success);
  EXPECT_EQ(f.client.close(inside), S::success);
  EXPECT_EQ(f.client.dispose(directory), S::success);
  EXPECT_EQ(f.client.close(directory), S::success);
  EXPECT_FALSE(f.exists("d"));
}

TEST(Smb2Rename, MovesTheNameAndTheHandlesWithIt) {
  InfoFixture f;
  f.client.close(f.open("d", option::kDirectoryFile).handle);
  const FileHandle second = f.open("f").handle;
  EXPECT_EQ(f.client.rename(f.file, "d\\g"), S::success);
  EXPECT_FALSE(f.exists("f"));
  EXPECT_TRUE(f.exists("d\\g"));
  EXPECT_EQ(f.client.read(second, 0, 1).second, "0");
  EXPECT_EQ(f.client.dispose(second), S::success);
  f.client.close(second);
  f.client.close(f.file);
  EXPECT_FALSE(f.exists("d\\g"));
}

TEST(Smb2Rename, OnlyTheCaseOfTheName) {
  InfoFixture f;
  EXPECT_EQ(f.client.rename(f.file, "F"), S::success);
  Creating create;
  create.disposition = Disposition::open;
  const FileHandle root = f.client.create(create).handle;
  EXPECT_EQ(f.client.list(root, "f").second, std::vector<std::string>{"F"});
}

TEST(Smb2Rename, TargetsThatExist) {
  InfoFixture f;
  const Created target = f.open("g");
  EXPECT_EQ(f.client.rename(f.file, "g"), S::object_name_collision);
  EXPECT_EQ(f.client.rename(f.file, "g", true), S::access_denied) << "it is open";
  f.client.close(target.handle);
  EXPECT_EQ(f.client.rename(f.file, "g", true), S::success);
  f.open("d", option::kDirectoryFile);
  EXPECT_EQ(f.client.rename(f.file, "d", true), S::access_denied);
  EXPECT_EQ(f.client.rename(f.file, "no\\g"), S::object_path_not_found);
}

TEST(Smb2Rename, AHandleThatMayDeleteTheDirectoryForbidsNewNamesInIt) {
  InfoFixture f;
  const FileHandle directory = f.open("d", option::kDirectoryFile).handle;
  EXPECT_EQ(f.client.rename(f.file, "d\\g"), S::sharing_violation);
  EXPECT_EQ(f.client.dispose(directory), S::success);
  EXPECT_EQ(f.client.rename(f.file, "d\\g"), S::delete_pending);
  EXPECT_EQ(f.client.dispose(directory, false), S::success);
  f.client.close(directory);
  const FileHandle harmless = f.open("d", 0, access::kReadData).handle;
  EXPECT_EQ(f.client.rename(f.file, "d\\g"), S::success);
  f.client.close(harmless);
}

TEST(Smb2Rename, NeedsTheRightAndTheOthersConsent) {
  InfoFixture f;
  const FileHandle weak = f.open("f", 0, access::kReadData).handle;
  EXPECT_EQ(f.client.rename(weak, "g"), S::access_denied);
  f.client.close(weak);
  f.client.close(f.file);
  const FileHandle mine = f.open("f").handle;
  FileClient other(f.world, 2);
  Creating create;
  create.name = "f";
  create.access = access::kReadData;
  create.share = share::kRead | share::kWrite;
  EXPECT_EQ(other.create(create).status, S::sharing_violation) << "mine may delete";
  f.client.close(mine);
  const FileHandle theirs = other.create(create).handle;
  const Created again = f.open("f", 0, access::kDelete);
  EXPECT_EQ(again.status, S::sharing_violation);
  other.close(theirs);
}

TEST(Smb2Rename, ADirectoryWithOpensBelowStays) {
  InfoFixture f;
  const FileHandle directory = f.open("d", option::kDirectoryFile).handle;
  const FileHandle inside = f.open("d\\g").handle;
  EXPECT_EQ(f.client.rename(directory, "e"), S::access_denied);
  f.client.close(inside);
  EXPECT_EQ(f.client.rename(directory, "e"), S::success);
  EXPECT_TRUE(f.exists("e\\g"));
}

TEST(Smb2Rename, BreaksTheHandleCacheAndWaits) {
  InfoFixture f;
  f.client.close(f.file);
  FileClient holder(f.world, 2);
  Creating leased;
  leased.name = "f";
  leased.lease = Creating::Lease{1, 3};
  const Created held = holder.create(leased);
  const FileHandle mine = f.open("f").handle;
  EXPECT_EQ(f.client.rename(mine, "g"), S::pending);
  EXPECT_TRUE(f.exists("f"));
  EXPECT_EQ(holder.next_break()->to, 1u);
  EXPECT_EQ(holder.acknowledge_lease(1, 1), S::success);
  EXPECT_EQ(f.client.later()->status(), S::success);
  EXPECT_TRUE(f.exists("g"));
}

TEST(Smb2Link, AFurtherName) {
  InfoFixture f;
  EXPECT_EQ(f.client.rename(f.file, "h", false, FileInfoClass::link), S::success);
  EXPECT_TRUE(f.exists("h"));
  EXPECT_TRUE(f.exists("f"));
  EXPECT_EQ(f.client.rename(f.file, "h", false, FileInfoClass::link), S::object_name_collision);
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
