#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

Task<core::Reply> ask_core(FileContext& context, Request& request, core::EventBody event,
                           core::RequestId id) {
  Coordinator& coordinator = context.coordinator;
  std::function<void()> parked = [&coordinator, &request, id] {
    // Registered only now: before the core knows the request there is nothing to cancel.
    request.go_async();
    request.on_cancel(
        [&coordinator, id](CancelReason) { coordinator.report(core::RequestCancelled{id}); });
  };
  PendingReply pending(coordinator, std::move(event), id, std::move(parked));
  core::Reply reply = co_await pending;
  co_return reply;
}

OpenRef find_open(FileContext& context, Request& request, FileHandle from_body) {
  const FileHandle handle = request.file(from_body);
  if (!request.tree) return nullptr;
  return context.opens.find(*request.session, *request.tree, handle);
}

}  // namespace lockstep::wire::smb2
