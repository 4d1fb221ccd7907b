// NTLMv2 and SPNEGO: the example of MS-NLMP 4.2.4, every way to be refused, and tokens that lie.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "shell/wire/smb2/ntlm/acceptor.hpp"
#include "shell/wire/smb2/ntlm/der.hpp"
#include "shell/wire/smb2/ntlm/messages.hpp"
#include "shell/wire/smb2/ntlm/spnego.hpp"
#include "shell/wire/smb2/unicode.hpp"
#include "tests/wire/smb2_client.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using ntlm::Acceptor;
using ntlm::SpnegoAcceptor;
using ntlm::Verdict;
using Outcome = SpnegoAcceptor::Outcome;

Bytes hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}
Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

Acceptor acceptor() {
  return Acceptor({"LOCKSTEP", "lockstep.example"}, {1, 2, 3, 4, 5, 6, 7, 8}, 0x01DA000000000000,
                  [](std::string_view user) -> std::optional<ntlm::NtHash> {
                    if (same_name(user, "Alice")) return ntlm::nt_hash("secret");
                    return std::nullopt;
                  });
}

Verdict outcome(NtlmClient client) {
  Acceptor server = acceptor();
  const Bytes challenge = server.challenge(client.negotiate());
  EXPECT_FALSE(challenge.empty());
  const Verdict verdict = server.authenticate(client.authenticate(challenge));
  if (verdict == Verdict::accepted) {
    EXPECT_EQ(copy(server.session_key()), client.exported);
  }
  return verdict;
}

TEST(Smb2Ntlm, NtHashOfTheSpecification) {
  EXPECT_EQ(copy(ntlm::nt_hash("Password")), hex("a4f49c406510bdcab6824ee7c30fd852"));
}

// MS-NLMP 4.2.4: User, Domain, Password, challenge 0123456789abcdef, client challenge aa..., time
// 0, random session key 55...
TEST(Smb2Ntlm, ExampleOfTheSpecification) {
  Acceptor server({"Server", ""}, {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF}, 0,
                  [](std::string_view) { return ntlm::nt_hash("Password"); });
  NtlmClient client;
  ASSERT_FALSE(server.challenge(client.negotiate()).empty());
  const Bytes proof = hex("68cd0ab851e51c96aabc927bebef6a1c");
  const Bytes blob =
      hex("01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00"
          "01000c005300650072007600650072000000000000000000");
  const Bytes parts[] = {Bytes(24, 0),
                         ntlm::joined({proof, blob}),
                         utf16_from_utf8("Domain"),
                         utf16_from_utf8("User"),
                         utf16_from_utf8("COMPUTER"),
                         hex("c5dad2544fc9799094ce1ce90bc9d03e")};
  LittleWriter token;
  token.text(std::string_view("NTLMSSP\0", 8));
  token.u32(3);
  std::size_t offset = 72;
  for (const Bytes& part : parts) {
    token.u16(static_cast<std::uint16_t>(part.size()));
    token.u16(static_cast<std::uint16_t>(part.size()));
    token.u32(static_cast<std::uint32_t>(offset));
    offset += part.size();
  }
  token.u32(client.flags());
  token.u64(0);
  for (const Bytes& part : parts) token.bytes(part);
  EXPECT_EQ(server.authenticate(token.buffer()), Verdict::accepted);
  EXPECT_EQ(copy(server.session_key()), Bytes(16, 0x55));
  EXPECT_EQ(server.user(), "User");
  EXPECT_EQ(server.domain(), "Domain");
}

TEST(Smb2Ntlm, AcceptsWithAndWithoutMicAndKeyExchange) {
  for (const bool mic : {true, false}) {
    for (const bool exchange : {true, false}) {
      NtlmClient client;
      client.mic = mic;
      client.key_exchange = exchange;
      EXPECT_EQ(outcome(client), Verdict::accepted) << mic << exchange;
    }
  }
  NtlmClient lower;
  lower.user = "aLICE";
  lower.domain = "";
  EXPECT_EQ(outcome(lower), Verdict::accepted);
}

TEST(Smb2Ntlm, RefusesWrongPasswordAndUnknownUser) {
  NtlmClient client;
  client.password = "Secret";
  EXPECT_EQ(outcome(client), Verdict::refused);
  client = {};
  client.user = "Mallory";
  EXPECT_EQ(outcome(client), Verdict::unknown_user);
}

TEST(Smb2Ntlm, AnonymousHasAKeyOfZeros) {
  NtlmClient client;
  client.anonymous = true;
  EXPECT_EQ(outcome(client), Verdict::anonymous);
}

