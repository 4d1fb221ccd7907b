// Security descriptors: made from a mode, turned into one, kept beside it, and enforced.
#include <gtest/gtest.h>

#include "shell/wire/smb2/fscc_security.hpp"
#include "tests/wire/smb2_file_world.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using S = NtStatus;

constexpr std::uint8_t kSecurity = 3;
constexpr std::uint8_t kAllow = 0, kDeny = 1;
constexpr std::uint32_t kStandard = 0x001F0000;

struct Entry {
  std::uint8_t type = kAllow;
  std::uint32_t mask = 0;
  std::uint8_t authority = 1;  ///< with its one part: 1-0 everyone, 3-0 creator owner, 5-11 users
  std::uint32_t part = 0;
};

Bytes acl_of(const std::vector<Entry>& entries) {
  LittleWriter out;
  out.u16(2);
  out.u16(static_cast<std::uint16_t>(8 + 20 * entries.size()));
  out.u16(static_cast<std::uint16_t>(entries.size()));
  out.u16(0);
  for (const Entry& entry : entries) {
    out.u8(entry.type);
    out.u8(0);
    out.u16(20);
    out.u32(entry.mask);
    out.u16(0x0101);
    out.zeros(5);
    out.u8(entry.authority);
    out.u32(entry.part);
  }
  return out.take();
}

/// A descriptor with this list; nothing: the null list.
Bytes descriptor_of(const std::optional<Bytes>& acl) {
  LittleWriter out;
  out.u16(1);
  out.u16(0x8004);
  out.zeros(12);
  out.u32(acl ? 20 : 0);
  if (acl) out.bytes(*acl);
  return out.take();
}
Bytes list_of(const std::vector<Entry>& entries) { return descriptor_of(acl_of(entries)); }

struct SecurityFixture {
  FileWorld world;
  FileClient client{world};
  Creating existing;
  FileHandle file;

  explicit SecurityFixture(std::vector<std::pair<std::string, Bytes>> contexts = {}) {
    Creating create;
    create.name = "f";
    create.contexts = std::move(contexts);
    file = client.create(create).handle;
    existing.name = "f";
    existing.disposition = Disposition::open;
  }
  NtStatus open(std::uint32_t access) {
    existing.access = access;
    const Created opened = client.create(existing);
    if (opened.status == S::success) client.close(opened.handle);
    return opened.status;
  }
  NtStatus set(Bytes descriptor) {
    return client.set(file, kSecurity, 0, std::move(descriptor), security::kDacl);
  }
  /// What a client sees of the list, after the header of the descriptor.
  Bytes list() {
    Bytes descriptor = client.query(file, kSecurity, 0, 4096, security::kDacl).second;
    EXPECT_EQ(LittleReader(ByteView(descriptor).subspan(2)).u16(), 0x8004);
    const std::uint32_t at = LittleReader(ByteView(descriptor).subspan(16)).u32();
    return at == 0 ? Bytes{} : Bytes(descriptor.begin() + at, descriptor.end());
  }
};

TEST(Smb2Security, TheCreatorIsTheOwner) {
  files::Attributes file;
  file.uid = 7;
  const Bytes descriptor = list_of({{kAllow, access::kFileRead, 3, 0}});
  EXPECT_EQ(decode_security(descriptor, security::kDacl, file).mode, 0400u);
}

TEST(Smb2Security, TheModeFollowsTheList) {
  files::Attributes file;
  file.mode = 0640;
  file.uid = 7;
  file.gid = 8;
  for (const std::uint32_t mode : {0640u, 0600u, 0444u, 0777u, 0644u}) {
    file.mode = mode;
    const Bytes descriptor = encode_security(file, {}, security::kDacl);
    const SecurityChange back = decode_security(descriptor, security::kDacl, file);
    ASSERT_TRUE(back.mode);
    EXPECT_EQ(*back.mode & 0666, mode & 0666);
  }
}

