// The directory that a server keeps its state in, held by one server at a time.
#pragma once

#include <filesystem>

namespace lockstep::daemon {

/// Makes the directory if need be (for its owner alone) and locks it until this object goes: a
/// second server that was started by mistake must not take the journal's epoch from the first.
/// kill -9 frees the lock. Throws ConfigError.
class StateDirectory {
 public:
  explicit StateDirectory(const std::filesystem::path& path);
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace lockstep::daemon
