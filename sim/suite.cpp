#include "sim/suite.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

#include "sim/campaign.hpp"
#include "sim/classes.hpp"
#include "sim/exhaust.hpp"
#include "sim/scenario.hpp"

namespace lockstep::sim {

namespace {

class Suite {
 public:
  explicit Suite(const SuiteSettings& settings) : settings_(settings) {}

  int run() {
    scenarios();
    classes();
    for (const Level* level : levels()) {
      seeds(*level);
      other_profiles(*level);
      rate(*level);
    }
    small_scopes();
    std::cout << passed_ << " passed, " << failed_ << " failed, 0 skipped\n";
    return failed_ == 0 ? 0 : 1;
  }

 private:
  void verdict(bool good, const std::string& what) {
    ++(good ? passed_ : failed_);
    if (!good) std::cout << "FAILED " << what << std::endl;
  }

  void scenarios() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(settings_.scenarios)) {
      if (entry.path().extension() == ".scenario") files.push_back(entry.path().string());
    }
    std::ranges::sort(files);
    for (const std::string& file : files) {
      Options options;
      options.thorough = options.tell = true;
      std::string what;
      try {
        const Script script = read_scenario(file);
        const Outcome outcome = run_scenario(file, script, options);
        const std::string text = golden_text(outcome);
        if (text != read_file(golden_path(file))) {
          what = "differs from its golden output; see it: lockstep-sim replay " + file;
        }
        if (outcome.found)
          what = std::string(name(outcome.found->kind)) + ": " + outcome.found->what;
        // Who looks on changes nothing.
        options.explain = true;
        const Outcome explained = run_scenario(file, script, options);
        options.tell = options.explain = false;
        const Outcome unseen = run_scenario(file, script, options);
        if (explained.steps != outcome.steps || unseen.steps != outcome.steps) {
          what = "runs another way when it is told or explained";
        }
      } catch (const std::exception& error) {
        what = error.what();
      }
      verdict(what.empty(), file + ": " + what);
    }
    std::cout << files.size() << " scenarios" << std::endl;
  }

  void classes() {
    const std::vector<std::string> wrong = check_classes(settings_.classes, settings_.scenarios);
    for (const std::string& what : wrong) verdict(false, settings_.classes + ": " + what);
    if (wrong.empty()) verdict(true, "");
    std::cout << kClasses << " classes of bugs" << std::endl;
  }

  void seeds(const Level& level) {
    Campaign campaign;
    campaign.level = &level;
    campaign.jobs =
        settings_.jobs != 0 ? settings_.jobs : std::max(1U, std::thread::hardware_concurrency());
    campaign.seeds = corpus(level, kDefaultProfile);
    campaign.first = settings_.first;
    const std::uint64_t count =
        level.name() == "core" ? settings_.core_seeds : settings_.wire_seeds;
    campaign.last = settings_.first + count - 1;
    const Tally tally = run_campaign(campaign);
    count_runs(level, tally, campaign.options.profile);
    const std::vector<const Mark*> missing = never_hit(level, tally.marks);
    for (const Mark* mark : missing) {
      verdict(false, std::string(level.name()) + ": never seen: " + std::string(mark->name()));
    }
    if (missing.empty()) ++passed_;
    std::cout << level.name() << ": " << campaign.seeds.size() << " seeds of the corpus, " << count
              << " fresh ones, each twice: " << tally.events << " events, "
              << static_cast<std::uint64_t>(static_cast<double>(tally.events) / tally.seconds)
              << " events/s, "
              << static_cast<std::uint64_t>(static_cast<double>(tally.seeds) * 60 / tally.seconds)
              << " seeds/min, " << tally.simulated / core::kSecond / 3600 << " h simulated, hash "
              << tally.hash << std::endl;
  }

  std::vector<std::uint64_t> corpus(const Level& level, const std::string& profile) const {
    return read_corpus(settings_.scenarios + "/seeds.txt", level, profile);
  }

