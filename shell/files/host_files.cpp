// The loop's side of a host directory: nodes and open files are kept here, all that may block
// goes to the pool (HostTree).
#include "shell/files/host_files.hpp"

#include <sys/resource.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "shell/files/host_nodes.hpp"
#include "shell/files/host_open.hpp"
#include "shell/files/host_tree.hpp"

namespace lockstep::files {
namespace host {

class HostFileSystem final : public FileSystem {
 public:
  HostFileSystem(const HostOptions& options, IoPool& pool, std::size_t nodes_max,
                 std::size_t files_max)
      : pool_(pool),
        tree_(options),
        nodes_(this, pool, nodes_max),
        files_(std::make_shared<OpenFiles>(files_max, options.file_idle)),
        idle_(options.file_idle),
        root_(std::make_shared<const HostNode>(tree_.root(), this, pool)) {}

  NodeRef root() const override { return root_; }
  wire::Bytes handle(const NodeRef& node) const override;
  std::string path(core::FileId id) override;
  Async<NodeRef> resolve(wire::Bytes handle) override;
  Async<Attributes> attributes(NodeRef node) override;
  Async<Attributes> set_attributes(Credentials who, NodeRef node, SetAttributes change) override;
  Async<std::uint32_t> access(Credentials who, NodeRef node) override;
  Async<DosInfo> dos_info(NodeRef node) override;
  Async<void> set_dos_info(Credentials who, NodeRef node, DosInfo info) override;
  Async<Found> lookup(Credentials who, NodeRef dir, std::string name, NameCase fold) override;
  Async<std::string> read_link(Credentials who, NodeRef link) override;
  Async<FileRef> open(Credentials who, NodeRef node, OpenMode mode) override;
  Async<std::pair<bool, Found>> create(Credentials who, NodeRef dir, std::string name,
                                       CreateOptions options) override;
  Async<Found> make_directory(Credentials who, NodeRef dir, std::string name,
                              std::uint32_t mode) override;
  Async<Found> make_symlink(Credentials who, NodeRef dir, std::string name,
                            std::string target) override;
  Async<Found> make_special(Credentials who, NodeRef dir, std::string name, FileType type,
                            std::uint32_t mode, std::uint32_t major, std::uint32_t minor) override;
  Async<void> remove(Credentials who, NodeRef dir, std::string name, NodeRef expected) override;
  Async<void> remove_directory(Credentials who, NodeRef dir, std::string name) override;
  Async<void> rename(Credentials who, NodeRef from_dir, std::string from, NodeRef source,
                     NodeRef to_dir, std::string to, NodeRef target) override;
  Async<void> link(Credentials who, NodeRef node, NodeRef dir, std::string name) override;
  Async<Listing> list(Credentials who, NodeRef dir, std::uint64_t cookie, std::size_t entries_max,
                      bool with_attributes) override;
  Async<Volume> volume() override;
  Async<void> commit(NodeRef node) override;

 private:
  /// On the pool; once more, with what is merely kept given back, when descriptors have run out.
  template <class Job>
  wire::Task<std::invoke_result_t<Job&>> perform(Identity as, Job& job) {
    auto result = co_await pool_.perform(as, job);
    if (!result && (result.error() == fail(EMFILE) || result.error() == fail(ENFILE))) {
      files_->clear();
      nodes_.shrink();
      result = co_await pool_.perform(as, job);
    }
    co_return result;
  }

