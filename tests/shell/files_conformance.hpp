// The fixture that runs a test against every file system that there is.
#pragma once

#include "tests/shell/files_fixture.hpp"

namespace lockstep::files::test {

enum class Kind { memory, host, recorded };

inline std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
  switch (info.param) {
    case Kind::memory:
      return "memory";
    case Kind::host:
      return "host";
    default:
      return "recorded";
  }
}

class FilesTest : public ::testing::TestWithParam<Kind> {
 protected:
  static std::unique_ptr<FileSystem> make(const ScratchDirectory& scratch, IoPool& pool) {
    if (GetParam() == Kind::memory) return memory_file_system();
    HostOptions options;
    options.root = scratch.path() / "export";
    options.state_dir = scratch.path() / "state";
    options.export_name = "export";
    options.export_id = 1;
    options.handles = GetParam() == Kind::recorded ? HandleMode::recorded : HandleMode::automatic;
    std::filesystem::create_directories(options.root);
    std::filesystem::create_directories(options.state_dir);
    return host_file_system(options, pool);
  }

  Loop loop;
  ScratchDirectory scratch;
  IoPool pool{3, loop.poster()};
  std::unique_ptr<FileSystem> files = make(scratch, pool);
  Calls calls{loop, *files};
};

}  // namespace lockstep::files::test