  /// The corpus of the other profiles.
  void other_profiles(const Level& level) {
    for (const std::string& profile : level.profiles()) {
      if (profile == kDefaultProfile) continue;
      Campaign campaign;
      campaign.level = &level;
      campaign.options.profile = profile;
      campaign.seeds = corpus(level, profile);
      if (campaign.seeds.empty()) continue;
      count_runs(level, run_campaign(campaign), profile);
      std::cout << level.name() << ": " << campaign.seeds.size()
                << " seeds of the corpus with profile " << profile << std::endl;
    }
  }

  void count_runs(const Level& level, const Tally& tally, const std::string& profile) {
    passed_ += tally.seeds - tally.found.size();
    std::size_t shown = 0;
    for (const auto& [seed, found] : tally.found) {
      ++failed_;
      if (++shown > 5) continue;
      std::cout << "FAILED seed " << seed << ": " << name(found.kind) << ": " << found.what
                << "\n  again: lockstep-sim --level " << level.name() << " --profile " << profile
                << " --seed " << seed << std::endl;
    }
  }

  /// How fast one processor is without oracles: for people, no verdict depends on it.
  void rate(const Level& level) {
    const bool core = level.name() == "core";
    Campaign campaign;
    campaign.level = &level;
    campaign.options.model = campaign.options.invariants = false;
    campaign.options.coherence = !core;
    campaign.first = 1;
    campaign.last = core ? 8000 : 1000;
    campaign.twice = false;
    const Tally tally = run_campaign(campaign);
    std::cout << level.name() << ": one processor without "
              << (core ? "oracles" : "model and invariants") << ": "
              << static_cast<std::uint64_t>(static_cast<double>(tally.events) / tally.seconds)
              << (core ? " events/s (floor 1000000)" : " requests/s (floor 50000)") << std::endl;
  }

  void small_scopes() {
    for (const Scope& scope : small_scopes_of_core()) {
      const Exhausted result = exhaust(scope);
      std::string what = scope.name + ": ";
      if (result.found) {
        what += std::string(name(result.found->kind)) + ": " + result.found->what + "\n";
        for (const Line& line : result.script.lines) what += "    " + line.text + "\n";
      }
      verdict(!result.found, what);
      std::cout << scope.name << ": all " << result.runs << " interleavings, " << result.events
                << " events" << std::endl;
    }
  }

  SuiteSettings settings_;
  std::uint64_t passed_ = 0, failed_ = 0;
};

}  // namespace

void add_suite_options(CLI::App& app, SuiteSettings& settings) {
  app.add_option("--scenarios", settings.scenarios, "the folder")->capture_default_str();
  app.add_option("--classes", settings.classes, "the table of bug classes")->capture_default_str();
  app.add_option("--core-seeds", settings.core_seeds, "how many")->capture_default_str();
  app.add_option("--wire-seeds", settings.wire_seeds, "how many")->capture_default_str();
  app.add_option("--first", settings.first, "the first fresh seed")->capture_default_str();
  app.add_option("--jobs", settings.jobs, "threads; 0: one a processor")->capture_default_str();
}

int run_suite(const SuiteSettings& settings) { return Suite(settings).run(); }

std::vector<std::uint64_t> read_corpus(const std::string& path, const Level& level,
                                       const std::string& profile) {
  std::istringstream in(read_file(path));
  std::vector<std::uint64_t> seeds;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    line.erase(std::min(line.find('#'), line.size()));
    std::istringstream words(line);
    std::string level_name, profile_name = kDefaultProfile, rest;
    std::uint64_t seed = 0;
    if (!(words >> level_name)) continue;
    const Level* const its_level = find_level(level_name);
    bool good = its_level != nullptr && words >> seed;
    if (good && words >> profile_name) {
      good = std::ranges::count(its_level->profiles(), profile_name) != 0 && !(words >> rest);
    }
    if (!good) {
      throw BadScenario(path + ":" + std::to_string(number) +
                        ": expected a level, a seed and perhaps a profile, found '" + line + "'");
    }
    if (its_level == &level && profile_name == profile) seeds.push_back(seed);
  }
  return seeds;
}

}  // namespace lockstep::sim
