// A client of one connection in the same process, for tests: every call is answered before it
// returns. Frames are made and checked by the endpoint that simulated clients use, too.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/wire/smb2_endpoint.hpp"
#include "sim/wire/smb2_messages.hpp"
#include "tests/wire/smb2_world.hpp"

namespace lockstep::wire::smb2::test {

inline constexpr FileHandle kInherit = FileHandle::inherit();

using sim::Answer;
using sim::Ask;
using sim::NtlmClient;

class TestClient : public sim::Smb2Endpoint {
 public:
  explicit TestClient(World& world, std::uint8_t guid = 0xC1)
      : peer(std::make_shared<TestPeer>()),
        connection(std::make_shared<Connection>(*world.server, peer)) {
    client_guid.bytes.fill(guid);
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  ~TestClient() { connection->on_closed(); }  // what a carrier does

  std::shared_ptr<TestPeer> peer;
  std::shared_ptr<Connection> connection;

  // ---- Frames -----------------------------------------------------------------------------------

  void send(std::vector<Ask> asks) { connection->on_message(encode(std::move(asks))); }

  /// The next frame that came, decrypted, split; signatures are checked where the flag is set.
  std::vector<Answer> receive() {
    if (peer->sent.empty()) return {};
    Bytes frame = std::move(peer->sent.front());
    peer->sent.pop_front();
    std::string error;
    std::vector<Answer> answers = decode(std::move(frame), error);
    EXPECT_EQ(error, "");
    return answers;
  }

  Answer call(Ask ask) {
    send({std::move(ask)});
    std::vector<Answer> answers = receive();
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? Answer{} : std::move(answers.front());
  }
  Answer call(Command command, Bytes body) {
    Ask ask;
    ask.command = command;
    ask.body = std::move(body);
    return call(std::move(ask));
  }

  // ---- Set-up -----------------------------------------------------------------------------------

  /// NEGOTIATE with one dialect; ciphers and signing algorithms matter to 3.1.1 alone.
  Answer negotiate(Dialect wanted, std::vector<std::uint16_t> ciphers = {2, 1},
                   std::vector<std::uint16_t> signings = {1}) {
    connection->on_message(negotiate_frame(wanted, std::move(ciphers), std::move(signings)));
    std::vector<Answer> answers = receive();
    EXPECT_EQ(answers.size(), 1u);
    if (answers.empty()) return {};
    if (answers[0].status() == NtStatus::success) {
      EXPECT_TRUE(on_negotiated(answers[0]));
      EXPECT_EQ(dialect, connection->dialect());
      EXPECT_EQ(cipher, connection->negotiated().cipher);
      EXPECT_EQ(signing, connection->negotiated().signing);
    }
    return answers[0];
  }
  Answer setup_leg(ByteView token, crypto::PreauthHash& hash, std::uint8_t flags = 0) {
    connection->on_message(setup_frame(token, hash, flags));
    std::vector<Answer> answers = receive();
    if (answers.empty()) return {};
    if (answers[0].status() == NtStatus::more_processing_required) {
      hash.add(answers[0].message);
      session_id = answers[0].header.session_id;
    }
    return answers[0];
  }
  /// Raw NTLM, both legs. On success of a first set-up the keys are made and signing begins.
  Answer log_on() {
    crypto::PreauthHash hash = preauth;
    const Answer first = setup_leg(ntlm.negotiate(), hash);
    if (first.status() != NtStatus::more_processing_required) return first;
    Bytes frame = setup_frame(ntlm.authenticate(token_of(first)), hash);
    if (!keys.signer) make_keys(hash);
    connection->on_message(std::move(frame));
    std::vector<Answer> answers = receive();
    if (answers.empty()) return {};
    if (answers[0].status() == NtStatus::success) sign = true;
    return answers[0];
  }
  Answer tree_connect(std::string_view path) {
    Answer answer = call(Command::tree_connect, tree_body(path));
    if (answer.status() == NtStatus::success) tree_id = answer.header.tree_id;
    return answer;
  }
  /// All the way to a tree.
  void ready(Dialect wanted = Dialect::smb311, std::string_view share = "\\\\server\\data") {
    ASSERT_EQ(negotiate(wanted).status(), NtStatus::success);
    ASSERT_EQ(log_on().status(), NtStatus::success);
    ASSERT_EQ(tree_connect(share).status(), NtStatus::success);
  }

  // ---- Bodies -----------------------------------------------------------------------------------

  static Bytes simple(std::uint16_t size = 4) { return sim::simple_body(size); }
  static Bytes create() {
    LittleWriter out;
    out.u16(57);
    out.zeros(54);
    return out.take();
  }
  static Bytes with_file(FileHandle file, std::uint16_t size = 24) {
    LittleWriter out;
    out.u16(size);
    out.zeros(6);
    write_handle(out, file);
    out.zeros(size > 24 ? size - 24u : 0u);
    return out.take();
  }
  static Bytes read(std::uint32_t length) {
    LittleWriter out;
    out.u16(49);
    out.u16(0);
    out.u32(length);
    out.zeros(41);
    return out.take();
  }
  static Bytes lock() {
    LittleWriter out;
    out.u16(48);
    out.u16(1);
    out.zeros(44);
    return out.take();
  }
  static Bytes ioctl(std::uint32_t code, FileHandle file, ByteView input,
                     std::uint32_t output_max) {
    LittleWriter out;
    out.u16(57);
    out.u16(0);
    out.u32(code);
    write_handle(out, file);
    out.u32(static_cast<std::uint32_t>(kHeaderSize + 56));
    out.u32(static_cast<std::uint32_t>(input.size()));
    out.zeros(12);
    out.u32(output_max);
    out.u32(1);
    out.u32(0);
    out.bytes(input);
    return out.take();
  }
};

inline Ask ask(Command command, Bytes body, std::uint32_t flags = 0) {
  Ask result;
  result.command = command;
  result.body = std::move(body);
  result.flags = flags;
  return result;
}

}  // namespace lockstep::wire::smb2::test
