// The machine once more, naive and obviously right: flat lists, linear scans, one function for each
// thing that can happen. It is the oracle of `core`: same events in, same effects and view out.
// Written from core/README.md; it shares with core only the words.
//
// It stands on a ladder of small layers, each of which uses those below:
//   events.hpp  what can happen
//   steps.hpp   one step: go or wait, wakes, deadlines, the end of grace
//   grants.hpp  what a request that goes does
//   judge.hpp   go, held, or break first
//   ranges.hpp  byte ranges, the queue, the wait-for graph
//   queue.hpp   records, replies, wakes, breaks, the end of state
//   tables.hpp  finding things; a request reduced to what it needs
//   state.hpp   the lists
#pragma once

#include "model/events.hpp"

namespace lockstep::model {

class Model : private Events {
 public:
  explicit Model(Limits l) : Events(l) {}
  void recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos at, Effects& effects);
  void apply(const Event& event, Effects& effects);
  Nanos next_deadline() const { return earliest_deadline().time; }
  StateView view() const;

 private:
  FileView view_of(FileId file) const;
};

}  // namespace lockstep::model
