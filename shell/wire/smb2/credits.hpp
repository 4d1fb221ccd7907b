// The credits of one connection: which MessageIds the client may use (MS-SMB2 3.3.1.1, 3.3.1.2).
#pragma once

#include <cstdint>
#include <vector>

namespace lockstep::wire::smb2 {

/// The window [low, high) of ids that were granted; ids in it are used once, in any order. `low` is
/// the lowest that is not used yet, and the window never spans more than `credits_max` ids, so a
/// client that leaves one out stops getting credits until it uses it.
class CreditWindow {
 public:
  explicit CreditWindow(std::uint32_t credits_max);

  /// Takes the `charge` ids from `message_id` on. False when one of them was not granted or was
  /// used before: the connection must end.
  bool consume(std::uint64_t message_id, std::uint16_t charge);
  /// Grants up to `wanted` more and says how many.
  std::uint16_t grant(std::uint32_t wanted);

  std::uint64_t low() const { return low_; }
  std::uint64_t high() const { return high_; }

 private:
  bool used(std::uint64_t id) const { return used_[id % used_.size()]; }
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 1;  ///< id 0 is granted to begin with
  std::vector<bool> used_;  ///< by id modulo its size
};

}  // namespace lockstep::wire::smb2
