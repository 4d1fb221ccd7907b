// The table of bug classes in sim/README.md, checked: what it names exists.
#pragma once

#include <string>
#include <vector>

namespace lockstep::sim {

/// How many classes there are; the table has each of them once.
inline constexpr unsigned kClasses = 43;

/// Reads the table `| # | core level | wire level |` of this file: numbers by comma, and for each
/// level "marks" that every test run must see, or small scopes of the core, and `scenarios` of the
/// folder. Returns what is wrong with it, a line each.
std::vector<std::string> check_classes(const std::string& readme, const std::string& scenarios);

}  // namespace lockstep::sim
