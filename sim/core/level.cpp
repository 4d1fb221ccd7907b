#include "sim/core/level.hpp"

#include "sim/core/expand.hpp"
#include "sim/core/simpler.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

namespace {

class CoreLevel : public Level {
 public:
  std::string_view name() const override { return "core"; }
  std::vector<std::string> faults() const override { return core_faults(); }
  std::vector<std::string> profiles() const override { return core_profiles(); }

  Script expand(std::uint64_t seed, const Options& options) const override {
    Script script{"core", {}};
    for (const Step& step : expand_core(seed, options)) {
      script.lines.push_back({static_cast<int>(script.lines.size()) + 1, describe(step)});
    }
    return script;
  }
  Outcome run(const Script& script, const Options& options) const override {
    std::vector<Step> steps;
    steps.reserve(script.lines.size());
    for (const Line& line : script.lines) steps.push_back(parse_step(line));
    return run(steps, options);
  }
  std::vector<std::string> simpler(const std::string& line) const override {
    return simpler_steps(line);
  }
  Outcome run_seed(std::uint64_t seed, const Options& options) const override {
    return run(expand_core(seed, options), options);
  }

 private:
  static Outcome run(const std::vector<Step>& steps, const Options& options) {
    World world(options);
    std::optional<Found> found;
    std::size_t index = 0;
    try {
      for (; index < steps.size(); ++index) world.play(steps[index], index);
      world.finish();
    } catch (const Failure& failure) {
      found = Found{failure.kind, failure.what(), index};
    } catch (const std::exception& thrown) {
      found = Found{FailureKind::assertion, std::string("Exception: ") + thrown.what(), index};
    }
    Outcome outcome = world.outcome();
    outcome.found = std::move(found);
    return outcome;
  }
};

}  // namespace

const Level& core_level() {
  static const CoreLevel level;
  return level;
}

}  // namespace lockstep::sim
