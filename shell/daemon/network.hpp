// The listening side: which programs answer on which ports of which addresses.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "shell/daemon/config.hpp"
#include "shell/net/admission.hpp"
#include "shell/net/connection.hpp"
#include "shell/net/datagram.hpp"
#include "shell/net/listener.hpp"
#include "shell/wire/portmap/portmap.hpp"
#include "shell/wire/rpc/client.hpp"
#include "shell/wire/rpc/dispatcher.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::daemon {

class Network {
 public:
  Network(boost::asio::io_context& loop, const Config& config, wire::rpc::Dispatcher& rpc,
          wire::smb2::Server& smb);

  /// Binds every port; throws net::ListenError.
  void listen();
  /// The port mapper: embedded, or this server's programs registered with the one that runs.
  void offer(wire::Clock& clock, wire::rpc::Client& client);
  void start();
  /// Closes listeners and connections, and takes back what was registered.
  void stop(wire::rpc::Client& client);

  std::uint32_t connections() const { return admission_->total(); }
  std::uint64_t refused() const { return admission_->refused(); }
  /// What the port mapper tells about this server.
  std::vector<wire::portmap::Mapping> mappings() const;

 private:
  void listen_rpc(std::uint16_t port, const char* flag, bool datagrams);
  void listen_smb(const std::string& address, const net::ConnectionLimits& limits);
  /// Calls `bind` for each service address; a machine without IPv6 serves IPv4 when nobody said
  /// which addresses it should be.
  void each_address(const std::function<void(const std::string&)>& bind) const;
  bool embed_portmapper(wire::Clock& clock);
  wire::Task<void> register_programs(wire::rpc::Client& client);

  boost::asio::io_context& loop_;
  const Config& config_;
  wire::rpc::Dispatcher& rpc_;
  wire::smb2::Server& smb_;
  net::ConnectionLimits limits_;
  std::shared_ptr<net::Admission> admission_;
  std::vector<std::shared_ptr<net::Listener>> listeners_;
  std::vector<std::shared_ptr<net::DatagramSocket>> datagrams_;
  std::unique_ptr<wire::portmap::Portmapper> portmapper_;
  std::vector<std::uint16_t> rpc_ports_;
  bool registered_ = false;
};

}  // namespace lockstep::daemon
