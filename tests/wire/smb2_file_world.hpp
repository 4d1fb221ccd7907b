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

struct Creating {
  std::string name;
  std::uint32_t access = access::kFileAll;
  std::uint32_t share = share::kAll;
  Disposition disposition = Disposition::open_if;
  std::uint32_t options = 0;
  std::uint32_t attributes = 0;
  OplockLevel oplock = OplockLevel::none;
  struct Lease {
    std::uint8_t key = 1;
    std::uint32_t state = 7;
    bool version2 = false;
    std::uint16_t epoch = 0;
  };
  std::optional<Lease> lease;
  std::vector<std::pair<std::string, Bytes>> contexts;
};

struct Created {
  NtStatus status = NtStatus::success;
  FileHandle handle;
  OplockLevel oplock = OplockLevel::none;
  std::uint32_t action = 0;
  std::uint64_t size = 0;
  std::uint32_t attributes = 0;
  std::map<std::string, Bytes> contexts;
  std::uint32_t lease_state() const {
    const auto at = contexts.find("RqLs");
    return at == contexts.end() ? ~0u : LittleReader(ByteView(at->second).subspan(16)).u32();
  }
};

struct BreakNotice {
  bool lease = false;
  std::uint8_t level = 0;  ///< oplock
  FileHandle file;         ///< oplock
  std::uint16_t epoch = 0;
  bool ack = false;
  std::uint8_t key = 0;
  std::uint32_t from = 0, to = 0;
};

inline Bytes lease_context(const Creating::Lease& lease) {
  LittleWriter out;
  for (int i = 0; i < 16; ++i) out.u8(lease.key);
  out.u32(lease.state);
  out.u32(0);
  out.u64(0);
  if (lease.version2) {
    out.zeros(16);
    out.u16(lease.epoch);
    out.u16(0);
  }
  return out.take();
}

inline Bytes create_body(Creating create) {
  if (create.lease) {
    create.oplock = OplockLevel::lease;
    create.contexts.emplace_back("RqLs", lease_context(*create.lease));
  }
  const Bytes name = utf16_from_utf8(create.name);
  LittleWriter out;
  out.u16(57);
  out.u8(0);
  out.u8(static_cast<std::uint8_t>(create.oplock));
  out.u32(2);
  out.zeros(16);
  out.u32(create.access);
  out.u32(create.attributes);
  out.u32(create.share);
  out.u32(static_cast<std::uint32_t>(create.disposition));
  out.u32(create.options);
  out.u16(kHeaderSize + 56);
  out.u16(static_cast<std::uint16_t>(name.size()));
  const std::size_t contexts_at = out.size();
  out.u64(0);
  out.bytes(name);
  if (create.contexts.empty()) {
    if (name.empty()) out.u8(0);
    return out.take();
  }
  out.align(8);
  const std::size_t start = out.size();
  std::size_t last = 0;
  for (const auto& [tag, data] : create.contexts) {
    out.align(8);
    if (last != 0) out.patch_u32(last, static_cast<std::uint32_t>(out.size() - last));
    last = out.size();
    out.u32(0);
    out.u16(16);
    out.u16(static_cast<std::uint16_t>(tag.size()));
    out.u16(0);
    out.u16(24);
    out.u32(static_cast<std::uint32_t>(data.size()));
    out.text(tag);
    while (out.size() < last + 24) out.u8(0);
    out.bytes(data);
  }
  out.patch_u32(contexts_at, static_cast<std::uint32_t>(kHeaderSize + start));
  out.patch_u32(contexts_at + 4, static_cast<std::uint32_t>(out.size() - start));
  return out.take();
}

