// What the control program and the HTTP page can ask: a JSON request in, a JSON report out. Runs on
// the loop; nothing here changes what clients hold.
#pragma once

#include <functional>
#include <string>

#include "core/machine.hpp"
#include "shell/admin/report.hpp"
#include "shell/files/files.hpp"
#include "shell/wire/ports.hpp"
#include "shell/wire/task.hpp"

namespace lockstep::admin {

/// Where reports come from.
struct Sources {
  wire::Coordinator* coordinator = nullptr;
  std::function<const core::Machine&()> machine;
  std::function<core::Nanos()> now;
  std::function<std::int64_t()> wall_nanos;
  /// A file in words: "data/reports/a.txt", its export first. Empty when it is not known.
  std::function<std::string(core::FileId)> path;
  /// The file at a path: of the host, or with an export's name first.
  std::function<wire::Task<files::Result<core::FileId>>(std::string)> find;
  /// What `status` shows beyond the machine: version, ports, exports, connections, journal.
  std::function<Json()> server;
  /// Prometheus text.
  std::function<std::string()> metrics;
};

class Commands {
 public:
  explicit Commands(Sources sources) : sources_(std::move(sources)) {}

  /// {"command": "locks", "limit": 1000} -> {"ok": true, "result": ...} or {"ok": false,
  /// "error": "one line"}. Lists stop after `limit` files (default 10,000) and then say
  /// "truncated": true.
  wire::Task<Json> run(Json request);
  std::string metrics() const { return sources_.metrics(); }

 private:
  Lens lens() const;
  Json list(const std::string& command, std::size_t limit);
  Json status();
  wire::Task<Json> explain(std::string path);
  /// A client that holds nothing, for as long as a question takes.
  wire::Task<core::ClientId> visitor(core::Protocol protocol);
  void goodbye(core::ClientId visitor);

  Sources sources_;
};

}  // namespace lockstep::admin
