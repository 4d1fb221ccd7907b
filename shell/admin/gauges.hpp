// What is the case now, in Prometheus' text format; what has happened is the observer's.
#pragma once

#include <cstdint>
#include <string>

#include "core/machine.hpp"
#include "shell/journal/group_commit.hpp"

namespace lockstep::admin {

/// What the machine does not know.
struct Surroundings {
  std::uint64_t epoch = 0;
  std::uint64_t connections = 0, connections_refused = 0;
  std::uint64_t requests_outstanding = 0;
  std::uint64_t smb_sessions = 0;
  std::uint64_t rpc_calls = 0, rpc_dropped = 0, rpc_replies_repeated = 0;
  journal::GroupCommit::Stats journal;
};

/// One pass over the clients, whatever they hold.
std::string gauges_text(const core::Machine& machine, const Surroundings& around);

}  // namespace lockstep::admin
