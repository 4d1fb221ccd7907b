#include "sim/shrink.hpp"

#include <algorithm>

namespace lockstep::sim {

namespace {

class Shrinking {
 public:
  Shrinking(const Level& level, const Script& script, const Found& found, const Options& options)
      : level_(level), options_(options), result_{script, found, 0} {
    options_.thorough = true;
    options_.tell = options_.explain = false;
  }

  Shrunk run() {
    // Nothing after the step that failed matters, but for what only shows at the end.
    if (result_.found.step + 1 < result_.script.lines.size()) {
      std::vector<Line> lines = result_.script.lines;
      lines.resize(result_.found.step + 1);
      keep_if_fails(lines);
    }
    for (bool smaller = true; smaller;) {
      const std::size_t before = weight();
      take_out();
      simplify();
      smaller = weight() < before;
    }
    return std::move(result_);
  }

 private:
  std::size_t weight() const {
    std::size_t sum = 0;
    for (const Line& line : result_.script.lines) sum += 1000 + line.text.size();
    return sum;
  }

  static std::string property(const Found& found) {
    const bool named =
        found.kind == FailureKind::assertion || found.kind == FailureKind::incoherence;
    return named ? found.what.substr(0, found.what.find(':')) : "";
  }

  bool keep_if_fails(const std::vector<Line>& lines) {
    ++result_.runs;
    Script candidate{result_.script.level, lines};
    try {
      const Outcome outcome = level_.run(candidate, options_);
      if (!outcome.found || outcome.found->kind != result_.found.kind ||
          property(*outcome.found) != property(result_.found)) {
        return false;
      }
      result_.script = std::move(candidate);
      result_.found = *outcome.found;
      return true;
    } catch (const BadLine&) {
      return false;
    }
  }

  /// ddmin over complements: blocks of half, a quarter, ... of the steps, down to single ones.
  void take_out() {
    std::size_t block = std::max<std::size_t>(result_.script.lines.size() / 2, 1);
    for (;;) {
      bool any = false;
      // From the end: what comes late depends on what comes early, not the other way round.
      for (std::size_t end = result_.script.lines.size(); end > 0;) {
        const std::size_t begin = end > block ? end - block : 0;
        std::vector<Line> lines = result_.script.lines;
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(begin),
                    lines.begin() + static_cast<std::ptrdiff_t>(end));
        any = keep_if_fails(lines) || any;
        end = std::min(begin, result_.script.lines.size());
      }
      if (block == 1 && !any) return;
      block = std::max<std::size_t>(block / 2, 1);
    }
  }

  void simplify() {
    for (std::size_t i = 0; i < result_.script.lines.size(); ++i) {
      for (const std::string& form : level_.simpler(result_.script.lines[i].text)) {
        std::vector<Line> lines = result_.script.lines;
        lines[i].text = form;
        if (keep_if_fails(lines)) break;
        if (i >= result_.script.lines.size()) return;
      }
    }
  }

  const Level& level_;
  Options options_;
  Shrunk result_;
};

}  // namespace

Shrunk shrink(const Level& level, const Script& script, const Found& found,
              const Options& options) {
  return Shrinking(level, script, found, options).run();
}

}  // namespace lockstep::sim