  /// Null for a node of another file system.
  const HostNode* own(const NodeRef& node) const {
    const auto* host = dynamic_cast<const HostNode*>(node.get());
    return host && host->tree() == this ? host : nullptr;
  }
  const HostNode* own_directory(const NodeRef& node) const {
    const HostNode* host = own(node);
    return host && host->type() == FileType::directory ? host : nullptr;
  }
  /// Why own_directory found none.
  boost::system::error_code not_directory(const NodeRef& node) const {
    return fail(own(node) ? ENOTDIR : ESTALE);
  }
  HostNodeRef intern(Discovered found) {
    return found.id == root_->id() ? root_ : nodes_.intern(std::move(found));
  }
  Found adopt(Step step) {
    Found found;
    found.attributes = tree_.attributes(step.node.stat);
    found.node = intern(std::move(step.node));
    found.name = std::move(step.name);
    return found;
  }
  Result<Found> adopted(Result<Step> step) {
    if (!step) return step.error();
    return adopt(std::move(*step));
  }
  const wire::Bytes& sealed(const HostNode& node) const {
    if (node.handle_.empty()) node.handle_ = tree_.codec().seal({node.id(), node.kernel()});
    return node.handle_;
  }
  wire::Task<Result<struct statx>> status_of(const HostNode& node) {
    if (tree_.prompt()) co_return status(node.fd());
    auto job = [&] { return status(node.fd()); };
    co_return co_await pool_.perform(Identity::any(), job);
  }
  void forget(const HostNode& node) {
    files_->drop(node.id());
    nodes_.release(node.id());
  }
  /// Sees to it that idle files are closed also when no call comes any more.
  static void watch_idle(IoPool& pool, const std::shared_ptr<OpenFiles>& files,
                         std::chrono::milliseconds idle) {
    files->watched = true;
    pool.call_later(idle, [&pool, weak = std::weak_ptr(files), idle] {
      const auto kept = weak.lock();
      if (!kept) return;
      kept->watched = false;
      if (kept->trim()) watch_idle(pool, kept, idle);
    });
  }

  IoPool& pool_;
  HostTree tree_;
  NodeCache nodes_;
  std::shared_ptr<OpenFiles> files_;
  std::chrono::milliseconds idle_;
  HostNodeRef root_;
};

/// As the kernel tells it of a descriptor that is open anyway; no disk is asked.
std::string HostFileSystem::path(core::FileId id) {
  const auto place = [](int fd) {
    std::error_code error;
    return std::filesystem::read_symlink(ProcFd::path(fd), error);
  };
  const HostNodeRef node = nodes_.find(id);
  if (!node) return {};
  return place(node->fd())
      .lexically_relative(place(static_cast<const HostNode&>(*root_).fd()))
      .string();
}

wire::Bytes HostFileSystem::handle(const NodeRef& node) const {
  const HostNode* host = own(node);
  return host ? sealed(*host) : wire::Bytes();
}

Async<NodeRef> HostFileSystem::resolve(wire::Bytes handle) {
  const std::optional<HandleCodec::Parts> parts = tree_.codec().parse(handle);
  if (!parts) co_return fail(ESTALE);
  const HostNodeRef known = parts->id == root_->id() ? root_ : nodes_.find(parts->id);
  if (known && equal_bytes(handle, sealed(*known))) {
    const Result<struct statx> stat = co_await status_of(*known);
    if (!stat) co_return stat.error();
    if (stat->stx_nlink == 0) co_return fail(ESTALE);
    co_return NodeRef(known);
  }
  if (!tree_.codec().authentic(handle)) co_return fail(ESTALE);
  auto job = [&] { return tree_.resolve(*parts); };
  Result<Discovered> found = co_await perform(Identity::server(), job);
  if (!found) co_return found.error();
  co_return NodeRef(intern(std::move(*found)));
}

Async<Attributes> HostFileSystem::attributes(NodeRef node) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  const Result<struct statx> stat = co_await status_of(*host);
  if (!stat) co_return stat.error();
  co_return tree_.attributes(*stat);
}

Async<Attributes> HostFileSystem::set_attributes(Credentials who, NodeRef node,
                                                 SetAttributes change) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  auto job = [&] { return tree_.settled(host->fd(), tree_.set_attributes(who, *host, change)); };
  const Result<struct statx> stat = co_await pool_.perform(Identity::of(who), job);
  if (!stat) co_return stat.error();
  co_return tree_.attributes(*stat);
}

Async<std::uint32_t> HostFileSystem::access(Credentials who, NodeRef node) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  auto job = [&] { return tree_.access(*host); };
  co_return co_await pool_.perform(Identity::of(who), job);
}

Async<DosInfo> HostFileSystem::dos_info(NodeRef node) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  auto job = [&] { return tree_.dos_info(host->fd()); };
  co_return co_await pool_.perform(Identity::server(), job);
}

