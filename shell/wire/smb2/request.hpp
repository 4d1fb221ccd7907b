// One request on its way through a handler, and what the handler answers.
//
// A handler is a coroutine `Task<Response> handle(Request& request)`. The connection keeps the
// Request alive until the handler has returned, also when the TCP connection or the session is
// gone meanwhile (the response is dropped then), so a handler may hold `Request&` across awaits.
//
// Waiting: requests of one connection run concurrently, so a handler just awaits. Before it awaits
// something that may take long (a break, a lock) it calls `go_async()`, which sends the interim
// STATUS_PENDING response, and `on_cancel()`, to be told of CANCEL:
//
//     request.on_cancel([&] { coordinator.cancel(id); });   // makes the awaited thing complete
//     request.go_async();
//     auto outcome = co_await decision;
//     if (request.cancelled()) co_return NtStatus::cancelled;
//
// What the connection has done before a handler runs: the signature or encryption is good, the
// session is valid and the tree belongs to it, the credit charge pays for the payload and for the
// answer (READ, WRITE, QUERY_*, SET_INFO, IOCTL, CHANGE_NOTIFY), lengths are within MaxReadSize,
// MaxWriteSize, MaxTransactSize, and StructureSize is that of the command.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "shell/wire/bytes.hpp"
#include "shell/wire/smb2/gate.hpp"
#include "shell/wire/smb2/header.hpp"
#include "shell/wire/smb2/ntstatus.hpp"
#include "shell/wire/task.hpp"

namespace lockstep::wire::smb2 {

class Connection;
class Session;
class Tree;
using SessionRef = std::shared_ptr<Session>;
using TreeRef = std::shared_ptr<Tree>;

struct Outgoing;

/// What a handler answers. An error without a body gets the error body of 2.2.2.
struct Response {
  NtStatus status = NtStatus::success;
  /// From StructureSize on; offsets in it count from the header: `kHeaderSize + position`.
  Bytes body;
  /// Appended after `body` (READ data, QUERY_* output): saves a copy of what is large.
  Bytes payload;
  /// With an error and an empty body: the ErrorData (STATUS_BUFFER_TOO_SMALL: 4 bytes needed).
  Bytes error_data;
  /// The connection ends and nothing is sent (a mismatch in VALIDATE_NEGOTIATE_INFO).
  bool disconnect = false;

  Response() = default;
  Response(NtStatus failure) : status(failure) {}  // NOLINT: `co_return NtStatus::x` reads well
  explicit Response(Bytes content) : body(std::move(content)) {}
  Response(NtStatus outcome, Bytes content) : status(outcome), body(std::move(content)) {}
};

/// Why a waiting request has to end.
enum class CancelReason : std::uint8_t {
  asked,    ///< CANCEL: answer STATUS_CANCELLED
  dropped,  ///< session or connection gone; nobody will see the answer
};

class Request {
 public:
  Header header;
  /// Header and body of this request alone, without the other parts of its compound and without
  /// padding's meaning: offsets in bodies count from `message.data()`.
  ByteView message;
  ByteView body() const { return message.subspan(kHeaderSize); }

  SessionRef session;  ///< null only for NEGOTIATE, ECHO and the first SESSION_SETUP
  TreeRef tree;        ///< set for every file command
  Dialect dialect = Dialect::none;
  bool encrypted = false;  ///< it came inside a transform
  bool was_signed = false;

  /// The FileId to use: that of the predecessor when this request is related and says so. It is
  /// remembered for the successors. Call it with what the body says, once.
  FileHandle file(FileHandle from_body);
  /// CREATE succeeded: successors mean this open.
  void set_file(FileHandle created) { chain_file_ = created; }

  /// Sends the interim response, once; later calls do nothing. In the middle of a compound only a
  /// CREATE does so (with what was answered before it); else nothing is sent and the client waits.
  void go_async();
  bool is_async() const { return async_id_ != 0; }
  /// Runs at most once; at once when it was cancelled already. Dropped when the handler returns.
  void on_cancel(std::function<void(CancelReason)> call);
  bool cancelled() const { return cancelled_.has_value(); }
  std::optional<CancelReason> cancel_reason() const { return cancelled_; }
  void cancel(CancelReason reason);
  /// Others wait for this request until it waits itself, or is answered.
  void hold_up(Occupancy& others) { inside_ = Inside(others); }
  /// Runs right after the final response was given to the transport (or dropped): what must not
  /// overtake this response, such as a break of the right that it grants, waits for it.
  void after_response(std::function<void()> call) { after_.push_back(std::move(call)); }

  /// Null in unit tests and after the connection is gone.
  Connection* connection() const { return connection_; }

 private:
  friend class Connection;
  Connection* connection_ = nullptr;
  Outgoing* outgoing_ = nullptr;         ///< what was answered before it in its compound
  std::uint64_t transform_session_ = 0;  ///< when encrypted: whose key it was
  std::uint64_t async_id_ = 0;
  bool may_go_async_ = false;
  bool foreign_ = false;  ///< SESSION_SETUP that names a session of another connection
  std::optional<FileHandle> chain_file_;
  std::optional<CancelReason> cancelled_;
  std::function<void(CancelReason)> on_cancel_;
  std::vector<std::function<void()>> after_;
  Inside inside_;
};

}  // namespace lockstep::wire::smb2
