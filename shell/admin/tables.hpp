// Reports as tables for people.
#pragma once

#include <string>

#include "shell/admin/report.hpp"

namespace lockstep::admin {

/// The answer to `command` as text, ending with a newline.
std::string table_of(const std::string& command, const Json& report);

}  // namespace lockstep::admin
