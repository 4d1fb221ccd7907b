// What the core and the file system say, in NTSTATUS.
#pragma once

#include <boost/system/error_code.hpp>

#include "core/vocabulary.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

/// An errno of the file system.
NtStatus status_of(const boost::system::error_code& error);
/// An answer of the core to an open, an access or a lock.
NtStatus status_of(core::Status status);

}  // namespace lockstep::wire::smb2
