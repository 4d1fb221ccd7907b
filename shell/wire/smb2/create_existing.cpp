// CREATE on a name that exists (MS-FSA 2.1.5.1.2).
#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/create_operation.hpp"
#include "shell/wire/smb2/fscc_security.hpp"
#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {
constexpr std::uint32_t kData =
    access::kReadData | access::kWriteData | access::kAppendData | access::kExecute;
}

/// Existence and kind against disposition and options.
NtStatus CreateOperation::check_kind() const {
  const bool directory = walked_.attributes.type == files::FileType::directory;
  if (disposition_ == Disposition::create) return NtStatus::object_name_collision;
  if (directory) {
    if (wants(option::kNonDirectoryFile) || path_.default_stream) {
      return NtStatus::file_is_a_directory;
    }
    // A directory cannot be overwritten; its name is taken.
    if (overwrites()) return NtStatus::object_name_collision;
    if (wants(option::kDeleteOnClose) && !walked_.place.parent) return NtStatus::cannot_delete;
  } else if (wants(option::kDirectoryFile)) {
    return NtStatus::not_a_directory;
  }
  return NtStatus::success;
}

/// Attributes of the file that stand against overwriting or deleting it.
NtStatus CreateOperation::check_overwrite() const {
  const std::uint32_t has = shown_attributes(walked_.attributes, dos_);
  const bool read_only = (has & attribute::kReadOnly) != 0;
  const bool directory = walked_.attributes.type == files::FileType::directory;
  if (read_only && !directory) {
    if (wants(option::kDeleteOnClose)) return NtStatus::cannot_delete;
    if (overwrites()) return NtStatus::access_denied;
  }
  if (overwrites()) {
    // Whoever overwrites a hidden or system file has to say that he knows it is one.
    constexpr std::uint32_t kKnown = attribute::kHidden | attribute::kSystem;
    if ((has & kKnown & ~create_.attributes) != 0) return NtStatus::access_denied;
  }
  return NtStatus::success;
}

Task<std::uint32_t> CreateOperation::maximal_of_existing() {
  RightsBasis basis;
  basis.who = who_;
  basis.attributes = walked_.attributes;
  basis.dos = shown_attributes(walked_.attributes, dos_);
  basis.share_max = tree_->maximal_access();
  basis.listed = allowed_by_list(who_, walked_.attributes, dos_);
  const files::Result<std::uint32_t> own = co_await files().access(who_, walked_.node);
  if (own) basis.unix_rwx = *own;
  const bool asks_delete =
      (create_.desired_access & (access::kDelete | access::kMaximumAllowed)) != 0 ||
      create_.contexts.maximal_access.has_value();
  if (!walked_.place.parent) {
    basis.may_delete = (basis.unix_rwx & 2) != 0;  // the right is harmless: a root stays
  } else if (asks_delete) {
    const files::Result<std::uint32_t> above = co_await files().access(who_, walked_.place.parent);
    basis.may_delete =
        above && may_remove_entry(who_, walked_.parent_attributes, *above, walked_.attributes);
  }
  co_return maximal_access(basis);
}

Task<NtStatus> CreateOperation::grant_existing() {
  maximal_ = co_await maximal_of_existing();
  const Granted granted = grant_access(create_.desired_access, maximal_);
  if (granted.status != NtStatus::success) co_return granted.status;
  granted_ = granted.mask;
  if (wants(option::kDeleteOnClose) && (granted_ & access::kDelete) == 0) {
    co_return NtStatus::access_denied;
  }
  // Overwriting writes, whether the handle may write afterwards or not.
  if (overwrites() && (maximal_ & access::kWriteData) == 0) co_return NtStatus::access_denied;
  co_return NtStatus::success;
}

/// The file description behind the handle. Made before the core is asked: that it cannot be opened
/// must break nobody's lease.
Task<NtStatus> CreateOperation::open_data() {
  const files::FileType type = walked_.attributes.type;
  if (type == files::FileType::directory) co_return NtStatus::success;
  if (type != files::FileType::regular) {
    // Devices, pipes and links have no content that SMB could carry.
    if ((create_.desired_access & kData) != 0 || overwrites()) co_return NtStatus::access_denied;
    granted_ &= ~kData;
    co_return NtStatus::success;
  }
  files::OpenMode mode;
  mode.read = (granted_ & (access::kReadData | access::kExecute)) != 0;
  mode.write = (granted_ & (access::kWriteData | access::kAppendData)) != 0 || overwrites() ||
               (action_ == CreateAction::created && create_.contexts.allocation.has_value());
  if (!mode.read && !mode.write) co_return NtStatus::success;
  files::Result<files::FileRef> opened = co_await files().open(who_, walked_.node, mode);
  if (!opened) co_return status_of(opened.error());
  data_ = std::move(*opened);
  co_return NtStatus::success;
}

/// The content goes, and the attributes become those of the request.
Task<NtStatus> CreateOperation::overwrite() {
  const files::Result<void> emptied = co_await data_->truncate(0);
  if (!emptied) co_return status_of(emptied.error());
  const std::uint32_t kept = (create_.attributes & attribute::kStored) | attribute::kArchive;
  const bool plain = kept == attribute::kArchive && dos_.attributes == 0;
  files::DosInfo info = dos_;
  info.attributes = kept;
  if (disposition_ == Disposition::supersede) info.created.reset();
  if (!plain) {
    const files::Result<void> stored = co_await files().set_dos_info(who_, walked_.node, info);
    if (stored) dos_ = info;
  }
  if (create_.contexts.allocation) {
    const files::Result<void> reserved = co_await data_->allocate(*create_.contexts.allocation);
    if (!reserved) co_return status_of(reserved.error());
  }
  co_return NtStatus::success;
}

Task<CreateOperation::Attempt> CreateOperation::open_existing() {
  if (const NtStatus status = check_kind(); status != NtStatus::success) co_return status;
  const files::Result<files::DosInfo> dos = co_await files().dos_info(walked_.node);
  dos_ = dos ? *dos : files::DosInfo{};
  if (const NtStatus status = check_overwrite(); status != NtStatus::success) co_return status;
  if (const NtStatus status = co_await grant_existing(); status != NtStatus::success) {
    co_return status;
  }
  if (const NtStatus status = co_await open_data(); status != NtStatus::success) {
    if (status == NtStatus::file_deleted || status == NtStatus::object_name_not_found) {
      co_return std::nullopt;
    }
    co_return status;
  }

  core::OpenRequested event = open_event();
  event.overwrite = overwrites();
  const core::Reply reply = co_await ask(context_, request_, std::move(event));
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  // An overwriting open is in flight until its effect is there.
  std::optional<AccessInFlight> effect;
  if (overwrites()) effect.emplace(context_.coordinator, reply.request);
  const core::OpenReply opened = std::get<core::OpenReply>(reply.body);
  const OpenRef open = enter(opened);

  files::Result<files::Attributes> now = co_await files().attributes(walked_.node);
  if (!now || (now->links == 0 && walked_.place.parent)) {
    // Removed while the open waited: it never was there.
    co_await close_open(context_, open, nullptr);
    co_return std::nullopt;
  }
  if (overwrites()) {
    if (const NtStatus status = co_await overwrite(); status != NtStatus::success) {
      co_return co_await refuse(open, status);
    }
    now = co_await files().attributes(walked_.node);
    action_ = disposition_ == Disposition::supersede ? CreateAction::superseded
                                                     : CreateAction::overwritten;
  } else {
    action_ = CreateAction::opened;
  }
  if (now) walked_.attributes = *now;
  co_return answer(open, opened);
}

}  // namespace lockstep::wire::smb2
