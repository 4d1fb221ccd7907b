// The Network Status Monitor (program 100024 version 1; XNFS C702 chapter 11).
//
// It serves this server's lock manager alone. Other hosts tell it that they came back (SM_NOTIFY);
// and it tells them that this server did. Monitoring for others (SM_MON and the rest, which only
// this machine may ask for) is refused in the protocol's own terms: their list would not survive a
// restart of the server, and then a crash of the monitored host would go unnoticed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shell/wire/rpc/client.hpp"
#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::nsm {

inline constexpr std::uint32_t kProgram = 100024;
inline constexpr std::size_t kNameMax = 1024;  ///< SM_MAXSTRLEN

/// The state number of a server run: odd (up), larger at every boot. `epoch` is durable before the
/// run makes its first promise, and so before the first SM_NOTIFY.
std::int32_t state_of_epoch(std::uint64_t epoch);

class Program final : public rpc::Program {
 public:
  /// SM_NOTIFY: the host's name, the address that it came from, its new state.
  using Rebooted = std::function<void(const std::string&, const std::string&, std::int32_t)>;

  Program(std::int32_t state, Rebooted rebooted) : state_(state), rebooted_(std::move(rebooted)) {}

  std::uint32_t number() const override { return kProgram; }
  rpc::VersionRange versions() const override { return {1, 1}; }
  bool has_procedure(std::uint32_t version, std::uint32_t procedure) const override;
  Task<rpc::Reply> call(const rpc::CallContext& call) override;

 private:
  rpc::Reply notified(const rpc::CallContext& call);

  std::int32_t state_;
  Rebooted rebooted_;
};

/// A host whose locks were on record when this server started.
struct HostOnRecord {
  std::string name;
  std::string address;
};

/// Tells hosts that this server restarted, so that they reclaim.
class Notifier {
 public:
  struct Counters {
    std::size_t answered = 0, given_up = 0;
  };
  /// `names`: what clients may know this server by; each host gets one SM_NOTIFY for each.
  Notifier(rpc::Client& client, std::int32_t state, std::vector<std::string> names)
      : client_(client), state_(state), names_(std::move(names)) {}

  /// Starts one delivery for each host, repeated with back-off for some minutes. A host that does
  /// not answer is not thereby dead: nothing of its state is touched.
  void notify(const std::vector<HostOnRecord>& hosts);
  const Counters& counters() const { return counters_; }

 private:
  Task<void> tell(HostOnRecord host);
  Task<bool> tell_once(HostOnRecord host, std::string name);

  rpc::Client& client_;
  std::int32_t state_;
  std::vector<std::string> names_;
  Counters counters_;
};

}  // namespace lockstep::wire::nsm
