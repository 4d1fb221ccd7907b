#include "shell/wire/smb2/fscc_security.hpp"

#include <algorithm>
#include <array>

#include "shell/wire/smb2/create_access.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint16_t kSelfRelative = 0x8000;
constexpr std::uint16_t kDaclPresent = 0x0004;
constexpr std::uint8_t kAllowed = 0;
constexpr std::uint8_t kDenied = 1;
constexpr std::uint8_t kInheritOnly = 0x08;
constexpr std::uint8_t kUnixAuthority = 22;
constexpr std::uint8_t kWorldAuthority = 1;
constexpr std::uint8_t kCreatorAuthority = 3;
constexpr std::uint8_t kNtAuthority = 5;
constexpr std::uint32_t kUnixUser = 1;
constexpr std::uint32_t kUnixGroup = 2;
constexpr std::size_t kSubAuthoritiesMax = 15;
constexpr std::size_t kAclHeaderSize = 8;

struct Sid {
  std::uint64_t authority = 0;
  std::vector<std::uint32_t> parts;
  friend bool operator==(const Sid&, const Sid&) = default;
};

Sid user_sid(std::uint32_t uid) { return {kUnixAuthority, {kUnixUser, uid}}; }
Sid group_sid(std::uint32_t gid) { return {kUnixAuthority, {kUnixGroup, gid}}; }
Sid everyone() { return {kWorldAuthority, {0}}; }

/// Names that stand for the owner, the group or everybody (MS-DTYP 2.4.2.4).
bool means_owner(const Sid& sid) {
  return sid == Sid{kCreatorAuthority, {0}} || sid == Sid{kCreatorAuthority, {4}};
}
bool means_group(const Sid& sid) { return sid == Sid{kCreatorAuthority, {1}}; }
bool means_all(const Sid& sid) {
  return sid == everyone() || sid == Sid{kNtAuthority, {11}} || sid == Sid{kNtAuthority, {32, 545}};
}

std::optional<std::uint32_t> unix_id(const Sid& sid, std::uint32_t kind) {
  if (sid.authority != kUnixAuthority || sid.parts.size() != 2 || sid.parts[0] != kind) {
    return std::nullopt;
  }
  return sid.parts[1];
}

std::size_t size_of(const Sid& sid) { return 8 + 4 * sid.parts.size(); }

void write_sid(LittleWriter& out, const Sid& sid) {
  out.u8(1);
  out.u8(static_cast<std::uint8_t>(sid.parts.size()));
  for (int shift = 40; shift >= 0; shift -= 8) {
    out.u8(static_cast<std::uint8_t>(sid.authority >> shift));
  }
  for (std::uint32_t part : sid.parts) out.u32(part);
}

std::optional<Sid> read_sid(LittleReader& in) {
  Sid sid;
  const std::uint8_t revision = in.u8();
  const std::uint8_t count = in.u8();
  for (int i = 0; i < 6; ++i) sid.authority = (sid.authority << 8) | in.u8();
  if (revision != 1 || count > kSubAuthoritiesMax) return std::nullopt;
  for (std::uint8_t i = 0; i < count; ++i) sid.parts.push_back(in.u32());
  if (in.failed()) return std::nullopt;
  return sid;
}

/// What three permission bits let their class do.
std::uint32_t mask_of(std::uint32_t bits, bool directory) {
  std::uint32_t mask = 0;
  if ((bits & 4) != 0) mask |= access::kFileRead | (directory ? 0 : access::kExecute);
  if ((bits & 2) != 0) {
    mask |= access::kFileWrite | (directory ? access::kDeleteChild : 0);
  }
  if ((bits & 1) != 0) mask |= access::kFileExecute;
  return mask;
}

std::uint32_t bits_of(std::uint32_t mask) {
  std::uint32_t bits = 0;
  if ((mask & access::kReadData) != 0) bits |= 4;
  if ((mask & access::kWriteData) != 0) bits |= 2;
  if ((mask & access::kExecute) != 0) bits |= 1;
  return bits;
}

void write_ace(LittleWriter& out, const Sid& sid, std::uint32_t mask) {
  out.u8(kAllowed);
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(8 + size_of(sid)));
  out.u32(mask);
  write_sid(out, sid);
}

