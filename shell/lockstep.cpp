// The control program: asks the running lockstepd over its control socket and shows the answer.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "shell/admin/tables.hpp"
#include "shell/daemon/config.hpp"
#include "shell/daemon/version.hpp"

namespace {

using lockstep::admin::Json;

struct Asked {
  std::string command, path, control;
  std::size_t limit = 10'000;
  bool json = false;
};

std::string default_control() {
  return lockstep::daemon::default_state(lockstep::daemon::Surroundings::of_this_process()) /
         "control";
}

/// Throws std::runtime_error with one line.
Json ask(const Asked& asked) {
  using Local = boost::asio::local::stream_protocol;
  boost::asio::io_context loop;
  Local::socket socket(loop);
  boost::system::error_code error;
  if (asked.control.size() < sizeof(sockaddr_un::sun_path)) {
    socket.connect(Local::endpoint(asked.control), error);
  } else {
    error = boost::asio::error::name_too_long;
  }
  if (error) {
    throw std::runtime_error("no answer at " + asked.control + ": " + error.message() +
                             ": is lockstepd running? (--control says where)");
  }
  const Json request{{"command", asked.command}, {"path", asked.path}, {"limit", asked.limit}};
  std::string line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  boost::asio::write(socket, boost::asio::buffer(line), error);
  std::string answer;
  if (!error) boost::asio::read_until(socket, boost::asio::dynamic_buffer(answer), '\n', error);
  const Json reply = Json::parse(answer, nullptr, false);
  if (error || !reply.is_object()) {
    throw std::runtime_error("the server at " + asked.control + " broke off: " + error.message());
  }
  if (!reply.value("ok", false)) throw std::runtime_error(reply.value("error", "unknown error"));
  if (reply.value("truncated", false)) {
    std::cerr << "lockstep: only the first " << asked.limit << " files are shown (--limit)\n";
  }
  return reply.at("result");
}

void add_commands(CLI::App& app, Asked& asked) {
  const std::pair<const char*, const char*> commands[] = {
      {"status", "the server: version, exports, connections, counts"},
      {"locks", "every lock, lease and delegation: who holds what, since when"},
      {"opens", "every open with its share modes"},
      {"clients", "every client of every protocol"},
      {"waiters", "parked requests and what they wait for"},
      {"grace", "the grace period and who is still reclaiming"},
      {"explain", "one file: holders, waiters, and what a new request would meet"},
      {"metrics", "counters in Prometheus' text format"}};
  for (const auto& [name, help] : commands) {
    CLI::App* command = app.add_subcommand(name, help);
    command->fallthrough();
    command->callback([&asked, word = std::string(name)] { asked.command = word; });
    if (std::string(name) == "explain") {
      command->add_option("PATH", asked.path, "on this host, or EXPORT/PATH")->required();
    }
  }
  app.require_subcommand(1);
}

/// The server does not know where the question comes from.
void make_absolute(Asked& asked) {
  if (asked.path.empty() || asked.path.front() == '/') return;
  std::error_code unreadable;
  const auto absolute = std::filesystem::absolute(asked.path, unreadable);
  if (!unreadable && std::filesystem::exists(absolute, unreadable)) asked.path = absolute;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("lockstep: asks the running lockstepd");
  Asked asked;
  asked.control = default_control();
  app.set_version_flag("--version", std::string("lockstep ") + lockstep::kVersion);
  app.add_option("--control", asked.control, "the server's control socket")->capture_default_str();
  app.add_option("--limit", asked.limit, "files to list at most")->capture_default_str();
  app.add_flag("--json", asked.json, "JSON instead of tables");
  add_commands(app, asked);
  CLI11_PARSE(app, argc, argv);
  try {
    make_absolute(asked);
    const Json result = ask(asked);
    if (asked.json)
      std::cout << result.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
    else
      std::cout << lockstep::admin::table_of(asked.command, result);
  } catch (const std::exception& error) {
    std::cerr << "lockstep: " << error.what() << "\n";
    return 1;
  }
  return std::cout.flush() ? 0 : 1;
}