Async<void> HostFileSystem::set_dos_info(Credentials who, NodeRef node, DosInfo info) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  auto job = [&] { return tree_.settled(host->fd(), tree_.set_dos_info(who, *host, info)); };
  co_return co_await pool_.perform(Identity::of(who), job);
}

Async<Found> HostFileSystem::lookup(Credentials who, NodeRef dir, std::string name, NameCase fold) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  auto job = [&]() -> Result<Step> {
    if (name == "..") {
      Result<Discovered> up = tree_.parent(*at);
      if (!up) return up.error();
      return Step{std::move(*up), name};
    }
    if (name == ".") return tree_.same(*at);
    return tree_.lookup(who, *at, name, fold);
  };
  co_return adopted(co_await perform(Identity::of(who), job));
}

Async<std::string> HostFileSystem::read_link(Credentials who, NodeRef link) {
  const HostNode* host = own(link);
  if (!host) co_return fail(ESTALE);
  auto job = [&] { return tree_.read_link(*host); };
  co_return co_await pool_.perform(Identity::of(who), job);
}

Async<FileRef> HostFileSystem::open(Credentials who, NodeRef node, OpenMode mode) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  const Result<struct statx> stat = co_await status_of(*host);
  if (!stat) co_return stat.error();
  const OpenStamp stamp(*stat);
  if (FileRef kept = files_->find(host->id(), who, mode, stamp)) co_return kept;
  auto job = [&] { return tree_.open(who, *host, mode); };
  Result<UniqueFd> fd = co_await perform(Identity::of(who), job);
  if (!fd) co_return fd.error();
  FileRef file = make_host_file(pool_, node, std::move(*fd), who, tree_.prompt());
  if (stat->stx_nlink != 0) {
    if (!files_->watched) watch_idle(pool_, files_, idle_);
    files_->put(host->id(), who, mode, stamp, file);
  }
  co_return file;
}

Async<std::pair<bool, Found>> HostFileSystem::create(Credentials who, NodeRef dir, std::string name,
                                                     CreateOptions options) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  auto job = [&] { return tree_.settled(at->fd(), tree_.create(who, *at, name, options)); };
  Result<Step> step = co_await perform(Identity::of(who), job);
  if (!step) co_return step.error();
  const bool made = step->made;
  co_return std::pair<bool, Found>(made, adopt(std::move(*step)));
}

Async<Found> HostFileSystem::make_directory(Credentials who, NodeRef dir, std::string name,
                                            std::uint32_t mode) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  auto job = [&] { return tree_.settled(at->fd(), tree_.make_directory(*at, name, mode)); };
  co_return adopted(co_await perform(Identity::of(who), job));
}

Async<Found> HostFileSystem::make_symlink(Credentials who, NodeRef dir, std::string name,
                                          std::string target) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  auto job = [&] { return tree_.settled(at->fd(), tree_.make_symlink(*at, name, target)); };
  co_return adopted(co_await perform(Identity::of(who), job));
}

Async<Found> HostFileSystem::make_special(Credentials who, NodeRef dir, std::string name,
                                          FileType type, std::uint32_t mode, std::uint32_t major,
                                          std::uint32_t minor) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  std::uint32_t format = 0;
  switch (type) {
    case FileType::block:
      format = S_IFBLK;
      break;
    case FileType::character:
      format = S_IFCHR;
      break;
    case FileType::fifo:
      format = S_IFIFO;
      break;
    case FileType::socket:
      format = S_IFSOCK;
      break;
    default:
      co_return fail(EINVAL);
  }
  const bool device = type == FileType::block || type == FileType::character;
  const std::uint64_t number = device ? makedev(major, minor) : 0;
  auto job = [&] {
    return tree_.settled(at->fd(), tree_.make_special(*at, name, format | (mode & 07777U), number));
  };
  co_return adopted(co_await perform(Identity::of(who), job));
}

