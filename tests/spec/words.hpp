// The words that several modules of the specification share, and what the core calls the same.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/break_table.hpp"
#include "core/record.hpp"
#include "tests/spec/value.hpp"

namespace lockstep::test {

/// {"R", "W", "H"}, as far as they are there.
Value letters(core::Rights rights);
core::Rights rights_of(const Value& letters);
/// What stands where no break is out.
Value no_break();

/// {"read", "write", "remove"}, as far as they are there.
Value words(core::Access access);
core::Access bits(const Value& words);

/// As BreakTable.tla calls the row.
std::string_view row_name(core::Cause cause);
/// What an access does, as BreakTable.tla calls it; a truncation is an open's.
std::string operation_name(core::Operation operation);
core::Operation operation_of(std::string_view name);

/// "lease", "oplock", ...; any other word is none.
core::Flavour flavour_of(std::string_view word);
/// The lease key of a client that the specification calls by this name.
core::LeaseKey key_of(std::string_view name);

/// What a journal does with a change; by encoded key.
void write(std::map<std::string, core::Record>& disk, const core::Change& change);

}  // namespace lockstep::test
