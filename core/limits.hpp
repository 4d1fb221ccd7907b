// Every bound and duration of the machine. Reaching a limit is Status::limit, never a crash.
#pragma once

#include <cstdint>

#include "core/ids.hpp"

namespace lockstep::core {

enum class GraceScope : std::uint8_t {
  all,       ///< no new state before grace ends
  recorded,  ///< new state that contradicts nothing on record is granted at once
};

struct Limits {
  std::uint32_t clients_max = 100'000;
  std::uint32_t opens_max = 10'000'000;
  std::uint32_t opens_per_client_max = 100'000;
  std::uint32_t locks_max = 10'000'000;
  std::uint32_t locks_per_owner_max = 2'000'000;
  std::uint32_t waiters_per_file_max = 200'000;
  std::uint32_t waiters_per_client_max = 100'000;
  std::uint32_t elements_per_request_max = 64;

  Nanos break_timeout = 35 * kSecond;       ///< leases and oplocks
  Nanos delegation_timeout = 90 * kSecond;  ///< at least one NFSv4 lease
  Nanos grace = 90 * kSecond;
  Nanos courtesy = 24 * 3600 * kSecond;  ///< how long an expired client's state may stay
  Nanos bar = 20 * kSecond;              ///< after JUKEBOX or DELAY: no new right of that kind
  Nanos regrant_backoff = 5 * kSecond;   ///< after a recall: no new delegation
  Nanos reservation = 90 * kSecond;      ///< a v4 waiter that was told and does not come
  GraceScope grace_scope = GraceScope::all;
};

}  // namespace lockstep::core
