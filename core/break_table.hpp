// Which operation breaks which right to what, and whether it waits (semantics section 2; MS-FSA
// 2.1.4.12 and 2.1.5.18, RFC 8881 10.4). Printed in the documentation, tested cell by cell and
// compared with the table of specs/Rights.tla.
//
// "By another key" everywhere: a holder's own operations break nothing of its own, but for level II
// oplocks (`own_too`).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/vocabulary.hpp"

namespace lockstep::core {

/// What breaks a right: an operation, reduced to what matters to caches.
enum class Cause : std::uint8_t {
  open,            ///< share modes agree
  open_for_write,  ///< the same, by an open that may write or denies reading
  open_security,   ///< an open for attributes and the security descriptor
  open_conflict,   ///< share modes clash: only the Handle cache can help
  overwrite,
  read,
  write,  ///< also end of file and allocation
  lock_by_smb,
  lock_by_nfs,
  test_lock,
  rename,  ///< rename, replaced target, link, rename of an ancestor
  remove,
  set_attributes,
  get_attributes,
  change_directory,
};
inline constexpr std::size_t kCauses = 15;

/// The row of an operation; nothing when it breaks no right.
constexpr std::optional<Cause> cause_of(Operation operation) {
  switch (operation) {
    case Operation::read:
      return Cause::read;
    case Operation::write:
    case Operation::set_size:
      return Cause::write;
    case Operation::set_attributes:
      return Cause::set_attributes;
    case Operation::get_attributes:
      return Cause::get_attributes;
    case Operation::remove:
      return Cause::remove;
    case Operation::rename_source:
    case Operation::rename_target:
    case Operation::rename_ancestor:
    case Operation::link:
      return Cause::rename;
    case Operation::change_directory:
      return Cause::change_directory;
    case Operation::list_directory:
      break;
  }
  return std::nullopt;
}
constexpr bool by_open(Cause cause) { return cause <= Cause::overwrite; }

/// The kinds of right that differ in how they break.
enum class Held : std::uint8_t {
  lease_r,
  lease_rh,
  lease_rw,
  lease_rwh,
  level2,
  exclusive,
  batch,
  read_delegation,
  write_delegation,
  directory_r,
  directory_rh,
  directory_delegation,
};
inline constexpr std::size_t kHelds = 12;

struct Breaking {
  enum class How : std::uint8_t {
    keep,    ///< nothing is broken
    notice,  ///< gone at once, the holder is told
    ack,     ///< an acknowledgment is due, nobody waits for it
    wait,    ///< the operation waits until the break has ended
  };
  How how = How::keep;
  Rights to;
  bool own_too = false;
};

namespace break_table_cells {
inline constexpr Breaking keep{};
inline constexpr Breaking none_notice{Breaking::How::notice, kNoRights};
inline constexpr Breaking none_notice_own{Breaking::How::notice, kNoRights, true};
inline constexpr Breaking none_ack{Breaking::How::ack, kNoRights};
inline constexpr Breaking none_wait{Breaking::How::wait, kNoRights};
inline constexpr Breaking r_wait{Breaking::How::wait, kR};
inline constexpr Breaking rh_wait{Breaking::How::wait, kRH};
inline constexpr Breaking rw_wait{Breaking::How::wait, kRW};

using Row = std::array<Breaking, kHelds>;
// clang-format off
//                                    lease R       lease RH   lease RW   lease RWH  level II         exclusive  batch      read deleg. write deleg. dir R        dir RH    dir deleg.
inline constexpr std::array<Row, kCauses> rows{{
  /* open            */ {keep,        keep,      r_wait,    rh_wait,   keep,            r_wait,    r_wait,    keep,       none_wait,  keep,        keep,     keep},
  /* open_for_write  */ {keep,        keep,      r_wait,    rh_wait,   keep,            r_wait,    r_wait,    none_wait,  none_wait,  keep,        keep,     keep},
  /* open_security   */ {keep,        keep,      keep,      keep,      keep,            r_wait,    r_wait,    keep,       keep,       keep,        keep,     keep},
  /* open_conflict   */ {keep,        r_wait,    keep,      rw_wait,   keep,            keep,      r_wait,    keep,       keep,       keep,        r_wait,   keep},
  /* overwrite       */ {none_notice, none_ack,  none_wait, none_wait, none_notice,     none_wait, none_wait, none_wait,  none_wait,  keep,        keep,     keep},
  /* read            */ {keep,        keep,      r_wait,    rh_wait,   keep,            r_wait,    r_wait,    keep,       none_wait,  keep,        keep,     keep},
  /* write           */ {none_notice, none_ack,  none_wait, none_wait, none_notice_own, none_wait, none_wait, none_wait,  none_wait,  keep,        keep,     keep},
  /* lock_by_smb     */ {none_notice, none_ack,  none_wait, none_ack,  none_notice_own, none_wait, none_wait, none_wait,  none_wait,  keep,        keep,     keep},
  /* lock_by_nfs     */ {none_notice, none_ack,  none_wait, none_wait, none_notice,     none_wait, none_wait, keep,       none_wait,  keep,        keep,     keep},
  /* test_lock       */ {keep,        keep,      none_wait, none_wait, keep,            none_wait, none_wait, keep,       none_wait,  keep,        keep,     keep},
  /* rename          */ {keep,        r_wait,    keep,      rw_wait,   keep,            keep,      none_wait, none_wait,  none_wait,  keep,        r_wait,   none_wait},
  /* remove          */ {keep,        r_wait,    keep,      rw_wait,   keep,            keep,      none_wait, none_wait,  none_wait,  keep,        r_wait,   none_wait},
  /* set_attributes  */ {keep,        keep,      keep,      keep,      keep,            keep,      keep,      none_wait,  none_wait,  keep,        keep,     none_wait},
  /* get_attributes  */ {keep,        keep,      keep,      keep,      keep,            keep,      keep,      keep,       none_wait,  keep,        keep,     keep},
  /* change_directory*/ {keep,        keep,      keep,      keep,      keep,            keep,      keep,      keep,       keep,       none_notice, none_ack, none_wait},
}};
// clang-format on
}  // namespace break_table_cells

/// What is left of rights in the states that are granted: none, R, RH, RW, RWH (oplocks: no RH;
/// delegations: R, RW).
constexpr Rights normalised(Flavour flavour, Rights rights) {
  if (!rights.has(RightBit::read)) return kNoRights;
  switch (flavour) {
    case Flavour::none:
      return kNoRights;
    case Flavour::lease:
      return rights;
    case Flavour::oplock:
      return rights.has(RightBit::write) ? rights : kR;
    case Flavour::delegation:
      return rights & kRW;
    case Flavour::directory_lease:
      return rights & kRH;
    case Flavour::directory_delegation:
      return kR;
  }
  return kNoRights;
}

/// The column of a right. `flavour` is not none and `rights` is a state that is granted.
constexpr Held held_as(Flavour flavour, Rights rights) {
  const bool write = rights.has(RightBit::write);
  const bool handle = rights.has(RightBit::handle);
  switch (flavour) {
    case Flavour::oplock:
      return !write ? Held::level2 : handle ? Held::batch : Held::exclusive;
    case Flavour::delegation:
      return write ? Held::write_delegation : Held::read_delegation;
    case Flavour::directory_lease:
      return handle ? Held::directory_rh : Held::directory_r;
    case Flavour::directory_delegation:
      return Held::directory_delegation;
    case Flavour::none:
    case Flavour::lease:
      break;
  }
  if (write) return handle ? Held::lease_rwh : Held::lease_rw;
  return handle ? Held::lease_rh : Held::lease_r;
}

constexpr Breaking break_for(Cause cause, Flavour flavour, Rights rights) {
  return break_table_cells::rows[static_cast<std::size_t>(cause)]
                                [static_cast<std::size_t>(held_as(flavour, rights))];
}

}  // namespace lockstep::core
