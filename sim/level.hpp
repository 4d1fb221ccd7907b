// What a level of the simulator is: it expands a seed into an explicit script, and runs scripts.
//
// A script is prose, one step a line; a step says everything that chance decided about it and names
// things symbolically ("the second open of B on f"), so that the rest of a script keeps its sense
// when steps are taken out of it. That is what makes shrinking work, and what makes a shrunk
// failure a readable scenario. A step whose subject is not there does nothing.
//
// A level is deterministic: equal script and options, equal Outcome, on every compiler. It reads no
// clock, no environment, no address, and iterates nothing that is hashed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.hpp"
#include "sim/failure.hpp"
#include "sim/marks.hpp"

namespace lockstep::sim {

struct Line {
  int number = 0;  ///< in the file that it came from, from 1; generated ones count up
  std::string text;
  friend bool operator==(const Line& a, const Line& b) { return a.text == b.text; }
};

/// The steps, set-up (clients, limits) included. In a file: the line `level NAME` first, comments
/// from `#` to the end of the line, empty lines anywhere.
struct Script {
  std::string level;
  std::vector<Line> lines;
};

struct Options {
  bool model = true;                ///< the reference model in lock step
  bool invariants = true;           ///< check_invariants after steps
  bool coherence = true;            ///< versions of what clients read and write
  bool thorough = false;            ///< compare whole states after every event, not now and then
  bool tell = false;                ///< write the Story
  bool explain = false;             ///< with sentences that say why
  std::string faults = "all";       ///< all, none, or names by comma (each level says which it has)
  std::string profile = "default";  ///< each level says which it has
  std::string record;  ///< wire: a file for the recording of each step of the server (or none)
};

/// What happened, for people: the golden output of a scenario, the timeline, the page.
struct Moment {
  std::size_t step = 0;  ///< index of the script's line that was in work
  core::Nanos time = 0;
  std::string column;  ///< a client's name, "server", or a file's name (its holders)
  std::string text;
};
struct Story {
  std::vector<std::string> columns;  ///< clients, files, server: in the order to show
  std::vector<Moment> moments;
};

struct Found {
  FailureKind kind = FailureKind::assertion;
  std::string what;
  std::size_t step = 0;  ///< index of the script's line that was in work
};
struct Outcome {
  std::optional<Found> found;        ///< nothing: the run is good
  std::uint64_t hash = 0;            ///< the trace of the whole run
  std::vector<std::uint64_t> steps;  ///< the trace after each line
  std::uint64_t events = 0;          ///< core events, or requests on the wire
  core::Nanos simulated = 0;
  Marks marks;
  Story story;  ///< when Options::tell
};

class Level {
 public:
  virtual ~Level() = default;
  virtual std::string_view name() const = 0;
  /// Names that Options::faults and Options::profile may have, for --help and its check.
  virtual std::vector<std::string> faults() const = 0;
  virtual std::vector<std::string> profiles() const = 0;
  virtual Script expand(std::uint64_t seed, const Options& options) const = 0;
  /// Throws BadLine for a line that it does not understand; never anything else.
  virtual Outcome run(const Script& script, const Options& options) const = 0;
  /// The same as run(expand(seed)), hash included; a level may have a shorter way.
  virtual Outcome run_seed(std::uint64_t seed, const Options& options) const {
    return run(expand(seed, options), options);
  }
  /// Simpler forms of a step, the simplest first, that shrinking may try.
  virtual std::vector<std::string> simpler(const std::string&) const { return {}; }
};

/// All levels of this program.
const std::vector<const Level*>& levels();
/// Nothing when there is none of this name.
const Level* find_level(std::string_view name);

}  // namespace lockstep::sim
