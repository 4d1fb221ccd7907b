#include "sim/wire/expand.hpp"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "sim/random.hpp"
#include "sim/wire/history.hpp"

namespace lockstep::sim::wired {

namespace {

constexpr std::string_view kRights[] = {"rwh", "rwh", "rwh", "rh", "rw", "r", "none"};
constexpr std::string_view kDenies[] = {"", "", "", "", " deny w", " deny r", " deny d"};
constexpr std::string_view kDialects[] = {"2.1", "3.0", "3.0.2", "3.1.1", "3.1.1"};

/// The text of a line. Chance is asked in the order in which the words stand: unlike the operands
/// of +, those of << are evaluated from left to right by every compiler.
class Words {
 public:
  Words& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  Words& operator<<(std::uint64_t number) {
    text_ += std::to_string(number);
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Writes one script, line by line.
class Author {
 public:
  Author(std::uint64_t seed, const Options& options)
      : seed_(seed),
        long_(options.profile == "long"),
        swarm_(seed, "swarm"),
        chance_(seed, "script") {
    script_.level = "wire";
    for (const std::string& name : fault_names()) {
      const bool wanted = options.faults == "all" ? swarm_.one_in(2)
                                                  : options.faults.find(name) != std::string::npos;
      if (wanted) faults_.insert(name);
    }
  }

  Script write() {
    stage();
    clients();
    const std::uint64_t steps = long_ ? 3000 : 20 + swarm_.below(70);
    for (std::uint64_t i = 0; i < steps; ++i) {
      if (!faults_.empty() && chance_.one_in(long_ ? 40 : 8)) {
        fault();
      } else {
        deed();
      }
      pause();
    }
    return std::move(script_);
  }

 private:
  void line(const std::string& text) {
    script_.lines.push_back({static_cast<int>(script_.lines.size()) + 1, text});
  }
  void line(const Words& words) { line(words.text()); }
  bool has(const std::string& fault) const { return faults_.contains(fault); }
  std::uint64_t pick(std::initializer_list<std::uint64_t> from) {
    return *(from.begin() + swarm_.below(from.size()));
  }
  std::string word(std::initializer_list<const char*> from) {
    return *(from.begin() + chance_.below(from.size()));
  }
  std::string number(std::uint64_t value) const { return std::to_string(value); }

  void stage() {
    Words weather;
    weather << "weather " << 50 + swarm_.below(200) << "us to " << 300 + swarm_.below(4000) << "us";
    if (swarm_.one_in(2)) weather << " split";
    if (has("loss")) weather << " loss " << 1 + swarm_.below(15);
    if (has("loss")) weather << " duplicate " << swarm_.below(15);
    line(weather << " seed " << seed_);
    line(Words() << "disk " << 1 + swarm_.below(500) << "us sync " << 1 + swarm_.below(8000)
                 << "us");
    Words server;
    server << "server break " << pick({2, 5, 35}) << "s grace " << pick({8, 15, 45}) << "s hold "
           << pick({50, 500}) << "ms";
    if (swarm_.one_in(3)) server << " recorded-scope";
    if (swarm_.one_in(3)) server << " getattr-breaks";
    if (swarm_.one_in(4)) server << " enforces";
    line(server);
  }

  void clients() {
    const std::uint64_t count = 2 + swarm_.below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name(1, static_cast<char>('A' + i));
      // The first two are one of each family.
      const bool smb = i == 0 ? false : i == 1 ? true : swarm_.one_in(2);
      smb_.push_back(smb);
      line("client " + name + (smb ? smb_habits() : nfs_habits()));
    }
    names_ = count;
  }
  std::string nfs_habits() {
    std::string text = swarm_.one_in(2) ? " nfs udp" : " nfs tcp";
    text += swarm_.one_in(3) ? " stable" : " unstable";
    if (has("dishonest") && swarm_.one_in(4)) text += " deaf";
    return text;
  }
  std::string smb_habits() {
    std::string text = " smb " + std::string(swarm_.pick(kDialects));
    text += swarm_.one_in(4) ? " oplocks" : " leases";
    if (swarm_.one_in(6)) text += " encrypts";
    if (swarm_.one_in(2)) text += " defers";
    if (swarm_.one_in(3)) text += " caches-locks";
    text += " acks ";
    if (has("dishonest") && swarm_.one_in(3)) {
      return text + word({"never", "wrongly", "late"});
    }
    return text + "honestly";
  }

  void pause() {
    switch (chance_.below(12)) {
      case 0:
        return line("wait " + number(1 + chance_.below(3)) + "s");
      case 1:
        return line("wait " + number(50 + chance_.below(400)) + "ms");
      case 2:
      case 3:
      case 4:
        return;
      default:
        return line("wait " + number(100 + chance_.below(15'000)) + "us");
    }
  }

  std::string cells() {
    const std::uint64_t first = chance_.below(kCells);
    const std::uint64_t last = chance_.one_in(4) ? kCells : first + chance_.below(kCells - first);
    return number(first) + "-" + number(last);
  }

  void deed() {
    const std::uint64_t index = chance_.below(names_);
    const bool smb = smb_[index];
    const std::string who =
        std::string(1, static_cast<char>('A' + index)) + "." + number(1 + chance_.below(2)) + " ";
    const std::string file = chance_.one_in(4) ? "g" : "f";
    // A long run is about locks, on files that stay.
    const std::uint64_t dice =
        long_ && chance_.one_in(2) ? 70 + chance_.below(23) : chance_.below(long_ ? 97 : 100);
    if (dice < 20) {
      Words opens;
      opens << who << "opens " << file;
      if (smb) opens << " " << chance_.pick(kRights) << chance_.pick(kDenies);
      line(opens);
    } else if (dice < 27) {
      line(who + "closes " + file);
    } else if (dice < 44) {
      line(who + "reads " + file + " " + number(chance_.below(kCells)));
    } else if (dice < 62) {
      line(who + "writes " + file + " " + number(chance_.below(kCells)));
    } else if (dice < 66) {
      line(who + "syncs " + file);
    } else if (dice < 80) {
      line(Words() << who << "locks " << file << " " << cells()
                   << (chance_.one_in(3) ? " shared" : " exclusive")
                   << (chance_.one_in(2) ? " waits" : ""));
    } else if (dice < 89) {
      line(who + "unlocks " + file + " " + (smb ? cells() : "0-8"));
    } else if (dice < 91) {
      line(who + "gives up");
    } else if (dice < 93 && !smb) {
      line(who + "tests " + file + " " + cells());
    } else if (dice < 95) {
      line(who + "truncates " + file + " " + number(chance_.below(kCells)));
    } else if (dice < 97) {
      line(who + "lists");
    } else if (dice < 99) {
      line(who + "removes " + word({"x", "x", "y", "f", "g"}));
    } else {
      line(who + "renames " + word({"x to y", "x to y", "f to g", "g to f", "f to x"}));
    }
  }

  void fault() {
    std::vector<std::string> kinds(faults_.begin(), faults_.end());
    std::erase(kinds, "loss");
    if (kinds.empty()) return;
    const std::string kind = kinds[chance_.below(kinds.size())];
    const std::string who(1, static_cast<char>('A' + chance_.below(names_)));
    if (kind == "cut") {
      line("cut " + who + word({"", "", " in", " out", " callbacks"}));
      line("wait " + number(chance_.one_in(4) ? 1 + chance_.below(20) : 1) + "s");
      if (!chance_.one_in(5)) line("mend " + who);
    } else if (kind == "reset") {
      line("reset " + who + word({" both", " client", " server"}));
    } else if (kind == "freeze") {
      line("freeze " + who);
      line("wait " + number(1 + chance_.below(chance_.one_in(4) ? 50 : 3)) + "s");
      line("thaw " + who);
    } else if (kind == "client-crash") {
      line("crash " + who + (chance_.one_in(2) ? " silently" : ""));
      if (chance_.one_in(3)) return;
      line("wait " + number(1 + chance_.below(3000)) + "ms");
      line("start " + who);
    } else if (kind == "server-crash") {
      line(Words() << "crash server after " << chance_.below(40)
                   << (chance_.one_in(3) ? " kill" : " power") << " back "
                   << 10 + chance_.below(2000) << "ms");
      if (chance_.one_in(3)) line("wait " + number(chance_.below(3000)) + "ms");
    } else if (kind == "dishonest") {
      line(who + word({" garbles", " repeats", " repeats"}));
    } else if (kind == "clock") {
      line(Words() << "clock" << word({" forward ", " back "}) << 1 + chance_.below(7200) << "s");
    } else if (kind == "disk") {
      line("disk " + word({"full", "failing", "slow"}));
      line("wait " + number(1 + chance_.below(2000)) + "ms");
      line("disk well");
    }
  }

  const std::uint64_t seed_;
  const bool long_;  ///< many steps, most of them about locks
  Random swarm_, chance_;
  std::set<std::string> faults_;
  std::vector<bool> smb_;
  std::uint64_t names_ = 0;
  Script script_;
};

}  // namespace

std::vector<std::string> fault_names() {
  return {"loss",         "cut",  "reset", "freeze",   "client-crash",
          "server-crash", "disk", "clock", "dishonest"};
}

Script expand(std::uint64_t seed, const Options& options) { return Author(seed, options).write(); }

}  // namespace lockstep::sim::wired
