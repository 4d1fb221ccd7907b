#include "sim/core/expand.hpp"

#include <algorithm>
#include <array>

#include "sim/random.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

namespace {

/// Limits and policies are referred to by the names that the grammar has for them.
std::string_view word(std::string_view prefix, std::string_view name) {
  return parse_step({0, std::string(prefix) + " " + std::string(name)}).word;
}

struct Weighted {
  Verb verb;
  unsigned weight;
};

/// What applications do; a seed leaves out about a third of these.
constexpr Weighted kOperations[] = {
    {Verb::opens, 16}, {Verb::closes, 9},   {Verb::downgrades, 2}, {Verb::deletes, 2},
    {Verb::locks, 22}, {Verb::unlocks, 10}, {Verb::tests, 3},      {Verb::cancels, 4},
    {Verb::reads, 16}, {Verb::writes, 16},  {Verb::flushes, 2},    {Verb::truncates, 2},
    {Verb::stats, 2},  {Verb::chmods, 1},   {Verb::removes, 2},    {Verb::renames, 2},
    {Verb::links, 1},  {Verb::returns, 1},  {Verb::claims, 2}};

struct Fault {
  const char* name;  ///< for --faults
  Verb verb;
  unsigned weight;
};
constexpr Fault kFaults[] = {
    {"crash", Verb::crash, 6},       {"client", Verb::crashes, 3},  {"client", Verb::dies, 1},
    {"client", Verb::leaves, 2},     {"freeze", Verb::freezes, 3},  {"freeze", Verb::thaws, 4},
    {"clock", Verb::skews, 1},       {"clock", Verb::late, 1},      {"network", Verb::cut, 3},
    {"network", Verb::mend, 4},      {"network", Verb::reset, 2},   {"network", Verb::latency, 2},
    {"callbacks", Verb::silence, 2}, {"callbacks", Verb::hear, 2},  {"disk", Verb::disk_takes, 2},
    {"disk", Verb::disk_fails, 1},   {"disk", Verb::disk_works, 2}, {"files", Verb::files_take, 2},
    {"admin", Verb::revoke, 1}};

class Expansion {
 public:
  Expansion(std::uint64_t seed, const Options& options)
      : stage_(seed, "stage"),
        play_(seed, "play"),
        faults_(seed, "faults"),
        time_(seed, "time"),
        habits_(seed, "habits") {
    set_stage(options.profile);
    choose(options);
    const std::uint64_t steps = options.profile == "long" ? 400 : stage_.between(20, 110);
    for (std::uint64_t i = 0; i < steps; ++i) step();
  }
  std::vector<Step> take() { return std::move(script_); }

 private:
  void limit(std::string_view name, std::uint64_t value) {
    Step step;
    step.verb = Verb::limit;
    step.word = word("limit", std::string(name) + " " + std::to_string(value));
    step.count = static_cast<std::uint32_t>(value);
    script_.push_back(step);
  }

  void set_stage(const std::string& profile) {
    static constexpr Protocol casts[][4] = {
        {Protocol::nlm, Protocol::smb, Protocol::smb, Protocol::nfs41},
        {Protocol::nlm, Protocol::nlm, Protocol::smb, Protocol::nfs3},
        {Protocol::nfs41, Protocol::nfs41, Protocol::smb, Protocol::nlm},
        {Protocol::nfs40, Protocol::nfs41, Protocol::smb, Protocol::smb},
        {Protocol::smb, Protocol::smb, Protocol::nfs3, Protocol::nfs40},
        {Protocol::nlm, Protocol::nlm, Protocol::nlm, Protocol::smb},
        {Protocol::nfs41, Protocol::nfs40, Protocol::nfs41, Protocol::nfs3},
        {Protocol::smb, Protocol::smb, Protocol::smb, Protocol::nlm}};
    const auto& cast = stage_.pick(casts);
    clients_ = stage_.between(2, 4);
    for (std::size_t i = 0; i < clients_; ++i) {
      Step step;
      step.verb = Verb::client;
      step.who = static_cast<std::uint8_t>(i);
      step.protocol = cast[i];
      if (stage_.one_in(5) && profile != "honest") {
        step.trait = static_cast<Trait>(stage_.between(1, 9));
      }
      protocols_[i] = step.protocol;
      script_.push_back(step);
    }
    files_ = stage_.one_in(3) ? 3 : stage_.between(1, 2);
    if (stage_.one_in(3)) {
      Step step;
      step.verb = Verb::limit;
      step.word = word("limit", "recorded");
      script_.push_back(step);
    }
    if (stage_.one_in(6) || profile == "small") {
      limit("waiters", stage_.between(1, 3));
      limit("waiters_each", stage_.between(1, 3));
      limit("locks_each", stage_.between(1, 4));
      limit("locks", stage_.between(3, 8));
      limit("opens", stage_.between(2, 6));
      limit("opens_each", stage_.between(1, 3));
      limit("clients", stage_.between(2, 4));
    }
    for (const char* policy :
         {"nfs_ranges", "no_smb_ranges", "no_smb_deny", "unlink", "getattr_breaks"}) {
      if (!stage_.one_in(6)) continue;
      Step step;
      step.verb = Verb::policy;
      step.word = word("policy", policy);
      script_.push_back(step);
    }
  }

