// Compounds, requests that wait, CANCEL, and breaks.
#include <gtest/gtest.h>

#include "tests/wire/smb2_client.hpp"

namespace lockstep::wire::smb2::test {
namespace {

// ---- Compounds -----------------------------------------------------------------------

TEST(Smb2Compound, RelatedTakesWhatThePredecessorHad) {
  for (const bool encrypt : {false, true}) {
    World world;
    TestClient client(world);
    client.ready();
    client.encrypt = encrypt;
    Ask close = ask(Command::close, TestClient::with_file(kInherit), kFlagRelated);
    close.session = ~std::uint64_t{0};
    close.tree = ~std::uint32_t{0};
    Ask flush = close;
    flush.command = Command::flush;
    client.send({ask(Command::create, TestClient::create()), flush, close});
    const std::vector<Answer> answers = client.receive();
    ASSERT_EQ(answers.size(), 3u);
    for (const Answer& answer : answers) EXPECT_EQ(answer.status(), NtStatus::success);
    EXPECT_EQ(world.files.asked, (std::vector<FileHandle>{{101, 7}, {101, 7}}));
    EXPECT_EQ(answers[0].header.credits, 0);
    EXPECT_EQ(answers[1].header.credits, 0);
    EXPECT_EQ(answers[2].header.credits, 3) << "the last carries what all earned";
    EXPECT_EQ(answers[0].header.next % 8, 0u);
    EXPECT_TRUE(answers[1].header.has(kFlagRelated));
    EXPECT_FALSE(answers[0].header.has(kFlagRelated));
    EXPECT_EQ(client.last_was_encrypted, encrypt);
    for (const Answer& answer : answers) EXPECT_EQ(answer.header.has(kFlagSigned), !encrypt);
  }
}

TEST(Smb2Compound, AfterAFailedCreateTheRestFailsAlike) {
  World world;
  TestClient client(world);
  client.ready();
  world.files.create_status = NtStatus::sharing_violation;
  client.send({ask(Command::create, TestClient::create()),
               ask(Command::flush, TestClient::with_file(kInherit), kFlagRelated),
               ask(Command::close, TestClient::with_file(kInherit), kFlagRelated),
               ask(Command::close, TestClient::with_file({5, 5}))});
  const std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(answers[i].status(), NtStatus::sharing_violation);
  EXPECT_EQ(answers[3].status(), NtStatus::success) << "unrelated: its own request";
  EXPECT_EQ(world.files.asked, (std::vector<FileHandle>{{5, 5}}));
}

TEST(Smb2Compound, RelatedWithoutPredecessor) {
  World world;
  TestClient client(world);
  client.ready();
  client.send({ask(Command::create, TestClient::create(), kFlagRelated),
               ask(Command::close, TestClient::with_file(kInherit), kFlagRelated),
               ask(Command::close, TestClient::with_file(kInherit))});
  const std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].status(), NtStatus::invalid_parameter);
  EXPECT_EQ(answers[1].status(), NtStatus::invalid_parameter);
  EXPECT_EQ(answers[2].status(), NtStatus::file_closed);
}

TEST(Smb2Compound, AnUnrelatedPartStartsAnew) {
  World world;
  TestClient client(world);
  client.ready(Dialect::smb210);
  client.sign = false;
  Ask lost = ask(Command::close, TestClient::with_file(kInherit));
  lost.session = ~std::uint64_t{0};
  Ask after = ask(Command::close, TestClient::with_file(kInherit), kFlagRelated);
  client.send({ask(Command::create, TestClient::create()), lost, after});
  const std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].status(), NtStatus::success);
  EXPECT_EQ(answers[1].status(), NtStatus::user_session_deleted);
  EXPECT_EQ(answers[2].status(), NtStatus::invalid_parameter);
}

TEST(Smb2Compound, AFailureThatIsNoCreateDoesNotSpread) {
  World world;
  TestClient client(world);
  client.ready();
  Ask query = ask(Command::query_info, Bytes(40, 0), kFlagRelated);
  query.body[0] = 41;
  client.send({ask(Command::create, TestClient::create()), query,
               ask(Command::close, TestClient::with_file(kInherit), kFlagRelated)});
  const std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[1].status(), NtStatus::buffer_too_small);
  EXPECT_EQ(answers[2].status(), NtStatus::success);
  // 3.1.1 wraps the error data into a context.
  LittleReader in(answers[1].body());
  EXPECT_EQ(in.u16(), 9);
  EXPECT_EQ(in.u8(), 1);
  in.skip(1);
  EXPECT_EQ(in.u32(), 12u);
  EXPECT_EQ(in.u32(), 4u);
  EXPECT_EQ(in.u32(), 0u);
  EXPECT_EQ(in.u32(), 0x04030201u);
}

