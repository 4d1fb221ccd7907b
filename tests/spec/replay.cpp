#include "tests/spec/replay.hpp"

#include <iostream>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace lockstep::test {

namespace {

/// The text between TLC's quotes, with its escapes undone; nothing when the line is none of ours.
std::optional<std::string> value_text(const std::string& line) {
  const bool edge = line.starts_with("\"<<[") && line.ends_with(">>\"");
  const bool scene = line.starts_with("\"[") && line.ends_with("]\"");
  if (!edge && !scene) return std::nullopt;
  std::string text;
  text.reserve(line.size());
  for (std::size_t i = 1; i + 1 < line.size(); ++i) {
    if (line[i] == '\\' && i + 2 < line.size()) ++i;
    text += line[i];
  }
  return text;
}

class Replay {
 public:
  Replay(Translator& translator, std::uint64_t mismatches_max)
      : translator_(translator), mismatches_max_(mismatches_max) {}

  void begin(const Value& scene) { translator_.begin(scene); }

  void edge(const Value& event, const Value& state, const Value& step) {
    if (!(state == source_)) leave(state);
    if (!events_seen_.insert(hash(event)).second) ++tally.forks;
    translator_.load(*at_source_);
    const Value said = translator_.happen(event);
    ++tally.edges;
    ++tally.events[event["type"].text];
    count_outcome(step);
    const Value& after = step["state"];
    if (after == state) ++tally.refusals;
    const Value seen = translator_.view(), wanted = translator_.visible(after);
    const auto broken = translator_.subject().broken();
    if (seen != wanted || broken || !translator_.agrees(said, step)) {
      ++tally.mismatches;  // the state behind a mismatch is not the specification's
      if (tally.mismatches > mismatches_max_) return;
      std::cerr << translator_.subject().name() << "\nfrom  " << show(state) << "\nevent "
                << show(event) << "\nspec  " << show(wanted) << "\n      " << show(step)
                << "\nhere  " << show(seen) << "\n      " << show(said)
                << (broken ? "\nbroken " + *broken : "") << "\n\n";
      return;
    }
    const std::uint64_t key = hash(after);
    if (!reached_.try_emplace(key, ways_.size()).second) return;
    kept_.emplace(key, translator_.save());
    ways_.push_back({reached_.at(hash(source_)), event, hash(wanted)});
  }

  Tally done() {
    tally.states = reached_.size();
    for (std::size_t i = ways_.size(); i-- > 1;) {  // the last are the farthest
      if (!ways_[i].passed) walk(i);
    }
    return tally;
  }

 private:
  /// How a state was first reached: where from, by what, and what it then looked like.
  struct Way {
    std::size_t from;
    Value event;
    std::uint64_t seen;
    bool passed = false;  ///< by a walk
  };

  void walk(std::size_t end) {
    std::vector<std::size_t> path;
    for (std::size_t at = end; at != 0; at = ways_[at].from) path.push_back(at);
    translator_.load(*first_);
    for (const std::size_t at : std::views::reverse(path)) {
      Way& way = ways_[at];
      translator_.happen(way.event);
      ++tally.walked;
      if (std::exchange(way.passed, true) || hash(translator_.view()) == way.seen) continue;
      if (++tally.mismatches > mismatches_max_) return;
      std::cerr << translator_.subject().name() << ", walking, at last\nevent " << show(way.event)
                << "\nhere  " << show(translator_.view()) << "\n\n";
      return;
    }
  }

  /// The edges of one state are over, those of the next begin.
  void leave(const Value& next) {
    const std::uint64_t key = hash(next);
    if (tally.edges == 0) {
      if (translator_.view() != translator_.visible(next)) {
        throw std::runtime_error("the machine does not begin in " + show(next) + " but in " +
                                 show(translator_.view()));
      }
      reached_.emplace(key, 0);
      ways_.push_back({});
      first_ = translator_.save();
      kept_.emplace(key, *first_);
    }
    auto found = kept_.extract(key);
    if (!found) throw std::runtime_error("not reached, or its edges were over: " + show(next));
    source_ = next;
    at_source_ = std::move(found.mapped());
    events_seen_.clear();
  }

  void count_outcome(const Value& step) {
    if (const Value* reply = step.find("reply")) ++tally.outcomes[reply->text];
    if (const Value* out = step.find("out")) {
      for (const Value& effect : out->items) {
        const Value* status = effect.find("status");
        ++tally.outcomes[status ? status->text : effect["what"].text];
      }
    }
  }

  Translator& translator_;
  std::uint64_t mismatches_max_;
  Tally tally;
  Value source_;
  std::optional<Translator::Saved> first_, at_source_;
  std::unordered_set<std::uint64_t> events_seen_;
  std::unordered_map<std::uint64_t, std::size_t> reached_;  ///< state -> its way
  std::vector<Way> ways_;                                   ///< in the order of discovery
  std::unordered_map<std::uint64_t, Translator::Saved> kept_;
};

}  // namespace

std::vector<Tally> replay(std::istream& dump, std::span<Translator* const> translators,
                          std::uint64_t mismatches_max) {
  std::vector<Replay> replays;
  for (Translator* translator : translators) replays.emplace_back(*translator, mismatches_max);
  std::string line;
  while (std::getline(dump, line)) {
    const auto text = value_text(line);
    if (!text) continue;
    const Value value = parse_value(*text);
    for (Replay& replay : replays) {
      if (value.kind == Value::Kind::record) {
        replay.begin(value);
      } else {
        replay.edge(value[0], value[1], value[2]);
      }
    }
  }
  std::vector<Tally> tallies;
  for (Replay& replay : replays) tallies.push_back(replay.done());
  return tallies;
}

}  // namespace lockstep::test
