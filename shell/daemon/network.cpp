#include "shell/daemon/network.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>

#include "shell/admin/log.hpp"
#include "shell/wire/mount/mount.hpp"
#include "shell/wire/nfs3/program.hpp"
#include "shell/wire/nlm/types.hpp"
#include "shell/wire/nsm/nsm.hpp"
#include "shell/wire/portmap/registration.hpp"
#include "shell/wire/smb2/connection.hpp"

namespace lockstep::daemon {

namespace {

net::ConnectionLimits limits_of(const ConnectionLimits& configured) {
  net::ConnectionLimits limits;
  limits.message_max = configured.request_bytes_max;
  limits.unsent_max = static_cast<std::size_t>(configured.unsent_bytes_max);
  limits.unsent_pause = std::min(limits.unsent_pause, limits.unsent_max / 2);
  limits.handshake = std::chrono::nanoseconds(configured.handshake_timeout);
  limits.idle = std::chrono::nanoseconds(configured.idle_timeout);
  return limits;
}

}  // namespace

Network::Network(boost::asio::io_context& loop, const Config& config, wire::rpc::Dispatcher& rpc,
                 wire::smb2::Server& smb)
    : loop_(loop),
      config_(config),
      rpc_(rpc),
      smb_(smb),
      limits_(limits_of(config.connections)),
      admission_(std::make_shared<net::Admission>(net::AdmissionLimits{
          config.connections.connections_max, config.connections.connections_per_address_max})) {}

void Network::listen_rpc(std::uint16_t port, const char* flag, bool datagrams) {
  const bool shared = std::ranges::find(rpc_ports_, port) != rpc_ports_.end();
  if (port == 0 || shared) return;
  rpc_ports_.push_back(port);
  each_address([&](const std::string& address) {
    listeners_.push_back(std::make_shared<net::Listener>(
        loop_, wire::Address{address, port}, flag, net::Framing::rpc, limits_, admission_,
        [this](std::shared_ptr<wire::Peer> peer) { return rpc_.accept(std::move(peer)); }));
    if (!datagrams) return;
    datagrams_.push_back(std::make_shared<net::DatagramSocket>(
        loop_, wire::Address{address, port}, flag,
        [this](const wire::Address& from, const wire::Address& local, wire::Bytes message,
               net::DatagramSocket::Reply reply) {
          rpc_.on_datagram(from, local, std::move(message), std::move(reply));
        }));
  });
}

void Network::each_address(const std::function<void(const std::string&)>& bind) const {
  if (!config_.bind_everywhere) {
    for (const std::string& address : config_.bind) bind(address);
    return;
  }
  bind("0.0.0.0");
  try {
    bind("::");
  } catch (const net::ListenError& error) {
    if (error.code().value() != EAFNOSUPPORT && error.code().value() != EADDRNOTAVAIL) throw;
  }
}

void Network::listen_smb(const std::string& address, const net::ConnectionLimits& limits) {
  listeners_.push_back(std::make_shared<net::Listener>(
      loop_, wire::Address{address, config_.ports.smb}, "--smb-port", net::Framing::smb, limits,
      admission_, [this](std::shared_ptr<wire::Peer> peer) -> std::shared_ptr<wire::Session> {
        return std::make_shared<wire::smb2::Connection>(smb_, std::move(peer));
      }));
}

void Network::listen() {
  const Ports& ports = config_.ports;
  // NFS itself is not served over UDP; a port that it shares with the others answers both ways.
  const bool shared = ports.nfs == ports.mount || ports.nfs == ports.nlm || ports.nfs == ports.nsm;
  listen_rpc(ports.nfs, "--nfs-port", shared);
  listen_rpc(ports.mount, "--mount-port", true);
  listen_rpc(ports.nlm, "--nlm-port", true);
  listen_rpc(ports.nsm, "--nsm-port", true);
  if (ports.smb == 0) return;
  net::ConnectionLimits limits = limits_;
  limits.message_max = std::max(limits.message_max, smb_.frame_max());
  each_address([&](const std::string& address) { listen_smb(address, limits); });
}

std::vector<wire::portmap::Mapping> Network::mappings() const {
  using wire::rpc::Transport;
  std::vector<wire::portmap::Mapping> all;
  auto add = [&](std::uint32_t program, std::initializer_list<std::uint32_t> versions,
                 std::uint16_t port, bool datagrams) {
    if (port == 0) return;
    for (const std::uint32_t version : versions) {
      all.push_back({program, version, Transport::tcp, port});
      if (datagrams) all.push_back({program, version, Transport::udp, port});
    }
  };
  const Ports& ports = config_.ports;
  add(wire::nfs3::kProgram, {3}, ports.nfs, false);
  add(wire::mount::kProgram, {1, 3}, ports.mount, true);
  add(wire::nlm::kProgram, {1, 3, 4}, ports.nlm, true);
  add(wire::nsm::kProgram, {1}, ports.nsm, true);
  return all;
}

void Network::offer(wire::Clock& clock, wire::rpc::Client& client) {
  if (config_.portmap == PortmapMode::off) return;
  const bool embed =
      config_.portmap == PortmapMode::embedded || config_.portmap == PortmapMode::automatic;
  if (embed && embed_portmapper(clock)) return;
  wire::spawn(register_programs(client));
}

bool Network::embed_portmapper(wire::Clock& clock) {
  const std::size_t listeners = listeners_.size();
  const std::size_t datagrams = datagrams_.size();
  try {
    listen_rpc(config_.ports.portmap, "--portmap", true);
  } catch (const net::ListenError& error) {
    listeners_.resize(listeners);
    datagrams_.resize(datagrams);
    rpc_ports_.pop_back();
    if (config_.portmap == PortmapMode::embedded) throw;
    log::info("no port mapper of our own", {{"reason", error.what()}});
    return false;
  }
  portmapper_ = std::make_unique<wire::portmap::Portmapper>(clock, mappings());
  rpc_.add(*portmapper_);
  return true;
}

wire::Task<void> Network::register_programs(wire::rpc::Client& client) {
  std::vector<wire::portmap::Mapping> wanted = mappings();
  const wire::portmap::Registered result = co_await register_all(client, std::move(wanted));
  registered_ = result.done > 0;
  if (!result.reachable) {
    log::info("no port mapper: clients need explicit ports", {});
  } else if (!result.refused.empty()) {
    log::warn(
        "the port mapper of this machine refused some of our programs: another NFS server "
        "may be running",
        {{"refused", result.refused.size()}});
  }
}

void Network::start() {
  for (auto& listener : listeners_) listener->start();
  for (auto& socket : datagrams_) socket->start();
}

void Network::stop(wire::rpc::Client& client) {
  for (auto& listener : listeners_) listener->stop();
  for (auto& socket : datagrams_) socket->stop();
  if (std::exchange(registered_, false)) wire::spawn(unregister_all(client, mappings()));
}

}  // namespace lockstep::daemon
