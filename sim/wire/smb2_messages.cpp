#include "sim/wire/smb2_messages.hpp"

#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::sim {

using smb2::FileHandle;
using smb2::kHeaderSize;
using smb2::NtStatus;
using wire::Bytes;
using wire::ByteView;
using wire::LittleReader;
using wire::LittleWriter;

namespace {

constexpr std::size_t kLeaseKeySize = 16;

Bytes lease_context(const Creating::Lease& lease) {
  LittleWriter out;
  for (std::size_t i = 0; i < kLeaseKeySize; ++i) out.u8(lease.key);
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

/// `length` bytes at `offset` of the message.
std::optional<ByteView> part_of(const Answer& answer, std::size_t offset, std::size_t length) {
  const ByteView all = answer.message;
  if (offset > all.size() || length > all.size() - offset) return std::nullopt;
  return all.subspan(offset, length);
}

/// False: the list of contexts is broken.
bool read_contexts(ByteView area, std::map<std::string, Bytes>& contexts) {
  while (!area.empty()) {
    LittleReader in(area);
    const std::uint32_t next = in.u32();
    const std::uint16_t name_at = in.u16();
    const std::uint16_t name_size = in.u16();
    in.u16();
    const std::uint16_t data_at = in.u16();
    const std::uint32_t data_size = in.u32();
    in.seek(name_at);
    const std::string name(wire::as_text(in.take(name_size)));
    in.seek(data_at);
    const ByteView data = in.take(data_size);
    if (in.failed() || next > area.size()) return false;
    contexts[name] = Bytes(data.begin(), data.end());
    if (next == 0) break;
    area = area.subspan(next);
  }
  return true;
}

}  // namespace

Bytes create_body(Creating create) {
  if (create.lease) {
    create.oplock = smb2::OplockLevel::lease;
    create.contexts.emplace_back("RqLs", lease_context(*create.lease));
  }
  const Bytes name = smb2::utf16_from_utf8(create.name);
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

std::uint32_t Created::lease_state() const {
  const auto at = contexts.find("RqLs");
  if (at == contexts.end()) return ~0u;
  LittleReader in(at->second);
  in.skip(kLeaseKeySize);
  return in.u32();
}

Created created_of(const Answer& answer) {
  Created created;
  created.status = answer.status();
  if (created.status != NtStatus::success) return created;
  LittleReader in(answer.body());
  in.u16();
  created.oplock = static_cast<smb2::OplockLevel>(in.u8());
  in.u8();
  created.action = in.u32();
  in.skip(32 + 8);
  created.size = in.u64();
  created.attributes = in.u32();
  in.u32();
  created.handle = smb2::read_handle(in);
  const std::uint32_t offset = in.u32();
  const std::uint32_t length = in.u32();
  const auto area = part_of(answer, offset, length);
  if (in.failed() || !area || !read_contexts(*area, created.contexts)) {
    created.status = NtStatus::data_error;
  }
  return created;
}

std::optional<BreakNotice> break_of(const Answer& answer) {
  const smb2::Header& header = answer.header;
  if (header.command != smb2::Command::oplock_break || header.message_id != smb2::kNoMessageId ||
      header.session_id != 0 || header.tree_id != 0) {
    return std::nullopt;
  }
  LittleReader in(answer.body());
  BreakNotice notice;
  notice.lease = in.u16() == 44;
  if (!notice.lease) {
    notice.level = in.u8();
    in.skip(5);
    notice.file = smb2::read_handle(in);
  } else {
    notice.epoch = in.u16();
    notice.ack = in.u32() == 1;
    const ByteView key = in.take(kLeaseKeySize);
    notice.key = key.empty() ? std::uint8_t{0} : key.front();
    notice.from = in.u32();
    notice.to = in.u32();
    in.skip(12);
  }
  if (in.failed() || in.remaining() != 0) return std::nullopt;
  return notice;
}

Bytes simple_body(std::uint16_t size) {
  LittleWriter out;
  out.u16(size);
  out.u16(0);
  return out.take();
}

Bytes close_body(FileHandle file, bool query) {
  LittleWriter out;
  out.u16(24);
  out.u16(query ? 1 : 0);
  out.u32(0);
  write_handle(out, file);
  return out.take();
}

Bytes flush_body(FileHandle file) { return close_body(file); }

Bytes read_body(FileHandle file, std::uint64_t offset, std::uint32_t size, std::uint32_t minimum) {
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
  return out.take();
}

Bytes write_body(FileHandle file, std::uint64_t offset, ByteView data) {
  LittleWriter out;
  out.u16(49);
  out.u16(kHeaderSize + 48);
  out.u32(static_cast<std::uint32_t>(data.size()));
  out.u64(offset);
  write_handle(out, file);
  out.zeros(16);
  out.bytes(data);
  return out.take();
}

Bytes lock_body(FileHandle file, const std::vector<SmbLock>& elements, std::uint32_t sequence) {
  LittleWriter out;
  out.u16(48);
  out.u16(static_cast<std::uint16_t>(elements.size()));
  out.u32(sequence);
  write_handle(out, file);
  for (const SmbLock& element : elements) {
    out.u64(element.offset);
    out.u64(element.length);
    out.u32(element.flags);
    out.u32(0);
  }
  if (elements.empty()) out.zeros(24);
  return out.take();
}

Bytes query_info_body(FileHandle file, std::uint8_t type, std::uint8_t info, std::uint32_t size,
                      std::uint32_t additional) {
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
  return out.take();
}

Bytes set_info_body(FileHandle file, std::uint8_t type, std::uint8_t info, ByteView buffer,
                    std::uint32_t additional) {
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
  return out.take();
}

Bytes rename_buffer(std::string_view to, bool replace) {
  const Bytes name = smb2::utf16_from_utf8(to);
  LittleWriter out;
  out.u8(replace ? 1 : 0);
  out.zeros(15);
  out.u32(static_cast<std::uint32_t>(name.size()));
  out.bytes(name);
  return out.take();
}

Bytes list_body(FileHandle directory, std::uint32_t output_max) {
  const Bytes pattern = smb2::utf16_from_utf8("*");
  LittleWriter out;
  out.u16(33);
  out.u8(static_cast<std::uint8_t>(smb2::FileInfoClass::names));
  out.u8(0);
  out.u32(0);
  write_handle(out, directory);
  out.u16(kHeaderSize + 32);
  out.u16(static_cast<std::uint16_t>(pattern.size()));
  out.u32(output_max);
  out.bytes(pattern);
  return out.take();
}

std::optional<std::vector<std::string>> names_of_list(const Answer& answer) {
  const auto output = output_of(answer);
  if (!output) return std::nullopt;
  std::vector<std::string> names;
  for (std::size_t at = 0;;) {
    if (at > output->size()) return std::nullopt;
    LittleReader in(output->subspan(at));
    const std::uint32_t next = in.u32();
    in.u32();
    const auto name = smb2::utf8_from_utf16(in.take(in.u32()));
    if (in.failed() || !name) return std::nullopt;
    names.push_back(*name);
    if (next == 0) return names;
    at += next;
  }
}

Bytes lease_ack_body(std::uint8_t key, std::uint32_t state) {
  LittleWriter out;
  out.u16(36);
  out.u16(0);
  out.u32(0);
  for (std::size_t i = 0; i < kLeaseKeySize; ++i) out.u8(key);
  out.u32(state);
  out.u64(0);
  return out.take();
}

Bytes oplock_ack_body(FileHandle file, smb2::OplockLevel level) {
  LittleWriter out;
  out.u16(24);
  out.u8(static_cast<std::uint8_t>(level));
  out.u8(0);
  out.u32(0);
  write_handle(out, file);
  return out.take();
}

std::optional<ByteView> data_of_read(const Answer& answer) {
  LittleReader in(answer.body());
  in.u16();
  const std::uint8_t offset = in.u8();
  in.u8();
  const std::uint32_t length = in.u32();
  if (in.failed()) return std::nullopt;
  return part_of(answer, offset, length);
}

std::optional<ByteView> output_of(const Answer& answer) {
  LittleReader in(answer.body());
  in.u16();
  const std::uint16_t offset = in.u16();
  const std::uint32_t length = in.u32();
  if (in.failed()) return std::nullopt;
  return part_of(answer, offset, length);
}

}  // namespace lockstep::sim
