#include "shell/wire/smb2/fscc_directory.hpp"

#include "shell/wire/smb2/names.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::size_t kAlignment = 8;

std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

/// Everything but NextEntryOffset, FileIndex and the name; the name's length on its way.
void write_fixed(LittleWriter& out, FileInfoClass info, const DirectoryEntry& entry,
                 std::size_t name_size) {
  const auto length = static_cast<std::uint32_t>(name_size);
  if (info == FileInfoClass::names) return out.u32(length);
  write_times(out, entry.attributes, entry.dos);
  out.u64(shown_size(entry.attributes));
  out.u64(shown_allocation(entry.attributes));
  out.u32(shown_attributes(entry.attributes, entry.dos));
  out.u32(length);
  if (info == FileInfoClass::directory) return;
  out.u32(0);  // EaSize
  switch (info) {
    case FileInfoClass::both_directory:
    case FileInfoClass::id_both_directory:
      out.zeros(2 + 24);  // no short names
      if (info == FileInfoClass::both_directory) return;
      out.u16(0);
      out.u64(entry.node);
      return;
    case FileInfoClass::id_full_directory:
      out.u32(0);
      out.u64(entry.node);
      return;
    case FileInfoClass::id_extd_directory:
      out.u32(0);  // ReparsePointTag
      out.u64(entry.node);
      out.u64(0);
      return;
    default:
      return;
  }
}

}  // namespace

std::optional<std::size_t> directory_fixed_size(FileInfoClass info) {
  switch (info) {
    case FileInfoClass::names:
      return 12;
    case FileInfoClass::directory:
      return 64;
    case FileInfoClass::full_directory:
      return 68;
    case FileInfoClass::both_directory:
      return 94;
    case FileInfoClass::id_full_directory:
      return 80;
    case FileInfoClass::id_both_directory:
      return 104;
    case FileInfoClass::id_extd_directory:
      return 88;
    default:
      return std::nullopt;
  }
}

bool DirectoryBuffer::append(const DirectoryEntry& entry) {
  const Bytes name = wire_name(entry.name);
  const std::size_t at = aligned(out_.size());
  const std::size_t fixed = directory_fixed_size(info_).value_or(0);
  if (at + fixed + name.size() > output_max_) return false;
  if (!empty()) {
    out_.align(kAlignment);
    out_.patch_u32(last_, static_cast<std::uint32_t>(at - last_));
  }
  last_ = at;
  out_.u32(0);
  out_.u32(0);  // FileIndex: has no meaning here
  write_fixed(out_, info_, entry, name.size());
  out_.bytes(name);
  return true;
}

}  // namespace lockstep::wire::smb2
