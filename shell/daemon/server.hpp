// The whole server of one process: made from a configuration, started, run until it is told to end.
//
// Order of the start: state directory, exports, journal (a new epoch, durable), recovery, and only
// then sockets: before the first call is answered the recovered state protects the files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shell/daemon/config.hpp"

namespace lockstep::daemon {

class Server {
 public:
  /// Throws std::exception with one line that says what is wrong and what to do.
  explicit Server(Config config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// How to mount each export over each family.
  std::vector<std::string> mount_lines() const;
  /// Serves until SIGTERM or SIGINT. Whatever is on record stays there: clients reclaim it from the
  /// next run, exactly as after a crash.
  void run();

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockstep::daemon
