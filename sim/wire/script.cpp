#include "sim/wire/script.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lockstep::sim::wired {

namespace {

using Kind = WireStep::Kind;
using Verb = Deed::Verb;

constexpr std::pair<std::string_view, smb2::Dialect> kDialects[] = {
    {"2.1", smb2::Dialect::smb210},
    {"3.0", smb2::Dialect::smb300},
    {"3.0.2", smb2::Dialect::smb302},
    {"3.1.1", smb2::Dialect::smb311},
};
constexpr std::pair<std::string_view, SmbHabits::Acks> kAcks[] = {
    {"honestly", SmbHabits::Acks::honestly},
    {"never", SmbHabits::Acks::never},
    {"wrongly", SmbHabits::Acks::wrongly},
    {"late", SmbHabits::Acks::late},
};
constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"opens", Verb::open},     {"closes", Verb::close},       {"reads", Verb::read},
    {"writes", Verb::write},   {"syncs", Verb::sync},         {"locks", Verb::lock},
    {"unlocks", Verb::unlock}, {"tests", Verb::test},         {"removes", Verb::remove},
    {"renames", Verb::rename}, {"truncates", Verb::truncate}, {"lists", Verb::list},
};

/// Words of one line, from the left.
class Words {
 public:
  explicit Words(const Line& line) : line_(line), left_(line.text) { advance(); }

  bool end() const { return !word_; }
  bool at(std::string_view word) const { return word_ == word; }
  bool take(std::string_view word) {
    if (!at(word)) return false;
    advance();
    return true;
  }
  std::string next(const std::string& expected) {
    if (!word_) fail(expected);
    std::string word(*word_);
    advance();
    return word;
  }
  void want(std::string_view word) {
    if (!take(word)) fail("'" + std::string(word) + "'");
  }
  std::uint64_t number(const std::string& expected) { return to_number(next(expected), expected); }
  /// "20ms", "300us", "5s".
  Nanos time() {
    const std::string word = next("a time, as 20ms");
    std::size_t digits = 0;
    while (digits < word.size() && word[digits] >= '0' && word[digits] <= '9') ++digits;
    const Nanos count = to_number(word.substr(0, digits), "a time, as 20ms");
    const std::string unit = word.substr(digits);
    if (unit == "us") return count * 1000;
    if (unit == "ms") return count * kMillisecond;
    if (unit == "s") return count * kSecond;
    fail("a time with us, ms or s");
  }
  /// "0-3" or "2".
  CellRange cells() {
    const std::string word = next("cells, as 0-3");
    const std::size_t dash = word.find('-');
    CellRange range;
    range.first = static_cast<std::uint32_t>(to_number(word.substr(0, dash), "a cell"));
    range.last = dash == std::string::npos
                     ? range.first
                     : static_cast<std::uint32_t>(to_number(word.substr(dash + 1), "a cell"));
    if (range.first > range.last || range.last > kCells) fail("cells between 0 and 8");
    return range;
  }
  template <class T, std::size_t N>
  T one_of(const std::pair<std::string_view, T> (&table)[N]) {
    std::string expected = "one of";
    for (const auto& [name, value] : table) {
      if (take(name)) return value;
      expected += " " + std::string(name);
    }
    fail(expected);
  }
  void done() {
    if (word_) fail("the end of the line");
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw BadLine(line_.number,
                  "expected " + expected + (word_ ? ", not '" + std::string(*word_) + "'" : ""));
  }

 private:
  void advance() {
    constexpr std::string_view kSpace = " \t\r\v\f\n";
    left_.remove_prefix(std::min(left_.find_first_not_of(kSpace), left_.size()));
    const std::size_t size = std::min(left_.find_first_of(kSpace), left_.size());
    word_ = size == 0 ? std::nullopt : std::optional(left_.substr(0, size));
    left_.remove_prefix(size);
  }
  std::uint64_t to_number(const std::string& word, const std::string& expected) const {
    std::uint64_t value = 0;
    const auto [at, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || at != word.data() + word.size()) fail(expected);
    return value;
  }

  const Line& line_;
  std::string_view left_;  ///< of the line, behind the word
  std::optional<std::string_view> word_;
};

void parse_weather(Words& words, WireStep& step) {
  step.kind = Kind::weather;
  step.weather.delay_min = words.time();
  words.want("to");
  step.weather.delay_max = words.time();
  if (step.weather.delay_max < step.weather.delay_min) words.fail("the longer delay second");
  step.weather.split = words.take("split");
  if (words.take("loss")) step.weather.loss = static_cast<std::uint32_t>(words.number("percent"));
  if (words.take("duplicate")) {
    step.weather.duplicate = static_cast<std::uint32_t>(words.number("percent"));
  }
  if (words.take("seed")) step.seed = words.number("a seed");
}

void parse_server(Words& words, WireStep& step) {
  step.kind = Kind::server;
  while (!words.end()) {
    if (words.take("break")) {
      step.settings.limits.break_timeout = words.time();
    } else if (words.take("grace")) {
      step.settings.limits.grace = words.time();
    } else if (words.take("hold")) {
      step.settings.v3_hold = words.time();
    } else if (words.take("recorded-scope")) {
      step.settings.limits.grace_scope = core::GraceScope::recorded;
    } else if (words.take("getattr-breaks")) {
      step.settings.policy.v3_getattr_breaks = true;
    } else if (words.take("enforces")) {
      step.settings.policy.nfs_ranges_on_nfs_io = true;
    } else {
      words.fail("break, grace, hold, recorded-scope, getattr-breaks or enforces");
    }
  }
}

