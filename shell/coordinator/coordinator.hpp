// The core's side of the loop: applies events one at a time, turns the records of a step into one
// journal batch, and lets every effect leave when the order rule of core/effect.hpp allows it.
//
//   event -> Machine::apply -> effects -> (records -> journal) -> outbox -> sinks
//
// What does not wait for the disk leaves at once, in order; what does waits for its batch, in
// order. After a step that took state away from an expired client, or ended grace, everything waits
// for that batch (RFC 8881 8.4.3): otherwise a grant could be seen that a crash would contradict.
//
// Calls from inside a delivery (a coroutine that goes on with its next request) are applied at
// once; their effects leave after those that are being delivered.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/machine.hpp"
#include "shell/journal/journal.hpp"
#include "shell/wire/ports.hpp"

namespace lockstep::coordinator {

class CoreCoordinator final : public wire::Coordinator {
 public:
  struct Journal {
    /// Takes the records of one step; `durable(number)` is told when they are on disk.
    std::function<void(std::uint64_t number, std::vector<journal::Record> records)> append;
    /// Somebody waits for what was appended.
    std::function<void()> hurry;
  };
  /// Sees every step (log, metrics, recording) before its effects leave.
  using Watch = std::function<void(const core::Event&, const core::Effects&)>;

  CoreCoordinator(core::Machine machine, wire::Clock& clock, Journal journal, Watch watch);
  ~CoreCoordinator() override;
  CoreCoordinator(const CoreCoordinator&) = delete;
  CoreCoordinator& operator=(const CoreCoordinator&) = delete;

  /// Rebuilds the state from what the journal holds and begins grace if anything was held. First.
  void recover(const journal::Contents& contents, std::uint64_t epoch);

  // wire::Coordinator
  core::RequestId new_request() override { return core::RequestId{++last_request_}; }
  void submit(core::EventBody event, core::RequestId request, wire::ReplySink& sink) override;
  void report(core::EventBody event) override;
  void attach(core::ClientId client, wire::ClientSink& sink) override;
  void detach(core::ClientId client, wire::ClientSink& sink) override;
  Changes changes(core::FileId file) const override { return changes_[slot_of(file)]; }
  bool in_grace() const override { return machine_.in_grace(); }
  std::uint64_t epoch() const override { return epoch_; }

  /// From the journal: every batch up to `number` is on disk.
  void durable(std::uint64_t number);
  /// From the journal: batches stay queued. Grants that wait for them are taken back and fail.
  void journal_failed();

  /// Answers everything that is outstanding with `cancelled`; later calls are answered the same.
  void stop();

  const core::Machine& machine() const { return machine_; }
  /// Records that the journal held and this version cannot read (they protect nothing).
  std::size_t unreadable_records() const { return unreadable_; }
  std::size_t outstanding() const { return waiting_.size(); }

 private:
  static constexpr std::size_t kSlots = 4096;
  using Slots = boost::container::small_vector<std::uint16_t, 4>;
  static std::uint16_t slot_of(core::FileId file);
  static Slots changed_by(const core::EventBody& body);

  /// Who waits for a reply, and how its grant is taken back if it cannot be made durable.
  struct Waiting {
    wire::ReplySink* sink = nullptr;
    std::optional<core::Unlocked> undo;
    bool opened = false;  ///< the answer is a new open
    Slots changes;        ///< what it changes once it is let through
  };
  struct Held {
    std::uint64_t batch = 0;
    core::Effect effect;
  };

  void step(core::EventBody body);
  void note_what_is_new();
  void count_changes(const core::Event& event);
  void persist(core::Effects& effects);
  std::uint64_t queue(core::Effect effect, std::uint64_t least);
  void deliver();
  void carry_out(core::Effect& effect);
  void arm();

  core::Machine machine_;
  wire::Clock& clock_;
  const Journal journal_;
  const Watch watch_;
  std::uint64_t epoch_ = 0;
  std::uint64_t last_request_ = 0;
  std::size_t unreadable_ = 0;

  core::Effects effects_;            // of the step that is being applied
  std::deque<core::Effect> outbox_;  // may leave now
  std::deque<Held> held_;            // wait for their batch
  bool delivering_ = false;
  bool stopped_ = false;
  bool failed_ = false;

  std::uint64_t last_batch_ = 0;
  std::uint64_t hurried_ = 0;  // the journal knows that somebody waits for these
  std::uint64_t durable_ = 0;
  std::uint64_t barrier_ = 0;

  std::uint64_t newest_lock_ = 0;  // granted in this run
  core::OpenId newest_open_;

  std::array<Changes, kSlots> changes_{};
  std::map<core::RequestId, Slots> changing_;  // accesses in flight

  std::map<core::RequestId, Waiting> waiting_;
  std::map<core::ClientId, wire::ClientSink*> clients_;

  core::Nanos armed_ = core::kNever;
  std::function<void()> disarm_;
};

}  // namespace lockstep::coordinator
