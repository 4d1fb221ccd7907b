#include "tests/spec/random_events.hpp"

#include <algorithm>
#include <stdexcept>

namespace lockstep::test {

namespace {

using Fields = std::vector<std::pair<std::string, Value>>;

Value event_of(std::string_view type, Fields fields) {
  fields.emplace_back("type", type);
  return Value::record(std::move(fields));
}

// ---- Locks
// ---------------------------------------------------------------------------------------

/// The owner, range and kind of one that waits or is being called.
Value again(std::string_view type, const Value& request, Fields fields) {
  for (const char* key : {"owner", "first", "last", "kind"}) {
    fields.emplace_back(key, request[std::string_view(key)]);
  }
  return event_of(type, std::move(fields));
}

Value locks_event(const Value& scene, const Value& view, Dice& dice) {
  const Value& protocols = scene["Protocol"];
  const std::string& who = dice.pick(protocols.keys);
  const std::string& protocol = protocols[who].text;
  const auto units = static_cast<std::uint64_t>(scene["UnitCount"].number);
  const std::uint64_t length = 1 + dice.roll(units);
  const std::uint64_t first = dice.roll(units - length + 1);
  Fields fields{{"owner", who},
                {"first", static_cast<int>(first)},
                {"last", static_cast<int>(first + length - 1)}};
  if (protocol == "smb" && dice.roll(8) == 0 && first > 0) {
    fields.back().second = static_cast<int>(first) - 1;  // length zero
  }
  const Value kind(dice.roll(2) == 0 ? "shared" : "exclusive");
  const Value &queue = view["queue"], &calls = view["calls"];
  switch (dice.roll(16)) {
    case 0:
      return event_of("Tick", {});
    case 1:
      return event_of("ClientLeft", {{"client", scene["Client"][who]}});
    case 2:
      if (protocol != "nlm") return event_of("OpenClosed", {{"owner", who}});
      [[fallthrough]];
    case 3:
    case 4:
      if (!calls.items.empty()) {
        return again("GrantAnswered", dice.pick(calls.items), {{"accepted", dice.roll(3) != 0}});
      }
      [[fallthrough]];
    case 5:
      if (!queue.items.empty()) {
        const Value& waiter = dice.pick(queue.items);
        if (protocols[waiter["owner"].text].text != "v4") return again("LockCancelled", waiter, {});
      }
      [[fallthrough]];
    case 6:
    case 7:
    case 8:
      return event_of("Unlocked", std::move(fields));
    default:
      fields.emplace_back("kind", kind);
      fields.emplace_back("wait", dice.roll(3) != 0);
      return event_of("LockRequested", std::move(fields));
  }
}

// ---- Rights
// --------------------------------------------------------------------------------------

class RightsEvents {
 public:
  RightsEvents(const Value& scene, const Value& view, Dice& dice)
      : scene_(scene), view_(view), dice_(dice), who_(dice.pick(scene["Flavour"].keys)) {}

  Value next() {
    while (true) {
      if (auto event = candidate(dice_.roll(14)); event.kind == Value::Kind::record) return event;
      who_ = dice_.pick(scene_["Flavour"].keys);
    }
  }

 private:
  const std::string& flavour() const { return scene_["Flavour"][who_].text; }
  bool smb() const { return flavour() == "lease" || flavour() == "oplock"; }
  bool opened() const { return view_["opens"][who_].number > 0; }
  bool in_flight() const { return has("inflight", "", false); }
  bool waits() const { return has("queue", "", false); }
  bool waits_for_other_than_lock() const { return has("queue", "lock", true); }
  /// Whether an entry of `list` is of this client, and (if `other` is said) of another kind.
  bool has(std::string_view list, std::string_view what, bool other) const {
    return std::ranges::any_of(view_[list].items, [&](const Value& item) {
      return item["client"].text == who_ && (!other || item["what"].text != what);
    });
  }

