#include "shell/wire/smb2/create_walk.hpp"

#include <deque>
#include <string_view>

#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr int kLinksMax = 32;

/// Directories from the root to where the walk stands.
struct Level {
  files::NodeRef node;
  files::Attributes attributes;
  std::string name;
};

Place place_below(const std::vector<Level>& levels, std::string name) {
  Place place;
  place.parent = levels.back().node;
  for (std::size_t i = 1; i < levels.size(); ++i) place.path.push_back(levels[i].name);
  place.path.push_back(name);
  place.name = std::move(name);
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    place.ancestors.push_back(level->node->id());
  }
  return place;
}

/// Puts a link's target in front of what is left to walk; false when it leads out of the share.
bool expand_link(std::string_view target, std::deque<std::string>& rest) {
  if (target.empty() || target.front() == '/') return false;
  std::vector<std::string> parts;
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    if (slash != 0) parts.emplace_back(target.substr(0, slash));
    target.remove_prefix(slash == std::string_view::npos ? target.size() : slash + 1);
  }
  rest.insert(rest.begin(), parts.begin(), parts.end());
  return true;
}

Walked standing_on(const std::vector<Level>& levels) {
  Walked walked;
  walked.found = true;
  walked.node = levels.back().node;
  walked.attributes = levels.back().attributes;
  if (levels.size() == 1) return walked;
  const std::vector<Level> above(levels.begin(), levels.end() - 1);
  walked.place = place_below(above, levels.back().name);
  walked.parent_attributes = above.back().attributes;
  return walked;
}

Walked failed(NtStatus status) {
  Walked walked;
  walked.status = status;
  return walked;
}

}  // namespace

Task<Walked> walk(files::FileSystem& files, files::Credentials who, Path path, bool follow_last) {
  std::vector<Level> levels;
  const files::Result<files::Attributes> root = co_await files.attributes(files.root());
  if (!root) co_return failed(status_of(root.error()));
  levels.push_back({files.root(), *root, {}});
  std::deque<std::string> rest(path.components.begin(), path.components.end());
  int links = 0;
  while (!rest.empty()) {
    const std::string name = std::move(rest.front());
    rest.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      if (levels.size() == 1) co_return failed(NtStatus::object_path_not_found);
      levels.pop_back();
      continue;
    }
    const Level& here = levels.back();
    files::Result<files::Found> found =
        co_await files.lookup(who, here.node, name, files::NameCase::folded);
    if (!found) {
      const int error = found.error().value();
      const bool missing = error == ENOENT || error == ESTALE || error == ENOTDIR;
      if (!missing) co_return failed(status_of(found.error()));
      if (!rest.empty() || error != ENOENT) co_return failed(NtStatus::object_path_not_found);
      Walked walked;
      walked.place = place_below(levels, name);
      walked.parent_attributes = here.attributes;
      co_return walked;
    }
    const files::FileType type = found->attributes.type;
    if (type == files::FileType::symlink && (!rest.empty() || follow_last)) {
      const files::Result<std::string> target = co_await files.read_link(who, found->node);
      if (!target) co_return failed(status_of(target.error()));
      if (++links > kLinksMax || !expand_link(*target, rest)) {
        co_return failed(rest.empty() ? NtStatus::object_name_not_found
                                      : NtStatus::object_path_not_found);
      }
      continue;
    }
    if (type != files::FileType::directory) {
      if (!rest.empty()) co_return failed(NtStatus::object_path_not_found);
      Walked walked;
      walked.place = place_below(levels, found->name);
      walked.parent_attributes = here.attributes;
      walked.found = true;
      walked.node = std::move(found->node);
      walked.attributes = found->attributes;
      co_return walked;
    }
    levels.push_back({std::move(found->node), found->attributes, std::move(found->name)});
  }
  co_return standing_on(levels);
}

}  // namespace lockstep::wire::smb2
