// All SMB opens: by FileId, by the core's OpenId, by lease, by session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "shell/wire/smb2/open.hpp"

namespace lockstep::wire::smb2 {

/// Bounds on what clients can make the server keep.
struct OpenLimits {
  std::size_t opens_per_session_max = 100'000;
  std::size_t opens_max = 1'000'000;
};

class OpenTable {
 public:
  explicit OpenTable(OpenLimits limits = {}) : limits_(limits) {}

  /// Whether the session may have one more open (those being made are not counted).
  bool has_room(const Session& session) const;
  /// Gives the open its FileId and enters it; `open->id` is the core's.
  void add(const OpenRef& open);
  void remove(const OpenRef& open);

  /// The open of this session and tree with this FileId; null when there is none or it is closing.
  OpenRef find(const Session& session, const Tree& tree, FileHandle handle) const;
  OpenRef find(core::OpenId id) const;
  /// Every open under one lease.
  std::vector<OpenRef> of_lease(core::ClientId client, const core::LeaseKey& key) const;
  std::vector<OpenRef> of_session(const Session& session) const;
  std::vector<OpenRef> of_tree(const Session& session, const Tree& tree) const;
  std::vector<OpenRef> of_file(core::FileId file) const;
  /// Of the client's opens whose connection lives, the one made first.
  OpenRef oldest_of(core::ClientId client) const;

  /// What the opens of a file share; made when it is not there.
  std::shared_ptr<OpenFile> file(core::FileId id);

  std::size_t size() const { return by_id_.size(); }
  std::size_t count(const Session& session) const;

 private:
  OpenLimits limits_;
  std::uint64_t next_volatile_ = 0;
  std::map<core::OpenId, OpenRef> by_id_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, OpenRef> by_session_;  ///< session, volatile
  std::map<std::uint64_t, std::size_t> counts_;                            ///< by session
  std::multimap<std::pair<core::ClientId, core::LeaseKey>, OpenRef> by_lease_;
  std::multimap<core::FileId, OpenRef> by_file_;
  std::set<std::pair<core::ClientId, core::OpenId>> by_client_;
  std::map<core::FileId, std::weak_ptr<OpenFile>> files_;
};

}  // namespace lockstep::wire::smb2
