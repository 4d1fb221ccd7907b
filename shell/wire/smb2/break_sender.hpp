// Breaks on their way to clients (MS-SMB2 3.3.4.6, 3.3.4.7, 2.2.23).
//
// A break must not overtake the CREATE response that grants its right: the client would not know
// what it speaks of. Between the core's grant and the moment the response has left, breaks of that
// right wait here.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/effect.hpp"
#include "shell/wire/bytes.hpp"
#include "shell/wire/ports.hpp"

namespace lockstep::wire::smb2 {

class OpenTable;

class BreakSender final : public ClientSink {
 public:
  explicit BreakSender(OpenTable& opens) : opens_(opens) {}

  /// The core granted `right`; the response is not out yet. May be called again for the same right
  /// by further opens: the last `release` counts.
  void hold(core::RightId right);
  void release(core::RightId right);

  void on_break(const core::SendBreak& notice) override;

 private:
  void send(const core::SendBreak& notice);

  struct Held {
    std::uint32_t responses = 0;
    std::vector<core::SendBreak> breaks;
  };
  OpenTable& opens_;
  std::map<core::RightId, Held> held_;
};

/// 2.2.23.1 and 2.2.23.2 from StructureSize on.
Bytes encode_oplock_break(std::uint64_t persistent, std::uint64_t volatile_part, core::Rights to);
Bytes encode_lease_break(const core::SendBreak& notice, bool version2);

}  // namespace lockstep::wire::smb2