Async<void> HostFileSystem::remove(Credentials who, NodeRef dir, std::string name,
                                   NodeRef expected) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  const HostNode* gone = own(expected);
  if (!gone) co_return fail(ESTALE);
  auto job = [&] { return tree_.settled(at->fd(), tree_.remove(*at, name, *gone)); };
  const Result<void> done = co_await pool_.perform(Identity::of(who), job);
  if (done) forget(*gone);
  co_return done;
}

Async<void> HostFileSystem::remove_directory(Credentials who, NodeRef dir, std::string name) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  auto job = [&] { return tree_.settled(at->fd(), tree_.remove_directory(*at, name)); };
  co_return co_await pool_.perform(Identity::of(who), job);
}

Async<void> HostFileSystem::rename(Credentials who, NodeRef from_dir, std::string from,
                                   NodeRef source, NodeRef to_dir, std::string to, NodeRef target) {
  const HostNode* at = own_directory(from_dir);
  if (!at) co_return not_directory(from_dir);
  if (!own(to_dir)) co_return fail(EXDEV);
  const HostNode* onto = own_directory(to_dir);
  if (!onto) co_return fail(ENOTDIR);
  const HostNode* moved = own(source);
  const HostNode* replaced = own(target);
  if (!moved || (target && !replaced)) co_return fail(ESTALE);
  auto job = [&] {
    const Result<void> done = tree_.rename(*at, from, *moved, *onto, to, replaced);
    return tree_.settled(onto->fd(), tree_.settled(at->fd(), done));
  };
  const Result<void> done = co_await pool_.perform(Identity::of(who), job);
  if (done && replaced && replaced->id() != moved->id()) forget(*replaced);
  co_return done;
}

Async<void> HostFileSystem::link(Credentials who, NodeRef node, NodeRef dir, std::string name) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  const HostNode* host = own(node);
  if (!host) co_return fail(EXDEV);
  auto job = [&] { return tree_.settled(at->fd(), tree_.link(*host, *at, name)); };
  co_return co_await pool_.perform(Identity::of(who), job);
}

Async<Listing> HostFileSystem::list(Credentials who, NodeRef dir, std::uint64_t cookie,
                                    std::size_t entries_max, bool with_attributes) {
  const HostNode* at = own_directory(dir);
  if (!at) co_return not_directory(dir);
  auto job = [&] { return tree_.list(*at, cookie, entries_max, with_attributes); };
  Result<Listed> listed = co_await perform(Identity::of(who), job);
  if (!listed) co_return listed.error();
  Listing listing;
  listing.end = listed->end;
  listing.entries.reserve(listed->entries.size());
  for (ListedEntry& entry : listed->entries) {
    Entry& out = listing.entries.emplace_back();
    out.name = std::move(entry.name);
    out.cookie = entry.cookie;
    out.node = entry.node;
    if (!entry.found.fd) continue;
    out.attributes = tree_.attributes(entry.found.stat);
    out.ref = intern(std::move(entry.found));
    out.dos = entry.dos;
  }
  co_return listing;
}

Async<Volume> HostFileSystem::volume() {
  auto job = [&] { return tree_.volume(); };
  co_return co_await pool_.perform(Identity::any(), job);
}

Async<void> HostFileSystem::commit(NodeRef node) {
  const HostNode* host = own(node);
  if (!host) co_return fail(ESTALE);
  auto job = [&] { return tree_.commit(*host); };
  co_return co_await perform(Identity::server(), job);
}

}  // namespace host

void raise_descriptor_limit() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::unique_ptr<FileSystem> host_file_system(const HostOptions& options, IoPool& pool) {
  raise_descriptor_limit();
  struct rlimit limit = {1024, 1024};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  // Half of the descriptors are for what is in use: connections, opens, listings under way.
  const auto spare = static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20)) / 2;
  const std::size_t nodes_max = options.nodes_max ? options.nodes_max : spare * 3 / 4;
  const std::size_t files_max = options.files_max ? options.files_max : spare / 8;
  try {
    return std::make_unique<host::HostFileSystem>(options, pool, nodes_max, files_max);
  } catch (const std::exception& error) {
    throw std::runtime_error("export " + options.export_name + ": " + error.what());
  }
}

}  // namespace lockstep::files
