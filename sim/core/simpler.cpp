#include "sim/core/simpler.hpp"

#include "sim/core/step.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

std::vector<std::string> simpler_steps(const std::string& line) {
  const Step step = parse_step({0, line});
  const Step plain;
  std::vector<std::string> forms;
  auto form = [&](auto change) {
    Step other = step;
    change(other);
    const std::string text = describe(other);
    if (text != line && text.size() <= line.size()) forms.push_back(text);
  };
  // Every part for itself is put to its default.
  form([&](Step& s) { s.trait = plain.trait; });
  form([&](Step& s) { s.flavour = plain.flavour, s.rights = plain.rights, s.key = plain.key; });
  form([&](Step& s) { s.key = plain.key; });
  form([&](Step& s) { s.deny = plain.deny; });
  form([&](Step& s) { s.number = plain.number; });
  form([&](Step& s) { s.owner = plain.owner; });
  form([&](Step& s) { s.waiting = plain.waiting; });
  form([&](Step& s) { s.locally = plain.locally; });
  form([&](Step& s) { s.more.clear(); });
  form([&](Step& s) { s.overwriting = plain.overwriting; });
  form([&](Step& s) { s.attributes = plain.attributes; });
  form([&](Step& s) { s.lazily = plain.lazily; });
  form([&](Step& s) { s.special = plain.special; });
  form([&](Step& s) { s.again = plain.again; });
  form([&](Step& s) { s.other = s.file; });
  if (step.verb == Verb::crash) {
    form([&](Step& s) { s.count = plain.count; });
    form([&](Step& s) { s.effect = plain.effect; });
  }
  if (step.access.bits() != 0) {
    form([&](Step& s) { s.access = AccessBit::read; });
    form([&](Step& s) { s.access = s.access.without(AccessBit::remove); });
  }
  if (step.range != plain.range) {
    form([&](Step& s) { s.range = {0, 0}; });
    form([&](Step& s) { s.range = {0, 9}; });
    form([&](Step& s) { s.range = Range::whole(); });
    form([&](Step& s) { s.range.last = s.range.first; });
  }
  if (step.verb == Verb::wait) {
    for (const Nanos time : {kMillisecond, 10 * kMillisecond, 100 * kMillisecond, kSecond,
                             10 * kSecond, 60 * kSecond}) {
      if (time < step.time) form([time](Step& s) { s.time = time; });
    }
  }
  return forms;
}

}  // namespace lockstep::sim
