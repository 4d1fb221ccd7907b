// The steps of a core-level script: what a client's application does, what befalls a client, the
// network, the disk and the server. What follows from it (messages, flushes, acknowledgments,
// renewals, reclaims) is the world's affair and is not in the script.
//
// Files have sixteen bytes, 0 to 15, and the rest, `eof`. They are called f, g and h; d is the
// directory that they lie in. Clients are called A to H.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/vocabulary.hpp"
#include "sim/level.hpp"

namespace lockstep::sim {

enum class Verb : std::uint8_t {
  // the stage
  client,
  limit,
  policy,
  // an application
  opens,
  closes,
  downgrades,
  deletes,  ///< SMB delete disposition
  locks,
  unlocks,
  tests,
  cancels,
  reads,
  writes,
  flushes,
  truncates,
  stats,
  chmods,
  removes,
  renames,
  links,
  // a client's machine
  returns,  ///< gives a right back that nobody asked for
  claims,   ///< a reclaim by hand, rightly or not
  crashes,
  dies,
  leaves,
  freezes,
  thaws,
  skews,  ///< its clock: renews so much later than it should
  // the network
  cut,
  mend,
  reset,  ///< what is under way between the client and the server is lost
  silence,
  hear,
  latency,
  // the server
  crash,
  late,
  files_take,
  disk_takes,
  disk_fails,
  disk_works,
  revoke,  ///< an administrator ends a client's state
  wait,
};

/// What a client does otherwise than it should.
enum class Trait : std::uint8_t {
  honest,
  never_acks,      ///< breaks, recalls
  acks_too_much,   ///< acknowledges to what it had
  acks_nothing,    ///< acknowledges below what it may keep
  acks_unflushed,  ///< acknowledges first and flushes then
  never_answers,   ///< NLM_GRANTED
  refuses,         ///< answers NLM_GRANTED with DENIED
  forgets,         ///< reclaims nothing after a restart
  claims_more,     ///< reclaims wider and stronger than it held
  never_renews,
};

struct Step {
  Verb verb = Verb::wait;
  std::uint8_t who = 0;     ///< client, from 0
  std::uint8_t file = 0;    ///< 0..2: f, g, h; 3: d
  std::uint8_t other = 0;   ///< second file of a rename
  std::uint8_t number = 1;  ///< the n-th handle of the client on the file, oldest first
  std::uint8_t owner = 1;   ///< 1 or 2: which thread, open owner, lock owner
  core::Protocol protocol = core::Protocol::nlm;
  Trait trait = Trait::honest;
  core::Range range;
  core::LockMode mode = core::LockMode::exclusive;
  core::Access access, deny;
  core::Flavour flavour = core::Flavour::none;
  core::Rights rights;
  std::uint8_t key = 1;
  std::vector<core::Range> more;  ///< SMB: the other elements of an array, of the same mode
  bool waiting = false;           ///< a lock that waits
  bool locally = false;           ///< an open or a lock that the client need not ask for
  bool overwriting = false;
  bool attributes = false;   ///< an open for attributes only
  bool lazily = false;       ///< a close that the client keeps to itself under a Handle right
  bool special = false;      ///< NFSv4 I/O with a special stateid
  std::uint32_t count = 0;   ///< crash: batches that survive; limit: a number
  std::uint32_t effect = 0;  ///< crash: within the next step that has so many effects; 0: now
  bool again = false;        ///< crash: once more during recovery
  std::string_view word;     ///< limit, policy: its name (of a table)
  core::Nanos time = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

/// One line of prose; `parse(describe(step)) == step`.
std::string describe(const Step& step);
/// Throws BadLine that says what was expected.
Step parse_step(const Line& line);

/// "A", "f", "0-9": as scripts say it.
std::string client_name(std::size_t client);
std::string file_name(std::size_t file);
/// The owner of opens and locks that the machine sees.
inline std::string owner_name(std::size_t owner) { return "owner-" + std::to_string(owner); }
std::string range_text(core::Range range);
std::string time_text(core::Nanos time);

inline constexpr std::size_t kClientsMax = 8;
inline constexpr std::size_t kFiles = 3;       ///< f, g, h
inline constexpr std::uint8_t kDirectory = 3;  ///< d
inline constexpr std::uint64_t kBytes = 16;    ///< of a file, before "the rest"

}  // namespace lockstep::sim
