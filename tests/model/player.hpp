// Turns small command values into events that are mostly meaningful in the state at hand. A command
// names things by rank ("the client's second open"), so that the rest of a sequence keeps its sense
// when others are taken out of it: that is what makes shrinking work.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/event.hpp"
#include "core/limits.hpp"
#include "core/view.hpp"

namespace lockstep::test {

struct Command {
  std::uint8_t verb = 0, who = 0, file = 0, a = 0, b = 0, c = 0, d = 0, pause = 0;
  friend bool operator==(const Command&, const Command&) = default;
};

/// What a whole run is about: who plays, on how many files, under which rules.
struct Scene {
  std::uint8_t cast = 0, files = 0, scope = 0, policy = 0, small_limits = 0;
  std::uint32_t silent_verbs = 0;  ///< verbs that do not occur (a run about few things goes deeper)
  core::Limits limits() const;
};

/// What the runner offers to the player.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual void happen(core::EventBody body) = 0;
  virtual void pass(core::Nanos time) = 0;
  virtual void become_durable() = 0;
  /// The server dies; of the batches that are not durable yet the first `survivors` are.
  virtual void crash(std::size_t survivors) = 0;
  virtual const core::StateView& view() const = 0;
  virtual core::Nanos next_deadline() const = 0;
  virtual core::Nanos now() const = 0;
};

inline constexpr int kVerbs = 28;

class Player {
 public:
  Player(const Scene& scene, Stage& stage) : scene_(scene), stage_(stage) {}
  void play(const Command& command);

 private:
  struct Actor;
  using Open = std::pair<core::FileId, core::OpenView>;

  core::RequestId request() { return {++requests_}; }
  const Actor& actor(const Command& command) const;
  core::FileId file(const Command& command) const;
  core::FileId directory() const { return {99, 1, 1}; }
  core::ClientId client(const Actor& actor);
  const core::ClientView* find(const Actor& actor) const;
  std::vector<Open> opens(core::ClientId client) const;
  std::optional<Open> some_open(const Command& command, core::ClientId client, bool make);
  core::Nanos patience(const Actor& actor, std::uint8_t dice) const;
  core::LockElement element(const Command& command, bool smb) const;
  core::Policy policy(const Command& command) const;
  core::Wish wish(const Command& command, const Actor& actor) const;

  void advance(const Command& command);
  void open(const Command& command);
  void close(const Command& command);
  void downgrade(const Command& command);
  void release_share(const Command& command);
  void dispose(const Command& command);
  void lock(const Command& command);
  void lock_again(const Command& command);
  void unlock(const Command& command);
  void cancel_lock(const Command& command);
  void cancel_request(const Command& command);
  void test(const Command& command);
  void answer_grant(const Command& command);
  void acknowledge(const Command& command);
  void return_right(const Command& command);
  void callback_path(const Command& command);
  void access(const Command& command);
  void end_access(const Command& command);
  void renew(const Command& command);
  void leave(const Command& command);
  void reboot(const Command& command);
  void reclaim(const Command& command);
  void complete(const Command& command);
  void reclaim_lock(const Command& command, const Actor& who, core::ClientId id, core::FileId on,
                    const core::LockView& held);

  Scene scene_;
  Stage& stage_;
  std::uint64_t requests_ = 0;
};

struct Player::Actor {
  core::Protocol protocol;
  const char* identity;
  const char* address;
};

inline std::uint64_t small(std::uint8_t dice, std::uint64_t bound) { return dice % bound; }

}  // namespace lockstep::test
