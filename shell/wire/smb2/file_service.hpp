// What the connection level asks of the code behind the file commands, which owns the open table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shell/wire/smb2/request.hpp"

namespace lockstep::wire {
class ClientSink;
}

namespace lockstep::wire::smb2 {

class FileService {
 public:
  virtual ~FileService() = default;

  /// CREATE, CLOSE, FLUSH, READ, WRITE, LOCK, QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO,
  /// OPLOCK_BREAK: `request.header.command` says which. IPC$ trees never get here.
  virtual Task<Response> handle(Request& request) = 0;
  /// An FSCTL on an open file that the connection level does not know itself. On success the
  /// response's `payload` alone is the output buffer; the connection level adds the IOCTL frame.
  virtual Task<Response> handle_fsctl(Request& request, std::uint32_t code, FileHandle file,
                                      ByteView input, std::uint32_t output_max) = 0;

  /// Closes every open of the session (LOGOFF, connection loss, PreviousSessionId): locks fall,
  /// deletes pending happen, waiters of these opens complete. The task is done when that has taken
  /// effect. Called once for each session; the session makes no new opens afterwards.
  virtual Task<void> close_session(SessionRef session) = 0;
  /// The same for the opens of one tree connect (TREE_DISCONNECT).
  virtual Task<void> close_tree(SessionRef session, TreeRef tree) = 0;

  /// Where the core's breaks for SMB clients go: the connection level attaches it for every client
  /// (ClientGuid) with its first connection, and detaches it after the last.
  virtual ClientSink& client_sink() = 0;

  virtual std::size_t open_count(const Session& session) const = 0;
};

}  // namespace lockstep::wire::smb2
