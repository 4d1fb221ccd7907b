// Files in memory behind the same interface as a host directory, with the same rights: for tests
// and the simulator. Every call completes before its co_await suspends; nothing depends on
// addresses, threads or the machine, so equal calls give equal results.
//
// The object outlives restarts of the server around it: handles made before stay good. Nothing is
// ever lost, so sync and commit have nothing to do.
#pragma once

#include <functional>
#include <memory>

#include "shell/files/files.hpp"

namespace lockstep::files {

struct MemoryOptions {
  std::uint32_t export_id = 1;
  std::uint32_t volume = 1;
  std::uint64_t capacity = std::uint64_t{1} << 40;  ///< bytes; beyond: ENOSPC
  std::uint64_t seed = 1;                           ///< of what makes handles hard to guess
  std::uint32_t root_uid = 0, root_gid = 0, root_mode = 0755;
  /// The time now; none: a clock of its own that moves one microsecond with each question.
  std::function<TimeSpec()> now;
};

std::unique_ptr<FileSystem> memory_file_system(MemoryOptions options = {});

}  // namespace lockstep::files
