// The grammar of steps: one table of forms reads and writes them, so that the two cannot differ.
#include "sim/core/step.hpp"

#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace lockstep::sim {

using namespace core;  // NOLINT: its vocabulary is what steps are made of

namespace {

/// What may follow a verb. Those that have a word of their own are left out when at their default.
enum class Field : std::uint8_t {
  file,
  over,  ///< `over g`
  access,
  deny,
  wish,
  number,
  owner,
  range,
  mode,
  protocol,
  trait,
  limit,
  policy,
  time,
  keeping,
  effect,
  more,  ///< `and 6-9`
  locally,
  waiting,
  overwriting,
  attributes,
  lazily,
  special,
  again,
};

struct Form {
  Verb verb;
  bool subject;  ///< begins with a client
  std::string_view words;
  std::vector<Field> fields;
};

const std::vector<Form>& forms() {
  using F = Field;
  static const std::vector<Form> all = {
      {Verb::client, false, "client", {F::protocol, F::trait}},
      {Verb::limit, false, "limit", {F::limit}},
      {Verb::policy, false, "policy", {F::policy}},
      {Verb::opens,
       true,
       "opens",
       {F::file, F::access, F::deny, F::wish, F::owner, F::overwriting, F::attributes, F::locally}},
      {Verb::closes, true, "closes", {F::file, F::number, F::owner, F::lazily}},
      {Verb::downgrades, true, "downgrades", {F::file, F::access, F::deny, F::number}},
      {Verb::deletes, true, "deletes", {F::file, F::number}},
      {Verb::locks,
       true,
       "locks",
       {F::file, F::range, F::mode, F::more, F::number, F::owner, F::waiting, F::locally}},
      {Verb::unlocks, true, "unlocks", {F::file, F::range, F::more, F::number, F::owner}},
      {Verb::tests, true, "tests", {F::file, F::range, F::mode, F::owner}},
      {Verb::cancels, true, "cancels", {F::file}},
      {Verb::reads, true, "reads", {F::file, F::range, F::number, F::special}},
      {Verb::writes, true, "writes", {F::file, F::range, F::number, F::special}},
      {Verb::flushes, true, "flushes", {F::file}},
      {Verb::truncates, true, "truncates", {F::file, F::number}},
      {Verb::stats, true, "stats", {F::file}},
      {Verb::chmods, true, "changes the mode of", {F::file}},
      {Verb::removes, true, "removes", {F::file}},
      {Verb::renames, true, "renames", {F::file, F::over, F::number}},
      {Verb::links, true, "links", {F::file, F::number}},
      {Verb::returns, true, "gives back its right on", {F::file}},
      {Verb::claims, true, "claims", {F::file, F::range, F::mode, F::owner}},
      {Verb::crashes, true, "crashes", {}},
      {Verb::dies, true, "dies", {}},
      {Verb::leaves, true, "leaves", {}},
      {Verb::freezes, true, "freezes", {}},
      {Verb::thaws, true, "thaws", {}},
      {Verb::skews, true, "renews late by", {F::time}},
      {Verb::cut, true, "is cut off", {}},
      {Verb::mend, true, "is reached again", {}},
      {Verb::reset, true, "loses its connections", {}},
      {Verb::silence, true, "hears no callbacks", {}},
      {Verb::hear, true, "hears callbacks again", {}},
      {Verb::latency, true, "is away by", {F::time}},
      {Verb::crash, false, "crash", {F::keeping, F::effect, F::again}},
      {Verb::late, false, "the clock is late by", {F::time}},
      {Verb::files_take, false, "files take", {F::time}},
      {Verb::disk_takes, false, "the journal takes", {F::time}},
      {Verb::disk_fails, false, "the journal fails", {}},
      {Verb::disk_works, false, "the journal works", {}},
      {Verb::revoke, true, "is thrown out", {}},
      {Verb::wait, false, "wait", {F::time}},
  };
  return all;
}

constexpr std::array<std::string_view, 10> kTraits{
    "honest",        "never acks", "acks too much", "acks nothing", "acks unflushed",
    "never answers", "refuses",    "forgets",       "claims more",  "never renews"};
constexpr std::array<std::string_view, 6> kProtocols{"nfs3", "nlm", "nfs40", "nfs41", "smb", ""};
constexpr std::array<std::string_view, 18> kLimits{
    "break",      "delegation", "grace",    "courtesy", "bar",     "reservation",
    "regrant",    "clients",    "opens",    "locks",    "waiters", "elements",
    "opens_each", "locks_each", "recorded", "lease",    "hold",    "waiters_each"};
constexpr std::array<std::string_view, 5> kPolicies{"nfs_ranges", "no_smb_ranges", "no_smb_deny",
                                                    "unlink", "getattr_breaks"};

bool is_duration(std::string_view limit) {
  return limit == "break" || limit == "delegation" || limit == "grace" || limit == "courtesy" ||
         limit == "bar" || limit == "reservation" || limit == "regrant" || limit == "lease" ||
         limit == "hold";
}

std::string access_text(Access access) { return access.empty() ? "-" : core::name(access); }

/// The words of a line, with the place of each for messages.
class Words {
 public:
  explicit Words(const Line& line) : line_(line) {
    std::string_view rest = line.text;
    while (!rest.empty()) {
      const auto begin = rest.find_first_not_of(" \t");
      if (begin == std::string_view::npos) break;
      rest.remove_prefix(begin);
      const auto end = std::min(rest.find_first_of(" \t"), rest.size());
      words_.push_back(rest.substr(0, end));
      rest.remove_prefix(end);
    }
  }
  bool done() const { return at_ == words_.size(); }
  std::string_view peek() const { return done() ? std::string_view{} : words_[at_]; }
  std::string_view take() { return words_[at_++]; }
  std::string_view need(const std::string& what) {
    if (done()) bad(what + " at the end of the line");
    return take();
  }
  /// Takes the words of `phrase` when they are next.
  bool phrase(std::string_view phrase) {
    std::size_t at = at_;
    while (!phrase.empty()) {
      const auto end = std::min(phrase.find(' '), phrase.size());
      if (at == words_.size() || words_[at] != phrase.substr(0, end)) return false;
      ++at;
      phrase.remove_prefix(std::min(end + 1, phrase.size()));
    }
    at_ = at;
    return true;
  }
  [[noreturn]] void bad(const std::string& expected) const {
    const std::string found = done() ? "the end" : "'" + std::string(words_[at_]) + "'";
    throw BadLine(line_.number, "expected " + expected + ", found " + found);
  }
  void back() { --at_; }

