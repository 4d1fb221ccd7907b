// What the procedures of the lock manager share.
//
// Every decision is the core's. A procedure turns its arguments into one event, awaits the answer
// and encodes the result; the synchronous form sends it as the reply, the asynchronous one (_MSG)
// as the arguments of a _RES call.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "shell/wire/nfs3/exports.hpp"
#include "shell/wire/nlm/hosts.hpp"
#include "shell/wire/nlm/types.hpp"
#include "shell/wire/ports.hpp"
#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::nlm {

struct Service {
  Coordinator& coordinator;
  Clock& clock;
  const nfs3::Exports& exports;
  Hosts& hosts;
  /// Files of recent locks by address and handle. An UNLOCK must find its file even when the last
  /// name of it is gone and the handle is stale.
  std::map<std::pair<std::string, Bytes>, core::FileId> recent;
};

/// The file, its export's policies and the core's client behind a call.
struct Subject {
  Status status = Status::granted;
  HostRef host;
  core::FileId file;
  nfs3::ExportRef of;  ///< null when only the id is known any more
  bool ok() const { return status == Status::granted; }
};
Task<Subject> locate(Service& service, const rpc::CallContext& call, std::string caller,
                     Bytes handle);

/// Sends the event that `make(host)` gives and, when the core has forgotten the client, once more
/// after it arrived anew.
template <class Make>
Task<core::Reply> ask(Service& service, Subject& subject, Make make) {
  for (bool again = true;; again = false) {
    auto event = make(*subject.host);
    core::Reply reply = co_await request(service.coordinator, std::move(event));
    if (reply.status != core::Status::unknown_client || !again) co_return reply;
    service.hosts.forget(subject.host);
    HostRef host = co_await service.hosts.arrived(subject.host->name(), subject.host->address());
    if (!host) co_return reply;
    subject.host = std::move(host);
  }
}

/// Result bytes of a procedure (after the RPC header); empty: the arguments are garbage.
using Results = std::optional<Bytes>;
using Operation = Task<Results> (*)(Service&, const rpc::CallContext&);

// lock.cpp. LOCK and NM_LOCK, and their asynchronous forms, read the same arguments.
Task<Results> test(Service& service, const rpc::CallContext& call);
Task<Results> lock(Service& service, const rpc::CallContext& call);
Task<Results> cancel(Service& service, const rpc::CallContext& call);
Task<Results> unlock(Service& service, const rpc::CallContext& call);
/// GRANTED, called on us: we are nobody's client.
Task<Results> granted(Service& service, const rpc::CallContext& call);
// share.cpp
Task<Results> share(Service& service, const rpc::CallContext& call);
Task<Results> unshare(Service& service, const rpc::CallContext& call);
Task<Results> free_all(Service& service, const rpc::CallContext& call);

}  // namespace lockstep::wire::nlm
