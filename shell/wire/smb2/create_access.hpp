// Who may do what: Windows access masks against the rights of a Unix file (MS-FSA 2.1.5.1.1, .2).
#pragma once

#include <cstdint>

#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

/// GENERIC_* of files and directories into what they stand for (MS-FSCC: the generic mapping).
std::uint32_t map_generic(std::uint32_t desired);

/// ACCESS_DENIED for a mask that asks for nothing or for bits that do not exist; the right to the
/// system ACL is a privilege that nobody has.
NtStatus check_mask(std::uint32_t desired);

/// What decides about an existing file.
struct RightsBasis {
  files::Credentials who;
  files::Attributes attributes;
  std::uint32_t dos = 0;                    ///< shown attributes: READONLY matters
  std::uint32_t unix_rwx = 0;               ///< what files::access says
  std::uint32_t listed = access::kFileAll;  ///< what a list of rights that a client set allows
  bool may_delete = false;  ///< the directory that holds it lets this user remove it
  std::uint32_t share_max = access::kFileAll;
};

/// Everything that an open of this file could be granted.
std::uint32_t maximal_access(const RightsBasis& basis);

/// Whether a directory's entry `entry` may be removed by `who`, who may write the directory or not
/// (`directory_rwx`); a sticky directory keeps it for the owners.
bool may_remove_entry(const files::Credentials& who, const files::Attributes& directory,
                      std::uint32_t directory_rwx, const files::Attributes& entry);

struct Granted {
  NtStatus status = NtStatus::success;
  std::uint32_t mask = 0;
};
/// `desired` (generic bits mapped) against `maximal`; MAXIMUM_ALLOWED adds all of it.
Granted grant_access(std::uint32_t desired, std::uint32_t maximal);

/// Rights that matter to nobody else: opens with only these take no share mode and break nothing
/// (but READ_CONTROL an oplock).
bool attributes_only(std::uint32_t granted);

}  // namespace lockstep::wire::smb2
