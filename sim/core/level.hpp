// The core level: events straight into the core.
#pragma once

#include "sim/level.hpp"

namespace lockstep::sim {

const Level& core_level();

}  // namespace lockstep::sim
