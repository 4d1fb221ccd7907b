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

/// "f", as a script says it.
std::string file_of(core::FileId file);

}  // namespace lockstep::sim
