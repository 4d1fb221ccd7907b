#include "shell/admin/gauges.hpp"

#include <map>
#include <string_view>

namespace lockstep::admin {

namespace {

struct Held {
  std::uint64_t clients = 0, opens = 0, locks = 0, rights = 0, waiters = 0;
};

class Text {
 public:
  void one(std::string_view name, std::string_view type, std::string_view help,
           std::uint64_t value) {
    head(name, type, help);
    out_.append(name).append(" ").append(std::to_string(value)).append("\n");
  }
  void by_protocol(std::string_view name, std::string_view help,
                   const std::map<core::Protocol, Held>& held, std::uint64_t Held::* member) {
    head(name, "gauge", help);
    for (const auto& [protocol, counts] : held) {
      out_.append(name).append("{protocol=\"").append(core::name(protocol)).append("\"} ");
      out_.append(std::to_string(counts.*member)).append("\n");
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    out_.append(name).append(" ").append(type).append("\n");
  }
  std::string out_;
};

}  // namespace

std::string gauges_text(const core::Machine& machine, const Surroundings& around) {
  using core::Protocol;
  std::map<Protocol, Held> held = {{Protocol::nfs3, {}}, {Protocol::nlm, {}}, {Protocol::smb, {}}};
  for (const core::ClientView& client : machine.clients()) {
    Held& counts = held[client.protocol];
    ++counts.clients;
    counts.opens += client.opens;
    counts.locks += client.locks;
    counts.rights += client.rights;
    counts.waiters += client.waiters;
  }
  Text text;
  text.by_protocol("lockstep_clients", "Clients that the core knows.", held, &Held::clients);
  text.by_protocol("lockstep_opens", "Opens and shares.", held, &Held::opens);
  text.by_protocol("lockstep_locks", "Byte-range locks held.", held, &Held::locks);
  text.by_protocol("lockstep_rights", "Leases, oplocks and delegations.", held, &Held::rights);
  text.by_protocol("lockstep_waiters", "Parked requests.", held, &Held::waiters);
  text.one("lockstep_grace", "gauge", "1 during the grace period.", machine.in_grace() ? 1 : 0);
  text.one("lockstep_epoch", "gauge", "Number of this server run.", around.epoch);
  text.one("lockstep_connections", "gauge", "Open connections.", around.connections);
  text.one("lockstep_connections_refused_total", "counter", "Refused by a limit.",
           around.connections_refused);
  text.one("lockstep_smb_sessions", "gauge", "SMB sessions.", around.smb_sessions);
  text.one("lockstep_requests_outstanding", "gauge", "Requests without their reply.",
           around.requests_outstanding);
  text.one("lockstep_rpc_calls_total", "counter", "RPC calls received.", around.rpc_calls);
  text.one("lockstep_rpc_dropped_total", "counter", "RPC calls dropped by a limit.",
           around.rpc_dropped);
  text.one("lockstep_rpc_replay_hits_total", "counter", "Repeated calls answered from the cache.",
           around.rpc_replies_repeated);
  text.one("lockstep_journal_batches_total", "counter", "Steps made durable.",
           around.journal.batches);
  text.one("lockstep_journal_transactions_total", "counter", "Transactions that made them so.",
           around.journal.transactions);
  text.one("lockstep_journal_failures_total", "counter", "Attempts that failed.",
           around.journal.failures);
  text.one("lockstep_journal_queued", "gauge", "Steps that are not durable yet.",
           around.journal.queued);
  return text.take();
}

}  // namespace lockstep::admin
