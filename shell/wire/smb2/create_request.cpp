#include "shell/wire/smb2/create_request.hpp"

#include <algorithm>
#include <string_view>

namespace lockstep::wire::smb2 {
namespace {

constexpr std::size_t kContextHeader = 16;
constexpr std::size_t kContextsMax = 64;
constexpr std::uint32_t kLeaseParentKeySet = 4;
constexpr std::size_t kLeaseV1Size = 32;
constexpr std::size_t kLeaseV2Size = 52;

core::LeaseKey read_key(LittleReader& in) {
  core::LeaseKey key;
  const ByteView bytes = in.take(key.bytes.size());
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

bool decode_lease(ByteView data, CreateContexts& contexts) {
  if (data.size() != kLeaseV1Size && data.size() != kLeaseV2Size) return false;
  LittleReader in(data);
  LeaseRequest lease;
  lease.version2 = data.size() == kLeaseV2Size;
  lease.key = read_key(in);
  lease.rights = rights_of_state(in.u32());
  const std::uint32_t flags = in.u32();
  in.u64();  // LeaseDuration: reserved
  if (lease.version2) {
    const core::LeaseKey parent = read_key(in);
    if ((flags & kLeaseParentKeySet) != 0) lease.parent = parent;
    lease.epoch = in.u16();
  }
  contexts.lease = lease;
  return true;
}

/// One context by its four-letter name; false when its data is malformed. Others are ignored.
bool decode_context(std::string_view name, ByteView data, CreateContexts& contexts) {
  LittleReader in(data);
  if (name == "RqLs") return decode_lease(data, contexts);
  if (name == "MxAc") {
    contexts.maximal_access.emplace();
    if (data.empty()) return true;
    contexts.maximal_access->timestamp = in.u64();
    return in.ok();
  }
  if (name == "AlSi") {
    contexts.allocation = in.u64();
    return in.ok();
  }
  if (name == "QFid") contexts.disk_id = true;
  if (name == "ExtA") contexts.extended_attributes = true;
  if (name == "TWrp") contexts.timewarp = true;
  if (name == "DHnC" || name == "DH2C") contexts.durable_reconnect = true;
  if (name == "SecD") contexts.security = data;
  return true;
}

bool decode_contexts(ByteView area, CreateContexts& contexts) {
  for (std::size_t count = 0; !area.empty(); ++count) {
    if (count == kContextsMax) return false;
    LittleReader in(area);
    const std::uint32_t next = in.u32();
    const std::uint16_t name_offset = in.u16();
    const std::uint16_t name_length = in.u16();
    in.u16();
    const std::uint16_t data_offset = in.u16();
    const std::uint32_t data_length = in.u32();
    if (in.failed() || next > area.size() || (next != 0 && next < kContextHeader)) return false;
    const ByteView own = next == 0 ? area : area.first(next);
    // A tag is four letters or a GUID; anything shorter is malformed (as Windows sees it).
    if (name_length < 4) return false;
    LittleReader name(own);
    name.seek(name_offset);
    const ByteView tag = name.take(name_length);
    ByteView data;
    if (data_length != 0) {
      LittleReader value(own);
      value.seek(data_offset);
      data = value.take(data_length);
      if (value.failed()) return false;
    }
    if (name.failed()) return false;
    if (!decode_context(as_text(tag), data, contexts)) return false;
    if (next == 0) break;
    area = area.subspan(next);
  }
  return true;
}

// ---- The response ------------------------------------------------------------------------------

void write_context(LittleWriter& out, std::string_view tag, ByteView data, std::size_t& last) {
  out.align(8);
  if (last != 0) out.patch_u32(last, static_cast<std::uint32_t>(out.size() - last));
  last = out.size();
  out.u32(0);
  out.u16(kContextHeader);
  out.u16(static_cast<std::uint16_t>(tag.size()));
  out.u16(0);
  out.u16(data.empty() ? 0 : kContextHeader + 8);
  out.u32(static_cast<std::uint32_t>(data.size()));
  out.text(tag);
  out.zeros(4);
  out.bytes(data);
}

Bytes encode_lease(const CreateAnswer::Lease& lease) {
  constexpr std::uint32_t kBreakInProgress = 2;
  LittleWriter out;
  out.bytes(lease.key.bytes);
  out.u32(state_of(lease.rights));
  out.u32((lease.breaking ? kBreakInProgress : 0) | (lease.parent ? kLeaseParentKeySet : 0));
  out.u64(0);
  if (!lease.version2) return out.take();
  out.bytes(lease.parent.value_or(core::LeaseKey{}).bytes);
  out.u16(lease.epoch);
  out.u16(0);
  return out.take();
}

Bytes encode_maximal_access(std::uint32_t mask) {
  LittleWriter out;
  out.u32(static_cast<std::uint32_t>(NtStatus::success));
  out.u32(mask);
  return out.take();
}

Bytes encode_disk_id(const files::Attributes& attributes) {
  LittleWriter out;
  out.u64(attributes.node);
  out.u64(attributes.volume);
  out.zeros(16);
  return out.take();
}

}  // namespace

DecodedCreate decode_create(ByteView message) {
  DecodedCreate decoded;
  CreateRequest& create = decoded.request;
  LittleReader in(message);
  in.skip(kHeaderSize);
  in.u16();  // StructureSize: checked
  in.u8();   // SecurityFlags
  create.oplock = static_cast<OplockLevel>(in.u8());
  create.impersonation = in.u32();
  in.u64();  // SmbCreateFlags
  in.u64();
  create.desired_access = in.u32();
  create.attributes = in.u32();
  create.share = in.u32();
  create.disposition = in.u32();
  create.options = in.u32();
  const std::uint16_t name_offset = in.u16();
  const std::uint16_t name_length = in.u16();
  const std::uint32_t contexts_offset = in.u32();
  const std::uint32_t contexts_length = in.u32();
  bool good = in.ok();
  if (name_length != 0) {
    in.seek(name_offset);
    create.name = in.take(name_length);
    good = good && in.ok() && name_offset >= kHeaderSize + 56;
  }
  if (contexts_length != 0) {
    in.seek(contexts_offset);
    const ByteView area = in.take(contexts_length);
    good = good && in.ok() && contexts_offset >= kHeaderSize + 56 &&
           decode_contexts(area, create.contexts);
  }
  if (!good) decoded.status = NtStatus::invalid_parameter;
  return decoded;
}

Bytes encode_create(const CreateAnswer& answer) {
  constexpr std::uint16_t kStructureSize = 89;
  LittleWriter out;
  out.u16(kStructureSize);
  out.u8(static_cast<std::uint8_t>(answer.oplock));
  out.u8(0);
  out.u32(static_cast<std::uint32_t>(answer.action));
  write_times(out, answer.attributes, answer.dos);
  out.u64(shown_allocation(answer.attributes));
  out.u64(shown_size(answer.attributes));
  out.u32(shown_attributes(answer.attributes, answer.dos));
  out.u32(0);
  write_handle(out, answer.handle);
  const std::size_t contexts_at = out.size();
  out.u64(0);
  const std::size_t start = out.size();  // 88: a multiple of eight, as contexts need
  std::size_t last = 0;
  if (answer.lease) write_context(out, "RqLs", encode_lease(*answer.lease), last);
  if (answer.maximal_access) {
    write_context(out, "MxAc", encode_maximal_access(*answer.maximal_access), last);
  }
  if (answer.disk_id) write_context(out, "QFid", encode_disk_id(answer.attributes), last);
  if (out.size() != start) {
    out.patch_u32(contexts_at, static_cast<std::uint32_t>(kHeaderSize + start));
    out.patch_u32(contexts_at + 4, static_cast<std::uint32_t>(out.size() - start));
  }
  return out.take();
}

}  // namespace lockstep::wire::smb2
