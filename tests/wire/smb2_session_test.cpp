// Sessions and tree connects: set-up with each algorithm, what is refused, how sessions end.
#include <gtest/gtest.h>

#include "tests/wire/smb2_client.hpp"

namespace lockstep::wire::smb2::test {
namespace {

using Log = std::vector<std::string>;

TEST(Smb2Session, LogsOnAndSignsInEveryDialect) {
  for (const Dialect dialect :
       {Dialect::smb202, Dialect::smb210, Dialect::smb300, Dialect::smb302, Dialect::smb311}) {
    World world;
    TestClient client(world);
    client.negotiate(dialect);
    const Answer last = client.log_on();
    ASSERT_EQ(last.status(), NtStatus::success);
    EXPECT_TRUE(last.header.has(kFlagSigned));
    EXPECT_EQ(last.header.credits, 64);
    EXPECT_EQ(client.tree_connect("\\\\server\\DATA").status(), NtStatus::success);
    const SessionRef session = world.server->find_session(client.session_id);
    ASSERT_TRUE(session);
    EXPECT_EQ(session->identity().user, "Alice");
    EXPECT_EQ(session->credentials().uid, 1000u);
    EXPECT_EQ(session->client(), client.connection->client());
  }
}

TEST(Smb2Session, EverySigningAlgorithm) {
  for (std::uint16_t algorithm = 0; algorithm < 3; ++algorithm) {
    World world;
    TestClient client(world);
    client.negotiate(Dialect::smb311, {2}, {algorithm});
    ASSERT_EQ(client.log_on().status(), NtStatus::success) << algorithm;
    EXPECT_EQ(client.tree_connect("\\\\server\\data").status(), NtStatus::success);
    const Answer answer = client.call(Command::echo, TestClient::simple());
    EXPECT_TRUE(answer.header.has(kFlagSigned));
  }
}

TEST(Smb2Session, EveryCipher) {
  for (std::uint16_t cipher = 1; cipher <= 4; ++cipher) {
    World world;
    TestClient client(world);
    client.negotiate(Dialect::smb311, {cipher});
    ASSERT_EQ(client.log_on().status(), NtStatus::success);
    client.encrypt = true;
    ASSERT_EQ(client.tree_connect("\\\\server\\Locked").status(), NtStatus::success) << cipher;
    EXPECT_TRUE(client.last_was_encrypted);
    const Answer answer = client.call(Command::read, TestClient::read(50'000));
    EXPECT_EQ(answer.status(), NtStatus::success);
    EXPECT_EQ(answer.body().size(), 16u + 50'000);
    EXPECT_FALSE(answer.header.has(kFlagSigned)) << "encrypted is not signed";
  }
  World world;
  TestClient old(world);
  old.negotiate(Dialect::smb300);
  ASSERT_EQ(old.log_on().status(), NtStatus::success);
  old.encrypt = true;
  EXPECT_EQ(old.tree_connect("\\\\server\\Locked").status(), NtStatus::success);
}

TEST(Smb2Session, AnEncryptedShareRefusesClearRequests) {
  World world;
  TestClient client(world);
  client.ready(Dialect::smb311, "\\\\server\\Locked");
  EXPECT_EQ(client.call(Command::create, TestClient::create()).status(), NtStatus::access_denied);
  TestClient plain(world);
  plain.negotiate(Dialect::smb210);
  plain.log_on();
  EXPECT_EQ(plain.tree_connect("\\\\server\\Locked").status(), NtStatus::access_denied);
}

TEST(Smb2Session, AnEncryptingServerRefusesClearRequestsAndOldDialects) {
  Options options;
  options.encryption = EncryptionPolicy::required;
  World world(options);
  TestClient client(world);
  client.negotiate(Dialect::smb311);
  const Answer last = client.log_on();
  ASSERT_EQ(last.status(), NtStatus::success);
  EXPECT_FALSE(client.last_was_encrypted) << "the client learns the keys with it";
  EXPECT_EQ(last.body()[2], 4) << "SMB2_SESSION_FLAG_ENCRYPT_DATA";
  EXPECT_EQ(client.call(Command::echo, TestClient::simple()).status(), NtStatus::access_denied);
  EXPECT_TRUE(client.last_was_encrypted);
  client.encrypt = true;
  EXPECT_EQ(client.tree_connect("\\\\server\\data").status(), NtStatus::success);

  TestClient old(world);
  old.negotiate(Dialect::smb210);
  EXPECT_EQ(old.log_on().status(), NtStatus::access_denied);
}

TEST(Smb2Session, WrongPasswordLeavesNothing) {
  World world;
  TestClient client(world);
  client.negotiate(Dialect::smb311);
  client.ntlm.password = "guess";
  EXPECT_EQ(client.log_on().status(), NtStatus::logon_failure);
  EXPECT_TRUE(world.server->sessions().empty());
  EXPECT_TRUE(world.files.log.empty()) << "it never had opens";
}

TEST(Smb2Session, GuestOnlyWhenConfigured) {
  for (const bool configured : {false, true}) {
    Options options;
    if (configured) options.guest = files::Credentials{65534, 65534, {}};
    World world(options);
    TestClient client(world);
    client.negotiate(Dialect::smb210);
    client.ntlm.user = "Stranger";
    const Answer last = client.log_on();
    EXPECT_EQ(last.status(), configured ? NtStatus::success : NtStatus::logon_failure);
    if (!configured) continue;
    EXPECT_EQ(last.body()[2], 1) << "SMB2_SESSION_FLAG_IS_GUEST";
    EXPECT_FALSE(last.header.has(kFlagSigned));
    client.sign = false;
    EXPECT_EQ(client.tree_connect("\\\\server\\data").status(), NtStatus::success);
    EXPECT_EQ(client.tree_connect("\\\\server\\ro").status(), NtStatus::access_denied);
  }
}

TEST(Smb2Session, AnonymousSeesIpcOnly) {
  World world;
  TestClient client(world);
  client.negotiate(Dialect::smb300);
  client.ntlm.anonymous = true;
  client.cipher = crypto::CipherId::none;
  const Answer last = client.log_on();
  ASSERT_EQ(last.status(), NtStatus::success);
  EXPECT_EQ(last.body()[2], 2) << "SMB2_SESSION_FLAG_IS_NULL";
  EXPECT_EQ(client.tree_connect("\\\\server\\data").status(), NtStatus::access_denied);
  EXPECT_EQ(client.tree_connect("\\\\server\\ipc$").status(), NtStatus::success);
  EXPECT_EQ(client.call(Command::create, TestClient::create()).status(),
            NtStatus::object_name_not_found);
  EXPECT_EQ(client.call(Command::read, TestClient::read(10)).status(), NtStatus::file_closed);
}

// The answer is signed with the key of the session that the client wants to bind: else it would not
// believe it.
TEST(Smb2Session, BindingIsRefused) {
  const auto answer = [](Dialect first, Dialect second, std::uint16_t signing, bool sign,
                         std::uint8_t flags) {
    World world;
    TestClient client(world);
    client.ready(first);
    TestClient channel(world);
    channel.negotiate(second, {2, 1}, {signing});
    channel.session_id = client.session_id;
    std::swap(channel.keys, client.keys);
    channel.sign = sign;
    crypto::PreauthHash hash;
    const Answer got = channel.setup_leg(channel.ntlm.negotiate(), hash, flags);
    EXPECT_EQ(got.header.has(kFlagSigned), sign);
    EXPECT_EQ(world.server->find_session(client.session_id)->state(), Session::State::valid);
    return got.status();
  };
  constexpr Dialect kNew = Dialect::smb311, kOld = Dialect::smb210;
  EXPECT_EQ(answer(kNew, kNew, 1, true, 1), NtStatus::request_not_accepted);
  EXPECT_EQ(answer(kNew, kNew, 1, false, 1), NtStatus::invalid_parameter);
  EXPECT_EQ(answer(kNew, Dialect::smb300, 1, true, 1), NtStatus::invalid_parameter);
  EXPECT_EQ(answer(kOld, kOld, 0, true, 1), NtStatus::request_not_accepted);
  EXPECT_EQ(answer(kNew, kNew, 2, true, 1), NtStatus::not_supported);
  EXPECT_EQ(answer(kNew, kNew, 1, true, 0), NtStatus::user_session_deleted);
}

TEST(Smb2Session, AForeignSessionIsNotToBeUsed) {
  World world;
  TestClient client(world);
  client.ready();
  TestClient thief(world);
  thief.negotiate(Dialect::smb311);
  thief.session_id = client.session_id;
  thief.tree_id = client.tree_id;
  std::swap(thief.keys, client.keys);
  thief.sign = true;
  Ask setup = ask(Command::session_setup, TestClient::setup_body(thief.ntlm.negotiate(), 1, 1, 0));
  thief.send({setup, ask(Command::create, TestClient::create(), kFlagRelated),
              ask(Command::logoff, TestClient::simple(), kFlagRelated)});
  EXPECT_TRUE(thief.peer->closed) << "one credit only";
  TestClient again(world);
  again.negotiate(Dialect::smb311);
  const std::uint64_t victim = client.session_id;
  again.log_on();
  again.session_id = victim;
  again.sign = false;
  std::vector<Ask> asks = {ask(Command::session_setup, setup.body),
                           ask(Command::create, TestClient::create(), kFlagRelated),
                           ask(Command::logoff, TestClient::simple(), kFlagRelated)};
  again.send(asks);
  const std::vector<Answer> answers = again.receive();
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[1].status(), NtStatus::invalid_parameter);
  EXPECT_EQ(answers[2].status(), NtStatus::invalid_parameter);
  EXPECT_TRUE(world.files.log.empty());
  EXPECT_TRUE(world.server->find_session(victim));
}

TEST(Smb2Session, ASessionOfAnotherConnectionIsUnknown) {
  World world;
  TestClient client(world), second(world);
  client.ready(Dialect::smb210);
  second.negotiate(Dialect::smb210);
  second.session_id = client.session_id;
  second.tree_id = client.tree_id;
  EXPECT_EQ(second.call(Command::create, TestClient::create()).status(),
            NtStatus::user_session_deleted);
}

TEST(Smb2Session, ReauthenticationKeepsTheKeys) {
  World world;
  TestClient client(world);
  client.ready();
  client.ntlm.exported = Bytes(16, 0x77);
  EXPECT_EQ(client.log_on().status(), NtStatus::success) << "signed with the keys of before";
  EXPECT_EQ(client.call(Command::create, TestClient::create()).status(), NtStatus::success);
  client.ntlm.user = "Bob";
  client.ntlm.password = "builder";
  EXPECT_EQ(client.log_on().status(), NtStatus::success);
  EXPECT_EQ(world.server->find_session(client.session_id)->identity().user, "Bob");
  EXPECT_EQ(world.files.log, (Log{"command 5"}));
}

TEST(Smb2Session, FailedReauthenticationEndsTheSession) {
  World world;
  TestClient client(world);
  client.ready();
  client.ntlm.password = "guess";
  EXPECT_EQ(client.log_on().status(), NtStatus::logon_failure);
  EXPECT_EQ(world.files.log, (Log{"close_session Alice", "closed"}));
  client.sign = false;
  EXPECT_EQ(client.call(Command::create, TestClient::create()).status(),
            NtStatus::user_session_deleted);
}

TEST(Smb2Session, PreviousSessionGoesBeforeTheAnswer) {
  World world;
  TestClient first(world), second(world), other(world);
  first.ready();
  world.files.close_waits = true;
  second.negotiate(Dialect::smb311);
  second.previous_session = first.session_id;
  second.log_on();
  EXPECT_EQ(world.files.log, (Log{"close_session Alice"}));
  EXPECT_TRUE(second.peer->sent.empty()) << "answered before the old session was gone";
  world.files.close_gate.open();
  const std::vector<Answer> answers = second.receive();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].status(), NtStatus::success);
  EXPECT_FALSE(world.server->find_session(first.session_id));

  other.negotiate(Dialect::smb311);
  other.ntlm.user = "Bob";
  other.ntlm.password = "builder";
  other.previous_session = second.session_id;
  EXPECT_EQ(other.log_on().status(), NtStatus::success);
  EXPECT_TRUE(world.server->find_session(second.session_id)) << "it is somebody else's";
}

TEST(Smb2Session, LogoffClosesThenAnswers) {
  World world;
  TestClient client(world);
  client.ready();
  const Answer answer = client.call(Command::logoff, TestClient::simple());
  EXPECT_EQ(answer.status(), NtStatus::success);
  EXPECT_TRUE(answer.header.has(kFlagSigned));
  EXPECT_EQ(world.files.log, (Log{"close_session Alice", "closed"}));
  client.sign = false;
  EXPECT_EQ(client.call(Command::logoff, TestClient::simple()).status(),
            NtStatus::user_session_deleted);
  client.session_id = 0;
  EXPECT_EQ(client.call(Command::echo, TestClient::simple()).status(), NtStatus::success);
}

TEST(Smb2Session, NoOpenAppearsAfterTheSessionWasClosed) {
  World world;
  TestClient client(world);
  client.ready();
  world.files.create_waits = true;
  client.send({ask(Command::create, TestClient::create())});
  EXPECT_EQ(client.receive()[0].status(), NtStatus::pending);
  client.connection->on_closed();
  EXPECT_EQ(world.files.waiting(), 0u) << "the waiting CREATE was dropped first";
  EXPECT_EQ(world.files.log, (Log{"command 5", "close_session Alice", "closed"}));
  EXPECT_EQ(world.coordinator.log.back(), "detach 1");
  EXPECT_EQ(client.connection->requests_in_flight(), 0u);
}

TEST(Smb2Session, ALostConnectionEndsEverySessionAndThenTheClient) {
  World world;
  TestClient client(world);
  client.ready();
  client.send({ask(Command::lock, TestClient::lock())});
  world.files.close_waits = true;
  client.connection->on_closed();
  EXPECT_EQ(world.coordinator.log.back(), "attach 1") << "still closing";
  world.files.close_gate.open();
  EXPECT_EQ(world.coordinator.log.back(), "detach 1");
  EXPECT_EQ(world.files.waiting(), 0u);
  EXPECT_TRUE(world.server->sessions().empty());
}

TEST(Smb2Session, SessionsOfOneConnectionAreBounded) {
  Options options;
  options.sessions_per_connection_max = 3;
  World world(options);
  TestClient client(world);
  client.negotiate(Dialect::smb210);
  for (int i = 0; i < 4; ++i) {
    client.session_id = 0;
    crypto::PreauthHash hash;
    EXPECT_EQ(client.setup_leg(client.ntlm.negotiate(), hash).status(),
              i < 3 ? NtStatus::more_processing_required : NtStatus::insufficient_resources);
  }
  client.connection->on_closed();
  EXPECT_TRUE(world.server->sessions().empty());
}

TEST(Smb2Session, WhoNeverLogsOnIsCutOff) {
  World world;
  TestClient silent(world), user(world);
  silent.negotiate(Dialect::smb311);
  user.ready();
  world.clock.pass(59 * core::kSecond);
  EXPECT_FALSE(silent.peer->closed);
  world.clock.pass(2 * core::kSecond);
  EXPECT_TRUE(silent.peer->closed);
  EXPECT_FALSE(user.peer->closed);
  crypto::PreauthHash hash;
  silent.setup_leg(silent.ntlm.negotiate(), hash);
  EXPECT_TRUE(silent.peer->sent.empty()) << "what still comes is ignored";
  EXPECT_EQ(world.server->sessions().size(), 1u);
}

TEST(Smb2Session, BrokenTokens) {
  for (const std::size_t size : {0u, 1u, 7u, 8u, 12u, 16u}) {
    World world;
    TestClient client(world);
    client.negotiate(Dialect::smb311);
    crypto::PreauthHash hash;
    const Bytes token = client.ntlm.negotiate();
    EXPECT_EQ(client.setup_leg(ByteView(token).first(size), hash).status(),
              size == 16 ? NtStatus::more_processing_required : NtStatus::invalid_parameter)
        << size;
  }
  World world;
  TestClient client(world);
  client.negotiate(Dialect::smb311);
  Bytes body = TestClient::setup_body(client.ntlm.negotiate(), 0, 1, 0);
  body[14] = 0xFF;
  body[15] = 0xFF;
  EXPECT_EQ(client.call(Command::session_setup, body).status(), NtStatus::invalid_parameter);
}

TEST(Smb2Tree, ConnectChecks) {
  World world;
  TestClient client(world);
  client.negotiate(Dialect::smb311);
  client.log_on();
  EXPECT_EQ(client.tree_connect("\\\\server\\nothing").status(), NtStatus::bad_network_name);
  EXPECT_EQ(client.tree_connect("\\\\server\\private").status(), NtStatus::access_denied);
  for (const std::string path : {"", "data", "\\\\server", "\\\\server\\", "\\\\a\\data\\b"}) {
    EXPECT_EQ(client.tree_connect(path).status(), NtStatus::bad_network_name) << path;
  }
  const Answer ro = client.tree_connect("\\\\server\\RO");
  ASSERT_EQ(ro.status(), NtStatus::success);
  LittleReader in(ro.body().subspan(12));
  EXPECT_EQ(in.u32(), kReadOnlyAccess);
}

TEST(Smb2Tree, UnsignedTreeConnectOf311EndsTheConnection) {
  World world;
  TestClient client(world);
  client.negotiate(Dialect::smb311);
  client.log_on();
  client.sign = false;
  client.send({ask(Command::tree_connect, TestClient::tree_body("\\\\server\\data"))});
  EXPECT_TRUE(client.peer->closed);
}

TEST(Smb2Tree, DisconnectClosesItsOpens) {
  World world;
  TestClient client(world);
  client.ready();
  EXPECT_EQ(client.call(Command::tree_disconnect, TestClient::simple()).status(),
            NtStatus::success);
  EXPECT_EQ(world.files.log, (Log{"close_tree data"}));
  EXPECT_EQ(client.call(Command::create, TestClient::create()).status(),
            NtStatus::network_name_deleted);
  EXPECT_EQ(client.call(Command::tree_disconnect, TestClient::simple()).status(),
            NtStatus::network_name_deleted);
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