TEST(Smb2Compound, BrokenChainsEndTheConnection) {
  const auto broken = [](std::uint32_t next) {
    World world;
    TestClient client(world);
    client.ready(Dialect::smb210);
    client.sign = false;
    Bytes frame = client.encode(
        {ask(Command::echo, TestClient::simple()), ask(Command::echo, TestClient::simple())});
    LittleWriter out(frame);
    out.patch_u32(20, next);
    client.connection->on_message(out.take());
    return client.peer->closed;
  };
  EXPECT_FALSE(broken(72));
  for (const std::uint32_t next : {1u, 8u, 64u, 73u, 80u, 136u, 144u, 0xFFFFFFF8u}) {
    EXPECT_TRUE(broken(next)) << next;
  }
}

TEST(Smb2Compound, TooManyParts) {
  Options options;
  options.compound_parts_max = 4;
  World world(options);
  TestClient client(world);
  client.ready();
  client.send(std::vector<Ask>(5, ask(Command::echo, TestClient::simple())));
  EXPECT_TRUE(client.peer->closed);
}

// ---- Waiting -------------------------------------------------------------------------

TEST(Smb2Async, InterimThenFinalWhileOthersGoOn) {
  World world;
  TestClient client(world);
  client.ready();
  Ask lock = ask(Command::lock, TestClient::lock());
  lock.credits = 4;
  const Answer interim = client.call(lock);
  EXPECT_EQ(interim.status(), NtStatus::pending);
  EXPECT_TRUE(interim.header.has(kFlagAsync));
  EXPECT_FALSE(interim.header.has(kFlagSigned));
  EXPECT_EQ(interim.header.credits, 4);
  EXPECT_NE(interim.header.async_id, 0u);
  EXPECT_EQ(client.call(Command::echo, TestClient::simple()).status(), NtStatus::success);
  world.files.release();
  const std::vector<Answer> last = client.receive();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].status(), NtStatus::success);
  EXPECT_EQ(last[0].header.message_id, interim.header.message_id);
  EXPECT_EQ(last[0].header.async_id, interim.header.async_id);
  EXPECT_TRUE(last[0].header.has(kFlagSigned));
  EXPECT_EQ(last[0].header.credits, 0) << "the interim response had them";
}

TEST(Smb2Async, CancelByAsyncIdAndByMessageId) {
  for (const bool by_async_id : {true, false}) {
    World world;
    TestClient client(world);
    client.ready();
    const Answer interim = client.call(Command::lock, TestClient::lock());
    const Answer other = client.call(Command::lock, TestClient::lock());
    Ask cancel = ask(Command::cancel, TestClient::simple(), by_async_id ? kFlagAsync : 0);
    cancel.message_id = by_async_id ? 0 : interim.header.message_id;
    cancel.async_id = interim.header.async_id;
    const std::uint64_t low = client.connection->credits().low();
    client.send({cancel});
    EXPECT_EQ(client.connection->credits().low(), low) << "CANCEL takes no id";
    const std::vector<Answer> answers = client.receive();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].status(), NtStatus::cancelled);
    EXPECT_EQ(answers[0].header.message_id, interim.header.message_id);
    EXPECT_EQ(world.files.waiting(), 1u);
    client.send({cancel});
    EXPECT_TRUE(client.peer->sent.empty()) << "CANCEL is never answered";
    world.files.release();
    EXPECT_EQ(client.receive()[0].header.message_id, other.header.message_id);
  }
}

TEST(Smb2Async, AnUnsignedCancelOfASigningSessionIsIgnored) {
  World world;
  TestClient client(world);
  client.security_mode = 3;
  client.ready();
  const Answer interim = client.call(Command::lock, TestClient::lock());
  client.sign = false;
  Ask cancel = ask(Command::cancel, TestClient::simple(), kFlagAsync);
  cancel.message_id = 0;
  cancel.async_id = interim.header.async_id;
  client.send({cancel});
  EXPECT_TRUE(client.peer->sent.empty());
  EXPECT_EQ(world.files.waiting(), 1u);
  world.files.release();
}

TEST(Smb2Async, TheLastOfACompoundGoesApart) {
  World world;
  TestClient client(world);
  client.ready();
  client.send({ask(Command::create, TestClient::create()),
               ask(Command::lock, TestClient::lock(), kFlagRelated)});
  const std::vector<Answer> first = client.receive();
  ASSERT_EQ(first.size(), 1u) << "what is done goes out before the wait";
  EXPECT_EQ(first[0].status(), NtStatus::success);
  EXPECT_EQ(first[0].header.next, 0u);
  EXPECT_EQ(client.receive()[0].status(), NtStatus::pending);
  world.files.release();
  EXPECT_EQ(client.receive()[0].status(), NtStatus::success);
}

