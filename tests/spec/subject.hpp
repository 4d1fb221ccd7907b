// What is replayed: the machine of core, or the reference model, behind one face.
#pragma once

#include <any>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/machine.hpp"

namespace lockstep::test {

class Subject {
 public:
  virtual ~Subject() = default;
  virtual std::string_view name() const = 0;
  /// A server run begins, with what an earlier one left on record.
  virtual void recover(const core::Limits& limits, const std::vector<core::Record>& records,
                       std::uint64_t epoch, core::Nanos now, core::Effects& effects) = 0;
  virtual void apply(const core::Event& event, core::Effects& effects) = 0;
  virtual core::StateView view() const = 0;
  /// Everything it knows, to come back to.
  virtual std::any save() const = 0;
  virtual void load(const std::any& saved) = 0;
  /// An invariant that does not hold, in words.
  virtual std::optional<std::string> broken() const = 0;
};

/// `name`: "core" or "model"; nothing for any other.
std::unique_ptr<Subject> make_subject(std::string_view name);

}  // namespace lockstep::test
