// How a run can fail. Each kind has its exit code, so that a script can tell them apart.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace lockstep::sim {

enum class FailureKind {
  assertion = 10,       ///< an invariant, an `always` mark, an order rule
  divergence = 11,      ///< core and model did not do the same
  incoherence = 12,     ///< a client read what it must not read, or lost what it wrote
  liveness = 13,        ///< everything is healed and somebody still waits
  nondeterminism = 14,  ///< the same script ran two ways
  leak = 15,            ///< everything is closed and something is left
};
/// Other exit codes of lockstep-sim: 0 nothing found, 1 a `sometimes` was never hit or a golden
/// output differs, 2 wrong usage or a bad scenario file, 130 interrupted.
constexpr int exit_code(FailureKind kind) { return static_cast<int>(kind); }

constexpr std::string_view name(FailureKind kind) {
  switch (kind) {
    case FailureKind::assertion:
      return "assertion";
    case FailureKind::divergence:
      return "divergence";
    case FailureKind::incoherence:
      return "incoherence";
    case FailureKind::liveness:
      return "liveness";
    case FailureKind::nondeterminism:
      return "nondeterminism";
    case FailureKind::leak:
      return "leak";
  }
  return "failure";
}

/// Thrown by whatever finds it; a level turns it into its Outcome.
struct Failure : std::runtime_error {
  Failure(FailureKind which, const std::string& what_is_wrong)
      : std::runtime_error(what_is_wrong), kind(which) {}
  FailureKind kind;
};

/// A line of a scenario that cannot be understood.
struct BadLine : std::runtime_error {
  BadLine(int line_number, const std::string& expected)
      : std::runtime_error(expected), line(line_number) {}
  int line;  ///< from 1, in the file that the script came from
};

}  // namespace lockstep::sim
