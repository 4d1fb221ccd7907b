#include <gtest/gtest.h>

#include <algorithm>

#include "shell/wire/smb2/directory.hpp"
#include "shell/wire/smb2/fscc_directory.hpp"
#include "tests/wire/smb2_file_world.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using S = NtStatus;
using Names = std::vector<std::string>;
constexpr std::uint8_t kRestart = 1, kSingle = 2, kReopen = 0x10;

struct DirectoryFixture {
  FileWorld world;
  FileClient client{world};
  FileHandle root;
  DirectoryFixture() {
    for (const char* name : {"alpha.txt", "Beta.txt", "gamma.dat"}) make(name);
    Creating create;
    create.disposition = Disposition::open;
    root = client.create(create).handle;
  }
  void make(const std::string& name) {
    Creating create;
    create.name = name;
    client.close(client.create(create).handle);
  }
};

TEST(Smb2Directory, ListsAllWithDotsFirstThenNoMore) {
  DirectoryFixture f;
  auto [status, names] = f.client.list(f.root, "*");
  ASSERT_EQ(status, S::success);
  ASSERT_EQ(names.size(), 5u);
  EXPECT_EQ(names[0], ".");
  EXPECT_EQ(names[1], "..");
  std::sort(names.begin() + 2, names.end());
  EXPECT_EQ(Names(names.begin() + 2, names.end()), (Names{"Beta.txt", "alpha.txt", "gamma.dat"}));
  EXPECT_EQ(f.client.list(f.root, "*").first, S::no_more_files);
}

TEST(Smb2Directory, EveryClassHasItsLayout) {
  DirectoryFixture f;
  for (const FileInfoClass info :
       {FileInfoClass::directory, FileInfoClass::full_directory, FileInfoClass::both_directory,
        FileInfoClass::id_full_directory, FileInfoClass::id_both_directory, FileInfoClass::names}) {
    EXPECT_EQ(f.client.list(f.root, "*", kReopen, info).second.size(), 5u) << int(info);
  }
  EXPECT_EQ(f.client.list(f.root, "*", kReopen, FileInfoClass::basic).first, S::invalid_info_class);
}

TEST(Smb2Directory, ThePatternStaysUntilReopen) {
  DirectoryFixture f;
  EXPECT_EQ(f.client.list(f.root, "b*", kSingle).second, Names{"Beta.txt"});
  EXPECT_EQ(f.client.list(f.root, "gamma*").first, S::no_more_files);
  EXPECT_EQ(f.client.list(f.root, "*", kRestart).second, Names{"Beta.txt"});
  EXPECT_EQ(f.client.list(f.root, "*.dat", kReopen).second, Names{"gamma.dat"});
}

TEST(Smb2Directory, OneNameIsLookedUpWithoutCase) {
  DirectoryFixture f;
  EXPECT_EQ(f.client.list(f.root, "BETA.TXT").second, Names{"Beta.txt"});
  EXPECT_EQ(f.client.list(f.root, "BETA.TXT").first, S::no_more_files);
  EXPECT_EQ(f.client.list(f.root, "nothing", kReopen).first, S::no_such_file);
}

TEST(Smb2Directory, OneAtATimeInSmallBuffers) {
  DirectoryFixture f;
  Names all;
  for (;;) {
    auto [status, names] = f.client.list(f.root, "*", 0, FileInfoClass::both_directory, 120);
    if (status == S::no_more_files) break;
    ASSERT_EQ(status, S::success);
    ASSERT_EQ(names.size(), 1u);
    all.push_back(names[0]);
  }
  EXPECT_EQ(all.size(), 5u);
  EXPECT_EQ(f.client.list(f.root, "*", kReopen, FileInfoClass::both_directory, 93).first,
            S::info_length_mismatch);
  EXPECT_EQ(f.client.list(f.root, "alpha*", kReopen, FileInfoClass::both_directory, 96).first,
            S::buffer_overflow);
}

TEST(Smb2Directory, WhatWasRemovedMeanwhileIsNotListed) {
  DirectoryFixture f;
  EXPECT_EQ(f.client.list(f.root, "*", kSingle).second, Names{"."});
  for (const char* name : {"alpha.txt", "Beta.txt", "gamma.dat"}) {
    Creating doomed;
    doomed.name = name;
    doomed.options = option::kDeleteOnClose;
    f.client.close(f.client.create(doomed).handle);
  }
  EXPECT_EQ(f.client.list(f.root, "*").second, Names{".."});
}

TEST(Smb2Directory, NeedsADirectoryAndTheRight) {
  DirectoryFixture f;
  Creating create;
  create.name = "alpha.txt";
  EXPECT_EQ(f.client.list(f.client.create(create).handle, "*").first, S::invalid_parameter);
  create.name = "";
  create.disposition = Disposition::open;
  create.access = access::kReadAttributes;
  EXPECT_EQ(f.client.list(f.client.create(create).handle, "*").first, S::access_denied);
}

TEST(Smb2Directory, NotificationsAreDeclined) {
  DirectoryFixture f;
  LittleWriter out;
  out.u16(32);
  out.u16(0);
  out.u32(1000);
  write_handle(out, f.root);
  out.u32(0x17);
  out.u32(0);
  EXPECT_EQ(f.client.command(Command::change_notify, out.take()).status(), S::not_supported);
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