void write_dacl(LittleWriter& out, const files::Attributes& file) {
  const bool directory = file.type == files::FileType::directory;
  const std::size_t start = out.size();
  out.u8(2);
  out.u8(0);
  out.u16(0);
  out.u16(3);
  out.u16(0);
  const std::uint32_t owner_bits = (file.mode >> 6) & 7;
  // The owner may always change mode and group; reading and writing both is all that a file has.
  const std::uint32_t owner = (owner_bits & 6) == 6
                                  ? access::kFileAll
                                  : mask_of(owner_bits, directory) | access::kReadControl |
                                        access::kWriteDac | access::kWriteOwner |
                                        access::kReadAttributes | access::kWriteAttributes |
                                        access::kSynchronize;
  const std::uint32_t always =
      access::kReadAttributes | access::kReadControl | access::kSynchronize;
  write_ace(out, user_sid(file.uid), owner);
  write_ace(out, group_sid(file.gid), mask_of((file.mode >> 3) & 7, directory) | always);
  write_ace(out, everyone(), mask_of(file.mode & 7, directory) | always);
  out.patch_u16(start + 2, static_cast<std::uint16_t>(out.size() - start));
}

/// An entry that allows or denies something here (not only to what will be made below).
struct Ace {
  bool allows = false;
  std::uint32_t mask = 0;
  Sid sid;
};

/// The entries of a list that begins `bytes`; nothing when it is none.
struct Acl {
  ByteView bytes;
  std::vector<Ace> entries;
};
std::optional<Acl> read_acl(ByteView bytes) {
  LittleReader header(bytes);
  header.u16();
  const std::uint16_t whole = header.u16();
  const std::uint16_t count = header.u16();
  if (header.failed() || whole < kAclHeaderSize || whole > bytes.size()) return std::nullopt;
  Acl acl;
  acl.bytes = bytes.first(whole);
  LittleReader in(acl.bytes);
  in.skip(kAclHeaderSize);
  for (std::uint16_t i = 0; i < count; ++i) {
    const std::size_t start = in.position();
    const std::uint8_t type = in.u8();
    const std::uint8_t flags = in.u8();
    const std::uint16_t size = in.u16();
    const std::uint32_t mask = in.u32();
    const std::optional<Sid> sid = read_sid(in);
    if (in.failed() || !sid || size < in.position() - start) return std::nullopt;
    in.skip(size - (in.position() - start));
    if ((flags & kInheritOnly) == 0 && type <= kDenied) {
      acl.entries.push_back({type == kAllowed, map_generic(mask), *sid});
    }
  }
  if (in.failed()) return std::nullopt;
  return acl;
}

/// What entries allow, in their order: what comes first decides.
struct Tally {
  std::uint32_t allowed = 0, denied = 0;
  void count(bool allows, std::uint32_t bits) {
    if (allows)
      allowed |= bits & ~denied;
    else
      denied |= bits & ~allowed;
  }
};

/// A list as permission bits: each class gets what the entries for it and for those around it
/// allow.
std::uint32_t mode_of(const Acl& acl, const files::Attributes& file) {
  struct Class {
    Sid sid;
    Tally tally;
  };
  std::array<Class, 3> classes = {
      {{user_sid(file.uid), {}}, {group_sid(file.gid), {}}, {everyone(), {}}}};
  for (const Ace& ace : acl.entries) {
    const bool all = means_all(ace.sid);
    for (Class& who : classes) {
      const bool meant = all || who.sid == ace.sid ||
                         (&who == &classes[0] && means_owner(ace.sid)) ||
                         (&who == &classes[1] && means_group(ace.sid));
      if (meant) who.tally.count(ace.allows, bits_of(ace.mask));
    }
  }
  return (classes[0].tally.allowed << 6) | (classes[1].tally.allowed << 3) |
         classes[2].tally.allowed;
}

bool in_group(const files::Credentials& who, std::uint32_t gid) {
  return who.gid == gid || std::ranges::find(who.groups, gid) != who.groups.end();
}

bool means(const Sid& sid, const files::Credentials& who, const files::Attributes& file) {
  if (means_all(sid)) return true;
  if (means_owner(sid)) return who.uid == file.uid;
  if (means_group(sid)) return in_group(who, file.gid);
  if (const auto uid = unix_id(sid, kUnixUser)) return who.uid == *uid;
  const auto gid = unix_id(sid, kUnixGroup);
  return gid && in_group(who, *gid);
}

std::optional<Sid> sid_at(ByteView descriptor, std::uint32_t offset) {
  LittleReader in(descriptor);
  in.seek(offset);
  return read_sid(in);
}

}  // namespace

