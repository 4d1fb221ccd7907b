// The level `wire` of lockstep-sim: bytes through the codecs and sessions of the real server.
#pragma once

#include "sim/level.hpp"

namespace lockstep::sim {

const Level& wire_level();

}  // namespace lockstep::sim
