// Under whose name a thread of the I/O pool meets the kernel's checks.
//
// Linux keeps fsuid, fsgid, supplementary groups and capabilities for each thread. The raw system
// calls change the calling thread alone; glibc's setgroups would change the whole process. Setting
// an fsuid other than 0 also takes CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER and the like out of the
// thread's effective set (capabilities(7), "Effect of user ID changes"), and 0 brings them back.
#pragma once

#include "shell/files/files.hpp"

namespace lockstep::files {

/// Whom a job is done for. Refers to credentials that outlive the job.
class Identity {
 public:
  /// The caller, as far as the process may take on identities.
  static Identity of(const Credentials& who) { return Identity(&who, false); }
  /// The server's own: with root's rights when it runs as root.
  static Identity server() { return Identity(nullptr, false); }
  /// Whatever the thread has: for what needs no check, such as reading through an open file.
  static Identity any() { return Identity(nullptr, true); }

  /// Makes the calling thread this; cheap when it is already. False: it could not, and the job
  /// must not run.
  [[nodiscard]] bool assume() const;

 private:
  Identity(const Credentials* who, bool any) : who_(who), any_(any) {}
  const Credentials* who_;
  bool any_;
};

/// True when the process runs as root with CAP_SETUID and CAP_SETGID, and these are worth
/// something (user_namespaces(7)); else every job runs as the server's own user.
bool can_switch_identity();

/// True when this process may open files by kernel handles (CAP_DAC_READ_SEARCH).
bool has_read_search_capability();

/// What a pool thread does first: a umask of its own (modes come from clients, which applied
/// theirs), and no CAP_SYS_RESOURCE, which would ignore quotas and reserved blocks.
void prepare_io_thread();

}  // namespace lockstep::files
