// RPC headers: what is built is read back, and every kind of bad call gets the rejection that
// RFC 5531 has for it. Method: bytes in, bytes out.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "shell/wire/rpc/message.hpp"
#include "shell/wire/rpc/universal_address.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::rpc {
namespace {

CallHeader sys_call() {
  CallHeader header;
  header.xid = 7;
  header.program = 100003;
  header.version = 3;
  header.procedure = 6;
  header.credential.flavor = kAuthSys;
  header.credential.machine = "host";
  header.credential.uid = 10;
  header.credential.gid = 20;
  header.credential.groups = {1, 2, 3};
  return header;
}

Bytes encode(const CallHeader& header) {
  BigWriter out;
  put_call(out, header);
  return out.take();
}

std::vector<std::uint32_t> words(const Bytes& message) {
  BigReader in(message);
  std::vector<std::uint32_t> result;
  while (in.remaining() >= 4) result.push_back(in.u32());
  return result;
}

TEST(RpcMessage, ACallIsReadBack) {
  Bytes message = encode(sys_call());
  const std::size_t header_size = message.size();
  message.push_back(9);
  const ParsedCall parsed = parse_call(message);
  ASSERT_EQ(parsed.kind, ParsedCall::Kind::call);
  EXPECT_EQ(parsed.arguments, header_size);
  EXPECT_EQ(parsed.header.xid, 7U);
  EXPECT_EQ(parsed.header.procedure, 6U);
  EXPECT_EQ(parsed.header.credential.machine, "host");
  EXPECT_EQ(parsed.header.credential.groups, (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST(RpcMessage, AnotherRpcVersionIsMismatch) {
  Bytes message = encode(sys_call());
  message[11] = 3;
  const ParsedCall parsed = parse_call(message);
  ASSERT_EQ(parsed.kind, ParsedCall::Kind::reject);
  EXPECT_EQ(words(parsed.rejection), (std::vector<std::uint32_t>{7, 1, 1, 0, 2, 2}));
}

TEST(RpcMessage, SeventeenGroupsAreABadCredential) {
  CallHeader header = sys_call();
  header.credential.groups.assign(17, 5);
  const ParsedCall parsed = parse_call(encode(header));
  ASSERT_EQ(parsed.kind, ParsedCall::Kind::reject);
  EXPECT_EQ(words(parsed.rejection), (std::vector<std::uint32_t>{7, 1, 1, 1, 1}));
  header.credential.groups.assign(16, 5);
  EXPECT_EQ(parse_call(encode(header)).kind, ParsedCall::Kind::call);
}

TEST(RpcMessage, AnUnknownFlavourIsRejected) {
  BigWriter out;
  for (const std::uint32_t word : {7U, 0U, 2U, 100003U, 3U, 0U, 6U, 0U, 0U, 0U}) out.u32(word);
  const ParsedCall parsed = parse_call(out.buffer());
  ASSERT_EQ(parsed.kind, ParsedCall::Kind::reject);
  EXPECT_EQ(words(parsed.rejection), (std::vector<std::uint32_t>{7, 1, 1, 1, 2}));
}

TEST(RpcMessage, RepliesAndFragmentsAreDropped) {
  EXPECT_EQ(parse_call(Bytes{}).kind, ParsedCall::Kind::drop);
  EXPECT_EQ(parse_call(Bytes{1, 2, 3}).kind, ParsedCall::Kind::drop);
  EXPECT_EQ(parse_call(reply_error(1, AcceptStatus::success)).kind, ParsedCall::Kind::drop);
}

TEST(RpcMessage, RepliesAreReadBack) {
  BigWriter out = begin_reply();
  EXPECT_EQ(out.size(), kReplyHeaderSize);
  out.u32(42);
  Bytes message = out.take();
  set_xid(message, 9);
  const ParsedReply good = parse_reply(message);
  EXPECT_TRUE(good.valid && good.accepted);
  EXPECT_EQ(good.xid, 9U);
  EXPECT_EQ(good.results, kReplyHeaderSize);
  const ParsedReply denied = parse_reply(reply_auth_error(3, AuthStatus::too_weak));
  EXPECT_TRUE(denied.valid);
  EXPECT_FALSE(denied.accepted);
}

TEST(RpcMessage, UniversalAddresses) {
  EXPECT_EQ(universal({"10.1.2.3", 2049}), "10.1.2.3.8.1");
  const auto parsed = parse_universal("fe80::1.0.111");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host, "fe80::1");
  EXPECT_EQ(parsed->port, 111);
  for (const char* bad : {"", ".", "1.2", "1.2.3.4.256.1", "1.2.3.4..1", "1.2.3.4.x.1"}) {
    EXPECT_FALSE(parse_universal(bad)) << bad;
  }
}

RC_GTEST_PROP(RpcMessageProps, CredentialsRoundTrip, (std::uint32_t uid, std::uint32_t gid)) {
  CallHeader header = sys_call();
  header.credential.uid = uid;
  header.credential.gid = gid;
  header.credential.machine =
      *rc::gen::resize(200, rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
  header.credential.groups = *rc::gen::resize(
      16, rc::gen::container<std::vector<std::uint32_t>>(rc::gen::arbitrary<std::uint32_t>()));
  const ParsedCall parsed = parse_call(encode(header));
  RC_ASSERT(parsed.kind == ParsedCall::Kind::call);
  RC_ASSERT(parsed.header.credential.machine == header.credential.machine);
  RC_ASSERT(parsed.header.credential.groups == header.credential.groups);
  RC_ASSERT(parsed.header.credential.uid == uid);
}

RC_GTEST_PROP(RpcMessageProps, AnyPrefixIsHandled, (std::uint16_t cut)) {
  const Bytes message = encode(sys_call());
  const std::size_t size = cut % message.size();
  const ParsedCall parsed = parse_call(ByteView(message).first(size));
  RC_ASSERT(parsed.kind != ParsedCall::Kind::call);
}

RC_GTEST_PROP(XdrProps, OpaquesRoundTrip, (std::vector<std::uint8_t> bytes)) {
  BigWriter out;
  put_opaque(out, bytes);
  RC_ASSERT(out.size() == opaque_size(bytes.size()));
  BigReader in(out.buffer());
  RC_ASSERT(get_bytes(in, bytes.size()) == bytes);
  RC_ASSERT(in.ok() && in.remaining() == 0);
  if (!bytes.empty()) {
    BigReader again(out.buffer());
    get_bytes(again, bytes.size() - 1);
    RC_ASSERT(again.failed());
  }
}

}  // namespace
}  // namespace lockstep::wire::rpc