TEST(Smb2Security, WhatIsNoDescriptor) {
  files::Attributes file;
  EXPECT_EQ(decode_security(Bytes(4), security::kDacl, file).status, S::invalid_security_descr);
  Bytes whole = list_of({{kAllow, access::kFileRead}, {kDeny, access::kFileWrite}});
  for (std::size_t size = 20; size < whole.size(); ++size) {
    const ByteView cut = ByteView(whole).first(size);
    EXPECT_EQ(decode_security(cut, security::kDacl, file).status, S::invalid_security_descr);
  }
  whole[22] = 7;  // the list says that it is shorter than its own header
  EXPECT_EQ(decode_security(whole, security::kDacl, file).status, S::invalid_security_descr);
}

TEST(Smb2Security, TheListComesBackAsItWasSet) {
  SecurityFixture f;
  const Bytes acl = acl_of({{kDeny, access::kWriteEa}, {kAllow, access::kFileAll, 5, 11}});
  EXPECT_EQ(f.set(descriptor_of(acl)), S::success);
  EXPECT_EQ(f.list(), acl);
  EXPECT_EQ(f.set(descriptor_of(std::nullopt)), S::success);
  EXPECT_EQ(f.list(), Bytes{}) << "the null list";
  EXPECT_EQ(f.open(access::kFileAll), S::success);
}

TEST(Smb2Security, ANewFileTakesTheListOfItsCreation) {
  const Bytes acl = acl_of({{kAllow, access::kFileRead | kStandard}});
  SecurityFixture f({{"SecD", descriptor_of(acl)}});
  EXPECT_EQ(f.list(), acl);
  EXPECT_EQ(f.open(access::kReadData), S::success);
  EXPECT_EQ(f.open(access::kWriteData), S::access_denied);
}

TEST(Smb2Security, TheListIsEnforced) {
  SecurityFixture f;
  EXPECT_EQ(f.set(list_of({})), S::success);
  EXPECT_EQ(f.open(access::kReadData), S::access_denied);
  EXPECT_EQ(f.open(access::kGenericWrite), S::access_denied);
  EXPECT_EQ(f.open(access::kReadControl | access::kWriteDac), S::success)
      << "the owner may mend it";
  EXPECT_EQ(f.set(list_of({{kAllow, access::kFileRead | kStandard, 3, 0}})), S::success);
  EXPECT_EQ(f.open(access::kReadData), S::success);
  EXPECT_EQ(f.open(access::kWriteData), S::access_denied);
  EXPECT_EQ(f.set(list_of({{kAllow, access::kFileAll}, {kDeny, access::kWriteData}})), S::success);
  EXPECT_EQ(f.open(access::kWriteData), S::success) << "the first entry decides";
  EXPECT_EQ(f.set(list_of({{kDeny, access::kAppendData}, {kAllow, access::kGenericAll}})),
            S::success);
  EXPECT_EQ(f.open(access::kWriteData), S::success);
  EXPECT_EQ(f.open(access::kAppendData), S::access_denied) << "no mode can say that";
}

TEST(Smb2Security, AnotherModeEndsTheList) {
  SecurityFixture f;
  const files::Credentials alice{1000, 1000, {}};
  EXPECT_EQ(f.set(list_of({{kDeny, access::kAppendData}, {kAllow, access::kFileAll}})), S::success);
  files::FileSystem& files = *f.world.tree;
  spawn([](files::FileSystem& in, files::Credentials who) -> Task<void> {
    const auto found = co_await in.lookup(who, in.root(), "f", files::NameCase::exact);
    files::SetAttributes change;
    change.mode = 0600;
    (void)co_await in.set_attributes(who, found->node, change);
  }(files, alice));
  EXPECT_EQ(f.open(access::kAppendData), S::success) << "chmod had the last word";
}

TEST(Smb2Security, AnOpenThatIsDeniedFailsWhatIsRelatedToIt) {
  SecurityFixture f;
  EXPECT_EQ(f.set(list_of({{kAllow, access::kFileRead | kStandard, 3, 0}})), S::success);
  f.existing.access = access::kWriteData;
  Ask create, close;
  create.command = Command::create;
  create.body = create_body(f.existing);
  close.command = Command::close;
  close.flags = kFlagRelated;
  LittleWriter body;
  body.u16(24);
  body.u16(0);
  body.u32(0);
  write_handle(body, FileHandle::inherit());
  close.body = body.take();
  f.client.send({create, close});
  EXPECT_EQ(f.client.later()->status(), S::access_denied);
  EXPECT_EQ(f.client.later()->status(), S::access_denied);
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
