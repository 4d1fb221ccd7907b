#include "sim/wire/names.hpp"

#include <algorithm>

#include "sim/failure.hpp"

namespace lockstep::sim::wired {

Names::Change& Names::begin(const std::string& who, const std::string& name, bool there,
                            Nanos now) {
  Change change;
  change.who = who;
  change.there = there;
  change.begun = now;
  return of_name_[name].emplace_back(std::move(change));
}

const Names::Change* Names::objection(const Changes& changes, bool there, Nanos since) {
  const Change* against = nullptr;
  // Whether what was made so at that time (0: it never was otherwise) was surely undone.
  auto undone = [&](Nanos made) {
    const auto other = std::ranges::find_if(changes, [&](const Change& change) {
      return change.there != there && change.done < since && change.begun >= made;
    });
    if (other == changes.end()) return false;
    against = &*other;
    return true;
  };
  if (!there && !undone(0)) return nullptr;
  for (const Change& change : changes) {
    if (change.there == there && (change.done == kNever || !undone(change.done))) return nullptr;
  }
  return against;
}

std::string Names::listed(const std::string& who, std::set<std::string> names, Nanos since) const {
  names.erase(".");
  names.erase("..");
  const auto wrong = [&](const std::string& name, const std::string& what) {
    throw Failure(FailureKind::incoherence, "DirCoherence: the listing of " + who +
                                                " asked for at " + std::to_string(since / 1000) +
                                                " us " + what + " " + name);
  };
  for (const std::string& name : names) {
    if (!of_name_.contains(name)) wrong(name, "shows what nobody has made:");
  }
  for (const auto& [name, changes] : of_name_) {
    const bool there = names.contains(name);
    const Change* const against = objection(changes, there, since);
    if (against == nullptr) continue;
    wrong(name, (there ? "shows what " + against->who + " has taken away:"
                       : "lacks what " + against->who + " has made:"));
  }
  std::string text = "sees";
  for (const std::string& name : names) text += " " + name;
  return text;
}

}  // namespace lockstep::sim::wired