TEST(Smb2Ntlm, AnAlteredTokenIsRefused) {
  NtlmClient client;
  Acceptor probe = acceptor();
  const Bytes challenge = probe.challenge(client.negotiate());
  const Bytes token = client.authenticate(challenge);
  ASSERT_EQ(probe.authenticate(token), Verdict::accepted);
  for (std::size_t at = 12; at < token.size(); ++at) {
    Acceptor server = acceptor();
    server.challenge(client.negotiate());
    Bytes altered = token;
    altered[at] ^= 0x10;
    EXPECT_NE(server.authenticate(altered), Verdict::accepted) << "byte " << at;
  }
  for (std::size_t size = 0; size < token.size(); ++size) {
    Acceptor server = acceptor();
    server.challenge(client.negotiate());
    EXPECT_NE(server.authenticate(ByteView(token).first(size)), Verdict::accepted) << size;
  }
}

TEST(Smb2Ntlm, RefusesNtlmV1AndBrokenPairs) {
  NtlmClient client;
  client.extra_pairs = hex("11a20881503822");  // a pair that is longer than all that follows
  EXPECT_EQ(outcome(client), Verdict::malformed);
  Acceptor server = acceptor();
  server.challenge(client.negotiate());
  EXPECT_EQ(server.authenticate({}), Verdict::malformed);
}

TEST(Smb2Ntlm, NeedsAChallengeFirstAndUnicode) {
  Acceptor server = acceptor();
  NtlmClient client;
  EXPECT_TRUE(server.challenge(hex("4e544c4d5353500001000000020000000000000000000000")).empty());
  EXPECT_TRUE(server.challenge(as_bytes("NTLMSSP")).empty());
  Acceptor other = acceptor();
  const Bytes token = client.authenticate(other.challenge(client.negotiate()));
  EXPECT_EQ(server.authenticate(token), Verdict::malformed);
}

// ---- SPNEGO --------------------------------------------------------------------------

const Bytes kNtlmMech = hex("060a2b06010401823702020a");
const Bytes kKerberosMech = hex("06092a864886f712010202");

Bytes init_token(std::initializer_list<ByteView> mechanisms, ByteView token) {
  const Bytes list = ntlm::der(0xA0, ntlm::der(0x30, ntlm::joined(mechanisms)));
  const Bytes field = token.empty() ? Bytes() : ntlm::der(0xA2, ntlm::der(0x04, token));
  const Bytes init = ntlm::der(0xA0, ntlm::der(0x30, ntlm::joined({list, field})));
  return ntlm::der(0x60, ntlm::joined({hex("06062b0601050502"), init}));
}
Bytes response_token(ByteView token, ByteView mic) {
  const Bytes first = token.empty() ? Bytes() : ntlm::der(0xA2, ntlm::der(0x04, token));
  const Bytes second = mic.empty() ? Bytes() : ntlm::der(0xA3, ntlm::der(0x04, mic));
  return ntlm::der(0xA1, ntlm::der(0x30, ntlm::joined({first, second})));
}
/// What NegTokenResp carries in [0], [2] and [3].
struct Parsed {
  int state = -1;
  Bytes token, mic;
};
Parsed parse(ByteView token) {
  Parsed parsed;
  ntlm::DerReader outer(token);
  ntlm::DerReader inner(outer.take(0xA1));
  ntlm::DerReader fields(inner.take(0x30));
  if (const auto field = fields.take_if(0xA0)) parsed.state = ntlm::DerReader(*field).take(0x0A)[0];
  fields.take_if(0xA1);
  if (const auto field = fields.take_if(0xA2)) parsed.token = copy(ntlm::DerReader(*field).take(4));
  if (const auto field = fields.take_if(0xA3)) parsed.mic = copy(ntlm::DerReader(*field).take(4));
  EXPECT_FALSE(fields.failed());
  return parsed;
}

TEST(Smb2Spnego, TwoLegsWithMechListMic) {
  NtlmClient client;
  SpnegoAcceptor server(acceptor());
  auto step = server.step(init_token({kNtlmMech, kKerberosMech}, client.negotiate()));
  ASSERT_EQ(step.outcome, Outcome::more);
  const Parsed challenge = parse(step.token);
  EXPECT_EQ(challenge.state, 1);
  const Bytes last = client.authenticate(challenge.token);
  const Bytes list = ntlm::der(0x30, ntlm::joined({kNtlmMech, kKerberosMech}));
  step = server.step(response_token(last, client.gss_mic(list, true)));
  ASSERT_EQ(step.outcome, Outcome::done);
  EXPECT_EQ(step.verdict, Verdict::accepted);
  const Parsed end = parse(step.token);
  EXPECT_EQ(end.state, 0);
  EXPECT_EQ(end.mic, client.gss_mic(list, false));
  EXPECT_EQ(server.step(last).outcome, Outcome::failed) << "it was over";
}

