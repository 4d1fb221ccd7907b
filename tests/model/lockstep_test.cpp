// Model and core in lock step: whatever happens, they do the same, and what they do keeps the
// properties. Sequences are drawn by RapidCheck, which also shrinks the one that fails.
//
//   LOCKSTEP_MODEL_RUNS=n     sequences (default: as many as fit into about twenty seconds)
//   LOCKSTEP_MODEL_LENGTH=n   the longest sequence
//   LOCKSTEP_MODEL_SHRINK=0   the first sequence that fails will do
//   RC_PARAMS=seed=n          another seed
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <iostream>

#include "tests/model/pair.hpp"

namespace lockstep::test {

namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

rc::Gen<Command> command() {
  const auto byte = rc::gen::inRange<int>(0, 256);
  return rc::gen::resize(
      100, rc::gen::map(rc::gen::tuple(rc::gen::inRange<int>(0, kVerbs), byte, byte, byte, byte,
                                       byte, byte, byte),
                        [](const std::tuple<int, int, int, int, int, int, int, int>& t) {
                          auto u = [](int v) { return static_cast<std::uint8_t>(v); };
                          const auto& [verb, who, file, a, b, c, d, pause] = t;
                          return Command{u(verb), u(who), u(file), u(a),
                                         u(b),    u(c),   u(d),    u(pause)};
                        }));
}

rc::Gen<Scene> scene() {
  const auto byte = rc::gen::inRange<int>(0, 256);
  // Half of the runs leave out about a quarter of the verbs.
  const auto mask = rc::gen::inRange<std::uint32_t>(0, 1U << 29);
  return rc::gen::resize(
      100,
      rc::gen::map(rc::gen::tuple(byte, byte, byte, byte, byte, mask, mask),
                   [](const std::tuple<int, int, int, int, int, std::uint32_t, std::uint32_t>& t) {
                     auto u = [](int v) { return static_cast<std::uint8_t>(v); };
                     const auto& [cast, files, scope, policy, limits, one, two] = t;
                     const bool some = (one >> 28) != 0;
                     return Scene{u(cast),   u(files),  u(scope),
                                  u(policy), u(limits), some ? (one & two & ~1U) : 0U};
                   }));
}

using Sequence = std::pair<Scene, std::vector<Command>>;

/// Runs a property over sequences; the message of the last (shrunk) failure is the story.
void check_sequences(
    const std::string& what, std::uint64_t runs, std::uint64_t length,
    const std::function<void(const Scene&, const std::vector<Command>&)>& property) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;  // of RC_PARAMS
  params.maxSuccess = static_cast<int>(runs);
  params.maxSize = static_cast<int>(length);
  params.disableShrinking = setting("LOCKSTEP_MODEL_SHRINK", 1) == 0;
  rc::detail::TestMetadata metadata;
  metadata.id = metadata.description = what;
  std::string story;
  const auto result = rc::detail::checkTestable(
      [&] {
        const Scene how = *scene();
        const auto commands =
            *rc::gen::scale(1.0, rc::gen::container<std::vector<Command>>(command()));
        try {
          property(how, commands);
        } catch (const Divergence& divergence) {
          story = divergence.what();
          RC_FAIL("diverged");
        }
      },
      metadata, params);
  if (result.is<rc::detail::SuccessResult>()) return;
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  // The commands themselves are noise beside the events that they became.
  ADD_FAILURE() << what << "\n"
                << story << "\n"
                << message.str().substr(0, message.str().find("std::"));
}

std::uint64_t runs(std::uint64_t otherwise) { return setting("LOCKSTEP_MODEL_RUNS", otherwise); }
std::uint64_t length() { return setting("LOCKSTEP_MODEL_LENGTH", 120); }

void print(const Marks& marks, std::uint64_t events) {
  std::cout << events << " events\n";
  for (const auto& [mark, times] : marks) std::cout << "  " << mark << ": " << times << "\n";
}

