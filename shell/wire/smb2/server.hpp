// The SMB server as the connections share it: configuration, shares, users, the global session
// table, and the ports to the world. One object for each lockstepd (or simulated node).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
  /// Unknown users and anonymous log on as this; none: they are refused.
  std::optional<files::Credentials> guest;

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

  /// Valid or not yet; null when unknown. Session ids are not reused within one boot.
  SessionRef find_session(std::uint64_t id) const;
  const std::map<std::uint64_t, SessionRef>& sessions() const { return sessions_; }

 private:
  friend class Connection;
  Options options_;
  std::vector<ShareRef> shares_;
  std::vector<User> users_;
  Coordinator& coordinator_;
  Clock& clock_;
  FileService* files_ = nullptr;
  std::map<std::uint64_t, SessionRef> sessions_;
};

}  // namespace lockstep::wire::smb2
