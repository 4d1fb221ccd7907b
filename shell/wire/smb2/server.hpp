// The SMB server as the connections share it: configuration, shares, users, the global session
// table, and the ports to the world. One object for each lockstepd (or simulated node).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shell/files/files.hpp"
#include "shell/wire/smb2/file_service.hpp"
#include "shell/wire/smb2/header.hpp"
#include "shell/wire/smb2/session.hpp"
#include "shell/wire/smb2/tree.hpp"

namespace lockstep::wire {
class Coordinator;
class Clock;
}  // namespace lockstep::wire

namespace lockstep::wire::smb2 {

/// A local user. The password is only kept as its NT hash (MD4 of UTF-16LE).
struct User {
  std::string name;
  std::array<std::uint8_t, 16> nt_hash{};
  files::Credentials credentials;
};

/// Fills the span with random bytes that nobody can guess.
using Random = std::function<void(std::span<std::uint8_t>)>;

enum class EncryptionPolicy : std::uint8_t { off, offered, required };

/// Limits and switches. Sizes in bytes.
struct Options {
  std::string netbios_name = "LOCKSTEP";
  std::string dns_name = "lockstep";
  Guid server_guid;
  Dialect dialect_min = Dialect::smb202;
  Dialect dialect_max = Dialect::smb311;
  bool signing_required = false;
  EncryptionPolicy encryption = EncryptionPolicy::offered;
  /// Unknown users log on as this guest; none: they are refused. Anonymous sees IPC$ only.
  std::optional<files::Credentials> guest;
  Random random;  ///< OpenSSL's generator when it is not set

  /// A connection on which nobody is logged on so long after its first message is closed; 0: never.
  core::Nanos log_on_timeout = 60 * core::kSecond;
  std::uint32_t transact_max = 8u << 20;
  std::uint32_t read_max = 8u << 20;
  std::uint32_t write_max = 8u << 20;
  std::uint32_t credits_max = 8192;
  std::uint32_t requests_outstanding_max = 8192;
  std::uint32_t compound_parts_max = 256;
  std::uint32_t sessions_per_connection_max = 256;
  std::uint32_t trees_per_session_max = 1024;
};

class Server {
 public:
  Server(Options options, std::vector<ShareRef> shares, std::vector<User> users,
         Coordinator& coordinator, Clock& clock);
  ~Server();
  /// The file commands; given after construction, since they refer to the server. Must be set
  /// before the first connection.
  void set_file_service(FileService& files) { files_ = &files; }

  const Options& options() const { return options_; }
  Coordinator& coordinator() const { return coordinator_; }
  Clock& clock() const { return clock_; }
  FileService& file_service() const { return *files_; }

  /// Without regard to case; null when there is none. IPC$ is always there.
  ShareRef find_share(std::string_view name) const;
  const User* find_user(std::string_view name) const;

  std::uint64_t file_time() const;  ///< now, as 100 ns since 1601
  void random(std::span<std::uint8_t> out) const { options_.random(out); }

  /// The largest message that a client may send: a bound for the carrier's framing.
  std::size_t frame_max() const;

  /// Valid or not yet; null when unknown.
  SessionRef find_session(std::uint64_t id) const;
  const std::map<std::uint64_t, SessionRef>& sessions() const { return sessions_; }

  /// Ends a session whose time has come (LOGOFF, PreviousSessionId, connection lost, failed
  /// re-authentication): no new requests, opens closed, what still waits is dropped. Done when all
  /// of that has taken effect; a second call waits for the first.
  Task<void> end_session(SessionRef session);

  /// Tells the core of a client with its first connection; each connection calls it once and
  /// `release_client` once. No client: the core has no room for it.
  Task<core::ClientId> acquire_client(std::string identity, std::string address);
  void release_client(const std::string& identity);

 private:
  friend class Connection;
  SessionRef new_session(Connection& connection);

  struct Client {
    core::ClientId id;
    std::uint32_t connections = 0;
  };
  Options options_;
  std::vector<ShareRef> shares_;
  std::vector<User> users_;
  Coordinator& coordinator_;
  Clock& clock_;
  FileService* files_ = nullptr;
  std::map<std::uint64_t, SessionRef> sessions_;
  std::map<std::string, Client> clients_;
};

}  // namespace lockstep::wire::smb2