/// Everything that the machine can do must have been done, or the test shows less than it claims.
void expect_all_marks(const Marks& marks) {
  static const char* const expected[] = {"crash",
                                         "event Tick",
                                         "event ClientArrived",
                                         "event ClientRenewed",
                                         "event ClientLeft",
                                         "event HostRebooted",
                                         "event ReclaimCompleted",
                                         "event OpenRequested",
                                         "event OpenDowngraded",
                                         "event OpenClosed",
                                         "event ShareReleased",
                                         "event DispositionSet",
                                         "event LockRequested",
                                         "event Unlocked",
                                         "event LockCancelled",
                                         "event RequestCancelled",
                                         "event LockTested",
                                         "event GrantAnswered",
                                         "event BreakAcknowledged",
                                         "event RightReturned",
                                         "event CallbackPathChanged",
                                         "event AccessRequested",
                                         "event AccessEnded",
                                         "event JournalChanged",
                                         "effect Reply",
                                         "effect Parked",
                                         "effect SendBreak",
                                         "effect NotifyGranted",
                                         "effect StopNotifying",
                                         "effect NotifyLock",
                                         "effect Revoked",
                                         "effect Persist",
                                         "effect ConflictSeen",
                                         "effect GraceEnded",
                                         "status ok",
                                         "status blocked",
                                         "status denied",
                                         "status lock_conflict",
                                         "status share_conflict",
                                         "status delete_pending",
                                         "status file_open",
                                         "status later",
                                         "status grace",
                                         "status no_grace",
                                         "status reclaim_bad",
                                         "status complete_already",
                                         "status deadlock",
                                         "status cancelled",
                                         "status closed",
                                         "status range_not_locked",
                                         "status unknown_client",
                                         "status unknown_open",
                                         "status unknown_right",
                                         "status not_breaking",
                                         "status ack_exceeds",
                                         "status key_in_use",
                                         "status bad_mode",
                                         "status limit",
                                         "status journal_failed"};
  for (const char* mark : expected) EXPECT_TRUE(marks.count(mark) != 0) << "never seen: " << mark;
}

void run_side(Pair::Who who, const char* what, std::uint64_t count, bool all_marks) {
  Marks marks;
  std::uint64_t events = 0;
  check_sequences(what, count, length(),
                  [&](const Scene& how, const std::vector<Command>& commands) {
                    Pair pair(how, who, marks);
                    pair.play(commands);
                    events += pair.events();
                  });
  print(marks, events);
  if (all_marks && !testing::Test::HasFailure()) expect_all_marks(marks);
}

}  // namespace

TEST(Model, KeepsTheProperties) {
  run_side(Pair::Who::model_alone, "the model alone", runs(3000), false);
}

TEST(ModelAndCore, DoTheSame) {
  run_side(Pair::Who::both, "model and core in lock step", runs(12000), true);
}

TEST(Core, KeepsTheRules) { run_side(Pair::Who::core_alone, "the core alone", runs(3000), false); }

TEST(Core, IsDeterministic) {
  Marks marks;
  check_sequences("two runs of the core", runs(12000) / 20, length(),
                  [&](const Scene& how, const std::vector<Command>& commands) {
                    Pair one(how, Pair::Who::core_alone, marks);
                    one.play(commands);
                    Pair two(how, Pair::Who::core_alone, marks);
                    two.play(commands);
                    if (one.digest() != two.digest()) throw Divergence("the digests differ");
                  });
}

TEST(Core, GoesOnFromWhatItSaved) {
  Marks marks;
  check_sequences("core saved and loaded", runs(12000) / 20, length(),
                  [&](const Scene& how, const std::vector<Command>& commands) {
                    Pair pair(how, Pair::Who::both, marks);
                    pair.save_and_load_every(5);
                    pair.play(commands);
                  });
}

}  // namespace lockstep::test
