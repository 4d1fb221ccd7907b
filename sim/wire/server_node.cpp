#include "sim/wire/server_node.hpp"

#include <utility>

#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/ntlm/acceptor.hpp"

namespace lockstep::sim::wired {

ServerNode::ServerNode(VirtualTime& time, Network& network, Disk& disk, Random& chance,
                       const std::shared_ptr<journal::MemoryMedium>& medium,
                       const ServerSettings& settings, std::uint64_t seed, Hooks hooks)
    : network_(network),
      disk_(disk),
      settings_(settings),
      hooks_(std::move(hooks)),
      clock_(time),
      coordinator_(core::Machine(settings.limits), clock_,
                   {[this](std::uint64_t number, std::vector<journal::Record> records) {
                      journal_.append(number, std::move(records));
                    },
                    [this] { journal_.hurry(); }},
                   [this](const core::Event& event, const core::Effects& effects) {
                     if (!dead_) hooks_.on_step(event, effects, coordinator_.machine());
                   }),
      journal_(time, chance, disk.health, medium,
               {[this](std::uint64_t number) { coordinator_.durable(number); },
                [this](const journal::Error&) { coordinator_.journal_failed(); }}),
      files_(disk.mount()),
      dialler_(network, kServer) {
  journal_.on_effect = hooks_.on_effect;
  journal_.on_durable = hooks_.on_durable;
  const journal::Contents contents = medium->contents();
  hooks_.on_recover(contents, journal_.epoch());
  coordinator_.recover(contents, journal_.epoch());
  hooks_.on_recovered(coordinator_.machine(), journal_.epoch());
  protocols_ = std::make_unique<daemon::Protocols>(coordinator_, clock_, dialler_, setup(seed));
  listen();
  network_.unmute(kServer);
  protocols_->notify_hosts(coordinator_.machine().clients());
}

ServerNode::~ServerNode() {
  if (!dead_) cut_power();
}

daemon::Protocols::Setup ServerNode::setup(std::uint64_t seed) const {
  daemon::Protocols::Setup setup;
  wire::nfs3::Export one;
  one.name = kShare;
  one.files = files_;
  one.policy = settings_.policy;
  one.hold = settings_.v3_hold;
  one.squash = wire::nfs3::Squash::none;
  setup.exports.add(std::move(one));
  auto share = std::make_shared<wire::smb2::Share>();
  share->name = kShare;
  share->files = files_;
  setup.shares.push_back(std::move(share));
  setup.users.push_back({"Alice", wire::smb2::ntlm::nt_hash("secret"), {1000, 1000, {}}});
  setup.seed = seed + journal_.epoch();  // no run draws the numbers of another
  setup.smb.random = [chance = Random(setup.seed, "smb")](std::span<std::uint8_t> out) mutable {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(chance.below(256));
  };
  setup.names = {"server"};
  return setup;
}

void ServerNode::listen() {
  using wire::rpc::Transport;
  std::vector<wire::portmap::Mapping> mappings;
  const auto offer = [&](std::uint32_t program, std::initializer_list<std::uint32_t> versions,
                         std::uint16_t port) {
    for (const std::uint32_t version : versions) {
      mappings.push_back({program, version, Transport::tcp, port});
      mappings.push_back({program, version, Transport::udp, port});
    }
  };
  offer(wire::nfs3::kProgram, {3}, kNfsPort);
  offer(wire::mount::kProgram, {1, 3}, kMountPort);
  offer(wire::nlm::kProgram, {1, 3, 4}, kNlmPort);
  offer(wire::nsm::kProgram, {1}, kNsmPort);
  portmapper_ = std::make_unique<wire::portmap::Portmapper>(clock_, mappings);
  protocols_->rpc().add(*portmapper_);
  for (const std::uint16_t port : {kNfsPort, kMountPort, kNlmPort, kNsmPort, kPortmapPort}) {
    network_.listen({kServer, port}, net::Framing::rpc,
                    [this](std::shared_ptr<wire::Peer> peer) -> std::shared_ptr<wire::Session> {
                      return protocols_->rpc().accept(std::move(peer));
                    });
    network_.bind({kServer, port}, [this](const Address& from, const Address& to, Bytes message) {
      protocols_->rpc().on_datagram(from, to, std::move(message),
                                    [&network = network_, from, to](const Bytes& reply) {
                                      network.datagram(to, from, reply);
                                    });
    });
  }
  network_.listen({kServer, kSmbPort}, net::Framing::smb,
                  [this](std::shared_ptr<wire::Peer> peer) -> std::shared_ptr<wire::Session> {
                    return std::make_shared<wire::smb2::Connection>(protocols_->smb(),
                                                                    std::move(peer));
                  });
}

void ServerNode::cut_power() {
  if (std::exchange(dead_, true)) return;
  network_.mute(kServer);
  disk_.cut_off();
  journal_.power_off();
  clock_.power_off();
}

void ServerNode::settle(bool orderly) {
  protocols_->interrupt();
  dialler_.power_off();
  network_.vanish(kServer, /*silent=*/!orderly);
  network_.mute(kServer);  // what it still answers inside itself nobody hears
  coordinator_.stop();
  disk_.settle(orderly);
}

}  // namespace lockstep::sim::wired
