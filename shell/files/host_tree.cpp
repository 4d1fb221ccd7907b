#include "shell/files/host_tree.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <stdexcept>
#include <system_error>

namespace lockstep::files::host {
namespace {

#ifndef XFS_SUPER_MAGIC
constexpr long kXfsMagic = 0x58465342;
#else
constexpr long kXfsMagic = XFS_SUPER_MAGIC;
#endif

bool is_prompt(long magic) {
  constexpr long kPrompt[] = {EXT4_SUPER_MAGIC, kXfsMagic, BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
                              F2FS_SUPER_MAGIC};
  for (const long known : kPrompt) {
    if (magic == known) return true;
  }
  return false;
}

UniqueFd open_root(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::generic_category(), path.string());
  return fd;
}

}  // namespace

void close_apart(IoPool& pool, UniqueFd fd) {
  constexpr std::uint64_t kManyBlocks = 2048;  // of 512 bytes
  if (!fd) return;
  const Result<struct statx> stat = status(fd.get());
  if (!stat || stat->stx_nlink != 0 || stat->stx_blocks < kManyBlocks) return;
  pool.do_apart([raw = fd.release()] { ::close(raw); });
}

HostTree::HostTree(const HostOptions& options)
    : codec_(options.state_dir, options.export_name, options.export_id),
      root_(open_root(options.root)),
      durable_(options.durable_changes) {
  if (step_open(root_.get(), ".", O_PATH, 0).error() == fail(ENOSYS)) {
    throw std::runtime_error("the kernel has no openat2; Linux 5.8 or later is needed");
  }
  struct statfs system;
  if (::fstatfs(root_.get(), &system) != 0) {
    throw std::system_error(errno, std::generic_category(), options.root.string());
  }
  const Result<struct statx> stat = status(root_.get());
  if (!stat) throw boost::system::system_error(stat.error(), options.root.string());
  root_stat_ = *stat;

  // The file system's own identity (derived from its UUID where it has one), so that the number is
  // the same after a reboot and for every export on it.
  std::uint32_t fsid[2];
  std::memcpy(fsid, &system.f_fsid, sizeof fsid);
  volume64_ = static_cast<std::uint64_t>(fsid[0]) << 32 | fsid[1];
  if (volume64_ == 0) {
    volume64_ = static_cast<std::uint64_t>(stat->stx_dev_major) << 32 | stat->stx_dev_minor;
  }
  volume32_ = static_cast<std::uint32_t>(volume64_ ^ volume64_ >> 32);
  prompt_ = is_prompt(static_cast<long>(system.f_type));

  const KernelHandle handle = kernel_handle(root_.get());
  root_id_ = {root_stat_.stx_ino, generation_of(handle, root_stat_), volume32_};
  const bool works = handle.size != 0 && has_read_search_capability() &&
                     open_kernel_handle(root_.get(), handle).has_value();
  if (options.handles == HandleMode::kernel && !works) {
    throw std::runtime_error(
        "kernel file handles need CAP_DAC_READ_SEARCH and a file system that "
        "has them; use recorded handles");
  }
  kernel_handles_ = works && options.handles != HandleMode::recorded;
  if (!kernel_handles_) {
    map_ = std::make_unique<HandleMap>(options.state_dir /
                                       ("places-" + std::to_string(options.export_id) + ".sqlite"));
  }
}

Discovered HostTree::root() const {
  Result<UniqueFd> fd = proc_.reopen(root_.get(), O_PATH | O_DIRECTORY);
  if (!fd) throw boost::system::system_error(fd.error(), "root");
  Result<Discovered> found = discover(std::move(*fd));
  if (!found) throw boost::system::system_error(found.error(), "root");
  return std::move(*found);
}

Result<Discovered> HostTree::discover(UniqueFd fd) const {
  const Result<struct statx> stat = status(fd.get());
  if (!stat) return stat.error();
  Discovered found;
  found.stat = *stat;
  found.kernel = kernel_handle(fd.get());
  found.id = {stat->stx_ino, generation_of(found.kernel, *stat), volume32_};
  found.fd = std::move(fd);
  return found;
}

Result<void> HostTree::settle(int fd) const {
  const Result<struct statx> stat = status(fd);
  if (!stat) return stat.error();
  const FileType type = type_of(*stat);
  // Opening anything else would act on it; it lies in its directory's transaction.
  if (type != FileType::regular && type != FileType::directory) return {};
  if (!Identity::server().assume()) return fail(EPERM);
  const Result<UniqueFd> readable = proc_.reopen(fd, O_RDONLY);
  if (!readable) return readable.error();
  if (::fsync(readable->get()) != 0) return last_error();
  return {};
}

void HostTree::record(core::FileId dir, const std::string& name, core::FileId file) {
  if (!map_) return;
  const HandleMap::Place place{file, dir, name};
  map_->record({&place, 1});
}

}  // namespace lockstep::files::host
