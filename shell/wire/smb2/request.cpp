#include "shell/wire/smb2/request.hpp"

#include "shell/wire/smb2/connection.hpp"

namespace lockstep::wire::smb2 {

FileHandle Request::file(FileHandle from_body) {
  const bool inherits = header.has(kFlagRelated) && from_body == FileHandle::inherit();
  if (!inherits) chain_file_ = from_body;
  // Nothing to inherit: all ones is a handle that nobody has.
  return chain_file_.value_or(FileHandle::inherit());
}

void Request::go_async() {
  if (connection_ != nullptr && !is_async() && may_go_async_) connection_->send_interim(*this);
  inside_.leave();
}

void Request::on_cancel(std::function<void(CancelReason)> call) {
  if (cancelled_) {
    call(*cancelled_);
    return;
  }
  on_cancel_ = std::move(call);
}

void Request::cancel(CancelReason reason) {
  if (cancelled_) return;
  cancelled_ = reason;
  // The call may complete the request and with it end this object.
  if (on_cancel_) std::exchange(on_cancel_, {})(reason);
}

}  // namespace lockstep::wire::smb2
