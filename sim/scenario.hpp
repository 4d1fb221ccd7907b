// Scenario files: a script in prose, with comments that tell its story; and beside it, under the
// same name with `.golden`, what has to come of it.
#pragma once

#include <stdexcept>
#include <string>

#include "sim/level.hpp"

namespace lockstep::sim {

/// A file that is no scenario. `what()` is "file:line: expected ..., found ...".
struct BadScenario : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// `level NAME` is the first line that says anything. Throws BadScenario.
Script read_scenario(const std::string& path);
void write_scenario(const std::string& path, const Script& script, const std::string& comment);
/// Runs it; a line that its level does not understand becomes BadScenario.
Outcome run_scenario(const std::string& path, const Script& script, const Options& options);
/// What happened, a line each, with the time and who did or saw it; the end of the run; the
/// verdict.
std::string golden_text(const Outcome& outcome);
std::string golden_path(const std::string& scenario);

/// The whole of a file; throws std::runtime_error with its name when it cannot be read.
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);

}  // namespace lockstep::sim
