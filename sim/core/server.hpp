// The server of the core level: the core, beside it the model, and the journal that both write.
//
// May break: the journal may be slow, may fail, and loses at a crash whatever was not on disk, from
// any batch on. Must survive: what was durable, in the order in which the steps wrote it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/machine.hpp"
#include "model/model.hpp"
#include "sim/level.hpp"
#include "sim/trace.hpp"

namespace lockstep::sim {

/// Records by kind and id.
class Records {
 public:
  void take(const core::Change& change);
  std::vector<core::Record> all() const;
  /// Without the ids of lock records, which are each machine's own; sorted.
  std::vector<std::string> comparable() const;
  bool operator==(const Records& other) const { return comparable() == other.comparable(); }
  template <class Kind>
  std::size_t count() const {
    std::size_t found = 0;
    for (const auto& [key, record] : records_) found += std::holds_alternative<Kind>(record);
    return found;
  }

 private:
  std::map<std::pair<std::size_t, std::uint64_t>, core::Record> records_;
};

class Server {
 public:
  Server(const core::Limits& limits, const Options& options, Trace& trace);

  /// Starts a run from what is on disk. What the machine wants done.
  const core::Effects& start(core::Nanos now);
  /// One step of the machine(s); throws Failure when they part or break an invariant.
  const core::Effects& apply(core::Nanos now, core::EventBody body);

  /// The number of the newest batch; what depends on the journal must wait for it.
  std::uint64_t newest_batch() const { return newest_; }
  std::uint64_t durable_batch() const { return newest_ - pending_.size(); }
  /// The first `count` of the batches that wait are on disk.
  void become_durable(std::size_t count);
  std::size_t pending() const { return pending_.size(); }
  /// Memory is lost, and the batches that are not on disk but for the first `survivors`.
  void crash(std::size_t survivors);

  const core::Machine& machine() const { return *machine_; }
  const Records& durable() const { return durable_; }
  std::uint64_t events() const { return events_; }
  std::uint64_t boots() const { return epoch_; }
  /// Compares everything now.
  void check_all();

 private:
  struct Batch {
    std::vector<core::Change> changes, of_model;
  };
  void after_step();
  void compare_effects() const;
  void compare_views() const;
  void note_batch();

  core::Limits limits_;
  bool with_model_, with_invariants_;
  std::uint64_t every_;  ///< steps between comparisons of whole views
  Trace& trace_;
  std::optional<core::Machine> machine_;
  std::unique_ptr<model::Model> model_;
  core::Effects effects_, of_model_;
  std::deque<Batch> pending_;
  Records durable_, durable_of_model_;
  std::uint64_t newest_ = 0, epoch_ = 0, events_ = 0;
};

}  // namespace lockstep::sim
