// CLOSE (MS-SMB2 3.3.5.10), and the end of an open by whatever cause.
#pragma once

#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

/// Lets an open go: a delete-on-close is said first (and waits for the Handle caches of others),
/// then the core releases locks, lease and share modes, then a name that has to go is removed.
/// `request` (may be null): whose interim response is due when that waits. A second call waits for
/// the first.
Task<void> close_open(FileContext& context, OpenRef open, Request* request);
/// All of them at the same time.
Task<void> close_all(FileContext& context, std::vector<OpenRef> opens);

/// The core's answer, with the interim response of `request` (may be null) when it is late. Not
/// cancelable: what was begun is carried out.
Task<core::Reply> ask_uncancelled(FileContext& context, Request* request, core::EventBody event,
                                  core::RequestId id);
template <class Event>
Task<core::Reply> ask_uncancelled(FileContext& context, Request* request, Event event) {
  event.request = context.coordinator.new_request();
  const core::RequestId id = event.request;
  return ask_uncancelled(context, request, core::EventBody(std::move(event)), id);
}

Task<Response> close_command(FileContext& context, Request& request);

/// The current attributes of an open's file; nothing when they cannot be had.
struct FileState {
  files::Attributes attributes;
  files::DosInfo dos;
};
Task<files::Result<FileState>> file_state(files::FileSystem& files, files::NodeRef node);

/// Whether a directory holds anything but "." and "..".
Task<bool> is_empty_directory(files::FileSystem& files, files::Credentials who,
                              files::NodeRef directory);

}  // namespace lockstep::wire::smb2
