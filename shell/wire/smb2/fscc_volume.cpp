#include "shell/wire/smb2/fscc_volume.hpp"

#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint32_t kSectorSize = 512;
// MS-FSCC 2.5.1: CASE_PRESERVED_NAMES, UNICODE_ON_DISK; names are looked up without case.
constexpr std::uint32_t kFileSystemAttributes = 0x00000002 | 0x00000004;
constexpr std::uint32_t kFileSystemReadOnly = 0x00080000;
constexpr std::uint32_t kDeviceDisk = 7;
constexpr std::uint32_t kDeviceIsMounted = 0x20;
// MS-FSCC 2.5.8: partition and sectors are aligned on the device.
constexpr std::uint32_t kSectorsAligned = 0x1 | 0x2;

std::uint32_t sectors_per_unit(const files::Volume& volume) {
  return volume.block_size < kSectorSize ? 1 : volume.block_size / kSectorSize;
}
std::uint64_t units(const files::Volume& volume, std::uint64_t bytes) {
  return bytes / (std::uint64_t{sectors_per_unit(volume)} * kSectorSize);
}

void write_sector_size(LittleWriter& out) {
  for (int i = 0; i < 4; ++i) out.u32(kSectorSize);  // logical, physical, two of performance
  out.u32(kSectorsAligned);
  out.u32(0);
  out.u32(0);
}

}  // namespace

InfoBuffer encode_volume_info(VolumeInfoClass info, const files::Volume& volume,
                              std::string_view label, bool read_only) {
  LittleWriter out;
  const auto whole = [&](std::size_t fixed) {
    return InfoBuffer{NtStatus::success, out.take(), fixed};
  };
  const Bytes name = utf16_from_utf8(label);
  switch (info) {
    case VolumeInfoClass::volume:
      out.u64(0);  // VolumeCreationTime: not known
      out.u32(volume.serial);
      out.u32(static_cast<std::uint32_t>(name.size()));
      out.u16(0);
      out.bytes(name);
      return whole(24);
    case VolumeInfoClass::size:
      out.u64(units(volume, volume.total_bytes));
      out.u64(units(volume, volume.available_bytes));
      out.u32(sectors_per_unit(volume));
      out.u32(kSectorSize);
      return whole(24);
    case VolumeInfoClass::device:
      out.u32(kDeviceDisk);
      out.u32(kDeviceIsMounted);
      return whole(8);
    case VolumeInfoClass::attribute: {
      // Clients choose by this name what they expect of a file system.
      const Bytes type = utf16_from_utf8("NTFS");
      out.u32(kFileSystemAttributes | (read_only ? kFileSystemReadOnly : 0));
      out.u32(volume.name_max);
      out.u32(static_cast<std::uint32_t>(type.size()));
      out.bytes(type);
      return whole(16);
    }
    case VolumeInfoClass::control:
      out.zeros(24);
      out.u64(~std::uint64_t{0});  // no default quota
      out.u64(~std::uint64_t{0});
      out.u64(0);
      return whole(48);
    case VolumeInfoClass::full_size:
      out.u64(units(volume, volume.total_bytes));
      out.u64(units(volume, volume.available_bytes));
      out.u64(units(volume, volume.free_bytes));
      out.u32(sectors_per_unit(volume));
      out.u32(kSectorSize);
      return whole(32);
    case VolumeInfoClass::object_id:
      out.u32(volume.serial);
      out.zeros(60);
      return whole(64);
    case VolumeInfoClass::sector_size:
      write_sector_size(out);
      return whole(28);
    case VolumeInfoClass::label:
      break;
  }
  return {NtStatus::invalid_info_class, {}, 0};
}

}  // namespace lockstep::wire::smb2
