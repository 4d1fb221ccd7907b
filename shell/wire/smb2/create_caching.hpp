// Oplock levels and lease states, between the wire (MS-SMB2 2.2.13, 2.2.13.2.8) and the core.
#pragma once

#include <cstdint>

#include "core/vocabulary.hpp"

namespace lockstep::wire::smb2 {

enum class OplockLevel : std::uint8_t {
  none = 0x00,
  level2 = 0x01,
  exclusive = 0x08,
  batch = 0x09,
  lease = 0xFF,
};

namespace lease_state {
inline constexpr std::uint32_t kRead = 1;
inline constexpr std::uint32_t kHandle = 2;
inline constexpr std::uint32_t kWrite = 4;
}  // namespace lease_state

inline core::Rights rights_of_level(OplockLevel level) {
  switch (level) {
    case OplockLevel::level2:
      return core::kR;
    case OplockLevel::exclusive:
      return core::kRW;
    case OplockLevel::batch:
      return core::kRWH;
    case OplockLevel::none:
    case OplockLevel::lease:
      break;
  }
  return core::kNoRights;
}

inline OplockLevel level_of(core::Rights rights) {
  if (rights.contains(core::kRWH)) return OplockLevel::batch;
  if (rights.contains(core::kRW)) return OplockLevel::exclusive;
  return rights.has(core::RightBit::read) ? OplockLevel::level2 : OplockLevel::none;
}

inline core::Rights rights_of_state(std::uint32_t state) {
  core::Rights rights;
  if ((state & lease_state::kRead) != 0) rights = rights | core::RightBit::read;
  if ((state & lease_state::kHandle) != 0) rights = rights | core::RightBit::handle;
  if ((state & lease_state::kWrite) != 0) rights = rights | core::RightBit::write;
  return rights;
}

inline std::uint32_t state_of(core::Rights rights) {
  return (rights.has(core::RightBit::read) ? lease_state::kRead : 0) |
         (rights.has(core::RightBit::handle) ? lease_state::kHandle : 0) |
         (rights.has(core::RightBit::write) ? lease_state::kWrite : 0);
}

}  // namespace lockstep::wire::smb2
