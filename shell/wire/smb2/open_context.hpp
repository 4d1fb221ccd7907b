// What every file command needs, and the way it asks the core.
#pragma once

#include <functional>
#include <utility>

#include "shell/wire/ports.hpp"
#include "shell/wire/smb2/break_sender.hpp"
#include "shell/wire/smb2/open_table.hpp"
#include "shell/wire/smb2/request.hpp"

namespace lockstep::wire::smb2 {

struct FileContext {
  Coordinator& coordinator;
  Clock& clock;
  OpenTable opens;
  BreakSender breaks;

  FileContext(Coordinator& core, Clock& time, OpenLimits limits)
      : coordinator(core), clock(time), opens(limits), breaks(opens) {}
  FileContext(const FileContext&) = delete;
  FileContext& operator=(const FileContext&) = delete;
};

/// Asks the core for a request. When the core parks it, the interim response goes out and CANCEL
/// (or the end of the session) makes the core answer `cancelled`.
Task<core::Reply> ask_core(FileContext& context, Request& request, core::EventBody event,
                           core::RequestId id);

template <class Event>
Task<core::Reply> ask(FileContext& context, Request& request, Event event) {
  event.request = context.coordinator.new_request();
  const core::RequestId id = event.request;
  return ask_core(context, request, core::EventBody(std::move(event)), id);
}

/// The open that a request means; nothing when it is no open of the request's session and tree
/// (FILE_CLOSED).
OpenRef find_open(FileContext& context, Request& request, FileHandle from_body);

}  // namespace lockstep::wire::smb2
