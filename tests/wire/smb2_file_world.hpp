// The file commands of SMB2 over the real core and files in memory, driven by clients that speak
// the wire: what the tests of opens, I/O, locks, directories and breaks share.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shell/files/memory_files.hpp"
#include "shell/wire/smb2/create_caching.hpp"
#include "shell/wire/smb2/fscc_file.hpp"
#include "shell/wire/smb2/open_service.hpp"
#include "shell/wire/smb2/unicode.hpp"
#include "tests/wire/rpc_core.hpp"
#include "tests/wire/smb2_client.hpp"
#include "tests/wire/smb2_world.hpp"

namespace lockstep::wire::smb2::test {

/// Shares "data" (writable by Alice, uid 1000, whose directory it is) and "ro" on one memory tree.
struct FileWorld : World {
  rpc_test::HandClock hand;
  rpc_test::CoreCoordinator core{hand};
  std::shared_ptr<files::FileSystem> tree;
  std::unique_ptr<OpenService> service;

  FileWorld() {
    files::MemoryOptions memory;
    memory.root_uid = 1000;
    memory.root_gid = 1000;
    tree = files::memory_file_system(memory);
    const auto share = [&](std::string name, bool read_only) {
      Share made;
      made.name = std::move(name);
      made.files = tree;
      made.read_only = read_only;
      return std::make_shared<const Share>(std::move(made));
    };
    std::vector<User> users;
    users.push_back({"Alice", ntlm::nt_hash("secret"), {1000, 1000, {}}});
    users.push_back({"Bob", ntlm::nt_hash("builder"), {1001, 1001, {}}});
    server =
        std::make_unique<Server>(Options{}, std::vector{share("data", false), share("ro", true)},
                                 std::move(users), core, hand);
    service = std::make_unique<OpenService>(core, hand);
    server->set_file_service(*service);
  }
  /// Lets breaks run into their deadlines.
  void wait(core::Nanos time) {
    hand.advance(time);
    core.tick();
  }
};

using sim::BreakNotice;
using sim::Created;
using sim::created_of;
using sim::Creating;

/// A client with a session and a tree, and its commands. A call that gets only an interim response
/// returns STATUS_PENDING; `later` is what came next.
class FileClient : public TestClient {
 public:
  explicit FileClient(FileWorld& world, std::uint8_t guid = 0xC1, Dialect wanted = Dialect::smb302,
                      std::string_view share = "\\\\server\\data")
      : TestClient(world, guid) {
    ready(wanted, share);
  }

  /// The next message that is no break.
  std::optional<Answer> later() {
    collect();
    if (answers_.empty()) return std::nullopt;
    Answer first = std::move(answers_.front());
    answers_.erase(answers_.begin());
    return first;
  }
  std::optional<BreakNotice> next_break() {
    collect();
    if (breaks_.empty()) return std::nullopt;
    const BreakNotice first = breaks_.front();
    breaks_.erase(breaks_.begin());
    return first;
  }
  Answer command(Command command, Bytes body) {
    Ask ask;
    ask.command = command;
    ask.body = std::move(body);
    send({std::move(ask)});
    std::optional<Answer> answer = later();
    EXPECT_TRUE(answer) << "no answer";
    if (!answer) return {};
    if (answer->status() == NtStatus::pending) async_id = answer->header.async_id;
    return std::move(*answer);
  }
  std::uint64_t async_id = 0;
  void cancel(std::uint64_t id) {
    Ask ask;
    ask.command = Command::cancel;
    ask.flags = kFlagAsync;
    ask.async_id = id;
    ask.message_id = 0;
    LittleWriter out;
    out.u16(4);
    out.u16(0);
    ask.body = out.take();
    send({std::move(ask)});
  }

