// NEGOTIATE: every dialect, the SMB1 one that leads here, contexts, limits, and what ends a
// connection.
#include <gtest/gtest.h>

#include "tests/wire/smb2_client.hpp"

namespace lockstep::wire::smb2::test {
namespace {

struct Fields {
  Dialect dialect;
  std::uint16_t contexts;
  std::uint32_t capabilities, transact_max, read_max;
};
Fields parse(const Answer& answer) {
  LittleReader in(answer.body());
  EXPECT_EQ(in.u16(), 65);
  in.skip(2);
  Fields fields{};
  fields.dialect = static_cast<Dialect>(in.u16());
  fields.contexts = in.u16();
  in.skip(16);
  fields.capabilities = in.u32();
  fields.transact_max = in.u32();
  fields.read_max = in.u32();
  EXPECT_TRUE(in.ok());
  return fields;
}

TEST(Smb2Negotiate, EveryDialect) {
  for (const Dialect dialect :
       {Dialect::smb202, Dialect::smb210, Dialect::smb300, Dialect::smb302, Dialect::smb311}) {
    World world;
    TestClient client(world);
    const Answer answer = client.negotiate(dialect);
    ASSERT_EQ(answer.status(), NtStatus::success);
    EXPECT_EQ(answer.header.credits, 1);
    const Fields fields = parse(answer);
    EXPECT_EQ(fields.dialect, dialect);
    const bool old = dialect == Dialect::smb202;
    EXPECT_EQ(fields.transact_max, old ? 65'536u : 8u << 20);
    EXPECT_EQ((fields.capabilities & kCapLargeMtu) != 0, !old);
    EXPECT_EQ((fields.capabilities & kCapLeasing) != 0, !old);
    const bool by_flag = dialect == Dialect::smb300 || dialect == Dialect::smb302;
    EXPECT_EQ((fields.capabilities & kCapEncryption) != 0, by_flag);
    EXPECT_EQ(fields.contexts, dialect == Dialect::smb311 ? 3 : 0);
    EXPECT_EQ(world.coordinator.log, (std::vector<std::string>{"arrived 16", "attach 1"}));
  }
}

TEST(Smb2Negotiate, PicksTheHighestThatIsAllowed) {
  Options options;
  options.dialect_max = Dialect::smb300;
  EXPECT_EQ(choose_dialect({Dialect::smb202, Dialect::smb300, Dialect::smb311}, options),
            Dialect::smb300);
  options.dialect_min = Dialect::smb302;
  EXPECT_EQ(choose_dialect({Dialect::smb202, Dialect::smb300}, options), Dialect::none);
}

TEST(Smb2Negotiate, NothingInCommon) {
  World world;
  TestClient client(world);
  const Answer answer = client.negotiate(static_cast<Dialect>(0x0999));
  EXPECT_EQ(answer.status(), NtStatus::not_supported);
  EXPECT_TRUE(world.coordinator.log.empty());
}

TEST(Smb2Negotiate, ContextsOf311) {
  using Contexts = std::vector<std::pair<std::uint16_t, Bytes>>;
  const auto with = [](Contexts contexts) {
    World world;
    TestClient client(world);
    return client
        .call(Command::negotiate,
              TestClient::negotiate_body({Dialect::smb311}, client.client_guid, 0, 1, contexts))
        .status();
  };
  const Bytes hash = TestClient::hash_context();
  EXPECT_EQ(with({{1, hash}}), NtStatus::success);
  EXPECT_EQ(with({{2, TestClient::list_context({1})}}), NtStatus::invalid_parameter);
  EXPECT_EQ(with({{1, hash}, {1, hash}}), NtStatus::invalid_parameter);
  Bytes other = hash;
  other[4] = 9;
  EXPECT_EQ(with({{1, other}}), NtStatus::no_preauth_integrity_hash_overlap);
  EXPECT_EQ(with({{1, hash}, {2, TestClient::list_context({})}}), NtStatus::invalid_parameter);
  EXPECT_EQ(with({{1, hash}, {0x100, Bytes(16, 1)}, {3, Bytes(12, 0)}}), NtStatus::success);
}

TEST(Smb2Negotiate, TheClientsFirstChoiceThatWeKnow) {
  const auto agreed = [](std::vector<std::uint16_t> ciphers, std::vector<std::uint16_t> signings) {
    World world;
    TestClient client(world);
    client.negotiate(Dialect::smb311, std::move(ciphers), std::move(signings));
    return std::pair(client.cipher, client.signing);
  };
  using crypto::CipherId;
  using crypto::SigningAlgorithm;
  EXPECT_EQ(agreed({9, 4, 2}, {7, 2, 1}),
            std::pair(CipherId::aes256_gcm, SigningAlgorithm::aes_gmac));
  EXPECT_EQ(agreed({1}, {0}), std::pair(CipherId::aes128_ccm, SigningAlgorithm::hmac_sha256));
  EXPECT_EQ(agreed({99}, {}), std::pair(CipherId::none, SigningAlgorithm::aes_cmac));
}

TEST(Smb2Negotiate, OnlyOnceAndFirst) {
  World world;
  TestClient early(world);
  early.send({ask(Command::echo, TestClient::simple())});
  EXPECT_TRUE(early.peer->closed);

  TestClient twice(world);
  twice.negotiate(Dialect::smb210);
  twice.send({ask(Command::negotiate,
                  TestClient::negotiate_body({Dialect::smb210}, twice.client_guid, 0, 1, {}))});
  EXPECT_TRUE(twice.peer->closed);
}

TEST(Smb2Negotiate, TruncatedAndOversizedRequests) {
  const Bytes whole = TestClient::negotiate_body({Dialect::smb311, Dialect::smb300}, Guid{}, 0, 1,
                                                 {{1, TestClient::hash_context()}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    World world;
    TestClient client(world);
    const Answer answer = client.call(
        Command::negotiate, Bytes(whole.begin(), whole.begin() + static_cast<long>(size)));
    EXPECT_EQ(answer.status(), NtStatus::invalid_parameter) << size;
  }
  World world;
  TestClient client(world);
  Bytes none = TestClient::negotiate_body({}, Guid{}, 0, 1, {});
  EXPECT_EQ(client.call(Command::negotiate, none).status(), NtStatus::invalid_parameter);
  TestClient huge(world);
  huge.connection->on_message(Bytes(1 << 20, 0xFE));
  EXPECT_TRUE(huge.peer->closed);
}

Bytes smb1(std::initializer_list<std::string_view> names) {
  LittleWriter list;
  for (const std::string_view name : names) {
    list.u8(2);
    list.text(name);
    list.u8(0);
  }
  LittleWriter out;
  out.text("\xFFSMB\x72");
  out.zeros(27);
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(list.size()));
  out.bytes(list.buffer());
  return out.take();
}

TEST(Smb2Negotiate, Smb1WildcardThenSmb2) {
  World world;
  TestClient client(world);
  client.connection->on_message(smb1({"NT LM 0.12", "SMB 2.002", "SMB 2.???"}));
  std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(parse(answers[0]).dialect, Dialect::wildcard);
  EXPECT_EQ(answers[0].header.message_id, 0u);
  EXPECT_TRUE(world.coordinator.log.empty()) << "who it is comes with the next message";
  client.next_id = 1;
  client.ready(Dialect::smb311);
}

TEST(Smb2Negotiate, Smb1ThatKnowsOnly202) {
  World world;
  TestClient client(world);
  client.connection->on_message(smb1({"NT LM 0.12", "SMB 2.002"}));
  std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(parse(answers[0]).dialect, Dialect::smb202);
  client.next_id = 1;
  client.dialect = Dialect::smb202;
  EXPECT_EQ(client.log_on().status(), NtStatus::success);
}

TEST(Smb2Negotiate, Smb1AloneOrBroken) {
  World world;
  const Bytes good = smb1({"SMB 2.002"});
  std::vector<Bytes> bad = {smb1({"NT LM 0.12"}), smb1({})};
  for (std::size_t size = 0; size < good.size(); ++size) {
    bad.emplace_back(good.begin(), good.begin() + static_cast<long>(size));
  }
  for (const Bytes& frame : bad) {
    TestClient client(world);
    client.connection->on_message(frame);
    EXPECT_TRUE(client.peer->closed) << frame.size();
    EXPECT_TRUE(client.peer->sent.empty());
  }
}

TEST(Smb2Negotiate, AClientThatTheCoreHasNoRoomFor) {
  World world;
  world.coordinator.full = true;
  TestClient client(world);
  EXPECT_EQ(client.negotiate(Dialect::smb311).status(), NtStatus::insuff_server_resources);
}

TEST(Smb2Negotiate, ConnectionsOfOneClientAreCountedTogether) {
  World world;
  TestClient first(world), second(world);
  first.negotiate(Dialect::smb311);
  second.negotiate(Dialect::smb300);
  EXPECT_EQ(first.connection->client(), second.connection->client());
  world.coordinator.log.clear();
  first.connection->on_closed();
  EXPECT_TRUE(world.coordinator.log.empty());
  second.connection->on_closed();
  EXPECT_EQ(world.coordinator.log, (std::vector<std::string>{"left 1", "detach 1"}));
}

TEST(Smb2Negotiate, ClosedWhileTheCoreThinks) {
  World world;
  world.coordinator.hold = true;
  TestClient client(world);
  client.send({ask(Command::negotiate,
                   TestClient::negotiate_body({Dialect::smb210}, client.client_guid, 0, 1, {}))});
  client.connection->on_closed();
  EXPECT_EQ(world.coordinator.log, (std::vector<std::string>{"arrived 16"}));
  world.coordinator.held[0]();
  EXPECT_EQ(world.coordinator.log,
            (std::vector<std::string>{"arrived 16", "attach 1", "left 1", "detach 1"}));
}

TEST(Smb2Negotiate, WithoutAGuidEveryConnectionIsAClient) {
  World world;
  TestClient first(world, 0), second(world, 0);
  first.negotiate(Dialect::smb202);
  second.negotiate(Dialect::smb202);
  EXPECT_NE(first.connection->client(), second.connection->client());
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
