// The server. Everything of substance is in shell/daemon; here are only the ends of it.
#include <csignal>
#include <cstdio>
#include <exception>

#include "shell/admin/log.hpp"
#include "shell/daemon/config.hpp"
#include "shell/daemon/server.hpp"

namespace {

using namespace lockstep;

log::Level level_of(daemon::LogLevel level) {
  switch (level) {
    case daemon::LogLevel::debug:
      return log::Level::debug;
    case daemon::LogLevel::info:
      return log::Level::info;
    case daemon::LogLevel::warn:
      return log::Level::warn;
    case daemon::LogLevel::error:
      return log::Level::error;
  }
  return log::Level::info;
}

int serve(int argc, char** argv) {
  auto config = daemon::load_config(argc, argv, daemon::Surroundings::of_this_process());
  if (!config) return 0;
  if (config->check_only) {
    std::printf("configuration is good: %zu export(s)\n", config->exports.size());
    return 0;
  }
  log::configure(level_of(config->log_level), config->log_json);
  std::signal(SIGPIPE, SIG_IGN);
  daemon::Server server(std::move(*config));
  for (const std::string& line : server.mount_lines()) std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  server.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return serve(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lockstepd: %s\n", error.what());
    return 1;
  }
}
