// CREATE of a name that does not exist (MS-FSA 2.1.5.1.1).
#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/create_operation.hpp"
#include "shell/wire/smb2/fscc_security.hpp"
#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {
constexpr std::uint32_t kFileMode = 0644;
constexpr std::uint32_t kDirectoryMode = 0755;
constexpr std::uint32_t kWriteAndSearch = 3;
}  // namespace

Task<NtStatus> CreateOperation::may_add() {
  const std::uint32_t add =
      wants(option::kDirectoryFile) ? access::kAppendData : access::kWriteData;
  if ((tree_->maximal_access() & add) == 0) co_return NtStatus::access_denied;
  const files::Result<std::uint32_t> rwx = co_await files().access(who_, walked_.place.parent);
  if (!rwx) co_return status_of(rwx.error());
  if ((*rwx & kWriteAndSearch) != kWriteAndSearch) co_return NtStatus::access_denied;
  maximal_ = access::kFileAll & tree_->maximal_access();
  const Granted granted = grant_access(create_.desired_access, maximal_);
  if (granted.status != NtStatus::success) co_return granted.status;
  granted_ = granted.mask;
  const bool read_only = (create_.attributes & attribute::kReadOnly) != 0;
  if (wants(option::kDeleteOnClose) && read_only && !wants(option::kDirectoryFile)) {
    co_return NtStatus::cannot_delete;
  }
  co_return NtStatus::success;
}

Task<files::Result<files::Found>> CreateOperation::make_entry() {
  const Place& place = walked_.place;
  if (wants(option::kDirectoryFile)) {
    files::Result<files::Found> made =
        co_await files().make_directory(who_, place.parent, place.name, kDirectoryMode);
    co_return made;
  }
  files::CreateOptions options;
  options.mode = kFileMode;
  options.exclusive = true;
  files::Result<std::pair<bool, files::Found>> made =
      co_await files().create(who_, place.parent, place.name, options);
  if (!made) co_return made.error();
  co_return std::move(made->second);
}

/// What the request says about the new file beyond its name: attributes, security, allocation.
Task<NtStatus> CreateOperation::describe_new(files::Attributes made) {
  const bool directory = wants(option::kDirectoryFile);
  dos_ = {};
  std::uint32_t kept = create_.attributes & attribute::kStored;
  if (directory) {
    kept &= ~attribute::kTemporary;
  } else {
    kept |= attribute::kArchive;
  }
  files::DosInfo info;
  files::SetAttributes change;
  if (kept != (directory ? 0 : attribute::kArchive)) info.attributes = kept;
  if (data_ && create_.contexts.allocation) {
    const files::Result<void> reserved = co_await data_->allocate(*create_.contexts.allocation);
    if (!reserved) co_return status_of(reserved.error());
  }
  // A descriptor without a list of rights leaves the mode as it was made.
  if (create_.contexts.security && has_dacl(*create_.contexts.security)) {
    SecurityChange asked = decode_security(*create_.contexts.security, security::kDacl, made);
    if (asked.status != NtStatus::success) co_return asked.status;
    change.mode = asked.mode;
    info.rights = {*asked.mode, made.uid, made.gid, std::move(*asked.acl)};
  }
  if (info.attributes != 0 || info.rights) {
    const files::Result<void> stored = co_await files().set_dos_info(who_, walked_.node, info);
    if (stored) dos_ = info;
    if (!stored && info.rights) co_return status_of(stored.error());
  }
  if (!change.mode) co_return NtStatus::success;
  const files::Result<files::Attributes> changed =
      co_await files().set_attributes(who_, walked_.node, change);
  co_return changed ? NtStatus::success : status_of(changed.error());
}

/// Takes a file away again that this request made and could not open, unless somebody who has
/// found it meanwhile is in the way.
Task<void> CreateOperation::undo_new() {
  core::AccessRequested removal;
  removal.client = session_->client();
  removal.target = {walked_.node->id(), core::Operation::remove};
  removal.patience = 0;
  const core::Reply allowed = co_await ask(context_, request_, std::move(removal));
  if (allowed.status != core::Status::ok) co_return;
  AccessInFlight removing(context_.coordinator, allowed.request);
  const Place& place = walked_.place;
  if (wants(option::kDirectoryFile)) {
    (void)co_await files().remove_directory(who_, place.parent, place.name);
  } else {
    (void)co_await files().remove(who_, place.parent, place.name, walked_.node);
  }
}

Task<CreateOperation::Attempt> CreateOperation::make_new() {
  if (!makes_when_missing()) co_return NtStatus::object_name_not_found;
  if (const NtStatus status = co_await may_add(); status != NtStatus::success) co_return status;

  core::AccessRequested change;
  change.client = session_->client();
  change.target = {walked_.place.parent->id(), core::Operation::change_directory};
  if (create_.contexts.lease && create_.contexts.lease->parent) {
    change.parent_key = *create_.contexts.lease->parent;
  }
  const core::Reply allowed = co_await ask(context_, request_, std::move(change));
  if (allowed.status != core::Status::ok) co_return status_of(allowed.status);
  AccessInFlight change_in_flight(context_.coordinator, allowed.request);

  files::Result<files::Found> made = co_await make_entry();
  if (!made) {
    if (made.error().value() == EEXIST) co_return std::nullopt;
    if (made.error().value() == ENOENT) co_return NtStatus::object_path_not_found;
    co_return status_of(made.error());
  }
  walked_.node = std::move(made->node);
  walked_.attributes = made->attributes;
  walked_.place.name = made->name;
  walked_.place.path.back() = made->name;

  // Before anything else is awaited; and yet somebody may have found the file on its way here.
  core::OpenRequested event = open_event();
  event.created = true;
  const core::Reply reply = co_await ask(context_, request_, std::move(event));
  if (reply.status == core::Status::share_conflict) co_return std::nullopt;  // theirs by now
  if (reply.status != core::Status::ok) {
    co_await undo_new();
    co_return status_of(reply.status);
  }
  change_in_flight.end();
  const core::OpenReply opened = std::get<core::OpenReply>(reply.body);
  const OpenRef open = enter(opened);
  action_ = CreateAction::created;

  NtStatus status = co_await open_data();
  open->granted = granted_;
  open->data = data_;
  if (status == NtStatus::success) status = co_await describe_new(walked_.attributes);
  if (status != NtStatus::success) {
    open->delete_on_close = true;
    co_return co_await refuse(open, status);
  }
  const files::Result<files::Attributes> now = co_await files().attributes(walked_.node);
  if (now) walked_.attributes = *now;
  co_return answer(open, opened);
}

}  // namespace lockstep::wire::smb2
