// A new name: FileRenameInformation and FileLinkInformation (MS-FSCC 2.4.38, 2.4.23; MS-FSA
// 2.1.5.14.11, .6). The source, a name that is replaced, what is open below a directory and the
// directories on both sides are one question to the core.
#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/create_walk.hpp"
#include "shell/wire/smb2/fscc_status.hpp"
#include "shell/wire/smb2/set_info.hpp"

namespace lockstep::wire::smb2 {
namespace {

struct NewName {
  NtStatus status = NtStatus::success;
  bool replace = false;
  Path path;
};

NewName decode_new_name(ByteView buffer) {
  NewName wanted;
  LittleReader in(buffer);
  wanted.replace = in.u8() != 0;
  in.skip(7);
  const std::uint64_t root_directory = in.u64();
  const std::uint32_t length = in.u32();
  ByteView name = in.take(length);
  if (in.failed()) {
    wanted.status =
        buffer.size() < 20 ? NtStatus::info_length_mismatch : NtStatus::invalid_parameter;
    return wanted;
  }
  if (root_directory != 0 || name.empty()) {
    wanted.status = NtStatus::invalid_parameter;
    return wanted;
  }
  // Some clients put a backslash before a path that counts from the share.
  if (name.size() > 2 && name[0] == '\\' && name[1] == 0) name = name.subspan(2);
  ParsedPath parsed = parse_path(name);
  wanted.status = parsed.status;
  wanted.path = std::move(parsed.path);
  if (wanted.status == NtStatus::success && wanted.path.components.empty()) {
    wanted.status = NtStatus::object_name_invalid;
  }
  return wanted;
}

bool same_entry(const Place& a, const Place& b) {
  return a.parent && b.parent && a.parent->id() == b.parent->id() && a.name == b.name;
}

/// Who forbade it decides what the client hears: somebody with the source open is a sharing
/// violation, anything else about the target or below it is a denial.
NtStatus rename_status(FileContext& context, const core::Reply& reply, const Open& source) {
  const bool open_in_way =
      reply.status == core::Status::file_open || reply.status == core::Status::share_conflict;
  if (!open_in_way) return status_of(reply.status);
  const auto* holder = std::get_if<core::Holder>(&reply.body);
  const OpenRef other = holder != nullptr ? context.opens.find(holder->open) : nullptr;
  if (other && other->file_id() == source.file_id()) return NtStatus::sharing_violation;
  return NtStatus::access_denied;
}

/// What may not be replaced.
Task<NtStatus> check_target(OpenRef open, Walked target, bool replace) {
  if (!replace) co_return NtStatus::object_name_collision;
  if (target.attributes.type == files::FileType::directory || open->is_directory()) {
    co_return NtStatus::access_denied;
  }
  const files::Result<files::DosInfo> dos = co_await open->tree->files().dos_info(target.node);
  const std::uint32_t shown = shown_attributes(target.attributes, dos ? *dos : files::DosInfo{});
  if ((shown & attribute::kReadOnly) != 0) co_return NtStatus::access_denied;
  co_return NtStatus::success;
}

void add_directories(core::AccessRequested& event, const Place& from, const Place& to) {
  event.others.push_back({to.parent->id(), core::Operation::change_directory});
  if (from.parent->id() != to.parent->id()) {
    event.others.push_back({from.parent->id(), core::Operation::change_directory});
  }
}

/// The directory of the new name is open while the name is made, and shares no deletion: a handle
/// on it that may delete it is a sharing violation, as on Windows' file systems.
Task<core::Reply> hold_directory(FileContext& context, Request& request, OpenRef open,
                                 core::FileId directory) {
  core::OpenRequested event;
  event.client = open->client;
  event.file = directory;
  event.deny = core::AccessBit::remove;
  event.directory = true;
  core::Reply reply = co_await ask(context, request, std::move(event));
  co_return reply;
}

Task<void> let_go(FileContext& context, core::OpenId held) {
  core::OpenClosed event;
  event.open = held;
  (void)co_await ask_uncancelled(context, nullptr, event);
}

/// What there is by the new name. Who comes later with a name waits until the core was asked.
Task<Walked> look_up(Request& request, const Open& open, Path path) {
  Occupancy& renames = request.session->renames();
  co_await renames.empty();
  request.hold_up(renames);
  co_return co_await walk(open.tree->files(), open.session->credentials(), std::move(path), false);
}

/// Every open that came by the old name stands under the new one.
void move_opens(FileContext& context, const Open& moved, const Place& from, const Place& to) {
  for (const OpenRef& open : context.opens.of_file(moved.file_id())) {
    if (same_entry(open->place, from)) open->place = to;
  }
  if (moved.file && same_entry(moved.file->doomed, from)) moved.file->doomed = to;
}

Task<NtStatus> rename_held(FileContext& context, Request& request, OpenRef open, Walked target,
                           Place to) {
  files::FileSystem& files = open->tree->files();
  const Place from = open->place;
  const bool replaces = target.found && target.node->id() != open->file_id();
  core::AccessRequested event;
  event.client = open->client;
  event.open = open->id;
  event.target = {open->file_id(), core::Operation::rename_source};
  if (replaces) event.others.push_back({target.node->id(), core::Operation::rename_target});
  if (open->is_directory()) {
    event.others.push_back({open->file_id(), core::Operation::rename_ancestor});
  }
  add_directories(event, from, to);
  event.parent_key = open->parent_key;
  const core::Reply reply = co_await ask(context, request, std::move(event));
  if (reply.status != core::Status::ok) co_return rename_status(context, reply, *open);
  const AccessInFlight in_flight(context.coordinator, reply.request);

  const files::NodeRef replaced = replaces ? target.node : nullptr;
  const files::Result<void> done =
      co_await files.rename(open->session->credentials(), from.parent, from.name, open->node,
                            to.parent, to.name, replaced);
  if (!done) {
    // The source was renamed or removed behind this handle.
    const bool stale = done.error().value() == ESTALE || done.error().value() == ENOENT;
    co_return stale ? NtStatus::object_name_not_found : status_of(done.error());
  }
  move_opens(context, *open, from, to);
  co_return NtStatus::success;
}

}  // namespace

Task<NtStatus> set_rename(FileContext& context, Request& request, OpenRef open, ByteView buffer) {
  NewName wanted = decode_new_name(buffer);
  if (wanted.status != NtStatus::success) co_return wanted.status;
  if (!open->may(access::kDelete) || !open->place.parent) co_return NtStatus::access_denied;
  const std::string name = wanted.path.components.back();
  Walked target = co_await look_up(request, *open, std::move(wanted.path));
  if (target.status != NtStatus::success) co_return target.status;
  if (target.found && !target.place.parent) co_return NtStatus::access_denied;

  const Place from = open->place;
  Place to = target.place;
  const bool itself = target.found && target.node->id() == open->file_id();
  if (itself) {
    // Only the case of the name changes, or nothing does.
    to.name = name;
    to.path.back() = name;
    if (same_entry(from, to)) co_return NtStatus::success;
  } else if (target.found) {
    const NtStatus status = co_await check_target(open, target, wanted.replace);
    if (status != NtStatus::success) co_return status;
  }

  const core::Reply held = co_await hold_directory(context, request, open, to.parent->id());
  if (held.status != core::Status::ok) co_return status_of(held.status);
  const core::OpenId directory = std::get<core::OpenReply>(held.body).open;
  const NtStatus status =
      co_await rename_held(context, request, open, std::move(target), std::move(to));
  co_await let_go(context, directory);
  co_return status;
}

Task<NtStatus> set_link(FileContext& context, Request& request, OpenRef open, ByteView buffer) {
  NewName wanted = decode_new_name(buffer);
  if (wanted.status != NtStatus::success) co_return wanted.status;
  if (open->is_directory()) co_return NtStatus::file_is_a_directory;
  constexpr std::uint32_t kChange = access::kWriteData;
  if ((open->tree->maximal_access() & kChange) == 0) co_return NtStatus::access_denied;
  files::FileSystem& files = open->tree->files();
  const files::Credentials who = open->session->credentials();
  Walked target = co_await look_up(request, *open, std::move(wanted.path));
  if (target.status != NtStatus::success) co_return target.status;
  if (target.found && !target.place.parent) co_return NtStatus::access_denied;
  if (target.found && target.node->id() == open->file_id()) {
    co_return wanted.replace ? NtStatus::success : NtStatus::object_name_collision;
  }
  if (target.found) {
    const NtStatus status = co_await check_target(open, target, wanted.replace);
    if (status != NtStatus::success) co_return status;
  }

  core::AccessRequested event;
  event.client = open->client;
  event.open = open->id;
  event.target = {open->file_id(), core::Operation::link};
  if (target.found) event.others.push_back({target.node->id(), core::Operation::rename_target});
  event.others.push_back({target.place.parent->id(), core::Operation::change_directory});
  event.parent_key = open->parent_key;
  const core::Reply reply = co_await ask(context, request, std::move(event));
  if (reply.status != core::Status::ok) co_return rename_status(context, reply, *open);
  const AccessInFlight in_flight(context.coordinator, reply.request);

  if (target.found) {
    const files::Result<void> removed =
        co_await files.remove(who, target.place.parent, target.place.name, target.node);
    if (!removed) co_return status_of(removed.error());
  }
  const files::Result<void> linked =
      co_await files.link(who, open->node, target.place.parent, target.place.name);
  co_return linked ? NtStatus::success : status_of(linked.error());
}

}  // namespace lockstep::wire::smb2