  Created create(Creating create) {
    return created_of(command(Command::create, sim::create_body(std::move(create))));
  }
  NtStatus close(FileHandle file, bool query = false) {
    last = command(Command::close, sim::close_body(file, query));
    return last.status();
  }
  NtStatus write(FileHandle file, std::uint64_t offset, std::string_view text) {
    last = command(Command::write, sim::write_body(file, offset, as_bytes(text)));
    return last.status();
  }
  std::pair<NtStatus, std::string> read(FileHandle file, std::uint64_t offset, std::uint32_t size,
                                        std::uint32_t minimum = 0) {
    last = command(Command::read, sim::read_body(file, offset, size, minimum));
    if (last.status() != NtStatus::success) return {last.status(), {}};
    return {last.status(), data_of_read(last)};
  }
  static std::string data_of_read(const Answer& answer) {
    return std::string(as_text(sim::data_of_read(answer).value()));
  }
  using LockElement = sim::SmbLock;
  NtStatus lock(FileHandle file, std::vector<LockElement> elements, std::uint32_t sequence = 0) {
    last = command(Command::lock, sim::lock_body(file, elements, sequence));
    return last.status();
  }
  std::pair<NtStatus, Bytes> query(FileHandle file, std::uint8_t type, std::uint8_t info,
                                   std::uint32_t size = 4096, std::uint32_t additional = 0) {
    last = command(Command::query_info, sim::query_info_body(file, type, info, size, additional));
    if (is_error(last.status())) return {last.status(), {}};
    return {last.status(), output_of(last)};
  }
  std::pair<NtStatus, Bytes> query(FileHandle file, FileInfoClass info, std::uint32_t size = 4096) {
    return query(file, 1, static_cast<std::uint8_t>(info), size);
  }
  static Bytes output_of(const Answer& answer) {
    const ByteView part = sim::output_of(answer).value();
    return {part.begin(), part.end()};
  }
  NtStatus set(FileHandle file, std::uint8_t type, std::uint8_t info, Bytes buffer,
               std::uint32_t additional = 0) {
    last = command(Command::set_info, sim::set_info_body(file, type, info, buffer, additional));
    return last.status();
  }
  NtStatus set(FileHandle file, FileInfoClass info, Bytes buffer) {
    return set(file, 1, static_cast<std::uint8_t>(info), std::move(buffer));
  }
  NtStatus rename(FileHandle file, std::string_view to, bool replace = false,
                  FileInfoClass info = FileInfoClass::rename) {
    return set(file, info, sim::rename_buffer(to, replace));
  }
  NtStatus dispose(FileHandle file, bool remove = true) {
    return set(file, FileInfoClass::disposition, Bytes{static_cast<std::uint8_t>(remove)});
  }
  /// Names of one QUERY_DIRECTORY response.
  std::pair<NtStatus, std::vector<std::string>> list(FileHandle file, std::string_view pattern,
                                                     std::uint8_t flags = 0,
                                                     FileInfoClass info = FileInfoClass::names,
                                                     std::uint32_t size = 4096) {
    const Bytes name = utf16_from_utf8(pattern);
    LittleWriter out;
    out.u16(33);
    out.u8(static_cast<std::uint8_t>(info));
    out.u8(flags);
    out.u32(0);
    write_handle(out, file);
    out.u16(kHeaderSize + 32);
    out.u16(static_cast<std::uint16_t>(name.size()));
    out.u32(size);
    out.bytes(name);
    if (name.empty()) out.u8(0);
    last = command(Command::query_directory, out.take());
    if (last.status() != NtStatus::success) return {last.status(), {}};
    return {last.status(), names_of(output_of(last), info)};
  }
  static std::vector<std::string> names_of(const Bytes& output, FileInfoClass info) {
    // Where the length of the name and the name stand.
    const bool plain = info == FileInfoClass::names;
    const std::size_t length_at = plain ? 8 : 60;
    const std::size_t name_at = plain                                      ? 12
                                : info == FileInfoClass::directory         ? 64
                                : info == FileInfoClass::full_directory    ? 68
                                : info == FileInfoClass::both_directory    ? 94
                                : info == FileInfoClass::id_full_directory ? 80
                                                                           : 104;
    std::vector<std::string> names;
    std::size_t at = 0;
    for (;;) {
      EXPECT_EQ(at % 8, 0u);
      LittleReader in(ByteView(output).subspan(at));
      const std::uint32_t next = in.u32();
      in.seek(length_at);
      const std::uint32_t length = in.u32();
      in.seek(name_at);
      names.push_back(utf8_from_utf16(in.take(length)).value_or("?"));
      EXPECT_TRUE(in.ok());
      if (next == 0) return names;
      at += next;
    }
  }
  NtStatus acknowledge_lease(std::uint8_t key, std::uint32_t state) {
    last = command(Command::oplock_break, sim::lease_ack_body(key, state));
    return last.status();
  }
  NtStatus acknowledge_oplock(FileHandle file, OplockLevel level) {
    last = command(Command::oplock_break, sim::oplock_ack_body(file, level));
    return last.status();
  }
  Answer last;

 private:
  void collect() {
    while (!peer->sent.empty()) {
      for (Answer& answer : receive()) {
        const bool notice = answer.header.message_id == kNoMessageId;
        if (!notice) {
          answers_.push_back(std::move(answer));
        } else if (const auto read = sim::break_of(answer)) {
          breaks_.push_back(*read);
        } else {
          ADD_FAILURE() << "a break that a client cannot read";
        }
      }
    }
  }
  std::vector<Answer> answers_;
  std::vector<BreakNotice> breaks_;
};

}  // namespace lockstep::wire::smb2::test
