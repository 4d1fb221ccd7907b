#include "shell/wire/smb2/fscc_file.hpp"

#include "shell/wire/smb2/names.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

bool is_directory(const FileFacts& facts) {
  return facts.attributes.type == files::FileType::directory;
}

void write_basic(LittleWriter& out, const FileFacts& facts) {
  write_times(out, facts.attributes, facts.dos);
  out.u32(shown_attributes(facts.attributes, facts.dos));
  out.u32(0);
}

void write_standard(LittleWriter& out, const FileFacts& facts) {
  std::uint32_t links = is_directory(facts) ? 1 : facts.attributes.links;
  // A file that is going to be deleted has that name no more.
  if (facts.delete_pending && links != 0) --links;
  out.u64(shown_allocation(facts.attributes));
  out.u64(shown_size(facts.attributes));
  out.u32(links);
  out.u8(facts.delete_pending ? 1 : 0);
  out.u8(is_directory(facts) ? 1 : 0);
  out.u16(0);
}

void write_name(LittleWriter& out, ByteView name) {
  out.u32(static_cast<std::uint32_t>(name.size()));
  out.bytes(name);
}

void write_all(LittleWriter& out, const FileFacts& facts) {
  write_basic(out, facts);
  write_standard(out, facts);
  out.u64(index_number(facts.attributes));
  out.u32(0);  // EaSize
  out.u32(facts.granted_access);
  out.u64(facts.position);
  out.u32(facts.mode);
  out.u32(0);  // AlignmentRequirement: byte
  const Bytes path = wire_path(facts.path);
  out.u32(static_cast<std::uint32_t>(path.size() + 2));
  out.u16('\\');
  out.bytes(path);
}

void write_network_open(LittleWriter& out, const FileFacts& facts) {
  write_times(out, facts.attributes, facts.dos);
  out.u64(shown_allocation(facts.attributes));
  out.u64(shown_size(facts.attributes));
  out.u32(shown_attributes(facts.attributes, facts.dos));
  out.u32(0);
}

void write_streams(LittleWriter& out, const FileFacts& facts) {
  if (is_directory(facts)) return;
  const Bytes name = utf16_from_utf8("::$DATA");
  out.u32(0);
  out.u32(static_cast<std::uint32_t>(name.size()));
  out.u64(shown_size(facts.attributes));
  out.u64(shown_allocation(facts.attributes));
  out.bytes(name);
}

}  // namespace

std::uint64_t index_number(const files::Attributes& attributes) { return attributes.node; }

std::uint32_t access_for_query(FileInfoClass info) {
  switch (info) {
    case FileInfoClass::basic:
    case FileInfoClass::all:
    case FileInfoClass::network_open:
    case FileInfoClass::attribute_tag:
      return access::kReadAttributes;
    case FileInfoClass::full_ea:
      return access::kReadEa;
    default:
      return 0;
  }
}

bool tells_attributes(FileInfoClass info) {
  switch (info) {
    case FileInfoClass::basic:
    case FileInfoClass::standard:
    case FileInfoClass::all:
    case FileInfoClass::network_open:
    case FileInfoClass::stream:
    case FileInfoClass::compression:
      return true;
    default:
      return false;
  }
}

InfoBuffer encode_file_info(FileInfoClass info, const FileFacts& facts) {
  LittleWriter out;
  const auto whole = [&](std::size_t fixed) {
    return InfoBuffer{NtStatus::success, out.take(), fixed};
  };
  switch (info) {
    case FileInfoClass::basic:
      write_basic(out, facts);
      return whole(40);
    case FileInfoClass::standard:
      write_standard(out, facts);
      return whole(24);
    case FileInfoClass::internal:
      out.u64(index_number(facts.attributes));
      return whole(8);
    case FileInfoClass::ea:
      out.u32(0);
      return whole(4);
    case FileInfoClass::access:
      out.u32(facts.granted_access);
      return whole(4);
    case FileInfoClass::position:
      out.u64(facts.position);
      return whole(8);
    case FileInfoClass::mode:
      out.u32(facts.mode);
      return whole(4);
    case FileInfoClass::alignment:
      out.u32(0);
      return whole(4);
    case FileInfoClass::all:
      write_all(out, facts);
      return whole(104);
    case FileInfoClass::network_open:
      write_network_open(out, facts);
      return whole(56);
    case FileInfoClass::stream:
      write_streams(out, facts);
      return whole(32);
    case FileInfoClass::full_ea:
      return {NtStatus::no_eas_on_file, {}, 0};
    case FileInfoClass::alternate_name: {
      if (facts.path.empty() || !is_short_name(facts.path.back())) {
        return {NtStatus::object_name_not_found, {}, 0};
      }
      write_name(out, wire_name(facts.path.back()));
      return whole(8);
    }
    case FileInfoClass::normalized_name:
      write_name(out, wire_path(facts.path));
      return whole(8);
    case FileInfoClass::compression:
      out.u64(shown_size(facts.attributes));
      out.zeros(8);
      return whole(16);
    case FileInfoClass::attribute_tag:
      out.u32(shown_attributes(facts.attributes, facts.dos));
      out.u32(0);
      return whole(8);
    case FileInfoClass::id:
      out.u64(facts.attributes.volume);
      out.u64(facts.attributes.node);
      out.u64(0);
      return whole(24);
    default:
      return {NtStatus::invalid_info_class, {}, 0};
  }
}

InfoBuffer fit(InfoBuffer info, std::uint32_t output_max) {
  if (info.status != NtStatus::success) return info;
  if (output_max < info.fixed) return {NtStatus::info_length_mismatch, {}, 0};
  if (output_max < info.bytes.size()) {
    info.bytes.resize(output_max);
    info.status = NtStatus::buffer_overflow;
  }
  return info;
}

}  // namespace lockstep::wire::smb2
