// Which names the directory has: the oracle of listings.
//
// Of each change of a name is known when it was asked for and, when its client was answered, when
// it was done for sure; without an answer it may have happened at any time since, or never. The
// rule: name by name, a listing shows something that the directory had at a moment since it was
// asked for.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>

#include "sim/agenda.hpp"

namespace lockstep::sim::wired {

class Names {
 public:
  struct Change {
    std::string who;
    bool there = false;  ///< else it is to go
    Nanos begun = 0, done = kNever;
  };
  /// Somebody asks for it. What is returned stays where it is.
  Change& begin(const std::string& who, const std::string& name, bool there, Nanos now);
  /// Throws Failure when a name is there, or is not, that cannot be so. Else what the client saw,
  /// for the story.
  std::string listed(const std::string& who, std::set<std::string> names, Nanos since) const;

 private:
  using Changes = std::deque<Change>;
  /// The change that has surely made it otherwise before `since`; null: it may be so.
  static const Change* objection(const Changes& changes, bool there, Nanos since);

  std::map<std::string, Changes> of_name_;
};

}  // namespace lockstep::sim::wired