TEST(Smb2Async, InTheMiddleItIsWaitedFor) {
  World world;
  TestClient client(world);
  client.ready();
  client.send(
      {ask(Command::lock, TestClient::lock()), ask(Command::flush, TestClient::with_file({9, 9}))});
  EXPECT_TRUE(client.peer->sent.empty());
  EXPECT_TRUE(world.files.asked.empty());
  world.files.release();
  const std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_FALSE(answers[0].header.has(kFlagAsync));
  EXPECT_EQ(answers[0].header.credits + answers[1].header.credits, 2);
}

TEST(Smb2Async, ACreateThatWaitsForABreakTellsSoAnywhere) {
  World world;
  TestClient client(world);
  client.ready();
  world.files.create_waits = true;
  client.send({ask(Command::create, TestClient::create()),
               ask(Command::close, TestClient::with_file(kInherit), kFlagRelated)});
  EXPECT_EQ(client.receive()[0].status(), NtStatus::pending);
  world.files.release();
  const std::vector<Answer> answers = client.receive();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[0].header.has(kFlagAsync));
  EXPECT_EQ(answers[1].status(), NtStatus::success);
  EXPECT_EQ(world.files.asked, (std::vector<FileHandle>{{101, 7}}));
}

TEST(Smb2Async, WaitingRequestsAreBounded) {
  Options options;
  options.requests_outstanding_max = 2;
  World world(options);
  TestClient client(world);
  client.ready();
  EXPECT_EQ(client.call(Command::lock, TestClient::lock()).status(), NtStatus::pending);
  EXPECT_EQ(client.call(Command::lock, TestClient::lock()).status(), NtStatus::pending);
  EXPECT_EQ(client.call(Command::lock, TestClient::lock()).status(),
            NtStatus::insufficient_resources);
  EXPECT_EQ(client.call(Command::close, TestClient::with_file({1, 1})).status(), NtStatus::success)
      << "what gives back is never refused";
}

TEST(Smb2Async, LogoffWhileSomebodyWaits) {
  World world;
  TestClient client(world);
  client.ready();
  client.call(Command::lock, TestClient::lock());
  client.send({ask(Command::logoff, TestClient::simple())});
  const std::vector<Answer> lock = client.receive();
  ASSERT_EQ(lock.size(), 1u);
  EXPECT_EQ(lock[0].status(), NtStatus::range_not_locked);
  const std::vector<Answer> logoff = client.receive();
  ASSERT_EQ(logoff.size(), 1u);
  EXPECT_EQ(logoff[0].header.command, Command::logoff);
  EXPECT_EQ(logoff[0].status(), NtStatus::success);
}

TEST(Smb2Async, WhatWaitsForAResponseRunsAfterIt) {
  World world;
  TestClient client(world);
  client.ready();
  struct Files final : FileService, ClientSink {
    TestPeer* peer = nullptr;
    std::vector<std::size_t> sent;
    Task<Response> handle(Request& request) override {
      request.after_response([this] { sent.push_back(peer->sent.size()); });
      co_return Response(Bytes(4, 0));
    }
    Task<Response> handle_fsctl(Request&, std::uint32_t, FileHandle, ByteView,
                                std::uint32_t) override {
      co_return NtStatus::not_supported;
    }
    Task<void> close_session(SessionRef) override { co_return; }
    Task<void> close_tree(SessionRef, TreeRef) override { co_return; }
    ClientSink& client_sink() override { return *this; }
    void on_break(const core::SendBreak&) override {}
    std::size_t open_count(const Session&) const override { return 0; }
  } files;
  files.peer = client.peer.get();
  world.server->set_file_service(files);
  client.send({ask(Command::create, TestClient::create()), ask(Command::lock, TestClient::lock())});
  EXPECT_EQ(files.sent, (std::vector<std::size_t>{1, 1}));
  client.connection->on_closed();  // while `files` is there
}

TEST(Smb2Break, TravelsUnderNobodysName) {
  World world;
  TestClient client(world);
  client.ready();
  const SessionRef session = world.server->find_session(client.session_id);
  EXPECT_TRUE(session->send_break(Bytes(24, 1)));
  Answer notice = client.receive()[0];
  EXPECT_EQ(notice.header.message_id, kNoMessageId);
  EXPECT_EQ(notice.header.session_id, 0u);
  EXPECT_EQ(notice.header.tree_id, 0u);
  EXPECT_FALSE(notice.header.has(kFlagSigned));
  EXPECT_FALSE(client.last_was_encrypted);
  EXPECT_TRUE(session->send_break(Bytes(24, 1), /*share_encrypts=*/true));
  notice = client.receive()[0];
  EXPECT_TRUE(client.last_was_encrypted);
  EXPECT_EQ(notice.header.session_id, 0u);
  client.connection->on_closed();
  EXPECT_FALSE(session->send_break(Bytes(24, 1)));
}

}  // namespace
}  // namespace lockstep::wire::smb2::test
