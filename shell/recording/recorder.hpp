// Writes down what the core was told and what it did: one JSON object a line, neutral between the
// programs that record (the simulator, lockstepd) and whoever reads (tests/spec/traces, which has
// TLC accept the recording as a behaviour of the specification).
//
//   {"run": 2, "now": ..., "limits": {...}, "clients": [...], "files": [...]}    a server run
//   begins
//   {"now": ..., "event": {"type": "LockRequested", ...}, "effects": [...], "files": [...]}
//
// `files` are the views, after the step, of the files that the step may have touched. Members are
// named as in core/event.hpp, core/effect.hpp and core/view.hpp; bytes (owners, identities, keys)
// are hexadecimal. What a line costs follows from the files of its step, not from all there are.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <set>
#include <vector>

#include "core/machine.hpp"

namespace lockstep::recording {

class Recorder {
 public:
  /// `out` outlives the recorder. A line is flushed whole, so that a kill leaves whole lines.
  explicit Recorder(std::ostream& out) : out_(out) {}

  /// A server run begins: what the machine has recovered.
  void began(core::Nanos now, std::uint64_t run, const core::Machine& machine);
  /// After each step, in the order of the steps.
  void after_step(const core::Event& event, const core::Effects& effects,
                  const core::Machine& machine);

 private:
  std::set<core::FileId> touched(const core::Event& event, const core::Effects& effects,
                                 const core::Machine& machine) const;
  void look_at(core::FileId file, core::FileView view);

  std::ostream& out_;
  // Which file an open or a request is of: events that name these do not name the file.
  std::map<core::OpenId, core::FileId> opens_;
  std::map<core::RequestId, std::set<core::FileId>> requests_;
  std::map<core::FileId, core::FileView> views_;  ///< as they were written last
};

}  // namespace lockstep::recording
