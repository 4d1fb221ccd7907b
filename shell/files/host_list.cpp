// Listing a directory with cookies that stay good.
//
// A cookie is the file system's own position after an entry (d_off), which local file systems keep
// valid while entries come and go, moved up by three: 0 is the start, 1 is after ".", 2 after
// "..", which come first whatever the disk's order is.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "shell/files/host_directory.hpp"
#include "shell/files/host_tree.hpp"

namespace lockstep::files::host {
namespace {

constexpr std::uint64_t kAfterDot = 1, kAfterDotDot = 2, kShift = 3;
/// The position at the end of an ext4 directory; moved up it would look negative to clients.
constexpr std::uint64_t kEnd = (std::uint64_t{1} << 63) - 1;
/// Each entry with attributes holds a descriptor until the loop's thread has seen it.
constexpr std::size_t kWithAttributesMax = 512;

std::uint64_t cookie_of(std::uint64_t offset) { return offset == kEnd ? kEnd : offset + kShift; }
std::uint64_t offset_of(std::uint64_t cookie) { return cookie == kEnd ? kEnd : cookie - kShift; }

}  // namespace

Result<Listed> HostTree::read_entries(const HostNode& dir, std::uint64_t cookie,
                                      std::size_t entries_max) const {
  const Result<UniqueFd> fd = proc_.reopen(dir.fd(), O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  Listed listed;
  if (cookie < kAfterDot && listed.entries.size() < entries_max) {
    listed.entries.push_back({".", kAfterDot, dir.id().node, {}, {}});
  }
  if (cookie < kAfterDotDot && listed.entries.size() < entries_max) {
    listed.entries.push_back({"..", kAfterDotDot, dir.id().node, {}, {}});
  }
  if (listed.entries.size() >= entries_max) return listed;
  if (cookie >= kShift && ::lseek(fd->get(), static_cast<off_t>(offset_of(cookie)), SEEK_SET) < 0) {
    return last_error();
  }
  const auto add = [&](std::string_view name, std::uint64_t inode, std::uint64_t offset) {
    if (listed.entries.size() >= entries_max) return false;
    listed.entries.push_back({std::string(name), cookie_of(offset), inode, {}, {}});
    return true;
  };
  const std::size_t room = (entries_max - listed.entries.size()) * 48;
  const Result<Reached> reached =
      read_directory(fd->get(), std::clamp<std::size_t>(room, 2048, 64 << 10), add);
  if (!reached) return reached.error();
  listed.end = *reached == Reached::end;
  return listed;
}

Result<Listed> HostTree::list(const HostNode& dir, std::uint64_t cookie, std::size_t entries_max,
                              bool with_attributes) {
  if (dir.type() != FileType::directory) return fail(ENOTDIR);
  if (with_attributes) entries_max = std::min(entries_max, kWithAttributesMax);
  Result<Listed> listed = read_entries(dir, cookie, std::max<std::size_t>(entries_max, 1));
  if (!listed) return listed;
  const bool may_search = with_attributes && syscall(SYS_faccessat2, dir.fd(), "", X_OK,
                                                     AT_EACCESS | AT_EMPTY_PATH) == 0;
  for (ListedEntry& entry : listed->entries) {
    if (entry.name != "..") continue;
    Result<Discovered> up = parent(dir);
    if (!up) continue;
    entry.node = up->stat.stx_ino;
    if (may_search) entry.found = std::move(*up);
  }
  // The rest is for the right to search `dir` alone, as stat(2) is; xattrs would ask for more.
  if (may_search && Identity::server().assume()) add_attributes(dir, *listed);
  return listed;
}

void HostTree::add_attributes(const HostNode& dir, Listed& listed) {
  std::vector<HandleMap::Place> places;
  for (ListedEntry& entry : listed.entries) {
    if (entry.name == ".") {
      if (Result<UniqueFd> fd = proc_.reopen(dir.fd(), O_PATH | O_DIRECTORY)) {
        if (Result<Discovered> found = discover(std::move(*fd))) entry.found = std::move(*found);
      }
    } else if (entry.name != "..") {
      Result<UniqueFd> fd = step(dir.fd(), entry.name);
      if (!fd) continue;
      Result<Discovered> found = discover(std::move(*fd));
      if (!found) continue;
      entry.found = std::move(*found);
      entry.node = entry.found.id.node;
      if (map_) places.push_back({entry.found.id, dir.id(), entry.name});
    }
    if (!entry.found.fd) continue;
    if (Result<DosInfo> dos = dos_info(entry.found.fd.get())) entry.dos = *dos;
  }
  if (map_) map_->record(places);
}

}  // namespace lockstep::files::host