TEST(Smb2Spnego, NtlmAsSecondChoiceNeedsTheMic) {
  for (const bool with_mic : {true, false}) {
    NtlmClient client;
    SpnegoAcceptor server(acceptor());
    auto step = server.step(init_token({kKerberosMech, kNtlmMech}, as_bytes("a kerberos ticket")));
    ASSERT_EQ(step.outcome, Outcome::more);
    EXPECT_EQ(parse(step.token).state, 3);
    step = server.step(response_token(client.negotiate(), {}));
    ASSERT_EQ(step.outcome, Outcome::more);
    const Bytes last = client.authenticate(parse(step.token).token);
    const Bytes list = ntlm::der(0x30, ntlm::joined({kKerberosMech, kNtlmMech}));
    step = server.step(response_token(last, with_mic ? client.gss_mic(list, true) : Bytes()));
    EXPECT_EQ(step.outcome, with_mic ? Outcome::done : Outcome::failed);
  }
}

TEST(Smb2Spnego, AWrongMechListMicIsRefused) {
  NtlmClient client;
  SpnegoAcceptor server(acceptor());
  auto step = server.step(init_token({kNtlmMech}, client.negotiate()));
  const Bytes last = client.authenticate(parse(step.token).token);
  step = server.step(response_token(last, client.gss_mic(as_bytes("another list"), true)));
  EXPECT_EQ(step.outcome, Outcome::failed);
  EXPECT_EQ(step.verdict, Verdict::refused);
}

TEST(Smb2Spnego, WithoutAnOptimisticTokenThereIsOneLegMore) {
  NtlmClient client;
  SpnegoAcceptor server(acceptor());
  auto step = server.step(init_token({kNtlmMech}, {}));
  ASSERT_EQ(step.outcome, Outcome::more);
  EXPECT_EQ(parse(step.token).state, 1);
  step = server.step(response_token(client.negotiate(), {}));
  ASSERT_EQ(step.outcome, Outcome::more);
  step = server.step(response_token(client.authenticate(parse(step.token).token), {}));
  EXPECT_EQ(step.outcome, Outcome::done);
}

TEST(Smb2Spnego, RawNtlm) {
  NtlmClient client;
  SpnegoAcceptor server(acceptor());
  auto step = server.step(client.negotiate());
  ASSERT_EQ(step.outcome, Outcome::more);
  EXPECT_TRUE(ntlm::is_ntlm(step.token));
  step = server.step(client.authenticate(step.token));
  EXPECT_EQ(step.outcome, Outcome::done);
  EXPECT_TRUE(step.token.empty());
}

TEST(Smb2Spnego, KerberosAloneIsRefused) {
  SpnegoAcceptor server(acceptor());
  EXPECT_EQ(server.step(init_token({kKerberosMech}, as_bytes("ticket"))).outcome, Outcome::failed);
}

TEST(Smb2Spnego, EveryTruncationIsSurvived) {
  NtlmClient client;
  const Bytes token = init_token({kNtlmMech, kKerberosMech}, client.negotiate());
  for (std::size_t size = 0; size < token.size(); ++size) {
    SpnegoAcceptor server(acceptor());
    EXPECT_EQ(server.step(ByteView(token).first(size)).outcome, Outcome::failed) << size;
  }
}

RC_GTEST_PROP(Smb2Spnego, NoiseIsSurvived, (const std::vector<std::uint8_t>& noise)) {
  NtlmClient client;
  SpnegoAcceptor server(acceptor());
  Bytes token = init_token({kNtlmMech}, client.negotiate());
  for (std::size_t i = 0; i + 1 < noise.size(); i += 2)
    token[noise[i] % token.size()] = noise[i + 1];
  server.step(token);
  server.step(noise);
}

TEST(Smb2Spnego, TheHintOffersNtlm) {
  const Bytes hint = ntlm::negotiate_hint();
  ntlm::DerReader outer(hint);
  ntlm::DerReader inner(outer.take(0x60));
  inner.take(0x06);
  ntlm::DerReader init(inner.take(0xA0));
  ntlm::DerReader fields(init.take(0x30));
  ntlm::DerReader list(fields.take(0xA0));
  EXPECT_EQ(copy(list.take(0x30)), kNtlmMech);
  EXPECT_FALSE(list.failed());
}

TEST(Smb2Unicode, RoundTripsAndRefusals) {
  for (const std::string text : {"", "abc", "äöü", "日本", "😀 mixed"}) {
    EXPECT_EQ(utf8_from_utf16(utf16_from_utf8(text)), text);
  }
  EXPECT_FALSE(utf8_from_utf16(hex("41")));
  EXPECT_FALSE(utf8_from_utf16(hex("00d8")));      // half a pair
  EXPECT_FALSE(utf8_from_utf16(hex("00d84100")));  // half a pair, then a letter
  EXPECT_FALSE(utf8_from_utf16(hex("00dc")));
  EXPECT_FALSE(utf8_from_utf16(hex("41000000")));
  EXPECT_EQ(utf16_from_utf8("\xff"), hex("fdff"));
  EXPECT_EQ(upper_case("straße, naïve, жук, ώρα, ÿ"), "STRAßE, NAÏVE, ЖУК, ΏΡΑ, Ÿ");
  EXPECT_TRUE(same_name("Öffentlich", "öFFENTLICH"));
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
