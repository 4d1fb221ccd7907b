// What the NFSv3 procedures share: the way to the core, to the files, and the form of replies.
//
// A procedure that can contradict anybody's state follows one pattern (semantics section 2): locate
// the files, check the caller's rights as far as that needs no effect, enter the gate (the core
// breaks and waits), do the I/O, take the attributes, leave the gate.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shell/files/files.hpp"
#include "shell/wire/nfs3/exports.hpp"
#include "shell/wire/nfs3/types.hpp"
#include "shell/wire/ports.hpp"
#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::nfs3 {

/// The core's clients for NFSv3: a client is an address.
class Clients {
 public:
  Task<core::ClientId> of(Coordinator& coordinator, std::string address);
  void forget(const std::string& address) { known_.erase(address); }

 private:
  std::map<std::string, core::ClientId> known_;
};

struct Service {
  Coordinator& coordinator;
  Clock& clock;
  const Exports& exports;
  Clients clients;
};

/// A handle, resolved for a caller.
struct Subject {
  Status status = Status::ok;
  ExportRef of;
  files::NodeRef node;
  files::Credentials who;

  files::FileSystem& files() const { return *of->files; }
  bool ok() const { return status == Status::ok; }
};
Bytes get_handle(BigReader& in);
Task<Subject> locate(Service& service, const rpc::CallContext& call, Bytes handle);
/// The same, and ROFS when the export is read-only.
Task<Subject> locate_writable(Service& service, const rpc::CallContext& call, Bytes handle);

/// diropargs3.
struct DirectoryOp {
  Bytes handle;
  std::string name;
};
DirectoryOp get_directory_op(BigReader& in);
/// A name that can be an entry: not empty, no '/' or NUL, at most 255 bytes.
Status check_name(const std::string& name);

/// Holds the access in flight while the I/O is done.
struct Gate {
  Status status = Status::ok;
  std::optional<AccessInFlight> flight;
  bool ok() const { return status == Status::ok; }
};
/// Asks the core about all targets at once; waits at most as long as the export's policy says.
/// Without targets it is open.
Task<Gate> enter(Service& service, const rpc::CallContext& call, ExportRef of,
                 std::vector<core::Target> targets, core::Range range = core::Range::whole());

Task<std::optional<files::Attributes>> attributes_of(ExportRef of, files::NodeRef node);

/// What a file was like before a change. A client takes the difference to the attributes after for
/// its own doing (RFC 1813 2.6) and keeps what it has cached: so it is told only when nobody else
/// changes the file between the two.
struct Prior {
  std::optional<files::Attributes> attributes;
  core::FileId file;
  std::uint32_t changes = 0;
};
/// `gate`: through which the change goes, if it has one that names this file.
Task<Prior> before_change(Service& service, const Gate& gate, const Subject& subject);
/// Both sides of a change that is done; without a file, nothing.
Task<Wcc> wcc_of(Service& service, const Subject& subject, const Prior& prior);

/// A reply that begins with the status.
BigWriter begin(Status status);

/// Replies of the shapes that most procedures fail with.
rpc::Reply fail_plain(Status status);
rpc::Reply reply_post_op(Status status, const std::optional<files::Attributes>& attributes);
rpc::Reply reply_wcc(Status status, const Wcc& wcc);

/// How often a namespace operation starts again when names moved between question and effect.
inline constexpr int kRaceRetries = 4;

}  // namespace lockstep::wire::nfs3
