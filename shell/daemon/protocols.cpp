#include "shell/daemon/protocols.hpp"

#include <utility>

namespace lockstep::daemon {

Protocols::Protocols(wire::Coordinator& coordinator, wire::Clock& clock, wire::Dialler& dialler,
                     Setup setup)
    : exports_(std::move(setup.exports)),
      rpc_(clock),
      rpc_client_(clock, dialler, setup.seed),
      nfs_(coordinator, clock, exports_),
      mount_(exports_),
      nlm_(coordinator, clock, exports_, rpc_client_),
      nsm_(wire::nsm::state_of_epoch(coordinator.epoch()),
           [this](const std::string& name, const std::string& address, std::int32_t state) {
             nlm_.hosts().rebooted(name, address, state);
           }),
      notifier_(rpc_client_, wire::nsm::state_of_epoch(coordinator.epoch()),
                std::move(setup.names)),
      smb_(std::move(setup.smb), std::move(setup.shares), std::move(setup.users), coordinator,
           clock),
      opens_(coordinator, clock) {
  smb_.set_file_service(opens_);
  rpc_.add(nfs_);
  rpc_.add(mount_);
  rpc_.add(nlm_);
  rpc_.add(nsm_);
}

void Protocols::notify_hosts(const std::vector<core::ClientView>& clients) {
  std::vector<wire::nsm::HostOnRecord> hosts;
  for (const core::ClientView& client : clients) {
    if (client.protocol != core::Protocol::nlm) continue;
    nlm_.hosts().remember(client.label, client.address);
    hosts.push_back({client.label, client.address});
  }
  notifier_.notify(hosts);
}

}  // namespace lockstep::daemon
