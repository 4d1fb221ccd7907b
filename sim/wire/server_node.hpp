// One run of the server: the real coordinator and the real protocols over the simulated disk and
// network. A restart is a new object on what the disk kept.
//
// It may lose its power at every effect: a write of the journal, a call of the files, a message out
// or in. From that moment nothing of it reaches disk or network; what it still does inside itself
// is not seen by anybody, as with a process that was killed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/limits.hpp"
#include "shell/coordinator/coordinator.hpp"
#include "shell/daemon/protocols.hpp"
#include "shell/wire/portmap/portmap.hpp"
#include "sim/wire/dialler.hpp"
#include "sim/wire/disk.hpp"

namespace lockstep::sim::wired {

inline const std::string kServer = "10.0.0.1";
inline const std::string kShare = "data";
inline constexpr std::uint16_t kNfsPort = 2049, kMountPort = 20048, kNlmPort = 4045,
                               kNsmPort = 4046, kPortmapPort = 111, kSmbPort = 445;

struct ServerSettings {
  core::Limits limits;
  core::Policy policy;
  Nanos v3_hold = 500 * kMillisecond;
};

class ServerNode {
 public:
  struct Hooks {
    std::function<void()> on_effect;  ///< where a crash may fall
    std::function<void(std::span<const journal::Batch>)> on_durable;
    /// The records that this run starts from, and its epoch.
    std::function<void(const journal::Contents&, std::uint64_t epoch)> on_recover;
    std::function<void(const core::Machine&, std::uint64_t epoch)> on_recovered;
    std::function<void(const core::Event&, const core::Effects&, const core::Machine&)> on_step;
  };

  ServerNode(VirtualTime& time, Network& network, Disk& disk, Random& chance,
             const std::shared_ptr<journal::MemoryMedium>& medium, const ServerSettings& settings,
             std::uint64_t seed, Hooks hooks);
  ~ServerNode();
  ServerNode(const ServerNode&) = delete;
  ServerNode& operator=(const ServerNode&) = delete;

  /// Nothing reaches the world any more. May be called from inside any of its calls.
  void cut_power();
  bool dead() const { return dead_; }
  /// Somebody sets the wall clock.
  void set_wall(std::int64_t by) { clock_.wall_jump += by; }
  /// Ends what it had begun; not from inside of it. What waits for the network ends, too.
  void settle(bool orderly);

  const core::Machine& machine() const { return coordinator_.machine(); }
  const coordinator::CoreCoordinator& coordinator() const { return coordinator_; }
  const daemon::Protocols& protocols() const { return *protocols_; }

 private:
  void listen();
  daemon::Protocols::Setup setup(std::uint64_t seed) const;

  Network& network_;
  Disk& disk_;
  const ServerSettings& settings_;
  const Hooks hooks_;
  MachineClock clock_;
  coordinator::CoreCoordinator coordinator_;
  JournalDisk journal_;
  std::shared_ptr<files::FileSystem> files_;
  NetworkDialler dialler_;
  std::unique_ptr<daemon::Protocols> protocols_;
  std::unique_ptr<wire::portmap::Portmapper> portmapper_;
  bool dead_ = false;
};

}  // namespace lockstep::sim::wired
