// Security descriptors (MS-DTYP 2.4) made from owner, group and mode, and read back into them.
//
// Users are S-1-22-1-uid, groups S-1-22-2-gid (the SIDs that Unix servers use for accounts that no
// domain knows), others are Everyone (S-1-1-0). A list of rights that a client sets becomes a mode,
// which is what every other protocol goes by, and is kept beside it: SMB opens get what both allow.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

/// SECURITY_INFORMATION bits (MS-DTYP 2.4.7).
namespace security {
inline constexpr std::uint32_t kOwner = 0x1;
inline constexpr std::uint32_t kGroup = 0x2;
inline constexpr std::uint32_t kDacl = 0x4;
inline constexpr std::uint32_t kSacl = 0x8;
}  // namespace security

/// The parts of the descriptor that `wanted` names, self-relative.
Bytes encode_security(const files::Attributes& attributes, const files::DosInfo& dos,
                      std::uint32_t wanted);

/// The list that a client set, while it counts; null when there is none.
const files::StoredRights* rights_in_force(const files::Attributes& attributes,
                                           const files::DosInfo& dos);

/// What that list grants (MS-DTYP 2.5.3.2), with what ownership implies; everything without one.
std::uint32_t allowed_by_list(const files::Credentials& who, const files::Attributes& attributes,
                              const files::DosInfo& dos);

/// What a descriptor asks of owner, group and mode.
struct SecurityChange {
  NtStatus status = NtStatus::success;
  std::optional<std::uint32_t> uid, gid;
  std::optional<std::uint32_t> mode;  ///< the nine permission bits
  std::optional<Bytes> acl;  ///< the list that the mode was made from; empty: the null list
};

/// Reads the parts that `parts` names. INVALID_SECURITY_DESCR when the bytes are none, NONE_MAPPED
/// for an owner or group that is no Unix account. `directory` gives rights their meaning; `now` has
/// the owner and group that the DACL's entries are compared with.
SecurityChange decode_security(ByteView descriptor, std::uint32_t parts,
                               const files::Attributes& now);

/// Whether it carries a list of rights at all (a null list lets everybody do everything).
bool has_dacl(ByteView descriptor);

}  // namespace lockstep::wire::smb2
