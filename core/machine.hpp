// The door. Who knows Event and Effect knows the machine.
//
// apply(event, effects) is a pure function of the machine's state and the event: no clock, no I/O,
// no allocation order, no hash order. It appends to `effects`; the order rule stands in effect.hpp.
// Call it with non-decreasing `now`, and with a Tick no later than next_deadline().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/limits.hpp"
#include "core/record.hpp"
#include "core/view.hpp"

namespace lockstep::core {

class State;

class Machine {
 public:
  explicit Machine(Limits limits);
  ~Machine();
  Machine(Machine&&) noexcept;
  Machine& operator=(Machine&&) noexcept;

  /// Start of a server run: rebuilds what protects the files from the records of the journal,
  /// takes `epoch` (greater than any before; ids of this run begin there) and begins grace when
  /// anything was held. Persists the new BootRecord first. Once, before the first event.
  void recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos now,
               Effects& effects);

  void apply(const Event& event, Effects& effects);

  /// When the next Tick is due; kNever when nothing is timed.
  Nanos next_deadline() const;

  bool in_grace() const;
  StateView view() const;
  StateView overview() const;  ///< the view without its files: costs what the clients cost
  FileView view(FileId file) const;
  std::vector<FileView> view_of(ClientId client) const;
  std::vector<ClientView> clients() const;
  /// Those with state, in order: at most `limit`.
  std::vector<FileId> files(std::size_t limit = ~std::size_t{0}) const;
  std::size_t file_count() const;
  /// What would decide this request now; changes nothing.
  Explanation explain(const Event& request) const;

  /// A hash of the whole view and the timers: equal states, equal numbers.
  std::uint64_t hash() const;
  /// The name of the first invariant of properties.md that does not hold, with what breaks it.
  std::optional<std::string> check_invariants() const;

  const Limits& limits() const;

  /// Whole state as bytes (Boost.Serialization, versioned) and back; load throws
  /// std::runtime_error when the bytes are no snapshot of a known version.
  std::string save() const;
  static Machine load(const std::string& snapshot);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace lockstep::core
