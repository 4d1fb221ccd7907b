// The invariants of the list of properties that a view alone can show, under their names there.
#pragma once

#include <optional>
#include <string>

#include "core/view.hpp"

namespace lockstep::test {

/// The name of the first that does not hold, with what breaks it.
std::optional<std::string> broken_property(const core::StateView& view);

}  // namespace lockstep::test
