// Attributes and times, sizes, delete disposition, security (MS-FSA 2.1.5.14).
#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/fscc_security.hpp"
#include "shell/wire/smb2/fscc_status.hpp"
#include "shell/wire/smb2/io.hpp"
#include "shell/wire/smb2/set_info.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint64_t kKeep = 0;
constexpr std::uint64_t kFreeze = ~std::uint64_t{0};    // -1: this handle leaves the time alone
constexpr std::uint64_t kThaw = ~std::uint64_t{0} - 1;  // -2: it changes it again

bool is_time(std::uint64_t value) {
  return value == kFreeze || value == kThaw || value <= static_cast<std::uint64_t>(INT64_MAX);
}
bool sets(std::uint64_t value) { return value != kKeep && value != kFreeze && value != kThaw; }

struct Basic {
  std::uint64_t created = 0, accessed = 0, modified = 0, changed = 0;
  std::uint32_t attributes = 0;
};

NtStatus decode_basic(ByteView buffer, bool directory, Basic& basic) {
  LittleReader in(buffer);
  basic.created = in.u64();
  basic.accessed = in.u64();
  basic.modified = in.u64();
  basic.changed = in.u64();
  basic.attributes = in.u32();
  in.u32();
  if (in.failed()) return NtStatus::info_length_mismatch;
  if (!is_time(basic.created) || !is_time(basic.accessed) || !is_time(basic.modified) ||
      !is_time(basic.changed)) {
    return NtStatus::invalid_parameter;
  }
  if (!directory && (basic.attributes & attribute::kDirectory) != 0) {
    return NtStatus::invalid_parameter;
  }
  if (directory && (basic.attributes & attribute::kTemporary) != 0) {
    return NtStatus::invalid_parameter;
  }
  return NtStatus::success;
}

/// An access to the open's file, waited for; the caller ends it.
Task<core::Reply> begin(FileContext& context, Request& request, OpenRef open,
                        core::Operation operation, core::Range range) {
  core::AccessRequested event;
  event.client = open->client;
  event.open = open->id;
  event.target = {open->file_id(), operation};
  event.range = range;
  core::Reply reply = co_await ask(context, request, event);
  co_return reply;
}

/// Freezing keeps the time that the file has now.
void freeze(std::optional<files::TimeSpec>& frozen, std::uint64_t asked, files::TimeSpec now) {
  if (asked == kFreeze) frozen = now;
  if (asked == kThaw) frozen.reset();
  if (sets(asked) && frozen) frozen = from_file_time(asked);
}

}  // namespace

Task<NtStatus> set_basic(FileContext& context, Request& request, OpenRef open, ByteView buffer) {
  Basic basic;
  const NtStatus decoded = decode_basic(buffer, open->is_directory(), basic);
  if (decoded != NtStatus::success) co_return decoded;
  if (!open->may(access::kWriteAttributes)) co_return NtStatus::access_denied;
  const core::Reply reply =
      co_await begin(context, request, open, core::Operation::set_attributes, core::Range{1, 0});
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  const AccessInFlight in_flight(context.coordinator, reply.request);

  files::FileSystem& files = open->tree->files();
  const files::Credentials who = open->session->credentials();
  const files::Result<FileState> state = co_await file_state(files, open->node);
  if (!state) co_return status_of(state.error());
  freeze(open->frozen_modified, basic.modified, state->attributes.modified);
  freeze(open->frozen_accessed, basic.accessed, state->attributes.accessed);

  files::DosInfo dos = state->dos;
  if (basic.attributes != 0) {
    const std::uint32_t kept = basic.attributes & attribute::kStored;
    dos.attributes = kept == 0 ? attribute::kNormal : kept;
  }
  if (sets(basic.created)) dos.created = from_file_time(basic.created);
  if (dos.attributes != state->dos.attributes || dos.created != state->dos.created) {
    const files::Result<void> stored = co_await files.set_dos_info(who, open->node, dos);
    if (!stored) co_return status_of(stored.error());
  }
  files::SetAttributes change;
  if (sets(basic.accessed)) {
    change.atime = files::SetAttributes::Time::given;
    change.accessed = from_file_time(basic.accessed);
  }
  if (sets(basic.modified)) {
    change.mtime = files::SetAttributes::Time::given;
    change.modified = from_file_time(basic.modified);
  }
  if (sets(basic.accessed) || sets(basic.modified)) {
    const files::Result<files::Attributes> changed =
        co_await files.set_attributes(who, open->node, change);
    if (!changed) co_return status_of(changed.error());
  }
  co_return NtStatus::success;
}

