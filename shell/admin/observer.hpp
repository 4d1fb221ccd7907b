// Watches what the core decides: counts it, and writes a line for what an operator wants to know.
// It is told of every step and changes nothing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/effect.hpp"
#include "core/event.hpp"

namespace lockstep::admin {

/// Buckets of 0.1 s times 2^n, n < 10, as the metric's definition asks.
class BreakDurations {
 public:
  static constexpr std::size_t kBuckets = 10;
  void add(core::Nanos duration);
  /// Prometheus' three series of a histogram; `labels` without braces.
  std::string text(const std::string& name, const std::string& labels) const;
  std::uint64_t count() const { return count_; }

 private:
  std::array<std::uint64_t, kBuckets> up_to_{};
  std::uint64_t count_ = 0;
  core::Nanos sum_ = 0;
};

class Observer {
 public:
  /// `path`: a file in words, for log lines.
  explicit Observer(std::function<std::string(core::FileId)> path) : path_(std::move(path)) {}

  /// The records that the machine starts from: clients have names before they come back.
  void recovered(const std::vector<core::Record>& records);
  /// After each step, in the order of the steps.
  void after_step(const core::Event& event, const core::Effects& effects);

  /// Counters and histograms in Prometheus' text format.
  std::string text() const;

 private:
  struct ConflictKey {
    bool nfs = false;  ///< the initiator's family
    core::ConflictSeen::Thing conflicting{};
    core::ConflictSeen::Resolution resolution{};
    friend auto operator<=>(const ConflictKey&, const ConflictKey&) = default;
  };
  void on(const core::ConflictSeen& conflict);
  void on(const core::Revoked& revoked);
  void on(const core::Persist& persist);
  void on(const core::Reply& reply);
  void on(const core::GraceEnded&);
  void on(const core::SendBreak& notice);
  void on(const core::NotifyGranted&) { ++granted_callbacks_; }
  template <class Other>
  void on(const Other&) {}
  std::string client(core::ClientId id) const;

  std::function<std::string(core::FileId)> path_;
  std::map<core::ClientId, std::string> labels_;
  std::string arriving_;  ///< the label in the event that is being looked at
  std::map<ConflictKey, std::uint64_t> conflicts_;
  std::map<std::pair<std::string, std::string>, BreakDurations> durations_;  ///< trigger, target
  std::array<std::uint64_t, 8> breaks_{};                                    ///< by flavour
  std::array<std::uint64_t, 64> replies_{};                                  ///< by status
  std::uint64_t revoked_ = 0, granted_callbacks_ = 0, steps_ = 0;
};

}  // namespace lockstep::admin
