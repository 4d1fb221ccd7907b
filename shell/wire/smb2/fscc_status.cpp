#include "shell/wire/smb2/fscc_status.hpp"

#include <cerrno>

namespace lockstep::wire::smb2 {

NtStatus status_of(const boost::system::error_code& error) {
  switch (error.value()) {
    case 0:
      return NtStatus::success;
    case EPERM:
    case EACCES:
      return NtStatus::access_denied;
    case ENOENT:
      return NtStatus::object_name_not_found;
    case ENOTDIR:
      return NtStatus::not_a_directory;
    case EISDIR:
      return NtStatus::file_is_a_directory;
    case EEXIST:
      return NtStatus::object_name_collision;
    case ENOTEMPTY:
      return NtStatus::directory_not_empty;
    case ESTALE:
      return NtStatus::file_deleted;
    case EINVAL:
      return NtStatus::invalid_parameter;
    case ENAMETOOLONG:
      return NtStatus::object_name_invalid;
    case ENOSPC:
      return NtStatus::disk_full;
    case EDQUOT:
      return NtStatus::quota_exceeded;
    case EFBIG:
      return NtStatus::disk_full;
    case EROFS:
      return NtStatus::media_write_protected;
    case EMFILE:
    case ENFILE:
      return NtStatus::too_many_opened_files;
    case ENOMEM:
      return NtStatus::insufficient_resources;
    case EXDEV:
      return NtStatus::not_same_device;
    case EMLINK:
      return NtStatus::too_many_links;
    case ELOOP:
      return NtStatus::object_path_not_found;
    case EOPNOTSUPP:
      return NtStatus::not_supported;
    case EIO:
      return NtStatus::io_device_error;
    case EBUSY:
    case ETXTBSY:
      return NtStatus::sharing_violation;
    default:
      return NtStatus::unexpected_io_error;
  }
}

NtStatus status_of(core::Status status) {
  switch (status) {
    case core::Status::ok:
      return NtStatus::success;
    case core::Status::denied:
    case core::Status::deadlock:
      return NtStatus::lock_not_granted;
    case core::Status::lock_conflict:
      return NtStatus::file_lock_conflict;
    case core::Status::share_conflict:
      return NtStatus::sharing_violation;
    case core::Status::delete_pending:
      return NtStatus::delete_pending;
    case core::Status::file_open:
      return NtStatus::access_denied;
    case core::Status::grace:
      return NtStatus::file_not_available;
    case core::Status::cancelled:
      return NtStatus::cancelled;
    case core::Status::closed:
    case core::Status::range_not_locked:
      return NtStatus::range_not_locked;
    case core::Status::unknown_client:
      return NtStatus::user_session_deleted;
    case core::Status::unknown_open:
      return NtStatus::file_closed;
    case core::Status::unknown_right:
      return NtStatus::object_name_not_found;
    case core::Status::not_breaking:
      return NtStatus::unsuccessful;
    case core::Status::ack_exceeds:
      return NtStatus::request_not_accepted;
    case core::Status::key_in_use:
      return NtStatus::invalid_parameter;
    case core::Status::bad_mode:
      return NtStatus::access_denied;
    case core::Status::limit:
      return NtStatus::insufficient_resources;
    case core::Status::journal_failed:
      return NtStatus::insuff_server_resources;
    case core::Status::later:
      return NtStatus::io_timeout;
    case core::Status::blocked:
    case core::Status::no_grace:
    case core::Status::reclaim_bad:
    case core::Status::reclaim_conflict:
    case core::Status::complete_already:
      break;  // never said to SMB
  }
  return NtStatus::unsuccessful;
}

}  // namespace lockstep::wire::smb2
