#include "shell/wire/smb2/create_access.hpp"

namespace lockstep::wire::smb2 {
namespace {
constexpr std::uint32_t kReadBit = 4;
constexpr std::uint32_t kWriteBit = 2;
constexpr std::uint32_t kExecuteBit = 1;
constexpr std::uint32_t kSticky = 01000;
constexpr std::uint32_t kGeneric =
    access::kGenericAll | access::kGenericExecute | access::kGenericWrite | access::kGenericRead;

bool owns(const files::Credentials& who, const files::Attributes& file) {
  return who.uid == 0 || who.uid == file.uid;
}
}  // namespace

std::uint32_t map_generic(std::uint32_t desired) {
  std::uint32_t mask = desired & ~kGeneric;
  if ((desired & access::kGenericRead) != 0) mask |= access::kFileRead;
  if ((desired & access::kGenericWrite) != 0) mask |= access::kFileWrite;
  if ((desired & access::kGenericExecute) != 0) mask |= access::kFileExecute;
  if ((desired & access::kGenericAll) != 0) mask |= access::kFileAll;
  return mask;
}

NtStatus check_mask(std::uint32_t desired) {
  constexpr std::uint32_t kKnown =
      access::kFileAll | kGeneric | access::kMaximumAllowed | access::kSystemSecurity;
  if ((desired & ~kKnown) != 0) return NtStatus::access_denied;
  if ((desired & access::kSystemSecurity) != 0) return NtStatus::privilege_not_held;
  if (desired == 0) return NtStatus::access_denied;
  return NtStatus::success;
}

std::uint32_t maximal_access(const RightsBasis& basis) {
  const bool directory = basis.attributes.type == files::FileType::directory;
  const bool may_read = (basis.unix_rwx & kReadBit) != 0;
  const bool may_write = (basis.unix_rwx & kWriteBit) != 0;
  const bool may_execute = (basis.unix_rwx & kExecuteBit) != 0;
  std::uint32_t mask = access::kReadAttributes | access::kReadControl | access::kSynchronize;
  if (may_read) mask |= access::kReadData | access::kReadEa;
  // A Unix mode for programs says nothing about what Windows may run: who reads may execute.
  if (may_execute || (may_read && !directory)) mask |= access::kExecute;
  if (may_write) {
    mask |= access::kWriteData | access::kAppendData | access::kWriteEa | access::kWriteAttributes;
    if (!directory || may_execute) mask |= access::kDeleteChild;
  }
  if (owns(basis.who, basis.attributes)) {
    mask |= access::kWriteAttributes | access::kWriteDac | access::kWriteOwner;
  }
  mask &= basis.listed;
  if (basis.may_delete) mask |= access::kDelete;
  if (!directory && (basis.dos & attribute::kReadOnly) != 0) {
    mask &= ~(access::kWriteData | access::kAppendData);
  }
  return mask & basis.share_max;
}

bool may_remove_entry(const files::Credentials& who, const files::Attributes& directory,
                      std::uint32_t directory_rwx, const files::Attributes& entry) {
  constexpr std::uint32_t kNeeded = kWriteBit | kExecuteBit;
  if ((directory_rwx & kNeeded) != kNeeded) return false;
  return (directory.mode & kSticky) == 0 || owns(who, directory) || owns(who, entry);
}

Granted grant_access(std::uint32_t desired, std::uint32_t maximal) {
  std::uint32_t wanted = desired & ~access::kMaximumAllowed;
  if ((wanted & ~maximal) != 0) return {NtStatus::access_denied, 0};
  if ((desired & access::kMaximumAllowed) != 0) wanted |= maximal;
  return {NtStatus::success, wanted};
}

bool attributes_only(std::uint32_t granted) {
  constexpr std::uint32_t kHarmless = access::kReadAttributes | access::kWriteAttributes |
                                      access::kSynchronize | access::kReadControl;
  return (granted & ~kHarmless) == 0;
}

}  // namespace lockstep::wire::smb2
