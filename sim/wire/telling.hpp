// A wire-level run in words: the columns of the files and of the server, read off what the core
// does. It watches and changes nothing: told or not, a run is the same.
//
// The server's column says what others come to know of: refusals, waits, breaks, what ends them.
// With the explanations it says of each request that it came, why it goes, waits or is refused, and
// how it is answered. These come from a second machine that is always one event behind, so that it
// can still be asked what stands in the way.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/machine.hpp"
#include "sim/words/words.hpp"

namespace lockstep::sim::wired {

class Teller final : public sim::Names {
 public:
  /// What it asks of the world.
  struct World {
    std::function<void(const std::string& column, const std::string& text)> show;
    /// The script's name of the client at this address; empty: nobody of the script.
    std::function<std::string(const std::string& address)> at;
    /// "A.1"; nothing when its client does not know (any more).
    std::function<std::optional<std::string>(const core::ClientView& client, core::OpenId open,
                                             const std::string& owner)>
        program;
    /// The name that a file has now; empty: none.
    std::function<std::string(core::FileId file)> path;
  };
  Teller(World world, bool explains) : world_(std::move(world)), explains_(explains) {}

  /// A run of the server begins with these.
  void recovers(const core::Limits& limits, const std::vector<core::Record>& records,
                std::uint64_t epoch, core::Nanos now);
  /// It is up.
  void started(const core::Machine& machine);
  /// After each of its steps.
  void stepped(const core::Event& event, const core::Effects& effects,
               const core::Machine& machine);

  /// Columns of files that anything was told of.
  std::vector<std::string> files() const;

  // Names
  std::string name_of(core::ClientId client) const override;
  std::string owner_of(core::ClientId client, core::OpenId open,
                       const std::string& owner) const override;
  std::string name_of(core::FileId file) const override;
  std::string span_of(core::Range range) const override;
  Asked asked_by(core::RequestId request) const override;

 private:
  struct Open {
    core::ClientId client;
    core::FileId file;
  };
  struct Request {
    Asked asked;
    core::FileId file;  ///< of an open
    core::ClientId client;
  };
  class Asking;

  void learn(const core::Machine& machine);
  void note(const core::Event& event);
  void explain_before(const core::Event& event);
  void tell_effects(const core::Event& event, const core::Effects& effects);
  void tell_files(const core::Machine& machine);

  World world_;
  bool explains_;
  std::optional<core::Machine> behind_;  ///< the one of before
  std::map<core::ClientId, core::ClientView> clients_;
  std::map<core::OpenId, Open> opens_;
  std::map<core::RequestId, Request> requests_;
  std::map<core::FileId, std::string> names_;  ///< the last one of each
  std::map<std::string, std::string> told_;    ///< by column
};

}  // namespace lockstep::sim::wired