const files::StoredRights* rights_in_force(const files::Attributes& attributes,
                                           const files::DosInfo& dos) {
  const bool counts = dos.rights && dos.rights->mode == attributes.mode &&
                      dos.rights->uid == attributes.uid && dos.rights->gid == attributes.gid;
  return counts ? &*dos.rights : nullptr;
}

std::uint32_t allowed_by_list(const files::Credentials& who, const files::Attributes& attributes,
                              const files::DosInfo& dos) {
  const files::StoredRights* const stored = rights_in_force(attributes, dos);
  if (stored == nullptr || stored->acl.empty()) return access::kFileAll;
  const std::optional<Acl> acl = read_acl(stored->acl);
  if (!acl) return access::kFileAll;
  Tally tally;
  for (const Ace& ace : acl->entries) {
    if (means(ace.sid, who, attributes)) tally.count(ace.allows, ace.mask);
  }
  // Whoever owns a file can always mend its list; attributes can be read in the directory too.
  const bool owner = who.uid == 0 || who.uid == attributes.uid;
  return tally.allowed | access::kReadAttributes | access::kSynchronize |
         (owner ? access::kReadControl | access::kWriteDac : 0);
}

Bytes encode_security(const files::Attributes& attributes, const files::DosInfo& dos,
                      std::uint32_t wanted) {
  LittleWriter out;
  const bool dacl = (wanted & security::kDacl) != 0;
  out.u8(1);
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(kSelfRelative | (dacl ? kDaclPresent : 0)));
  out.zeros(16);
  const auto here = [&](std::size_t field) {
    out.patch_u32(field, static_cast<std::uint32_t>(out.size()));
  };
  if ((wanted & security::kOwner) != 0) {
    here(4);
    write_sid(out, user_sid(attributes.uid));
  }
  if ((wanted & security::kGroup) != 0) {
    here(8);
    write_sid(out, group_sid(attributes.gid));
  }
  if (!dacl) return out.take();
  const files::StoredRights* const stored = rights_in_force(attributes, dos);
  if (stored == nullptr) {
    here(16);
    write_dacl(out, attributes);
  } else if (!stored->acl.empty()) {  // the null list is one that is there and nowhere
    here(16);
    out.bytes(stored->acl);
  }
  return out.take();
}

bool has_dacl(ByteView descriptor) {
  LittleReader in(descriptor);
  in.u16();
  return (in.u16() & kDaclPresent) != 0;
}

SecurityChange decode_security(ByteView descriptor, std::uint32_t parts,
                               const files::Attributes& now) {
  SecurityChange change;
  LittleReader in(descriptor);
  const std::uint8_t revision = in.u8();
  in.u8();
  const std::uint16_t control = in.u16();
  const std::uint32_t owner = in.u32();
  const std::uint32_t group = in.u32();
  in.u32();
  const std::uint32_t dacl = in.u32();
  const auto refuse = [&](NtStatus status) {
    change = SecurityChange{};
    change.status = status;
    return change;
  };
  if (in.failed() || revision != 1 || (control & kSelfRelative) == 0) {
    return refuse(NtStatus::invalid_security_descr);
  }
  files::Attributes then = now;
  if ((parts & security::kOwner) != 0 && owner != 0) {
    const std::optional<Sid> sid = sid_at(descriptor, owner);
    if (!sid) return refuse(NtStatus::invalid_security_descr);
    change.uid = unix_id(*sid, kUnixUser);
    if (!change.uid) return refuse(NtStatus::none_mapped);
    then.uid = *change.uid;
  }
  if ((parts & security::kGroup) != 0 && group != 0) {
    const std::optional<Sid> sid = sid_at(descriptor, group);
    if (!sid) return refuse(NtStatus::invalid_security_descr);
    change.gid = unix_id(*sid, kUnixGroup);
    if (!change.gid) return refuse(NtStatus::none_mapped);
    then.gid = *change.gid;
  }
  if ((parts & security::kDacl) != 0) {
    if ((control & kDaclPresent) == 0 || dacl == 0) {
      // No list at all lets everybody do everything.
      change.mode = 0777;
      change.acl.emplace();
    } else {
      if (dacl > descriptor.size()) return refuse(NtStatus::invalid_security_descr);
      const std::optional<Acl> acl = read_acl(descriptor.subspan(dacl));
      if (!acl) return refuse(NtStatus::invalid_security_descr);
      change.mode = mode_of(*acl, then);
      change.acl.emplace(acl->bytes.begin(), acl->bytes.end());
    }
  }
  return change;
}

}  // namespace lockstep::wire::smb2
