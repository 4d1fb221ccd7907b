// A frame of responses in the making: the parts of a compound go out together (MS-SMB2 3.3.4.1.3).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/request.hpp"

namespace lockstep::wire::smb2 {

struct Outgoing {
  struct Piece {
    std::size_t at = 0;  ///< of its header, in `out`
    SessionRef session;  ///< whose keys sign it; null: nobody signs
    bool sign = false;
  };
  LittleWriter out;        ///< starts with room for a transform header when `encrypt_for` is set
  SessionRef encrypt_for;  ///< null: in the clear
  std::vector<Piece> pieces;
  std::uint32_t credits = 0;  ///< granted by all parts; the last response carries them
  std::vector<std::function<void()>> after;
};

}  // namespace lockstep::wire::smb2
