#include "shell/wire/smb2/close.hpp"

#include <memory>

#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint16_t kPostQueryAttributes = 1;
constexpr std::uint16_t kResponseSize = 60;

/// The wish that CREATE expressed with FILE_DELETE_ON_CLOSE comes true.
Task<void> dispose(FileContext& context, OpenRef open, Request* request) {
  if (open->file->delete_pending || !open->place.parent) co_return;
  if (open->is_directory() &&
      !co_await is_empty_directory(open->tree->files(), open->session->credentials(), open->node)) {
    co_return;
  }
  core::DispositionSet event;
  event.open = open->id;
  const core::Reply reply = co_await ask_uncancelled(context, request, event);
  if (reply.status != core::Status::ok) co_return;
  open->file->delete_pending = true;
  open->file->doomed = open->place;
  open->file->doomed_by = open->session->credentials();
}

Task<void> remove_name(FileContext& context, OpenRef open, Request* request) {
  const Place doomed = open->file->doomed.parent ? open->file->doomed : open->place;
  if (!doomed.parent) co_return;
  files::FileSystem& files = open->tree->files();
  const files::Credentials who = open->file->doomed_by;
  core::AccessRequested change;
  change.client = open->client;
  change.target = {doomed.parent->id(), core::Operation::change_directory};
  change.parent_key = open->parent_key;
  const core::Reply reply = co_await ask_uncancelled(context, request, std::move(change));
  if (reply.status != core::Status::ok) co_return;
  const AccessInFlight change_in_flight(context.coordinator, reply.request);
  // A failure leaves the file where it is: rights taken away meanwhile, or a name that somebody
  // else gave to another file. Nobody is left to be told.
  if (open->is_directory()) {
    (void)co_await files.remove_directory(who, doomed.parent, doomed.name);
  } else {
    (void)co_await files.remove(who, doomed.parent, doomed.name, open->node);
  }
}

struct Countdown {
  std::size_t left = 0;
  Gate done;
};

Task<void> close_and_count(FileContext& context, OpenRef open, std::shared_ptr<Countdown> count) {
  co_await close_open(context, std::move(open), nullptr);
  if (--count->left == 0) count->done.open();
}

}  // namespace

Task<core::Reply> ask_uncancelled(FileContext& context, Request* request, core::EventBody event,
                                  core::RequestId id) {
  std::function<void()> parked;
  if (request != nullptr) parked = [request] { request->go_async(); };
  PendingReply pending(context.coordinator, std::move(event), id, std::move(parked));
  core::Reply reply = co_await pending;
  co_return reply;
}

Task<void> close_open(FileContext& context, OpenRef open, Request* request) {
  if (open->closing) {
    co_await open->closed.wait();
    co_return;
  }
  open->closing = true;
  if (open->delete_on_close) co_await dispose(context, open, request);
  core::OpenClosed event;
  event.open = open->id;
  const core::Reply reply = co_await ask_uncancelled(context, request, event);
  context.opens.remove(open);
  const auto* body = std::get_if<core::CloseReply>(&reply.body);
  if (reply.status == core::Status::ok && body != nullptr && body->remove) {
    const AccessInFlight removal(context.coordinator, reply.request);
    co_await remove_name(context, open, request);
  }
  open->data.reset();
  open->closed.open();
}

Task<void> close_all(FileContext& context, std::vector<OpenRef> opens) {
  if (opens.empty()) co_return;
  auto count = std::make_shared<Countdown>();
  count->left = opens.size();
  for (OpenRef& open : opens) spawn(close_and_count(context, std::move(open), count));
  co_await count->done.wait();
}

Task<Response> close_command(FileContext& context, Request& request) {
  LittleReader in(request.body());
  in.u16();
  const std::uint16_t flags = in.u16();
  in.u32();
  const FileHandle handle = read_handle(in);
  if (in.failed()) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, handle);
  if (!open) co_return NtStatus::file_closed;

  const bool query = (flags & kPostQueryAttributes) != 0;
  std::optional<FileState> state;
  if (query) {
    files::Result<FileState> now = co_await file_state(open->tree->files(), open->node);
    if (now) state = *now;
  }
  co_await close_open(context, open, &request);

  LittleWriter out;
  out.u16(kResponseSize);
  out.u16(state ? kPostQueryAttributes : 0);
  out.u32(0);
  if (state) {
    write_times(out, state->attributes, state->dos);
    out.u64(shown_allocation(state->attributes));
    out.u64(shown_size(state->attributes));
    out.u32(shown_attributes(state->attributes, state->dos));
  } else {
    out.zeros(52);
  }
  co_return Response(out.take());
}

Task<files::Result<FileState>> file_state(files::FileSystem& files, files::NodeRef node) {
  FileState state;
  files::Result<files::Attributes> attributes = co_await files.attributes(node);
  if (!attributes) co_return attributes.error();
  files::Result<files::DosInfo> dos = co_await files.dos_info(node);
  state.attributes = *attributes;
  // Where nothing can be stored with a file, it is an ordinary one.
  if (dos) state.dos = *dos;
  co_return state;
}

Task<bool> is_empty_directory(files::FileSystem& files, files::Credentials who,
                              files::NodeRef directory) {
  constexpr std::size_t kEnough = 3;  // ".", ".." and one more
  std::uint64_t cookie = 0;
  for (;;) {
    const files::Result<files::Listing> listing =
        co_await files.list(who, directory, cookie, kEnough, false);
    if (!listing) co_return false;
    for (const files::Entry& entry : listing->entries) {
      if (entry.name != "." && entry.name != "..") co_return false;
      cookie = entry.cookie;
    }
    if (listing->end || listing->entries.empty()) co_return true;
  }
}

}  // namespace lockstep::wire::smb2
