// The protocols of one server, assembled over its ports: lockstepd serves them on the host's
// network and files, the simulator on virtual ones.
#pragma once

#include <string>
#include <vector>

#include "core/view.hpp"
#include "shell/wire/mount/mount.hpp"
#include "shell/wire/nfs3/program.hpp"
#include "shell/wire/nlm/program.hpp"
#include "shell/wire/nsm/nsm.hpp"
#include "shell/wire/ports.hpp"
#include "shell/wire/rpc/client.hpp"
#include "shell/wire/rpc/dispatcher.hpp"
#include "shell/wire/smb2/open_service.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::daemon {

class Protocols {
 public:
  struct Setup {
    wire::nfs3::Exports exports;
    wire::smb2::Options smb;
    std::vector<wire::smb2::ShareRef> shares;
    std::vector<wire::smb2::User> users;
    std::vector<std::string> names;  ///< what NFS clients may know this server by
    std::uint64_t seed = 0;          ///< of the xids of outgoing calls
  };
  /// After the coordinator has recovered: its epoch stands in what clients are told.
  Protocols(wire::Coordinator& coordinator, wire::Clock& clock, wire::Dialler& dialler,
            Setup setup);
  Protocols(const Protocols&) = delete;
  Protocols& operator=(const Protocols&) = delete;

  wire::rpc::Dispatcher& rpc() { return rpc_; }
  const wire::rpc::Dispatcher& rpc() const { return rpc_; }
  wire::rpc::Client& rpc_client() { return rpc_client_; }
  wire::smb2::Server& smb() { return smb_; }
  const wire::smb2::Server& smb() const { return smb_; }
  const wire::smb2::OpenService& opens() const { return opens_; }

  /// Calls to clients under way.
  std::size_t waiting() const { return rpc_client_.waiting(); }
  /// Tells the hosts whose locks are on record that the server came back.
  void notify_hosts(const std::vector<core::ClientView>& clients);
  /// What waits for clients ends, and nothing is repeated: the server stops.
  void interrupt() { rpc_client_.interrupt(); }

 private:
  wire::nfs3::Exports exports_;
  wire::rpc::Dispatcher rpc_;
  wire::rpc::Client rpc_client_;
  wire::nfs3::Program nfs_;
  wire::mount::Mount mount_;
  wire::nlm::Program nlm_;
  wire::nsm::Program nsm_;
  wire::nsm::Notifier notifier_;
  wire::smb2::Server smb_;
  wire::smb2::OpenService opens_;
};

}  // namespace lockstep::daemon
