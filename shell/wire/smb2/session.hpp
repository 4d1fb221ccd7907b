// A session: one authenticated user on one connection (MS-SMB2 3.3.1.8).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/ids.hpp"
#include "shell/files/files.hpp"
#include "shell/wire/smb2/gate.hpp"
#include "shell/wire/smb2/header.hpp"
#include "shell/wire/smb2/request.hpp"
#include "shell/wire/smb2/tree.hpp"

namespace lockstep::wire::smb2 {

namespace crypto {
struct SessionCrypto;
}
struct Authentication;
class Server;

/// Whom the session speaks for.
struct Identity {
  std::string user;    ///< as configured; empty for anonymous
  std::string domain;  ///< as the client said it
  files::Credentials credentials;
  bool guest = false;
  bool anonymous = false;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  enum class State : std::uint8_t { in_progress, valid, expired, closing };

  Session(Server& server, Connection& connection, std::uint64_t id);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::uint64_t id() const { return id_; }
  State state() const { return state_; }
  const Identity& identity() const { return identity_; }
  const files::Credentials& credentials() const { return identity_.credentials; }

  /// The client behind the connection: sessions with one ClientGuid are one client.
  core::ClientId client() const { return client_; }
  const Guid& client_guid() const { return client_guid_; }
  Dialect dialect() const { return dialect_; }
  Server& server() const { return server_; }

  /// Null when the connection is lost.
  Connection* connection() const { return connection_; }
  /// Sends an OPLOCK_BREAK notification (2.2.23.1 or .2, `body` from StructureSize on), encrypted
  /// when the session is or the share wants it. False when there is no connection to send it on.
  bool send_break(ByteView body, bool share_encrypts = false);

  /// Requests that change names and have not asked the core yet. Requests of a connection run side
  /// by side, but one that looks for a name waits until those before it have come so far: a client
  /// that has sent a RENAME sees the break that it causes before the answer to a later CREATE.
  Occupancy& renames() { return renames_; }

  TreeRef find_tree(std::uint32_t id) const;
  const std::map<std::uint32_t, TreeRef>& trees() const { return trees_; }

 private:
  friend class Connection;
  friend class Server;
  Server& server_;
  Connection* connection_;
  std::uint64_t id_;
  State state_ = State::in_progress;
  Identity identity_;
  core::ClientId client_;
  Guid client_guid_;
  Dialect dialect_ = Dialect::none;
  bool signing_required_ = false;
  bool encrypt_ = false;  ///< refuse clear requests, encrypt every response
  bool was_valid_ = false;
  std::unique_ptr<crypto::SessionCrypto> crypto_;
  std::unique_ptr<Authentication> authentication_;  ///< while a set-up is in progress
  std::uint32_t next_tree_id_ = 1;
  std::map<std::uint32_t, TreeRef> trees_;
  Occupancy renames_;
  Gate ended_;
};

}  // namespace lockstep::wire::smb2
