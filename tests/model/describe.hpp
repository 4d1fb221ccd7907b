// Events, effects and views as lines that a person can read: what a failing test prints.
#pragma once

#include <string>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/view.hpp"

namespace lockstep::test {

std::string describe(const core::Event& event);
std::string describe(const core::Effect& effect);
std::string describe(const core::Record& record);
std::string describe(const core::StateView& view);
/// Where the first view differs from the second, line by line.
std::string difference(const std::string& ours, const std::string& theirs);

}  // namespace lockstep::test
