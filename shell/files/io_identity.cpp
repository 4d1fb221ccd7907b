#include "shell/files/io_identity.hpp"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <span>

namespace lockstep::files {
namespace {

#ifdef SYS_setgroups32  // 32-bit machines: the old calls have 16-bit ids
constexpr long kSetGroups = SYS_setgroups32, kSetFsUid = SYS_setfsuid32;
constexpr long kSetFsGid = SYS_setfsgid32;
#else
constexpr long kSetGroups = SYS_setgroups, kSetFsUid = SYS_setfsuid, kSetFsGid = SYS_setfsgid;
#endif

constexpr std::uint32_t kNoId = 0xffffffff;  // "no change" to the kernel, never a user
constexpr std::uint32_t kNobody = 65534;

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  bool load() { return syscall(SYS_capget, &header, data) == 0; }
  bool effective(unsigned number) const {
    return (data[number / 32].effective >> (number % 32) & 1U) != 0;
  }
};

bool effective_capability(unsigned number) {
  Capabilities caps;
  return caps.load() && caps.effective(number);
}

/// The identity that the process had when it first asked.
const Credentials& server_identity() {
  static const Credentials identity = [] {
    Credentials own;
    own.uid = geteuid();
    own.gid = getegid();
    const int count = getgroups(0, nullptr);
    own.groups.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0 && getgroups(count, own.groups.data()) != count) own.groups.clear();
    return own;
  }();
  return identity;
}

/// What the calling thread is now.
struct Current {
  Credentials who = server_identity();
  bool known = true;  ///< false after a switch that failed half way
};

/// setfsuid tells the old value and no error; asking with an impossible id tells the present one.
bool set_fs_id(long call, std::uint32_t id) {
  syscall(call, id);
  return static_cast<std::uint32_t>(syscall(call, kNoId)) == id;
}

bool become(Current& now, std::uint32_t uid, std::uint32_t gid,
            const std::vector<std::uint32_t>& groups) {
  if (now.known && now.who.uid == uid && now.who.gid == gid && now.who.groups == groups) {
    return true;
  }
  const bool all = !now.known;
  now.known = false;
  if (all || now.who.groups != groups) {
    if (syscall(kSetGroups, groups.size(), groups.data()) != 0) return false;
    now.who.groups = groups;
  }
  if ((all || now.who.gid != gid) && !set_fs_id(kSetFsGid, gid)) return false;
  now.who.gid = gid;
  if ((all || now.who.uid != uid) && !set_fs_id(kSetFsUid, uid)) return false;
  now.who.uid = uid;
  now.known = true;
  return true;
}

}  // namespace

bool can_switch_identity() {
  static const bool can = [] {
    const std::vector<std::uint32_t>& groups = server_identity().groups;
    const int bits = prctl(PR_GET_SECUREBITS);
    const bool fixup = bits >= 0 && (bits & SECBIT_NO_SETUID_FIXUP) == 0;
    return geteuid() == 0 && fixup && effective_capability(CAP_SETUID) &&
           effective_capability(CAP_SETGID) &&
           // Root of a user namespace with one user in it has the capabilities, and may not use
           // them: there, even setting the groups that one has is refused.
           syscall(kSetGroups, groups.size(), groups.data()) == 0;
  }();
  return can;
}

bool has_read_search_capability() { return effective_capability(CAP_DAC_READ_SEARCH); }

bool Identity::assume() const {
  if (any_ || !can_switch_identity()) return true;
  thread_local Current now;
  const Credentials& wanted = who_ ? *who_ : server_identity();
  const std::uint32_t uid = wanted.uid == kNoId ? kNobody : wanted.uid;
  const std::uint32_t gid = wanted.gid == kNoId ? kNobody : wanted.gid;
  return become(now, uid, gid, wanted.groups);
}

void prepare_io_thread() {
  if (unshare(CLONE_FS) == 0) umask(0);
  Capabilities caps;
  if (caps.load() && caps.effective(CAP_SYS_RESOURCE)) {
    caps.data[CAP_SYS_RESOURCE / 32].effective &= ~(1U << (CAP_SYS_RESOURCE % 32));
    syscall(SYS_capset, &caps.header, caps.data);
  }
}

}  // namespace lockstep::files