 private:
  const Line& line_;
  std::vector<std::string_view> words_;
  std::size_t at_ = 0;
};

template <class Number>
bool number_of(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

Nanos parse_time(Words& words) {
  const std::string_view text = words.need("a time such as 20ms or 3s");
  std::uint64_t value = 0;
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  const Nanos scale = unit == "us" ? 1000 : unit == "ms" ? kMillisecond : unit == "s" ? kSecond : 0;
  if (scale == 0 || !number_of(text.substr(0, digits), value) || value > 1'000'000) {
    words.back();
    words.bad("a time such as 20ms or 3s");
  }
  return value * scale;
}

std::uint32_t parse_number(Words& words, const std::string& what, std::uint32_t most) {
  std::uint32_t value = 0;
  const std::string_view text = words.need(what);
  if (!number_of(text, value) || value > most) {
    words.back();
    words.bad(what + ", at most " + std::to_string(most));
  }
  return value;
}

template <std::size_t N>
std::size_t one_of(Words& words, const std::array<std::string_view, N>& choices,
                   const std::string& what) {
  for (std::size_t i = 0; i < N; ++i) {
    if (!choices[i].empty() && words.phrase(choices[i])) return i;
  }
  std::string all;
  for (const std::string_view choice : choices) {
    if (!choice.empty()) all += (all.empty() ? "" : ", ") + std::string(choice);
  }
  words.bad(what + " (" + all + ")");
}

std::uint8_t parse_file(Words& words) {
  static constexpr std::array<std::string_view, 4> names{"f", "g", "h", "d"};
  return static_cast<std::uint8_t>(one_of(words, names, "a file"));
}

std::uint8_t parse_client(Words& words) {
  const std::string_view name = words.need("a client, A to H");
  if (name.size() != 1 || name[0] < 'A' || name[0] >= static_cast<char>('A' + kClientsMax)) {
    words.back();
    words.bad("a client, A to H");
  }
  return static_cast<std::uint8_t>(name[0] - 'A');
}

Access parse_access(Words& words) {
  const std::string_view text = words.need("an access: letters of rwd, or -");
  Access access;
  for (const char letter : text) {
    if (letter == 'r') access = access | Access(AccessBit::read);
    if (letter == 'w') access = access | Access(AccessBit::write);
    if (letter == 'd') access = access | Access(AccessBit::remove);
  }
  if (access_text(access) != text) {
    words.back();
    words.bad("an access: letters of rwd, or -");
  }
  return access;
}

Rights parse_rights(Words& words) {
  const std::string_view text = words.need("rights: letters of RWH, or -");
  Rights rights;
  for (const char letter : text) {
    if (letter == 'R') rights = rights | Rights(RightBit::read);
    if (letter == 'W') rights = rights | Rights(RightBit::write);
    if (letter == 'H') rights = rights | Rights(RightBit::handle);
  }
  if (core::name(rights) != text) {
    words.back();
    words.bad("rights: letters of RWH, or -");
  }
  return rights;
}

Range parse_range(Words& words) {
  const std::string expected = "a range such as 0-9, 4-eof or at:4, within 0 to 15";
  const std::string_view text = words.need(expected);
  auto bad = [&] {
    words.back();
    words.bad(expected);
  };
  std::uint64_t first = 0, last = 0;
  if (text.starts_with("at:")) {
    if (!number_of(text.substr(3), first) || first >= kBytes) bad();
    return Range::of(first, 0);
  }
  const auto dash = text.find('-');
  if (dash == std::string_view::npos || !number_of(text.substr(0, dash), first)) bad();
  const std::string_view end = text.substr(dash + 1);
  if (end == "eof") {
    last = kEndOfFile;
  } else if (!number_of(end, last) || last >= kBytes || last < first) {
    bad();
  }
  if (first >= kBytes) bad();
  return {first, last};
}

void parse_limit(Words& words, Step& step) {
  step.word = kLimits[one_of(words, kLimits, "a limit")];
  if (step.word == "recorded") return;
  if (is_duration(step.word)) {
    step.time = parse_time(words);
  } else {
    step.count = parse_number(words, "a number", 1000);
  }
}

void parse_wish(Words& words, Step& step) {
  if (!words.phrase("wishing")) return;
  static constexpr std::array<std::string_view, 3> flavours{"lease", "oplock", "delegation"};
  static constexpr Flavour values[] = {Flavour::lease, Flavour::oplock, Flavour::delegation};
  step.flavour = values[one_of(words, flavours, "a right")];
  step.rights = parse_rights(words);
  if (words.phrase("key")) step.key = static_cast<std::uint8_t>(parse_number(words, "a key", 9));
}

void parse_field(Words& words, Field field, Step& step) {
  auto small = [&](const char* what) {
    return static_cast<std::uint8_t>(parse_number(words, what, 9));
  };
  switch (field) {
    case Field::file:
      step.file = parse_file(words);
      break;
    case Field::over:
      step.other = step.file;
      if (words.phrase("over")) step.other = parse_file(words);
      break;
    case Field::access:
      step.access = parse_access(words);
      break;
    case Field::deny:
      if (words.phrase("deny")) step.deny = parse_access(words);
      break;
    case Field::wish:
      parse_wish(words, step);
      break;
    case Field::number:
      if (words.phrase("through")) step.number = small("the number of a handle");
      break;
    case Field::owner:
      if (words.phrase("as")) step.owner = small("an owner") == 2 ? 2 : 1;
      break;
    case Field::range:
      step.range = parse_range(words);
      break;
    case Field::mode:
      step.mode = words.phrase("shared") ? LockMode::shared : LockMode::exclusive;
      if (step.mode == LockMode::exclusive) words.phrase("exclusive");
      break;
    case Field::protocol:
      step.who = parse_client(words);
      step.protocol = static_cast<Protocol>(one_of(words, kProtocols, "a protocol"));
      break;
    case Field::trait:
      if (!words.done()) {
        step.trait = static_cast<Trait>(one_of(words, kTraits, "how it behaves"));
      }
      break;
    case Field::limit:
      parse_limit(words, step);
      break;
    case Field::policy:
      step.word = kPolicies[one_of(words, kPolicies, "a policy")];
      break;
    case Field::time:
      step.time = parse_time(words);
      break;
    case Field::keeping:
      if (words.phrase("keeping")) step.count = parse_number(words, "a number of batches", 1000);
      break;
    case Field::effect:
      if (words.phrase("after effect")) step.effect = parse_number(words, "a number", 1000);
      break;
    case Field::more:
      while (words.phrase("and")) step.more.push_back(parse_range(words));
      break;
    case Field::locally:
      step.locally = words.phrase("locally");
      break;
    case Field::waiting:
      step.waiting = words.phrase("waiting");
      break;
    case Field::overwriting:
      step.overwriting = words.phrase("overwriting");
      break;
    case Field::attributes:
      step.attributes = words.phrase("for attributes");
      break;
    case Field::lazily:
      step.lazily = words.phrase("lazily");
      break;
    case Field::special:
      step.special = words.phrase("without an open");
      break;
    case Field::again:
      step.again = words.phrase("twice");
      break;
  }
}

std::string field_text(Field field, const Step& step) {
  switch (field) {
    case Field::file:
      return " " + file_name(step.file);
    case Field::over:
      return step.other == step.file ? "" : " over " + file_name(step.other);
    case Field::access:
      return " " + access_text(step.access);
    case Field::deny:
      return step.deny.empty() ? "" : " deny " + access_text(step.deny);
    case Field::wish:
      if (step.flavour == Flavour::none) return "";
      return " wishing " + std::string(core::name(step.flavour)) + " " + core::name(step.rights) +
             (step.key == 1 ? "" : " key " + std::to_string(step.key));
    case Field::number:
      return step.number == 1 ? "" : " through " + std::to_string(step.number);
    case Field::owner:
      return step.owner == 1 ? "" : " as " + std::to_string(step.owner);
    case Field::range:
      return " " + range_text(step.range);
    case Field::mode:
      return " " + std::string(core::name(step.mode));
    case Field::protocol:
      return " " + client_name(step.who) + " " +
             std::string(kProtocols[static_cast<std::size_t>(step.protocol)]);
    case Field::trait:
      return step.trait == Trait::honest
                 ? ""
                 : " " + std::string(kTraits[static_cast<std::size_t>(step.trait)]);
    case Field::limit:
      if (step.word == "recorded") return " recorded";
      return " " + std::string(step.word) + " " +
             (is_duration(step.word) ? time_text(step.time) : std::to_string(step.count));
    case Field::policy:
      return " " + std::string(step.word);
    case Field::time:
      return " " + time_text(step.time);
    case Field::keeping:
      return step.count == 0 ? "" : " keeping " + std::to_string(step.count);
    case Field::effect:
      return step.effect == 0 ? "" : " after effect " + std::to_string(step.effect);
    case Field::more: {
      std::string text;
      for (const Range range : step.more) text += " and " + range_text(range);
      return text;
    }
    case Field::locally:
      return step.locally ? " locally" : "";
    case Field::waiting:
      return step.waiting ? " waiting" : "";
    case Field::overwriting:
      return step.overwriting ? " overwriting" : "";
    case Field::attributes:
      return step.attributes ? " for attributes" : "";
    case Field::lazily:
      return step.lazily ? " lazily" : "";
    case Field::special:
      return step.special ? " without an open" : "";
    case Field::again:
      return step.again ? " twice" : "";
  }
  return "";
}

}  // namespace

std::string client_name(std::size_t client) {
  return std::string(1, static_cast<char>('A' + static_cast<char>(client)));
}

std::string file_name(std::size_t file) {
  static constexpr char names[] = "fghd";
  return std::string(1, names[file % 4]);
}

std::string range_text(Range range) {
  if (range.never_clashes()) return "at:0";
  if (range.empty()) return "at:" + std::to_string(range.first);
  const std::string last = range.last == kEndOfFile ? "eof" : std::to_string(range.last);
  return std::to_string(range.first) + "-" + last;
}

std::string time_text(Nanos time) {
  if (time == kNever) return "never";
  if (time % kSecond == 0) return std::to_string(time / kSecond) + "s";
  if (time % kMillisecond == 0) return std::to_string(time / kMillisecond) + "ms";
  return std::to_string(time / 1000) + "us";
}

std::string describe(const Step& step) {
  for (const Form& form : forms()) {
    if (form.verb != step.verb) continue;
    std::string text = form.subject ? client_name(step.who) + " " : "";
    text += form.words;
    for (const Field field : form.fields) text += field_text(field, step);
    return text;
  }
  return "";
}

Step parse_step(const Line& line) {
  Words words(line);
  Step step;
  const std::string_view first = words.peek();
  const bool subject = first.size() == 1 && first[0] >= 'A' && first[0] <= 'Z';
  if (subject) step.who = parse_client(words);
  for (const Form& form : forms()) {
    if (form.subject != subject || !words.phrase(form.words)) continue;
    step.verb = form.verb;
    for (const Field field : form.fields) parse_field(words, field, step);
    if (!words.done()) words.bad("the end of the line");
    return step;
  }
  words.bad(subject ? "what the client does (opens, locks, reads, crashes, ...)"
                    : "a step: a client and what it does, wait, crash, client, limit, policy, ...");
}

}  // namespace lockstep::sim
