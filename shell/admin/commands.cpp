#include "shell/admin/commands.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep::admin {

namespace {

constexpr std::size_t kFilesDefault = 10'000;

Json failed(std::string why) {
  Json reply;
  reply["ok"] = false;
  reply["error"] = std::move(why);
  return reply;
}

Json succeeded(Json result, bool truncated = false) {
  Json reply;
  reply["ok"] = true;
  if (truncated) reply["truncated"] = true;
  reply["result"] = std::move(result);
  return reply;
}

}  // namespace

Lens Commands::lens() const {
  Lens made;
  made.now = sources_.now();
  made.wall_nanos = sources_.wall_nanos();
  made.path = sources_.path;
  for (core::ClientView& client : sources_.machine().clients()) {
    const core::ClientId id = client.client;
    made.clients.emplace(id, std::move(client));
  }
  return made;
}

Json Commands::list(const std::string& command, std::size_t limit) {
  const core::Machine& machine = sources_.machine();
  std::vector<core::FileView> files;
  for (const core::FileId file : machine.files(limit)) files.push_back(machine.view(file));
  const bool truncated = machine.file_count() > limit;
  const Lens words = lens();
  if (command == "opens") return succeeded(opens_of(files, words), truncated);
  if (command == "waiters") return succeeded(waiters_of(files, words), truncated);
  return succeeded(locks_of(files, words), truncated);
}

Json Commands::status() {
  const Lens words = lens();
  const core::StateView state = sources_.machine().overview();
  Json report = sources_.server();
  std::uint64_t opens = 0, locks = 0, rights = 0, waiters = 0;
  for (const auto& [id, client] : words.clients) {
    opens += client.opens;
    locks += client.locks;
    rights += client.rights;
    waiters += client.waiters;
  }
  report["grace"] = grace_of(state, words);
  report["journal_failed"] = state.journal_failed;
  report["clients"] = words.clients.size();
  report["files"] = sources_.machine().file_count();
  report["opens"] = opens;
  report["locks"] = locks;
  report["rights"] = rights;
  report["waiters"] = waiters;
  return succeeded(std::move(report));
}

wire::Task<core::ClientId> Commands::visitor(core::Protocol protocol) {
  core::ClientArrived arrival;
  arrival.protocol = protocol;
  arrival.identity = "lockstep explain";
  arrival.label = "lockstep explain";
  const core::Reply reply = co_await wire::request(*sources_.coordinator, std::move(arrival));
  const auto* arrived = std::get_if<core::ClientReply>(&reply.body);
  co_return arrived ? arrived->client : core::ClientId{};
}

void Commands::goodbye(core::ClientId visitor) {
  if (!visitor) return;
  sources_.coordinator->report(core::ClientLeft{visitor, core::LeaveReason::destroyed});
}

wire::Task<Json> Commands::explain(std::string path) {
  if (path.empty()) co_return failed("explain what? lockstep explain PATH");
  const files::Result<core::FileId> found = co_await sources_.find(path);
  if (!found) {
    co_return failed(path + ": " + found.error().message() +
                     ": give a path inside an export, of this host or as EXPORT/PATH");
  }
  // The machine answers to clients it knows: two that hold nothing ask for everybody.
  const core::ClientId over_nfs = co_await visitor(core::Protocol::nfs3);
  const core::ClientId over_smb = co_await visitor(core::Protocol::smb);
  const core::Machine& machine = sources_.machine();
  const Lens words = lens();
  Json report = file_of(machine.view(*found), words);
  report["file"] = path;
  report["requests"] = Json::array();
  for (auto& [what, event] : questions_about(*found, over_nfs, over_smb)) {
    const core::Explanation answer = machine.explain({words.now, std::move(event)});
    report["requests"].push_back(answer_of({what, answer}, words));
  }
  goodbye(over_nfs);
  goodbye(over_smb);
  co_return succeeded(std::move(report));
}

wire::Task<Json> Commands::run(Json request) {
  if (!request.is_object()) co_return failed("a request is an object with a command");
  const std::string command = request.value("command", "");
  const std::size_t limit = request.value("limit", kFilesDefault);
  if (command == "explain") co_return co_await explain(request.value("path", ""));
  if (command == "status") co_return status();
  if (command == "locks" || command == "opens" || command == "waiters")
    co_return list(command, limit);
  if (command == "clients") co_return succeeded(clients_of(lens()));
  if (command == "grace") co_return succeeded(grace_of(sources_.machine().overview(), lens()));
  if (command == "metrics") co_return succeeded(Json(sources_.metrics()));
  co_return failed("there is no command " + command +
                   ": status, locks, opens, clients, waiters, grace, explain, metrics");
}

}  // namespace lockstep::admin
