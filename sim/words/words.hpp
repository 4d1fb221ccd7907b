// What the machine knows and does, in the words of a script: the columns of the files and of the
// server are made of these at both levels.
#pragma once

#include <string>
#include <string_view>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "core/view.hpp"

namespace lockstep::sim {

/// Who asked the server, and to do what: "A.1", "lock f 0-3 exclusive".
struct Asked {
  std::string who, what;
};

/// How a script calls things.
class Names {
 public:
  virtual ~Names() = default;
  virtual std::string name_of(core::ClientId client) const = 0;
  /// Which of its client's programs, where a script tells them apart.
  virtual std::string owner_of(core::ClientId client, core::OpenId open,
                               const std::string& owner) const = 0;
  virtual std::string name_of(core::FileId file) const = 0;
  /// In the units of the script.
  virtual std::string span_of(core::Range range) const = 0;
  virtual Asked asked_by(core::RequestId request) const = 0;
};

/// Seconds since the world began, as the timeline has them: "1.003".
std::string clock_text(core::Nanos time);
/// At the right of so many characters.
std::string padded_clock(core::Nanos time, std::size_t width);

/// The names of the vocabulary as words: "set_size" is "set size".
std::string spoken(std::string_view name);

/// What an open asks for.
std::string open_words(const std::string& file, core::Access access, core::Access deny,
                       const core::Wish& wish, bool overwriting);

/// Who has what on a file, and who waits there for whom, in one line.
std::string holders(const core::FileView& file, const Names& names);

/// Why a request would go, wait or be refused now.
std::string explain(const core::Explanation& explanation, const Names& names);

/// What the server does; empty for what nobody outside sees.
std::string effect_words(const core::Effect& effect, const Names& names);

/// Why the server does that in the step of this event, where neither the effect nor explain() says
/// it: what a waiting request waited for ("after B.1 came to unlock f 0-3"), what a refusal means.
std::string reason(const core::Effect& effect, const core::Event& event, const Names& names);

}  // namespace lockstep::sim
