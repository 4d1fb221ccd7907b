#include "sim/exhaust.hpp"

#include "sim/core/level.hpp"

namespace lockstep::sim {

namespace {

class Exhaustion {
 public:
  explicit Exhaustion(const Scope& scope) : scope_(scope), next_(scope.programs.size(), 0) {
    options_.thorough = true;
  }

  Exhausted run() {
    interleave();
    return std::move(result_);
  }

 private:
  void interleave() {
    if (result_.found) return;
    bool done = true;
    for (std::size_t client = 0; client < scope_.programs.size(); ++client) {
      if (next_[client] == scope_.programs[client].size()) continue;
      done = false;
      order_.push_back(scope_.programs[client][next_[client]++]);
      interleave();
      order_.pop_back();
      --next_[client];
    }
    if (!done) return;
    play(order_.size() + 1, 0);
    if (!scope_.crash) return;
    for (std::size_t place = 1; place <= order_.size(); ++place) {
      for (const unsigned keeping : {0U, 1U}) play(place, keeping);
    }
  }

  /// The order at hand, with a crash before the step `place` (none when it is behind the end).
  void play(std::size_t place, unsigned keeping) {
    if (result_.found) return;
    Script script{"core", {}};
    auto add = [&](const std::string& text) {
      script.lines.push_back({static_cast<int>(script.lines.size()) + 1, text});
    };
    for (const std::string& line : scope_.stage) add(line);
    for (std::size_t i = 0; i <= order_.size(); ++i) {
      // The crash meets what the step before it has just caused.
      if (i == place) {
        add("wait 2ms");
        add(keeping == 0 ? "crash" : "crash keeping " + std::to_string(keeping));
        add("wait 300ms");
      }
      if (i == order_.size()) break;
      add(order_[i]);
      add("wait 4ms");
    }
    const Outcome outcome = core_level().run(script, options_);
    ++result_.runs;
    result_.events += outcome.events;
    if (!outcome.found) return;
    result_.found = outcome.found;
    result_.script = std::move(script);
  }

  const Scope& scope_;
  Options options_;
  std::vector<std::size_t> next_;
  std::vector<std::string> order_;
  Exhausted result_;
};

}  // namespace

const std::vector<Scope>& small_scopes_of_core() {
  static const std::vector<Scope> scopes = {
      {"three lockers and a crash",
       {"client A nlm", "client B nlm", "client C nlm"},
       {{"A locks f 0-7 exclusive waiting", "A locks f 0-3 shared", "A unlocks f 0-eof"},
        {"B locks f 4-9 exclusive waiting", "B cancels f", "B unlocks f 0-eof"},
        {"C locks f 2-5 shared waiting", "C locks f 8-9 exclusive waiting", "C unlocks f 0-eof"}},
       true},
      {"a lease, a lock and a delegation, and a crash",
       {"client A smb", "client B nlm", "client C nfs41"},
       {{"A opens f rw wishing lease RWH", "A writes f 0-3", "A closes f"},
        {"B locks f 0-3 exclusive waiting", "B tests f 0-3", "B unlocks f 0-3"},
        {"C opens f r wishing delegation R", "C reads f 0-3", "C closes f"}},
       true}};
  return scopes;
}

Exhausted exhaust(const Scope& scope) { return Exhaustion(scope).run(); }

}  // namespace lockstep::sim