inline Created created_of(const Answer& answer) {
  Created created;
  created.status = answer.status();
  if (created.status != NtStatus::success) return created;
  LittleReader in(answer.body());
  in.u16();
  created.oplock = static_cast<OplockLevel>(in.u8());
  in.u8();
  created.action = in.u32();
  in.skip(32 + 8);
  created.size = in.u64();
  created.attributes = in.u32();
  in.u32();
  created.handle = read_handle(in);
  const std::uint32_t offset = in.u32();
  const std::uint32_t length = in.u32();
  EXPECT_TRUE(in.ok());
  ByteView area = ByteView(answer.message).subspan(offset, length);
  while (!area.empty()) {
    LittleReader context(area);
    const std::uint32_t next = context.u32();
    const std::uint16_t name_at = context.u16();
    const std::uint16_t name_size = context.u16();
    context.u16();
    const std::uint16_t data_at = context.u16();
    const std::uint32_t data_size = context.u32();
    const ByteView data = area.subspan(data_at, data_size);
    created.contexts[std::string(as_text(area.subspan(name_at, name_size)))] =
        Bytes(data.begin(), data.end());
    if (next == 0) break;
    area = area.subspan(next);
  }
  return created;
}

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
    return created_of(command(Command::create, create_body(std::move(create))));
  }
  NtStatus close(FileHandle file, bool query = false) {
    LittleWriter out;
    out.u16(24);
    out.u16(query ? 1 : 0);
    out.u32(0);
    write_handle(out, file);
    last = command(Command::close, out.take());
    return last.status();
  }
  NtStatus write(FileHandle file, std::uint64_t offset, std::string_view text) {
    LittleWriter out;
    out.u16(49);
    out.u16(kHeaderSize + 48);
    out.u32(static_cast<std::uint32_t>(text.size()));
    out.u64(offset);
    write_handle(out, file);
    out.zeros(16);
    out.text(text);
    last = command(Command::write, out.take());
    return last.status();
  }
  std::pair<NtStatus, std::string> read(FileHandle file, std::uint64_t offset, std::uint32_t size,
                                        std::uint32_t minimum = 0) {
    LittleWriter out;
    out.u16(49);
    out.u8(80);
    out.u8(0);
    out.u32(size);
    out.u64(offset);
    write_handle(out, file);
    out.u32(minimum);
    out.zeros(12);
    out.u8(0);
    last = command(Command::read, out.take());
    if (last.status() != NtStatus::success) return {last.status(), {}};
    return {last.status(), data_of_read(last)};
  }
  static std::string data_of_read(const Answer& answer) {
    LittleReader in(answer.body());
    in.u16();
    const std::uint8_t offset = in.u8();
    in.u8();
    const std::uint32_t length = in.u32();
    return std::string(as_text(ByteView(answer.message).subspan(offset, length)));
  }
  struct LockElement {
    std::uint64_t offset = 0, length = 0;
    std::uint32_t flags = 0;
  };
  NtStatus lock(FileHandle file, std::vector<LockElement> elements, std::uint32_t sequence = 0) {
    LittleWriter out;
    out.u16(48);
    out.u16(static_cast<std::uint16_t>(elements.size()));
    out.u32(sequence);
    write_handle(out, file);
    for (const LockElement& element : elements) {
      out.u64(element.offset);
      out.u64(element.length);
      out.u32(element.flags);
      out.u32(0);
    }
    if (elements.empty()) out.zeros(24);
    last = command(Command::lock, out.take());
    return last.status();
  }
  std::pair<NtStatus, Bytes> query(FileHandle file, std::uint8_t type, std::uint8_t info,
                                   std::uint32_t size = 4096, std::uint32_t additional = 0) {
    LittleWriter out;
    out.u16(41);
    out.u8(type);
    out.u8(info);
    out.u32(size);
    out.u64(0);
    out.u32(additional);
    out.u32(0);
    write_handle(out, file);
    out.u8(0);
    last = command(Command::query_info, out.take());
    if (is_error(last.status())) return {last.status(), {}};
    return {last.status(), output_of(last)};
  }
  std::pair<NtStatus, Bytes> query(FileHandle file, FileInfoClass info, std::uint32_t size = 4096) {
    return query(file, 1, static_cast<std::uint8_t>(info), size);
  }
  static Bytes output_of(const Answer& answer) {
    LittleReader in(answer.body());
    in.u16();
    const std::uint16_t offset = in.u16();
    const std::uint32_t length = in.u32();
    const ByteView part = ByteView(answer.message).subspan(offset, length);
    return {part.begin(), part.end()};
  }
  NtStatus set(FileHandle file, std::uint8_t type, std::uint8_t info, Bytes buffer,
               std::uint32_t additional = 0) {
    LittleWriter out;
    out.u16(33);
    out.u8(type);
    out.u8(info);
    out.u32(static_cast<std::uint32_t>(buffer.size()));
    out.u16(kHeaderSize + 32);
    out.u16(0);
    out.u32(additional);
    write_handle(out, file);
    out.bytes(buffer);
    if (buffer.empty()) out.u8(0);
    last = command(Command::set_info, out.take());
    return last.status();
  }
  NtStatus set(FileHandle file, FileInfoClass info, Bytes buffer) {
    return set(file, 1, static_cast<std::uint8_t>(info), std::move(buffer));
  }
  NtStatus rename(FileHandle file, std::string_view to, bool replace = false,
                  FileInfoClass info = FileInfoClass::rename) {
    const Bytes name = utf16_from_utf8(to);
    LittleWriter out;
    out.u8(replace ? 1 : 0);
    out.zeros(15);
    out.u32(static_cast<std::uint32_t>(name.size()));
    out.bytes(name);
    return set(file, info, out.take());
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
    LittleWriter out;
    out.u16(36);
    out.u16(0);
    out.u32(0);
    for (int i = 0; i < 16; ++i) out.u8(key);
    out.u32(state);
    out.u64(0);
    last = command(Command::oplock_break, out.take());
    return last.status();
  }
  NtStatus acknowledge_oplock(FileHandle file, OplockLevel level) {
    LittleWriter out;
    out.u16(24);
    out.u8(static_cast<std::uint8_t>(level));
    out.u8(0);
    out.u32(0);
    write_handle(out, file);
    last = command(Command::oplock_break, out.take());
    return last.status();
  }
  Answer last;

 private:
  void collect() {
    while (!peer->sent.empty()) {
      for (Answer& answer : receive()) {
        const bool notice = answer.header.message_id == kNoMessageId;
        if (notice)
          breaks_.push_back(break_of(answer));
        else
          answers_.push_back(std::move(answer));
      }
    }
  }
  static BreakNotice break_of(const Answer& answer) {
    EXPECT_EQ(answer.header.command, Command::oplock_break);
    EXPECT_EQ(answer.header.session_id, 0u);
    EXPECT_EQ(answer.header.tree_id, 0u);
    LittleReader in(answer.body());
    BreakNotice notice;
    notice.lease = in.u16() == 44;
    if (!notice.lease) {
      notice.level = in.u8();
      in.skip(5);
      notice.file = read_handle(in);
    } else {
      notice.epoch = in.u16();
      notice.ack = in.u32() == 1;
      notice.key = in.take(16).front();
      notice.from = in.u32();
      notice.to = in.u32();
      in.skip(12);
    }
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.remaining(), 0u);
    return notice;
  }
  std::vector<Answer> answers_;
  std::vector<BreakNotice> breaks_;
};

}  // namespace lockstep::wire::smb2::test
