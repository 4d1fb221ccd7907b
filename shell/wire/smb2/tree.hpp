// Shares and tree connects (MS-SMB2 3.3.1.6, 3.3.1.9).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shell/files/files.hpp"
#include "shell/wire/smb2/gate.hpp"
#include "shell/wire/smb2/request.hpp"

namespace lockstep::wire::smb2 {

/// Access rights of MS-SMB2 2.2.13.1 that shares are about.
inline constexpr std::uint32_t kFullAccess = 0x001F01FF;
inline constexpr std::uint32_t kReadOnlyAccess = 0x001200A9;

/// One export as SMB clients see it.
struct Share {
  enum class Type : std::uint8_t { disk = 1, pipe = 2 };
  std::string name;  ///< UTF-8; compared without case
  Type type = Type::disk;
  std::shared_ptr<files::FileSystem> files;  ///< null for IPC$
  std::uint32_t export_number = 0;           ///< the same export's number in every protocol
  bool read_only = false;
  bool encrypt = false;            ///< refuse clear requests on it
  std::vector<std::string> users;  ///< who may connect; empty: every user that can log on
  bool guests = false;
};
using ShareRef = std::shared_ptr<const Share>;

/// A session's connection to a share.
class Tree {
 public:
  Tree(std::uint32_t id, ShareRef share, std::uint32_t maximal_access)
      : id_(id), share_(std::move(share)), maximal_access_(maximal_access) {}
  std::uint32_t id() const { return id_; }
  const Share& share() const { return *share_; }
  files::FileSystem& files() const { return *share_->files; }
  /// What the share lets this user have at most; CREATE masks with it (3.3.5.9).
  std::uint32_t maximal_access() const { return maximal_access_; }
  bool is_pipe() const { return share_->type == Share::Type::pipe; }
  /// Whether the tree still takes requests; CREATEs that run meanwhile are counted, so that the
  /// opens are closed when no more can appear.
  bool closing() const { return closing_; }

 private:
  friend class Connection;
  friend class Server;
  bool closing_ = false;
  Occupancy creates_;
  std::uint32_t id_;
  ShareRef share_;
  std::uint32_t maximal_access_;
};

}  // namespace lockstep::wire::smb2
