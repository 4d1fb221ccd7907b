#include "shell/wire/smb2/open_table.hpp"

namespace lockstep::wire::smb2 {
namespace {

template <class Map, class Key>
void erase_one(Map& map, const Key& key, const OpenRef& open) {
  const auto [first, last] = map.equal_range(key);
  for (auto at = first; at != last; ++at) {
    if (at->second != open) continue;
    map.erase(at);
    return;
  }
}

template <class Map, class Key>
std::vector<OpenRef> all_of(const Map& map, const Key& key) {
  std::vector<OpenRef> found;
  const auto [first, last] = map.equal_range(key);
  for (auto at = first; at != last; ++at) found.push_back(at->second);
  return found;
}

}  // namespace

bool OpenTable::has_room(const Session& session) const {
  return by_id_.size() < limits_.opens_max && count(session) < limits_.opens_per_session_max;
}

std::size_t OpenTable::count(const Session& session) const {
  const auto at = counts_.find(session.id());
  return at == counts_.end() ? 0 : at->second;
}

void OpenTable::add(const OpenRef& open) {
  open->handle = {open->id.value, ++next_volatile_};
  open->file = file(open->file_id());
  const std::uint64_t session = open->session->id();
  by_id_[open->id] = open;
  by_session_[{session, open->handle.volatile_part}] = open;
  ++counts_[session];
  by_file_.emplace(open->file_id(), open);
  by_client_.emplace(open->client, open->id);
  if (open->flavour == core::Flavour::lease) {
    by_lease_.emplace(std::pair{open->client, open->lease_key}, open);
  }
}

void OpenTable::remove(const OpenRef& open) {
  if (by_id_.erase(open->id) == 0) return;
  const std::uint64_t session = open->session->id();
  by_session_.erase({session, open->handle.volatile_part});
  const auto counted = counts_.find(session);
  if (counted != counts_.end() && --counted->second == 0) counts_.erase(counted);
  erase_one(by_file_, open->file_id(), open);
  by_client_.erase({open->client, open->id});
  if (open->flavour == core::Flavour::lease) {
    erase_one(by_lease_, std::pair{open->client, open->lease_key}, open);
  }
  if (!by_file_.contains(open->file_id())) files_.erase(open->file_id());
}

OpenRef OpenTable::find(const Session& session, const Tree& tree, FileHandle handle) const {
  const auto at = by_session_.find({session.id(), handle.volatile_part});
  if (at == by_session_.end()) return nullptr;
  const OpenRef& open = at->second;
  if (open->handle != handle || open->tree.get() != &tree || open->closing) return nullptr;
  return open;
}

OpenRef OpenTable::find(core::OpenId id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : at->second;
}

std::vector<OpenRef> OpenTable::of_lease(core::ClientId client, const core::LeaseKey& key) const {
  return all_of(by_lease_, std::pair{client, key});
}

OpenRef OpenTable::oldest_of(core::ClientId client) const {
  for (auto at = by_client_.lower_bound({client, core::OpenId{}});
       at != by_client_.end() && at->first == client; ++at) {
    OpenRef open = find(at->second);
    if (open->session->connection() != nullptr) return open;
  }
  return nullptr;
}

std::vector<OpenRef> OpenTable::of_file(core::FileId file) const { return all_of(by_file_, file); }

std::vector<OpenRef> OpenTable::of_session(const Session& session) const {
  std::vector<OpenRef> found;
  for (auto at = by_session_.lower_bound({session.id(), 0});
       at != by_session_.end() && at->first.first == session.id(); ++at) {
    found.push_back(at->second);
  }
  return found;
}

std::vector<OpenRef> OpenTable::of_tree(const Session& session, const Tree& tree) const {
  std::vector<OpenRef> found;
  for (OpenRef& open : of_session(session)) {
    if (open->tree.get() == &tree) found.push_back(std::move(open));
  }
  return found;
}

std::shared_ptr<OpenFile> OpenTable::file(core::FileId id) {
  std::weak_ptr<OpenFile>& known = files_[id];
  std::shared_ptr<OpenFile> file = known.lock();
  if (!file) known = file = std::make_shared<OpenFile>();
  return file;
}

}  // namespace lockstep::wire::smb2
