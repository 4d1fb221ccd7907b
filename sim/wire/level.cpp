#include "sim/wire/level.hpp"

#include "sim/wire/expand.hpp"
#include "sim/wire/simpler.hpp"
#include "sim/wire/world.hpp"

namespace lockstep::sim {

namespace {

class WireLevel final : public Level {
 public:
  std::string_view name() const override { return "wire"; }
  std::vector<std::string> faults() const override { return wired::fault_names(); }
  std::vector<std::string> profiles() const override { return {"default", "long"}; }
  Script expand(std::uint64_t seed, const Options& options) const override {
    return wired::expand(seed, options);
  }
  Outcome run(const Script& script, const Options& options) const override {
    wired::World world(script, options);
    return world.run();
  }
  std::vector<std::string> simpler(const std::string& line) const override {
    return wired::simpler_lines(line);
  }
};

}  // namespace

const Level& wire_level() {
  static const WireLevel level;
  return level;
}

}  // namespace lockstep::sim