Task<NtStatus> set_size(FileContext& context, Request& request, OpenRef open, ByteView buffer,
                        bool allocation) {
  if (buffer.size() < 8) co_return NtStatus::info_length_mismatch;
  const std::uint64_t size = LittleReader(buffer).u64();
  if (!range_is_valid(size, 0)) co_return NtStatus::invalid_parameter;
  if (open->is_directory()) co_return NtStatus::invalid_parameter;
  const files::FileRef file = open->data;  // it may be closed while this waits
  if (!open->may(access::kWriteData) || !file) co_return NtStatus::access_denied;
  const files::Result<files::Attributes> now = co_await open->tree->files().attributes(open->node);
  if (!now) co_return status_of(now.error());
  // The bytes that come or go; reserving room above the end changes none.
  core::Range range{1, 0};
  if (size < now->size)
    range = {size, core::kEndOfFile};
  else if (size > now->size && !allocation)
    range = {now->size, size - 1};
  const core::Reply reply =
      co_await begin(context, request, open, core::Operation::set_size, range);
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  const AccessInFlight in_flight(context.coordinator, reply.request);
  files::Result<void> done;
  if (!allocation || size < now->size) {
    done = co_await file->truncate(size);
  } else {
    done = co_await file->allocate(size);
  }
  if (!done) co_return status_of(done.error());
  co_await restore_frozen_times(open);
  co_return NtStatus::success;
}

Task<NtStatus> set_disposition(FileContext& context, Request& request, OpenRef open,
                               ByteView buffer) {
  if (buffer.empty()) co_return NtStatus::info_length_mismatch;
  if (!open->may(access::kDelete)) co_return NtStatus::access_denied;
  const bool remove = buffer.front() != 0;
  if (remove) {
    if (!open->place.parent) co_return NtStatus::cannot_delete;
    const files::Result<FileState> state = co_await file_state(open->tree->files(), open->node);
    if (!state) co_return status_of(state.error());
    const std::uint32_t shown = shown_attributes(state->attributes, state->dos);
    if (!open->is_directory() && (shown & attribute::kReadOnly) != 0) {
      co_return NtStatus::cannot_delete;
    }
    if (open->is_directory() &&
        !co_await is_empty_directory(open->tree->files(), open->session->credentials(),
                                     open->node)) {
      co_return NtStatus::directory_not_empty;
    }
  }
  core::DispositionSet event;
  event.open = open->id;
  event.remove = remove;
  const core::Reply reply = co_await ask(context, request, event);
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  open->file->delete_pending = remove;
  open->file->doomed = remove ? open->place : Place{};
  open->file->doomed_by = open->session->credentials();
  co_return NtStatus::success;
}

Task<NtStatus> set_security(FileContext& context, Request& request, OpenRef open,
                            std::uint32_t parts, ByteView descriptor) {
  if ((parts & security::kSacl) != 0) co_return NtStatus::access_denied;
  if ((parts & (security::kOwner | security::kGroup)) != 0 && !open->may(access::kWriteOwner)) {
    co_return NtStatus::access_denied;
  }
  if ((parts & security::kDacl) != 0 && !open->may(access::kWriteDac)) {
    co_return NtStatus::access_denied;
  }
  files::FileSystem& files = open->tree->files();
  const files::Credentials who = open->session->credentials();
  const files::Result<FileState> now = co_await file_state(files, open->node);
  if (!now) co_return status_of(now.error());
  const files::Attributes& before = now->attributes;
  SecurityChange asked = decode_security(descriptor, parts, before);
  if (asked.status != NtStatus::success) co_return asked.status;
  files::SetAttributes change;
  if (asked.uid && *asked.uid != before.uid) change.uid = asked.uid;
  if (asked.gid && *asked.gid != before.gid) change.gid = asked.gid;
  // Set-id and sticky bits are no business of a list of rights.
  if (asked.mode) change.mode = (before.mode & ~std::uint32_t{0777}) | *asked.mode;
  if (!change.uid && !change.gid && !change.mode) co_return NtStatus::success;
  const core::Reply reply =
      co_await begin(context, request, open, core::Operation::set_attributes, core::Range{1, 0});
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  const AccessInFlight in_flight(context.coordinator, reply.request);
  files::DosInfo dos = now->dos;
  // A new owner keeps the list that counted until now.
  const bool listed = asked.acl || rights_in_force(before, dos) != nullptr;
  if (listed) {
    Bytes acl = asked.acl ? std::move(*asked.acl) : std::move(dos.rights->acl);
    dos.rights = {change.mode.value_or(before.mode), change.uid.value_or(before.uid),
                  change.gid.value_or(before.gid), std::move(acl)};
  }
  // A mode without write permission may forbid to store the list: it goes first, unless it is the
  // old mode that forbids it.
  files::Result<void> stored;
  if (listed) stored = co_await files.set_dos_info(who, open->node, dos);
  const files::Result<files::Attributes> changed =
      co_await files.set_attributes(who, open->node, change);
  if (!changed) co_return status_of(changed.error());
  if (!stored) stored = co_await files.set_dos_info(who, open->node, dos);
  co_return stored ? NtStatus::success : status_of(stored.error());
}

}  // namespace lockstep::wire::smb2
