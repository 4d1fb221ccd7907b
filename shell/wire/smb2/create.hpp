// CREATE (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1).
//
// The order of checks is what clients see: the request itself, the name, existence against the
// disposition, access against rights, then the core (breaks, share modes), then effects. A new file
// is made between two questions to the core: whether the directory may change, and the open.
#pragma once

#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

Task<Response> create_command(FileContext& context, Request& request);

}  // namespace lockstep::wire::smb2
