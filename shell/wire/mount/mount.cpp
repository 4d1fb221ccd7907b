#include "shell/wire/mount/mount.hpp"

#include <algorithm>

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::mount {
namespace {

using rpc::Reply;

enum Procedure : std::uint32_t {
  kNull = 0,
  kMount = 1,
  kDump = 2,
  kUnmount = 3,
  kUnmountAll = 4,
  kExport = 5,
};

constexpr std::size_t kPathMax = 1024;  // MNTPATHLEN
constexpr std::size_t kNameMax = 255;   // MNTNAMLEN
constexpr std::size_t kMountedMax = 4096;

struct Path {
  Status status = Status::ok;
  std::vector<std::string> components;
};

/// "/NAME/sub/dir" into its components. ".." could only lead to what has a name of its own.
Path split(const std::string& text) {
  Path path;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    std::string part = text.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." || part.find('\0') != std::string::npos) path.status = Status::inval;
    if (part.size() > kNameMax) path.status = Status::nametoolong;
    path.components.push_back(std::move(part));
  }
  if (path.components.empty() && path.status == Status::ok) path.status = Status::noent;
  return path;
}

/// Down from the export's root with the caller's rights; symbolic links are not followed.
Task<files::Result<files::NodeRef>> walk(nfs3::ExportRef of, files::Credentials who,
                                         std::vector<std::string> components) {
  files::NodeRef node = of->files->root();
  for (std::size_t i = 1; i < components.size(); ++i) {
    files::Result<files::Found> found =
        co_await of->files->lookup(who, node, components[i], files::NameCase::exact);
    if (!found) co_return found.error();
    node = found->node;
  }
  if (node->type() != files::FileType::directory) co_return files::fail(ENOTDIR);
  co_return node;
}

Reply failed(std::uint32_t version, Status status) {
  BigWriter out = rpc::begin_reply();
  // Version 1 has errno values only.
  const bool wide = version < 3 && static_cast<std::uint32_t>(status) > 255;
  out.u32(static_cast<std::uint32_t>(wide ? Status::io : status));
  return Reply::done(std::move(out));
}

}  // namespace

Status status_of(int error) {
  switch (error) {
    case 0:
      return Status::ok;
    case EPERM:
      return Status::perm;
    case ENOENT:
    case ESTALE:
      return Status::noent;
    case EACCES:
      return Status::access;
    case ENOTDIR:
    case ELOOP:
      return Status::notdir;
    case EINVAL:
      return Status::inval;
    case ENAMETOOLONG:
      return Status::nametoolong;
    case ENOTSUP:
      return Status::notsupp;
    case EIO:
      return Status::io;
    default:
      return Status::serverfault;
  }
}

bool Mount::has_procedure(std::uint32_t version, std::uint32_t procedure) const {
  (void)version;
  return procedure <= kExport;
}

Task<Reply> Mount::call(const rpc::CallContext& call) {
  switch (call.header.procedure) {
    case kMount:
      co_return co_await mount(call);
    case kDump:
      co_return dump();
    case kUnmount:
      co_return unmount(call);
    case kUnmountAll:
      co_return unmount_all(call);
    case kExport:
      co_return list_exports();
    default:
      co_return Reply::empty();
  }
}

Task<Reply> Mount::mount(const rpc::CallContext& call) {
  BigReader in = call.reader();
  const std::string text = rpc::get_string(in, kPathMax);
  if (in.failed()) co_return Reply::garbage();
  const std::uint32_t version = call.header.version;
  if (version < 3) co_return failed(version, Status::access);
  Path path = split(text);
  if (path.status != Status::ok) co_return failed(version, path.status);
  const nfs3::ExportRef of = exports_.find(path.components.front());
  if (!of) co_return failed(version, Status::noent);
  if (!of->allows(call.remote.host)) co_return failed(version, Status::access);

  files::Credentials who = of->caller(call.header.credential);
  files::Result<files::NodeRef> node = co_await walk(of, who, std::move(path.components));
  if (!node) co_return failed(version, status_of(node.error().value()));

  remember(nfs3::plain_address(call.remote.host), text);
  BigWriter out = rpc::begin_reply();
  out.u32(static_cast<std::uint32_t>(Status::ok));
  rpc::put_opaque(out, of->files->handle(*node));
  out.u32(1);
  out.u32(rpc::kAuthSys);
  co_return Reply::done(std::move(out));
}

void Mount::remember(const std::string& host, const std::string& path) {
  std::pair<std::string, std::string> entry(host, path);
  if (std::find(mounted_.begin(), mounted_.end(), entry) != mounted_.end()) return;
  if (mounted_.size() >= kMountedMax) mounted_.erase(mounted_.begin());
  mounted_.push_back(std::move(entry));
}

Reply Mount::dump() const {
  BigWriter out = rpc::begin_reply();
  for (const auto& [host, path] : mounted_) {
    rpc::put_bool(out, true);
    rpc::put_string(out, host);
    rpc::put_string(out, path);
  }
  rpc::put_bool(out, false);
  return Reply::done(std::move(out));
}

Reply Mount::unmount(const rpc::CallContext& call) {
  BigReader in = call.reader();
  const std::string path = rpc::get_string(in, kPathMax);
  if (in.failed()) return Reply::garbage();
  std::erase(mounted_, std::pair(nfs3::plain_address(call.remote.host), path));
  return Reply::empty();
}

Reply Mount::unmount_all(const rpc::CallContext& call) {
  const std::string host = nfs3::plain_address(call.remote.host);
  std::erase_if(mounted_, [&](const auto& entry) { return entry.first == host; });
  return Reply::empty();
}

Reply Mount::list_exports() const {
  BigWriter out = rpc::begin_reply();
  for (const nfs3::ExportRef& one : exports_.list()) {
    rpc::put_bool(out, true);
    rpc::put_string(out, "/" + one->name);
    for (const nfs3::AddressRange& range : one->clients) {
      rpc::put_bool(out, true);
      rpc::put_string(out, range.text());
    }
    rpc::put_bool(out, false);
  }
  rpc::put_bool(out, false);
  return Reply::done(std::move(out));
}

}  // namespace lockstep::wire::mount
