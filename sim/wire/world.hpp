// A whole world in one process on virtual time: one server, its disk, the network, clients; and
// the oracles that watch them. It plays a script, heals everything, and looks whether everybody is
// answered and nothing is left.
#pragma once

#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "shell/recording/recorder.hpp"
#include "sim/level.hpp"
#include "sim/wire/script.hpp"
#include "sim/wire/smb_client.hpp"
#include "sim/wire/telling.hpp"

namespace lockstep::sim::wired {

/// Who looks at the files when all have left.
inline const std::string kReader = "reader", kReaderAddress = "10.0.2.1";

class World {
 public:
  World(const Script& script, const Options& options);
  ~World();
  Outcome run();

 private:
  /// One client of the script, over its crashes.
  struct Member {
    WireStep setup;
    std::string address;
    std::unique_ptr<Client> client;  ///< null while it is down
    std::uint32_t boot = 0;
    bool arrived = false;
    struct Process {
      std::deque<Deed> deeds;
      bool busy = false;
      bool finishing = false, finished = false;
      std::string doing;
    };
    std::map<unsigned, Process> processes;
    std::string name;
    bool left = false;
  };

  // world.cpp: the script
  void play(const WireStep& step);
  void play_network(const WireStep& step, Member& member);
  void set_stage(const WireStep& step);
  void set_disk(const std::string& how);
  void pass(Nanos time);
  /// Until `done`, or so long; false: it took longer.
  bool pass_until(Nanos most, const std::function<bool()>& done);
  void after_action();
  void tell(const std::string& column, const std::string& text);
  /// For people only: not of the trace. The step itself has no column.
  void show(const std::string& column, const std::string& text);
  Teller make_teller();

  // members.cpp: clients and what they do
  void start(Member& member);
  void stop(Member& member, bool silently);
  wire::Task<void> arrive(Member& member);
  wire::Task<void> work(Member& member, unsigned number);
  wire::Task<void> go(Member& member);
  void give(Member& member, unsigned number, Deed deed);
  void wake(Member& member, unsigned number);
  Member* find(const std::string& name);
  bool all_finished() const;
  bool all_left() const;

  // hosting.cpp: the server's life, and what its steps show
  void boot_server();
  void grace_over();
  void on_effect();
  void server_died();
  void on_recover(const journal::Contents& contents, std::uint64_t epoch);
  void on_step(const core::Event& event, const core::Effects& effects,
               const core::Machine& machine);
  void compare_view(const core::Machine& machine);

  // patience.cpp: circles that no server can see
  void watch_for_circles();
  void interrupt_circles();
  std::optional<std::string> process_of(const core::ClientView& client, core::OpenId open,
                                        const std::string& owner) const;

  // ending.cpp: after the script
  void heal();
  void end();
  void check_liveness(bool done, const std::string& what);
  void check_nothing_left();
  wire::Task<void> read_everything(Client& reader, bool& done);
  std::string who_waits() const;

  const Script& script_;
  const Options& options_;
  std::vector<WireStep> steps_;
  std::size_t step_ = 0;
  std::uint64_t actions_ = 0;
  Outcome outcome_;

  VirtualTime time_;
  Witness witness_;
  std::uint64_t seed_ = 1;
  ServerSettings settings_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Disk> disk_;
  Random journal_chance_{1, "journal"};
  std::shared_ptr<journal::MemoryMedium> medium_ = std::make_shared<journal::MemoryMedium>();
  std::unique_ptr<ServerNode> server_;
  std::unique_ptr<model::Model> model_;
  DiskHealth well_;
  std::optional<std::uint32_t> crash_in_;  ///< effects
  bool crash_power_ = true;
  Nanos crash_back_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t done_ = 0;  ///< deeds
  std::ofstream recording_;
  std::optional<Teller> teller_;                 ///< of Options::tell
  std::optional<recording::Recorder> recorder_;  ///< of Options::record
  std::map<std::string, Member> members_;
};

}  // namespace lockstep::sim::wired
