// lockstep-sim: runs seeds, replays and shrinks scenarios, shows what happened.
#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <thread>
#include <tuple>

#include "sim/campaign.hpp"
#include "sim/scenario.hpp"
#include "sim/shrink.hpp"
#include "sim/suite.hpp"
#include "sim/timeline.hpp"

namespace lockstep::sim {

namespace {

constexpr int kBadUsage = 2;

struct Settings {
  std::string level = "core", faults = "all", profile = kDefaultProfile;
  std::string seeds, file, output, html, corpus, record;
  std::uint64_t seed = 0;
  double hours = 0;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  std::size_t width = 150;
  bool no_model = false, no_invariants = false, no_coherence = false, thorough = false;
  bool once = false, explain = false, quiet = false, hashes = false, print = false;
  bool marks = false, update = false, stop = false;
  SuiteSettings suite;
};

Options options_of(const Settings& settings) {
  Options options;
  options.model = !settings.no_model;
  options.invariants = !settings.no_invariants;
  options.coherence = !settings.no_coherence;
  options.thorough = settings.thorough;
  options.faults = settings.faults;
  options.profile = settings.profile;
  options.record = settings.record;
  return options;
}

const Level& level_of(const Settings& settings) {
  const Level* level = find_level(settings.level);
  if (level == nullptr) throw CLI::ValidationError("--level", "no level " + settings.level);
  auto check = [](const char* option, const std::string& value,
                  const std::vector<std::string>& known, bool list) {
    std::string all, rest = value;
    for (const std::string& name : known) all += " " + name;
    while (!rest.empty()) {
      const auto comma = list ? std::min(rest.find(','), rest.size()) : rest.size();
      const std::string name = rest.substr(0, comma);
      if (std::find(known.begin(), known.end(), name) == known.end() &&
          !(list && (name == "all" || name == "none"))) {
        throw CLI::ValidationError(option, "no '" + name + "'; there are:" + all);
      }
      rest.erase(0, comma + 1);
    }
  };
  check("--faults", settings.faults, level->faults(), true);
  check("--profile", settings.profile, level->profiles(), false);
  if (!settings.record.empty() && settings.level != "wire") {
    throw CLI::ValidationError("--record", "only the wire level is recorded");
  }
  return *level;
}

void show(const Settings& settings, const std::string& title, const Script& script,
          const Outcome& outcome) {
  if (!settings.quiet) std::cout << timeline(outcome, settings.width);
  if (settings.html.empty()) return;
  write_file(settings.html, page(title, script, outcome));
  std::cout << "page: " << settings.html << "\n";
}

std::string flags_of(const Settings& settings) {
  std::string flags = settings.level == "core" ? "" : " --level " + settings.level;
  if (settings.faults != "all") flags += " --faults " + settings.faults;
  if (settings.profile != kDefaultProfile) flags += " --profile " + settings.profile;
  return flags;
}

/// Shows a failing run, shrinks it, writes it down, and says how to see it again.
int report(const Settings& settings, const std::string& title, const Script& script,
           const Found& found) {
  const Level& level = level_of(settings);
  Options options = options_of(settings);
  std::cout << title << " fails at step " << found.step << ": " << name(found.kind) << ": "
            << found.what << "\n";
  const bool recorded = !settings.record.empty();  // that was the purpose
  if (recorded || found.kind == FailureKind::nondeterminism) return exit_code(found.kind);
  const Shrunk shrunk = shrink(level, script, found, options);
  std::cout << "shrunk to " << shrunk.script.lines.size() << " steps in " << shrunk.runs
            << " runs:\n\n";
  for (const Line& line : shrunk.script.lines) std::cout << "  " << line.text << "\n";
  std::cout << "\n";
  options.thorough = options.tell = options.explain = true;
  show(settings, title, shrunk.script, level.run(shrunk.script, options));
  if (!settings.output.empty()) {
    write_scenario(settings.output, shrunk.script,
                   title + ": " + std::string(name(shrunk.found.kind)) + ": " + shrunk.found.what);
    std::cout << "again: lockstep-sim replay " << settings.output << "\n";
  } else if (settings.file.empty()) {
    std::cout << "again: lockstep-sim --seed " << settings.seed << flags_of(settings) << "\n";
  }
  return exit_code(shrunk.found.kind);
}

int run_one(const Settings& settings) {
  const Level& level = level_of(settings);
  const Script script = level.expand(settings.seed, options_of(settings));
  if (settings.print) {
    for (const Line& line : script.lines) std::cout << line.text << "\n";
    return 0;
  }
  Options options = options_of(settings);
  options.tell = true;
  options.explain = settings.explain;
  const Outcome outcome = level.run(script, options);
  if (settings.hashes) {
    for (std::size_t i = 0; i < outcome.steps.size(); ++i) {
      std::cout << i << " " << outcome.steps[i] << "\n";
    }
    return 0;
  }
  if (outcome.found) {
    return report(settings, "seed " + std::to_string(settings.seed), script, *outcome.found);
  }
  show(settings, "seed " + std::to_string(settings.seed), script, outcome);
  std::cout << "good; hash " << outcome.hash << "\n";
  return 0;
}

/// "A..B".
std::pair<std::uint64_t, std::uint64_t> seeds_of(const std::string& text) {
  std::uint64_t first = 0, last = 0;
  const char* const end = text.data() + text.size();
  const auto begin = std::from_chars(text.data(), end, first);
  const bool dots = std::string_view(begin.ptr, end).starts_with("..");
  const auto rest = dots ? std::from_chars(begin.ptr + 2, end, last) : begin;
  if (!dots || begin.ec != std::errc() || rest.ec != std::errc() || rest.ptr != end ||
      last < first) {
    throw CLI::ValidationError("--seeds", "expected A..B, found '" + text + "'");
  }
  return {first, last};
}

int run_many(Settings settings) {
  const Level& level = level_of(settings);
  Campaign campaign;
  campaign.level = &level;
  campaign.options = options_of(settings);
  campaign.jobs = settings.jobs;
  campaign.hours = settings.hours;
  campaign.twice = !settings.once;
  campaign.progress = !settings.quiet;
  campaign.stop_at_failure = settings.stop;
  if (!settings.corpus.empty())
    campaign.seeds = read_corpus(settings.corpus, level, settings.profile);
  if (!settings.seeds.empty()) {
    std::tie(campaign.first, campaign.last) = seeds_of(settings.seeds);
  }
  const Tally tally = run_campaign(campaign);
  if (settings.marks) {
    for (const auto& [name, mark] : tally.marks.of(level.name())) {
      std::cout << tally.marks.count(*mark) << "\t" << name << "\n";
    }
  }
  std::cout << tally.seeds << " seeds, " << tally.events << " events, "
            << static_cast<std::uint64_t>(static_cast<double>(tally.events) / tally.seconds)
            << " events/s, "
            << static_cast<std::uint64_t>(static_cast<double>(tally.seeds) * 60 / tally.seconds)
            << " seeds/min, hash " << tally.hash << "\n";
  if (tally.found.empty()) return 0;
  std::map<std::string, std::vector<std::uint64_t>> kinds;
  for (const auto& [seed, found] : tally.found) {
    kinds[std::string(name(found.kind)) + ": " + found.what.substr(0, 90)].push_back(seed);
  }
  std::cout << tally.found.size() << " seeds failed:\n";
  for (const auto& [what, seeds] : kinds) {
    std::cout << "  " << seeds.size() << " (seed " << seeds.front() << ") " << what << "\n";
  }
  const auto& [seed, found] = *tally.found.begin();
  settings.seed = seed;
  return report(settings, "seed " + std::to_string(seed), level.expand(seed, campaign.options),
                found);
}

int replay(const Settings& settings) {
  const Script script = read_scenario(settings.file);
  Options options = options_of(settings);
  options.thorough = options.tell = true;
  options.explain = settings.explain;
  const Outcome outcome = run_scenario(settings.file, script, options);
  if (settings.update) write_file(golden_path(settings.file), golden_text(outcome));
  show(settings, settings.file, script, outcome);
  if (outcome.found) return exit_code(outcome.found->kind);
  std::cout << "good; hash " << outcome.hash << "\n";
  return 0;
}

int shrink_file(Settings settings) {
  const Script script = read_scenario(settings.file);
  settings.level = script.level;
  const Outcome outcome = run_scenario(settings.file, script, options_of(settings));
  if (!outcome.found) {
    std::cout << settings.file << ": nothing fails\n";
    return 0;
  }
  if (settings.output.empty()) settings.output = settings.file;
  return report(settings, settings.file, script, *outcome.found);
}

int run(int argc, char** argv) {
  Settings settings;
  CLI::App app("The simulator: a world that finds what nobody thought of");
  app.require_subcommand(0, 1);
  auto common = [&settings](CLI::App& to) {
    to.add_flag("--no-model", settings.no_model, "without the reference model");
    to.add_flag("--no-invariants", settings.no_invariants, "without check_invariants");
    to.add_flag("--no-coherence", settings.no_coherence, "without the coherence checker");
    to.add_flag("--explain", settings.explain, "say why each request goes, waits or is refused");
    to.add_flag("--quiet", settings.quiet, "no progress, no timeline");
    to.add_option("--html", settings.html, "write the timeline as a page to this file");
    to.add_option("--width", settings.width, "of the timeline, in characters")
        ->capture_default_str();
  };
  common(app);
  app.add_option("--level", settings.level, "core or wire")->capture_default_str();
  CLI::Option* seed = app.add_option("--seed", settings.seed, "run this seed and show it");
  CLI::Option* seeds = app.add_option("--seeds", settings.seeds, "run seeds A..B");
  CLI::Option* hours = app.add_option("--hours", settings.hours, "run seeds for so long");
  CLI::Option* corpus = app.add_option("--corpus", settings.corpus, "run the seeds of this file");
  app.add_option("--jobs", settings.jobs, "threads")->capture_default_str();
  app.add_option("--faults", settings.faults, "all, none, or names by comma")
      ->capture_default_str();
  app.add_option("--profile", settings.profile, "what runs are like")->capture_default_str();
  app.add_option("--output", settings.output, "write the shrunk scenario to this file");
  app.add_option("--record", settings.record,
                 "wire: write each step of the server (tests/spec/traces) to this file; "
                 "with --seeds to seed-N.trace in this directory");
  app.add_flag("--thorough", settings.thorough, "compare whole states after every event");
  app.add_flag("--once", settings.once, "do not run each seed a second time");
  app.add_flag("--stop", settings.stop, "at the first seed that fails");
  app.add_flag("--marks", settings.marks, "say how often each mark was hit");
  app.add_flag("--hashes", settings.hashes, "with --seed: print the hash after each step");
  app.add_flag("--print", settings.print, "with --seed: print the script, run nothing");
  CLI::App* replaying = app.add_subcommand("replay", "run a scenario file and show it");
  replaying->add_option("file", settings.file)->required();
  replaying->add_flag("--update", settings.update, "write its golden output");
  common(*replaying);
  CLI::App* shrinking = app.add_subcommand("shrink", "make a failing scenario file small");
  shrinking->add_option("file", settings.file)->required();
  shrinking->add_option("--output", settings.output, "where to (default: the file itself)");
  common(*shrinking);
  CLI::App* testing = app.add_subcommand("test", "scenarios, corpus, fresh seeds, small scopes");
  add_suite_options(*testing, settings.suite);
  try {
    app.parse(argc, argv);
    if (*replaying) return replay(settings);
    if (*shrinking) return shrink_file(settings);
    if (*testing) return run_suite(settings.suite);
    if (*seed) return run_one(settings);
    if (*seeds || *hours || *corpus) return run_many(settings);
  } catch (const CLI::Error& error) {
    return app.exit(error) == 0 ? 0 : kBadUsage;
  } catch (const std::exception& error) {
    std::cerr << "lockstep-sim: " << error.what() << "\n";
    return kBadUsage;
  }
  std::cout << app.help();
  return kBadUsage;
}

}  // namespace

}  // namespace lockstep::sim

int main(int argc, char** argv) { return lockstep::sim::run(argc, argv); }
