// The vocabulary of the core as JSON: what a recording's lines are made of.
#pragma once

#include <nlohmann/json.hpp>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/limits.hpp"
#include "core/view.hpp"

namespace lockstep::recording {

using Json = nlohmann::json;

Json line_of(const core::EventBody& event);
/// Null for what only counts and metrics are made of (Persist, ConflictSeen).
Json line_of(const core::Effect& effect);
Json line_of(const core::FileView& view);
Json line_of(const core::ClientView& view);
Json line_of(const core::Limits& limits);

}  // namespace lockstep::recording