  void choose(const Options& options) {
    for (const Weighted& each : kOperations) {
      const bool core_of_it = each.verb == Verb::opens || each.verb == Verb::locks;
      if (stage_.one_in(3) && !core_of_it) continue;
      operations_.insert(operations_.end(), each.weight, each.verb);
    }
    const std::string& chosen = options.faults;
    fault_every_ = stage_.one_in(4) ? 0 : stage_.between(5, 15);
    for (const Fault& each : kFaults) {
      const bool allowed =
          chosen == "all" ||
          ("," + chosen + ",").find("," + std::string(each.name) + ",") != std::string::npos;
      if (!allowed || (chosen == "all" && stage_.one_in(3))) continue;
      happenings_.insert(happenings_.end(), each.weight, each.verb);
    }
    if (chosen != "all") fault_every_ = 8;
    if (happenings_.empty()) fault_every_ = 0;
  }

  std::uint8_t some_client() { return static_cast<std::uint8_t>(play_.below(clients_)); }
  std::uint8_t some_file() { return static_cast<std::uint8_t>(play_.below(files_)); }

  Range some_range(bool zero) {
    const std::uint64_t first = play_.below(play_.one_in(3) ? kBytes : 4);
    if (zero && play_.one_in(12)) return Range::of(first, 0);
    if (play_.one_in(6)) return {first, kEndOfFile};
    return {first, std::min(kBytes - 1, first + play_.below(play_.one_in(3) ? 12 : 4))};
  }

  Nanos some_time() {
    static constexpr Nanos times[] = {kMillisecond,       10 * kMillisecond, 100 * kMillisecond,
                                      600 * kMillisecond, 2 * kSecond,       6 * kSecond};
    return time_.pick(times);
  }

  void pause() {
    // Most steps follow close upon each other; some runs are idle for longer than anything lasts.
    Step step;
    step.verb = Verb::wait;
    const std::uint64_t dice = time_.below(100);
    if (dice < 45) return;
    step.time = dice < 75   ? time_.between(1, 8) * kMillisecond
                : dice < 92 ? time_.between(10, 900) * kMillisecond
                : dice < 98 ? time_.between(1, 12) * kSecond
                            : time_.between(15, 80) * kSecond;
    script_.push_back(step);
  }

  void step() {
    if (fault_every_ != 0 && faults_.one_in(fault_every_)) {
      fault();
    } else {
      operation();
    }
    pause();
  }

  void operation() {
    Step step;
    step.verb = play_.pick(std::span<const Verb>(operations_));
    step.who = some_client();
    step.file = some_file();
    step.other = step.file;
    const Protocol protocol = protocols_[step.who];
    switch (step.verb) {
      case Verb::opens:
        step = open(step, protocol);
        break;
      case Verb::closes:
        step.number = play_.one_in(4) ? 2 : 1;
        step.lazily = protocol == Protocol::smb && play_.one_in(3);
        if (is_nfs(protocol) && play_.one_in(4)) step.owner = 2;
        break;
      case Verb::downgrades: {
        static constexpr Access to[] = {AccessBit::read, AccessBit::write};
        step.access = play_.pick(to);
        break;
      }
      case Verb::locks:
      case Verb::tests:
      case Verb::claims:
        step.mode = play_.one_in(3) ? LockMode::shared : LockMode::exclusive;
        step.waiting = step.verb == Verb::locks && !play_.one_in(3);
        [[fallthrough]];
      case Verb::unlocks:
        step.range = some_range(protocol == Protocol::smb && step.verb != Verb::claims);
        if (step.verb != Verb::locks && play_.one_in(3)) step.range = Range::whole();
        if (is_nfs(protocol) && play_.one_in(4)) step.owner = 2;
        if (protocol == Protocol::smb && step.verb != Verb::tests && step.verb != Verb::claims) {
          step.number = play_.one_in(4) ? 2 : 1;
        }
        if (protocol == Protocol::smb && step.verb == Verb::locks && habits_.one_in(6)) {
          const std::uint64_t first = habits_.below(kBytes);
          step.more.push_back({first, std::min(kBytes - 1, first + habits_.below(3))});
          step.waiting = false;
        }
        step.locally = step.verb == Verb::locks && !step.waiting && habits_.one_in(3);
        remember(step);
        break;
      case Verb::reads:
      case Verb::writes:
        step.range = some_range(false);
        step.special = is_nfs4(protocol) && play_.one_in(6);
        if (!step.special) step.number = play_.one_in(4) ? 2 : 1;
        break;
      case Verb::renames:
        step.other = some_file();
        if (play_.one_in(6)) step.file = step.other = kDirectory;
        break;
      default:
        break;
    }
    script_.push_back(step);
  }

