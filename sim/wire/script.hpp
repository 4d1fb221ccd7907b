// The steps of a wire-level script, as prose. The stage comes first:
//
//   weather 100us to 2ms split loss 5 duplicate 2 seed 77  the network
//   disk 300us sync 3000us                                 how long it takes at most
//   server break 5s grace 15s hold 500ms [recorded-scope] [getattr-breaks] [enforces]
//   client A nfs udp stable | client A nfs tcp unstable deaf
//   client B smb 3.1.1 leases|oplocks [encrypts] [defers] [caches-locks] acks
//   honestly|never|wrongly|late
//
// then what happens, in order, `wait 20ms` between:
//
//   A.1 opens f | A.1 opens f rwh deny w | A.2 closes f | reads f 3 | writes f 3 | syncs f
//   A.1 locks f 0-3 exclusive [waits] | A.1 unlocks f 0-3 | A.1 tests f 0-8 shared | A.1 gives up
//   A.1 removes x | A.1 renames x to y | A.1 truncates f 3 | A.1 lists
//   cut A | cut A in | cut A out | cut A callbacks | mend A | reset A both|client|server
//   A garbles | A repeats                  bytes that are nothing; the last message once more
//   freeze A | thaw A | crash A [silently] | start A
//   crash server after 12 power|kill back 800ms
//   clock forward 3600s | clock back 5s     the server's wall clock is set
//   disk full | disk failing | disk slow | disk well
//
// A process (A.1, A.2) does one thing at a time; what it is told meanwhile waits. A cell has 64
// bytes; files have cells 0 to 7, and 8 stands for everything behind them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/level.hpp"
#include "sim/wire/client.hpp"
#include "sim/wire/network.hpp"
#include "sim/wire/nfs_client.hpp"
#include "sim/wire/server_node.hpp"
#include "sim/wire/smb_session.hpp"

namespace lockstep::sim::wired {

struct WireStep {
  enum class Kind : std::uint8_t {
    weather,
    disk_times,
    server,
    client,
    wait,
    deed,
    give_up,
    cut,
    mend,
    reset,
    misbehave,
    freeze,
    thaw,
    crash_client,
    start_client,
    crash_server,
    clock,
    disk,
  };
  Kind kind = Kind::wait;
  std::string who;  ///< a client
  unsigned process = 1;
  Deed deed;
  // weather
  Weather weather;
  std::uint64_t seed = 1;
  // disk_times
  Nanos latency = 0, sync = 0;
  // server
  ServerSettings settings;
  // client
  bool smb = false;
  NfsHabits nfs;
  SmbHabits smb_habits;
  // wait, crash_server, clock
  Nanos time = 0;
  std::uint32_t effects = 0;
  bool power = true;  ///< else only the process is killed
  std::string how;    ///< cut: both, in, out, callbacks; reset: both, client, server; disk: ...
  bool silently = false;
};

/// Throws BadLine.
WireStep parse_wire_step(const Line& line);

}  // namespace lockstep::sim::wired
