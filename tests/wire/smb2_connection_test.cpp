// The connection: credits, signatures and encryption, IOCTL, and lengths that lie.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/wire/smb2_client.hpp"

namespace lockstep::wire::smb2::test {
namespace {

// ---- Credits -------------------------------------------------------------------------

TEST(Smb2Credits, WindowSlidesOverWhatIsUsed) {
  CreditWindow window(8);
  EXPECT_FALSE(window.consume(1, 1)) << "not granted";
  EXPECT_TRUE(window.consume(0, 1));
  EXPECT_FALSE(window.consume(0, 1)) << "used";
  EXPECT_EQ(window.grant(100), 8);
  EXPECT_TRUE(window.consume(2, 3));
  EXPECT_FALSE(window.consume(4, 1));
  EXPECT_FALSE(window.consume(1, 2)) << "overlaps what was used";
  EXPECT_EQ(window.grant(5), 0) << "id 1 is missing";
  EXPECT_TRUE(window.consume(1, 1));
  EXPECT_EQ(window.low(), 5u);
  EXPECT_EQ(window.grant(5), 4);
  EXPECT_FALSE(window.consume(12, 2)) << "the second id was not granted";
  EXPECT_FALSE(window.consume(~std::uint64_t{0}, 1));
  EXPECT_FALSE(window.consume(5, 0));
}

RC_GTEST_PROP(Smb2Credits, AsASetOfIds,
              (const std::vector<std::pair<std::uint8_t, std::uint8_t>>& steps)) {
  CreditWindow window(16);
  std::set<std::uint64_t> open = {0};
  std::uint64_t next = 1;
  for (const auto& [what, size] : steps) {
    if (what % 2 == 0) {
      const std::uint16_t given = window.grant(size % 20);
      for (int i = 0; i < given; ++i) open.insert(next++);
      continue;
    }
    const std::uint64_t id = (open.empty() ? next : *open.begin()) + what % 5;
    const auto charge = static_cast<std::uint16_t>(1 + size % 3);
    bool expected = true;
    for (std::uint64_t i = id; i < id + charge; ++i) expected = expected && open.contains(i);
    RC_ASSERT(window.consume(id, charge) == expected);
    if (expected) {
      for (std::uint64_t i = id; i < id + charge; ++i) open.erase(i);
    }
    RC_ASSERT(window.high() - window.low() <= 16);
  }
}

TEST(Smb2Credits, GrantsWhatIsAskedAfterLogOn) {
  World world;
  TestClient client(world);
  client.ready();
  Ask echo = ask(Command::echo, TestClient::simple());
  echo.credits = 9000;
  client.call(echo);
  EXPECT_EQ(client.connection->credits().high() - client.connection->credits().low(), 8192u);
}

TEST(Smb2Credits, AChargeUsesUpThatManyIds) {
  World world;
  TestClient client(world);
  client.ready();
  Ask read = ask(Command::read, TestClient::read(3 * 65'536));
  read.charge = 3;
  const Answer answer = client.call(read);
  EXPECT_EQ(answer.status(), NtStatus::success);
  EXPECT_EQ(answer.header.credits, 3);
  EXPECT_EQ(client.connection->credits().low(), client.next_id);
  Ask greedy = ask(Command::read, TestClient::read(3 * 65'536 + 1));
  greedy.charge = 3;
  EXPECT_EQ(client.call(greedy).status(), NtStatus::invalid_parameter);
}

TEST(Smb2Credits, WrongIdsEndTheConnection) {
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{100'000}, kNoMessageId}) {
    World world;
    TestClient client(world);
    client.ready();
    Ask echo = ask(Command::echo, TestClient::simple());
    echo.message_id = id;
    client.send({echo});
    EXPECT_TRUE(client.peer->closed) << id;
    EXPECT_TRUE(client.peer->sent.empty());
  }
}

TEST(Smb2Credits, LimitsOf202) {
  World world;
  TestClient client(world);
  client.ready(Dialect::smb202);
  EXPECT_EQ(client.call(Command::read, TestClient::read(65'536)).status(), NtStatus::success);
  EXPECT_EQ(client.call(Command::read, TestClient::read(65'537)).status(),
            NtStatus::invalid_parameter);
}

// ---- Protection ----------------------------------------------------------------------

TEST(Smb2Protection, WrongSignaturesAreDenied) {
  World world;
  TestClient client(world);
  client.ready();
  Bytes frame = client.encode({ask(Command::create, TestClient::create())});
  frame.back() ^= 1;
  client.connection->on_message(frame);
  EXPECT_EQ(client.receive()[0].status(), NtStatus::access_denied);
  EXPECT_TRUE(world.files.log.empty());
}

TEST(Smb2Protection, ASigningSessionRefusesUnsignedRequests) {
  World world;
  TestClient client(world);
  client.security_mode = 3;
  client.ready();
  client.sign = false;
  const Answer answer = client.call(Command::create, TestClient::create());
  EXPECT_EQ(answer.status(), NtStatus::access_denied);
  EXPECT_TRUE(answer.header.has(kFlagSigned));
}

TEST(Smb2Protection, AWrongTransformEndsTheConnection) {
  for (const int what : {0, 1, 2, 3}) {
    World world;
    TestClient client(world);
    client.ready();
    client.encrypt = true;
    if (what == 2) client.session_id ^= 1;
    Ask echo = ask(Command::echo, TestClient::simple());
    if (what == 3) echo.session = client.session_id ^ 1;  // than the key's
    Bytes frame = client.encode({echo});
    if (what == 0) frame.back() ^= 1;
    if (what == 1) frame.pop_back();
    client.connection->on_message(frame);
    EXPECT_TRUE(client.peer->closed) << what;
  }
}

TEST(Smb2Protection, UnknownFlagsAndCommands) {
  World world;
  TestClient client(world);
  client.ready(Dialect::smb210);
  EXPECT_EQ(client.call(static_cast<Command>(0x55), TestClient::simple()).status(),
            NtStatus::invalid_parameter);
  EXPECT_EQ(client.call(ask(Command::echo, TestClient::simple(), 0x00100000)).status(),
            NtStatus::invalid_parameter);
  EXPECT_EQ(client.call(ask(Command::echo, TestClient::simple(), kFlagResponse)).status(),
            NtStatus::invalid_parameter);
}

TEST(Smb2Protection, ShortBodiesAndWrongSizes) {
  World world;
  TestClient client(world);
  client.ready();
  for (std::uint16_t command = 1; command < kCommandCount; ++command) {
    if (static_cast<Command>(command) == Command::cancel) continue;
    for (const std::size_t size : {0u, 1u, 2u, 3u}) {
      EXPECT_EQ(client.call(static_cast<Command>(command), Bytes(size, 0)).status(),
                NtStatus::invalid_parameter)
          << command << " " << size;
    }
    EXPECT_EQ(client.call(static_cast<Command>(command), Bytes(64, 0)).status(),
              NtStatus::invalid_parameter)
        << command;
  }
  EXPECT_TRUE(world.files.log.empty());
}

// ---- IOCTL ---------------------------------------------------------------------------

constexpr std::uint32_t kValidate = 0x00140204;

Bytes validate_input(const TestClient& client, std::vector<Dialect> dialects) {
  LittleWriter out;
  out.u32(client.capabilities);
  out.bytes(client.client_guid.bytes);
  out.u16(client.security_mode);
  out.u16(static_cast<std::uint16_t>(dialects.size()));
  for (const Dialect dialect : dialects) out.u16(static_cast<std::uint16_t>(dialect));
  return out.take();
}

TEST(Smb2Ioctl, ValidateNegotiate) {
  World world;
  TestClient client(world);
  client.ready(Dialect::smb302);
  client.tree_id = 999;  // it is about the connection
  const Answer answer = client.call(
      Command::ioctl,
      TestClient::ioctl(kValidate, kInherit, validate_input(client, {Dialect::smb302}), 24));
  ASSERT_EQ(answer.status(), NtStatus::success);
  LittleReader in(answer.body().subspan(48));
  EXPECT_EQ(in.u32(), client.connection->negotiated().capabilities);
  in.skip(16);
  EXPECT_EQ(in.u16(), 1);
  EXPECT_EQ(static_cast<Dialect>(in.u16()), Dialect::smb302);
}

TEST(Smb2Ioctl, AMismatchEndsTheConnection) {
  const auto survives = [](auto change, Dialect dialect, std::uint32_t output_max) {
    World world;
    TestClient client(world);
    client.ready(dialect);
    Bytes input = validate_input(client, {Dialect::smb210, dialect});
    change(input);
    client.send({ask(Command::ioctl, TestClient::ioctl(kValidate, kInherit, input, output_max))});
    EXPECT_NE(client.peer->closed, !client.peer->sent.empty());
    return !client.peer->closed;
  };
  const auto same = [](Bytes&) {};
  EXPECT_TRUE(survives(same, Dialect::smb300, 24));
  EXPECT_TRUE(survives(same, Dialect::smb210, 24));
  EXPECT_FALSE(survives(same, Dialect::smb311, 24));
  EXPECT_FALSE(survives(same, Dialect::smb300, 23));
  for (const std::size_t at : {0u, 5u, 20u, 22u, 26u}) {
    EXPECT_FALSE(survives([&](Bytes& input) { input[at] ^= 0x80; }, Dialect::smb300, 24)) << at;
  }
  // A higher dialect was cut out of the NEGOTIATE.
  EXPECT_FALSE(survives(
      [](Bytes& input) {
        input[24] = 0x02;
        input[25] = 0x03;
      },
      Dialect::smb300, 24));
}

TEST(Smb2Ioctl, OthersInTheProtocolsOwnTerms) {
  World world;
  TestClient client(world);
  client.ready();
  const auto status = [&](std::uint32_t code) {
    return client.call(Command::ioctl, TestClient::ioctl(code, {3, 4}, Bytes(8, 1), 64)).status();
  };
  EXPECT_EQ(status(0x00060194), NtStatus::fs_driver_required);
  EXPECT_EQ(status(0x001401FC), NtStatus::not_supported);
  EXPECT_EQ(status(0x00123456), NtStatus::invalid_device_request);
  EXPECT_EQ(world.files.asked, (std::vector<FileHandle>{{3, 4}}));
  const Answer answer =
      client.call(Command::ioctl, TestClient::ioctl(0x000900C0, {3, 4}, Bytes(8, 1), 64));
  EXPECT_EQ(answer.status(), NtStatus::success);
  EXPECT_EQ(answer.body().size(), 48u + 8);
  client.tree_connect("\\\\server\\IPC$");
  EXPECT_EQ(status(0x0011C017), NtStatus::file_closed);
  EXPECT_EQ(status(0x00110018), NtStatus::object_name_not_found);
  EXPECT_EQ(status(0x00090000), NtStatus::not_supported);
}

TEST(Smb2Ioctl, InputOutsideOfTheMessage) {
  World world;
  TestClient client(world);
  client.ready();
  Bytes body = TestClient::ioctl(0x000900C0, {3, 4}, Bytes(8, 1), 64);
  LittleWriter out(body);
  out.patch_u32(24, 0xFFFFFFF0);
  EXPECT_EQ(client.call(Command::ioctl, out.buffer()).status(), NtStatus::invalid_parameter);
  out.patch_u32(24, 10);
  EXPECT_EQ(client.call(Command::ioctl, out.buffer()).status(), NtStatus::invalid_parameter);
}

RC_GTEST_PROP(Smb2Connection, NoiseIsSurvived,
              (const std::vector<std::pair<std::uint8_t, std::uint8_t>>& changes)) {
  World world;
  TestClient client(world);
  client.ready();
  Bytes frame = client.encode({ask(Command::create, TestClient::create()),
                               ask(Command::read, TestClient::read(100), kFlagRelated)});
  for (const auto& [at, value] : changes) frame[at % frame.size()] = value;
  client.connection->on_message(frame);
  client.connection->on_closed();
  RC_ASSERT(world.server->sessions().empty());
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