  /// Unlocks are worth most when they name what was locked.
  void remember(Step& step) {
    if (step.verb == Verb::locks) {
      locked_.push_back(step);
      return;
    }
    if (locked_.empty() || step.verb == Verb::tests || play_.one_in(3)) return;
    const Step& earlier = locked_[play_.below(locked_.size())];
    step.who = earlier.who;
    step.file = step.other = earlier.file;
    step.range = earlier.range;
    step.owner = earlier.owner;
    step.number = step.verb == Verb::unlocks ? earlier.number : std::uint8_t{1};
    if (step.verb == Verb::unlocks && !habits_.one_in(4)) step.more = earlier.more;
  }

  Step open(Step step, Protocol protocol) {
    static constexpr Access accesses[] = {
        AccessBit::read, Access{AccessBit::read, AccessBit::write},
        Access{AccessBit::read, AccessBit::write}, AccessBit::write,
        Access{AccessBit::read, AccessBit::write, AccessBit::remove}};
    static constexpr Access denies[] = {
        {},
        {},
        {},
        {},
        {},
        AccessBit::write,
        AccessBit::read,
        AccessBit::remove,
        Access{AccessBit::read, AccessBit::write, AccessBit::remove}};
    static constexpr Rights rights[] = {kRWH, kRWH, kRW, kRH, kRH, kR};
    step.access = play_.pick(accesses);
    step.deny = play_.pick(denies);
    step.overwriting = play_.one_in(12);
    if (protocol == Protocol::smb) {
      if (!play_.one_in(4)) {
        step.flavour = play_.one_in(3) ? Flavour::oplock : Flavour::lease;
        step.rights = play_.pick(rights);
        if (step.flavour == Flavour::lease) {
          step.key = play_.one_in(20) ? 9 : play_.one_in(4) ? 2 : 1;
        }
      }
      if (play_.one_in(12)) {
        step.attributes = true;
        step.access = step.deny = {};
      }
      if (play_.one_in(12)) step.file = step.other = kDirectory;
    } else {
      if (play_.one_in(4)) step.owner = 2;
      if (is_nfs4(protocol) && !play_.one_in(4)) {
        step.flavour = Flavour::delegation;
        step.rights = play_.one_in(2) ? kRW : kR;
      }
      if (is_nfs4(protocol) && step.owner == 2 && habits_.one_in(2)) {
        step.flavour = Flavour::none;
        step.rights = {};
        step.deny = {};
        step.locally = true;
      }
    }
    return step;
  }

  void fault() {
    Step step;
    step.verb = faults_.pick(std::span<const Verb>(happenings_));
    step.who = static_cast<std::uint8_t>(faults_.below(clients_));
    switch (step.verb) {
      case Verb::crash:
        step.count = static_cast<std::uint32_t>(faults_.below(4));
        step.effect = faults_.one_in(2) ? static_cast<std::uint32_t>(faults_.between(1, 4)) : 0;
        step.again = step.effect == 0 && faults_.one_in(4);
        break;
      case Verb::skews:
      case Verb::late:
      case Verb::latency:
        step.time = some_time();
        break;
      case Verb::files_take:
      case Verb::disk_takes:
        step.time = std::min<Nanos>(some_time(), 600 * kMillisecond);
        break;
      default:
        break;
    }
    script_.push_back(step);
  }

  Random stage_, play_, faults_, time_, habits_;
  std::vector<Step> script_, locked_;
  std::size_t clients_ = 2, files_ = 1;
  std::array<Protocol, kClientsMax> protocols_{};
  std::vector<Verb> operations_, happenings_;
  std::uint64_t fault_every_ = 0;
};

}  // namespace

const std::vector<std::string>& core_faults() {
  static const std::vector<std::string> names{"crash",     "client", "freeze", "clock", "network",
                                              "callbacks", "disk",   "files",  "admin"};
  return names;
}

const std::vector<std::string>& core_profiles() {
  static const std::vector<std::string> names{"default", "honest", "small", "long"};
  return names;
}

std::vector<Step> expand_core(std::uint64_t seed, const Options& options) {
  return Expansion(seed, options).take();
}

}  // namespace lockstep::sim