  Value of_client(std::string_view type, Fields fields = {}) const {
    fields.emplace_back("client", who_);
    return event_of(type, std::move(fields));
  }
  Value wish() {
    static const char* const leases[] = {"R", "RH", "RW", "RWH"};
    std::string word = leases[dice_.roll(4)];
    if (flavour() == "oplock" && word == "RH") word = "R";
    if (flavour() == "delegation") word = word.find('W') != std::string::npos ? "RW" : "R";
    return letters(word);
  }
  static Value letters(std::string_view word) {
    std::vector<Value> all;
    for (const char letter : word) all.emplace_back(std::string(1, letter));
    return Value::set(std::move(all));
  }

  /// Nothing (a number) when the client may not do that now.
  Value candidate(std::uint64_t number) {
    static const char* const operations[] = {"read", "write", "remove", "rename", "get_attributes"};
    const bool locks = flavour() != "delegation";
    switch (number) {
      case 0:
      case 1: {
        if (flavour() == "none" || waits() || in_flight()) return 0;
        if (view_["opens"][who_].number >= (flavour() == "lease" ? 2 : 1)) return 0;
        return of_client("OpenRequested",
                         {{"wish", wish()}, {"overwrite", !opened() && dice_.roll(6) == 0}});
      }
      case 2:
      case 3:
      case 4:
        if (in_flight() || waits_for_other_than_lock() || (smb() && !opened())) return 0;
        return of_client("AccessRequested", {{"operation", operations[dice_.roll(5)]}});
      case 5:
      case 6:
        return in_flight() ? of_client("AccessEnded") : Value(0);
      case 7:
        if (!locks || waits() || view_["lock"][who_].truth() || (smb() && !opened())) return 0;
        return of_client("LockRequested");
      case 8:
        return locks && view_["lock"][who_].truth() ? of_client("Unlocked") : Value(0);
      case 9:
        return flavour() != "none" && !waits() && !in_flight() ? of_client("OpenClosed") : Value(0);
      case 10:
      case 11:
        if (flavour() == "delegation") return of_client("RightReturned");
        if (!smb()) return 0;
        return of_client(
            "BreakAcknowledged",
            {{"rights", dice_.roll(4) == 0 ? wish() : letters(dice_.roll(2) == 0 ? "R" : "")}});
      case 12:
        if (dice_.roll(3) == 0) return of_client("ClientLeft");
        return of_client("RequestCancelled");
      default: {
        static const char* const due[] = {"patience", "bars", "breaks"};
        return event_of("Tick", {{"due", due[dice_.roll(3)]}});
      }
    }
  }

  const Value& scene_;
  const Value& view_;
  Dice& dice_;
  std::string who_;
};

}  // namespace

Value random_scene(const std::string& module) {
  if (module == "Locks") {
    return parse_value(
        R"([Protocol |-> [a |-> "nlm", b |-> "nlm", c |-> "smb", d |-> "v4", e |-> "smb"],
            Client |-> [a |-> "a", b |-> "a", c |-> "c", d |-> "d", e |-> "e"],
            UnitCount |-> 5, waiters_per_file_max |-> 6])");
  }
  if (module == "Rights") {
    return parse_value(
        R"([Flavour |-> [n |-> "none", o |-> "oplock", s |-> "lease", t |-> "lease",
                         v |-> "delegation", w |-> "delegation"],
            Access |-> [n |-> {"read", "write"}, o |-> {"read", "write"}, s |-> {"read", "write"},
                        t |-> {"read", "write"}, v |-> {"read", "write"}, w |-> {"read", "write"}],
            Deny |-> [n |-> {}, o |-> {}, s |-> {}, t |-> {"remove"}, v |-> {}, w |-> {}],
            waiters_per_file_max |-> 6])");
  }
  throw std::runtime_error("no random runs of " + module);
}

Value random_event(const std::string& module, const Value& scene, const Value& view, Dice& dice) {
  if (module == "Locks") return locks_event(scene, view, dice);
  return RightsEvents(scene, view, dice).next();
}

}  // namespace lockstep::test
