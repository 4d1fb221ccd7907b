// Events, effects and states in words.
#pragma once

#include <string>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/view.hpp"
#include "sim/core/step.hpp"

namespace lockstep::sim {

/// With the numbers of the machine, for reports of what differs.
std::string tell_raw(const core::Effect& effect);
std::string tell_raw(const core::Record& record);
/// What one view has and the other has not, a line each.
std::string difference(const core::StateView& ours, const core::StateView& theirs);

/// Who is called what in a script.
class Names {
 public:
  virtual ~Names() = default;
  virtual std::string name_of(core::ClientId client) const = 0;
};
std::string file_of(core::FileId file);
/// What holds, waits and runs on a file, in one line.
std::string holders(const core::FileView& file, const Names& names);
/// Why a request would go, wait or be refused now.
std::string explain(const core::Explanation& explanation, const Names& names);

}  // namespace lockstep::sim
