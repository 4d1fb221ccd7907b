#include "sim/core/level.hpp"
#include "sim/level.hpp"
#include "sim/wire/level.hpp"

namespace lockstep::sim {

const std::vector<const Level*>& levels() {
  static const std::vector<const Level*> all{&core_level(), &wire_level()};
  return all;
}

const Level* find_level(std::string_view name) {
  for (const Level* level : levels()) {
    if (level->name() == name) return level;
  }
  return nullptr;
}

}  // namespace lockstep::sim