void parse_client(Words& words, WireStep& step) {
  step.kind = Kind::client;
  step.who = words.next("a client's name");
  if (words.take("nfs")) {
    while (!words.end()) {
      if (words.take("tcp")) {
        step.nfs.nlm_over_tcp = true;
      } else if (words.take("stable")) {
        step.nfs.stable_writes = true;
      } else if (words.take("deaf")) {
        step.nfs.answers_granted = false;
      } else if (!words.take("udp") && !words.take("unstable")) {
        words.fail("udp, tcp, stable, unstable or deaf");
      }
    }
    return;
  }
  words.want("smb");
  step.smb = true;
  step.smb_habits.dialect = words.one_of(kDialects);
  step.smb_habits.defers_close = false;
  while (!words.end()) {
    if (words.take("oplocks")) {
      step.smb_habits.leases = false;
    } else if (words.take("encrypts")) {
      step.smb_habits.encrypt = true;
    } else if (words.take("defers")) {
      step.smb_habits.defers_close = true;
    } else if (words.take("caches-locks")) {
      step.smb_habits.caches_locks = true;
    } else if (words.take("acks")) {
      step.smb_habits.acks = words.one_of(kAcks);
    } else if (!words.take("leases")) {
      words.fail("leases, oplocks, encrypts, defers, caches-locks or acks");
    }
  }
}

void parse_crash(Words& words, WireStep& step) {
  step.who = words.next("server or a client");
  if (step.who != "server") {
    step.kind = Kind::crash_client;
    step.silently = words.take("silently");
    return;
  }
  step.kind = Kind::crash_server;
  if (words.take("after")) step.effects = static_cast<std::uint32_t>(words.number("effects"));
  step.power = !words.take("kill");
  if (step.power) (void)words.take("power");
  words.want("back");
  step.time = words.time();
}

void parse_deed(Words& words, WireStep& step, const std::string& who) {
  if (words.at("garbles") || words.at("repeats")) {
    step.kind = Kind::misbehave;
    step.who = who;
    step.how = words.next("how");
    return;
  }
  const std::size_t dot = who.find('.');
  if (dot == std::string::npos || dot + 2 != who.size() ||
      (who.back() != '1' && who.back() != '2')) {
    words.fail("a step, or a process as A.1 before '" + who + "'");
  }
  step.who = who.substr(0, dot);
  step.process = who.back() == '1' ? 1 : 2;
  if (words.take("gives")) {
    words.want("up");
    step.kind = Kind::give_up;
    return;
  }
  step.kind = Kind::deed;
  Deed& deed = step.deed;
  deed.verb = words.one_of(kVerbs);
  if (deed.verb == Verb::list) return;
  deed.file = words.next("a file");
  switch (deed.verb) {
    case Verb::open:
      if (!words.end() && !words.at("deny")) deed.rights = words.next("rights, as rwh");
      if (words.take("deny")) deed.deny = words.next("letters of rwd");
      break;
    case Verb::read:
    case Verb::write:
    case Verb::truncate:
      deed.range = words.cells();
      if (deed.range.last >= kCells) words.fail("a cell between 0 and 7");
      break;
    case Verb::lock:
    case Verb::test:
      deed.range = words.cells();
      deed.exclusive = !words.take("shared");
      if (deed.exclusive) (void)words.take("exclusive");
      deed.wait = words.take("waits");
      break;
    case Verb::unlock:
      deed.range = words.cells();
      break;
    case Verb::rename:
      words.want("to");
      deed.to = words.next("a file");
      break;
    default:
      break;
  }
}

void parse_disk(Words& words, WireStep& step) {
  if (words.at("full") || words.at("failing") || words.at("slow") || words.at("well")) {
    step.kind = Kind::disk;
    step.how = words.next("how");
    return;
  }
  step.kind = Kind::disk_times;
  step.latency = words.time();
  words.want("sync");
  step.sync = words.time();
}

}  // namespace

WireStep parse_wire_step(const Line& line) {
  Words words(line);
  WireStep step;
  const std::string first = words.next("a step");
  if (first == "weather") {
    parse_weather(words, step);
  } else if (first == "disk") {
    parse_disk(words, step);
  } else if (first == "server") {
    parse_server(words, step);
  } else if (first == "client") {
    parse_client(words, step);
  } else if (first == "clock") {
    step.kind = Kind::clock;
    step.how = words.next("forward or back");
    if (step.how != "forward" && step.how != "back") words.fail("forward or back");
    step.time = words.time();
  } else if (first == "wait") {
    step.kind = Kind::wait;
    step.time = words.time();
  } else if (first == "cut") {
    step.kind = Kind::cut;
    step.who = words.next("a client");
    step.how = words.end() ? "both" : words.next("in, out or callbacks");
    if (step.how != "both" && step.how != "in" && step.how != "out" && step.how != "callbacks") {
      words.fail("in, out or callbacks");
    }
  } else if (first == "mend" || first == "freeze" || first == "thaw" || first == "start") {
    step.kind = first == "mend"     ? Kind::mend
                : first == "freeze" ? Kind::freeze
                : first == "thaw"   ? Kind::thaw
                                    : Kind::start_client;
    step.who = words.next("a client");
  } else if (first == "reset") {
    step.kind = Kind::reset;
    step.who = words.next("a client");
    step.how = words.end() ? "both" : words.next("both, client or server");
    if (step.how != "both" && step.how != "client" && step.how != "server") {
      words.fail("both, client or server");
    }
  } else if (first == "crash") {
    parse_crash(words, step);
  } else {
    parse_deed(words, step, first);
  }
  words.done();
  return step;
}

}  // namespace lockstep::sim::wired
