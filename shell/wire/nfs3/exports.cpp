#include "shell/wire/nfs3/exports.hpp"

#include <algorithm>

namespace lockstep::wire::nfs3 {

bool Export::allows(std::string_view address) const {
  return clients.empty() ||
         std::any_of(clients.begin(), clients.end(),
                     [&](const AddressRange& range) { return range.contains(address); });
}

files::Credentials Export::caller(const rpc::Credential& credential) const {
  files::Credentials who;
  who.uid = anonymous_uid;
  who.gid = anonymous_gid;
  if (credential.flavor != rpc::kAuthSys || squash == Squash::all) return who;
  who.uid = credential.uid;
  who.gid = credential.gid;
  who.groups = credential.groups;
  if (squash == Squash::root) {
    // Root's user and root's group alike: a file that only group 0 may write is root's too.
    if (who.uid == 0) who.uid = anonymous_uid;
    if (who.gid == 0) who.gid = anonymous_gid;
    std::replace(who.groups.begin(), who.groups.end(), std::uint32_t{0}, anonymous_gid);
  }
  return who;
}

ExportRef Exports::find(std::string_view name) const {
  for (const ExportRef& one : list_) {
    if (one->name == name) return one;
  }
  return nullptr;
}

Task<Located> Exports::locate(Bytes handle, std::string address) const {
  Located located;
  if (handle.empty() || handle.size() > kHandleMax) {
    located.error = EBADF;
    co_return located;
  }
  located.error = ESTALE;
  for (const ExportRef& one : list_) {
    files::Result<files::NodeRef> node = co_await one->files->resolve(handle);
    if (!node) {
      if (node.error().value() != ESTALE) located.error = node.error().value();
      continue;
    }
    located.of = one;
    located.error = 0;
    located.node = std::move(*node);
    break;
  }
  if (located.of && !located.of->allows(address)) {
    located.error = EACCES;
    located.of = nullptr;
    located.node = nullptr;
  }
  co_return located;
}

}  // namespace lockstep::wire::nfs3
