#include "shell/files/memory_files.hpp"

#include <algorithm>
#include <typeinfo>

#include "shell/files/memory_inode.hpp"
#include "shell/files/name_fold.hpp"

namespace lockstep::files {
namespace memory {
namespace {

constexpr std::uint64_t kRootNumber = 2;

/// As the kernel and host files have it; 0 or errno.
int component_error(std::string_view name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    return EINVAL;
  }
  return name.size() > 255 ? ENAMETOOLONG : 0;
}

std::uint64_t scramble(std::uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
  return value ^ value >> 31;
}

}  // namespace

class MemoryFileSystem final : public FileSystem {
 public:
  explicit MemoryFileSystem(MemoryOptions options)
      : export_id_(options.export_id), seed_(options.seed), world_(std::make_shared<World>()) {
    world_->capacity = options.capacity;
    world_->volume = options.volume;
    world_->now = std::move(options.now);
    if (!world_->now) {
      world_->now = [ticks = std::uint64_t{0}]() mutable {
        ++ticks;
        return TimeSpec{1'700'000'000 + static_cast<std::int64_t>(ticks / 1'000'000),
                        static_cast<std::uint32_t>(ticks % 1'000'000 * 1000)};
      };
    }
    root_ = make(FileType::directory, options.root_mode, {options.root_uid, options.root_gid, {}});
    root_->parent = root_;
  }
  ~MemoryFileSystem() override {
    // A deep tree would end in a deep recursion.
    for (auto& [number, weak] : inodes_) {
      if (const InodeRef inode = weak.lock()) limbo_.push_back(std::move(inode->entries));
    }
  }

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
  InodeRef make(FileType type, std::uint32_t mode, const Credentials& owner);
  /// Null for a node of another file system.
  InodeRef own(const NodeRef& node) const;
  /// The inode if it is a directory of ours that `who` may do `rights` to.
  Result<InodeRef> directory(const NodeRef& node, const Credentials& who,
                             std::uint32_t rights) const;
  Found found(const InodeRef& inode, std::string name) const {
    return {inode, std::move(name), inode->attributes()};
  }
  /// Makes an entry for a new inode, after the checks that all kinds share.
  Result<InodeRef> add(const Credentials& who, const NodeRef& dir, const std::string& name,
                       FileType type, std::uint32_t mode);
  int check_move(const Credentials& who, Inode& from, Inode& moved, Inode& to,
                 const Inode* replaced) const;
  std::uint64_t tag(core::FileId id) const {
    return scramble(scramble(seed_ ^ id.node) ^ (std::uint64_t{export_id_} << 32 | id.volume));
  }

  std::uint32_t export_id_;
  std::uint64_t seed_;
  std::shared_ptr<World> world_;
  std::uint64_t next_number_ = kRootNumber;
  std::map<std::uint64_t, std::weak_ptr<Inode>> inodes_;
  std::size_t sweep_at_ = 1024;
  InodeRef root_;
  std::vector<std::map<std::string, Inode::Slot>> limbo_;
};

InodeRef MemoryFileSystem::make(FileType type, std::uint32_t mode, const Credentials& owner) {
  const std::uint64_t number = next_number_++;
  auto inode = std::make_shared<Inode>(world_, number, type, mode, owner);
  inodes_[number] = inode;
  if (inodes_.size() >= sweep_at_) {
    std::erase_if(inodes_, [](const auto& known) { return known.second.expired(); });
    sweep_at_ = std::max<std::size_t>(1024, inodes_.size() * 2);
  }
  return inode;
}

InodeRef MemoryFileSystem::own(const NodeRef& node) const {
  const Node* const known = node.get();
  if (!known || typeid(*known) != typeid(Inode)) return nullptr;
  const auto& inode = static_cast<const Inode&>(*known);
  if (inode.world() != world_.get()) return nullptr;
  return std::const_pointer_cast<Inode>(inode.shared_from_this());
}

Result<InodeRef> MemoryFileSystem::directory(const NodeRef& node, const Credentials& who,
                                             std::uint32_t rights) const {
  InodeRef dir = own(node);
  if (!dir) return fail(ESTALE);
  if (!dir->is_directory()) return fail(ENOTDIR);
  if (!dir->permits(who, rights)) return fail(EACCES);
  return dir;
}

wire::Bytes MemoryFileSystem::handle(const NodeRef& node) const {
  const InodeRef inode = own(node);
  if (!inode) return {};
  wire::BigWriter out;
  out.u32(export_id_);
  out.u64(inode->id().node);
  out.u64(tag(inode->id()));
  return out.take();
}

Async<NodeRef> MemoryFileSystem::resolve(wire::Bytes handle) {
  wire::BigReader in(handle);
  const std::uint32_t export_id = in.u32();
  const std::uint64_t number = in.u64(), tagged = in.u64();
  if (in.failed() || in.remaining() != 0 || export_id != export_id_) co_return fail(ESTALE);
  const auto at = inodes_.find(number);
  const InodeRef inode = at == inodes_.end() ? nullptr : at->second.lock();
  if (!inode || inode->links == 0 || tagged != tag(inode->id())) co_return fail(ESTALE);
  co_return NodeRef(inode);
}

Async<Attributes> MemoryFileSystem::attributes(NodeRef node) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(ESTALE);
  co_return inode->attributes();
}

Async<Attributes> MemoryFileSystem::set_attributes(Credentials who, NodeRef node,
                                                   SetAttributes change) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(ESTALE);
  if (const int error = inode->change_attributes(who, change)) co_return fail(error);
  co_return inode->attributes();
}

Async<std::uint32_t> MemoryFileSystem::access(Credentials who, NodeRef node) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(ESTALE);
  std::uint32_t granted = 0;
  for (const std::uint32_t right : {Inode::kRead, Inode::kWrite, Inode::kExecute}) {
    if (inode->permits(who, right)) granted |= right;
  }
  co_return granted;
}

Async<DosInfo> MemoryFileSystem::dos_info(NodeRef node) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(ESTALE);
  co_return inode->dos;
}

Async<void> MemoryFileSystem::set_dos_info(Credentials who, NodeRef node, DosInfo info) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(ESTALE);
  if (!inode->owned_by(who) && !inode->permits(who, Inode::kWrite)) co_return fail(EACCES);
  inode->dos = info;
  inode->touch_changed();
  co_return Result<void>();
}

Async<Found> MemoryFileSystem::lookup(Credentials who, NodeRef dir, std::string name,
                                      NameCase fold) {
  const Result<InodeRef> at = directory(dir, who, Inode::kExecute);
  if (!at) co_return at.error();
  if (name == ".") co_return found(*at, name);
  if (name == "..") {
    const InodeRef up = (*at)->parent.lock();
    if (!up) co_return fail(ESTALE);
    co_return found(up, name);
  }
  if (const int error = component_error(name)) co_return fail(error == EINVAL ? ENOENT : error);
  if (const Inode::Slot* slot = (*at)->find(name)) co_return found(slot->inode, name);
  if (fold == NameCase::folded) {
    const std::string folded = fold_name(name);
    for (const auto& [entry, slot] : (*at)->entries) {
      if (fold_name(entry) == folded) co_return found(slot.inode, entry);
    }
  }
  co_return fail(ENOENT);
}

Async<std::string> MemoryFileSystem::read_link(Credentials, NodeRef link) {
  const InodeRef inode = own(link);
  if (!inode) co_return fail(ESTALE);
  if (inode->type() != FileType::symlink) co_return fail(EINVAL);
  co_return inode->target;
}

Async<FileRef> MemoryFileSystem::open(Credentials who, NodeRef node, OpenMode mode) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(ESTALE);
  if (inode->is_directory() && mode.write) co_return fail(EISDIR);
  if (inode->type() == FileType::symlink) co_return fail(ELOOP);
  if (!inode->is_directory() && inode->type() != FileType::regular) co_return fail(EINVAL);
  const std::uint32_t rights = (mode.read ? Inode::kRead : 0) | (mode.write ? Inode::kWrite : 0);
  const bool program = !mode.write && inode->permits(who, Inode::kExecute);
  const bool passes = mode.owner_override && (who.uid == inode->uid || program);
  if (!inode->permits(who, rights) && !passes) co_return fail(EACCES);
  co_return make_memory_file(inode, std::move(who), mode);
}

Result<InodeRef> MemoryFileSystem::add(const Credentials& who, const NodeRef& dir,
                                       const std::string& name, FileType type, std::uint32_t mode) {
  const Result<InodeRef> at = directory(dir, who, Inode::kExecute);
  if (!at) return at.error();
  if (const int error = component_error(name)) return fail(error);
  if ((*at)->find(name)) return fail(EEXIST);
  if ((*at)->links == 0) return fail(ENOENT);  // a removed directory takes nothing in
  if (!(*at)->permits(who, Inode::kWrite)) return fail(EACCES);
  Credentials owner = who;
  if (((*at)->mode & Inode::kSetGid) != 0) {
    owner.gid = (*at)->gid;
    if (type == FileType::directory) mode |= Inode::kSetGid;
  }
  InodeRef inode = make(type, mode, owner);
  (*at)->insert(name, inode);
  return inode;
}

Async<std::pair<bool, Found>> MemoryFileSystem::create(Credentials who, NodeRef dir,
                                                       std::string name, CreateOptions options) {
  using Answer = std::pair<bool, Found>;
  if (options.size.value_or(0) > Content::kSizeMax) co_return fail(EFBIG);
  const Result<InodeRef> made = add(who, dir, name, FileType::regular, options.mode);
  if (made) {
    (*made)->verifier = options.verifier;
    if (options.size) (*made)->content.resize(*options.size);
    co_return Answer(true, found(*made, name));
  }
  if (made.error() != fail(EEXIST)) co_return made.error();
  const InodeRef old = own(dir)->find(name)->inode;
  if (options.verifier) {
    if (old->verifier != options.verifier) co_return fail(EEXIST);
    co_return Answer(false, found(old, name));
  }
  if (options.exclusive) co_return fail(EEXIST);
  if (old->is_directory()) co_return fail(EISDIR);
  if (old->type() != FileType::regular) co_return fail(EEXIST);
  if (options.size) {
    if (!old->owned_by(who) && !old->permits(who, Inode::kWrite)) co_return fail(EACCES);
    if (const int error = old->content.resize(*options.size)) co_return fail(error);
    old->touch_modified();
  }
  co_return Answer(false, found(old, name));
}

Async<Found> MemoryFileSystem::make_directory(Credentials who, NodeRef dir, std::string name,
                                              std::uint32_t mode) {
  const Result<InodeRef> made = add(who, dir, name, FileType::directory, mode);
  if (!made) co_return made.error();
  co_return found(*made, name);
}

Async<Found> MemoryFileSystem::make_symlink(Credentials who, NodeRef dir, std::string name,
                                            std::string target) {
  if (target.empty() || target.find('\0') != std::string::npos) co_return fail(EINVAL);
  if (target.size() >= 4096) co_return fail(ENAMETOOLONG);
  const Result<InodeRef> made = add(who, dir, name, FileType::symlink, 0777);
  if (!made) co_return made.error();
  (*made)->target = std::move(target);
  co_return found(*made, name);
}

Async<Found> MemoryFileSystem::make_special(Credentials who, NodeRef dir, std::string name,
                                            FileType type, std::uint32_t mode, std::uint32_t major,
                                            std::uint32_t minor) {
  const bool device = type == FileType::block || type == FileType::character;
  if (!device && type != FileType::fifo && type != FileType::socket) co_return fail(EINVAL);
  if (device && who.uid != 0) co_return fail(EPERM);
  const Result<InodeRef> made = add(who, dir, name, type, mode);
  if (!made) co_return made.error();
  if (device) {
    (*made)->major = major;
    (*made)->minor = minor;
  }
  co_return found(*made, name);
}

Async<void> MemoryFileSystem::remove(Credentials who, NodeRef dir, std::string name,
                                     NodeRef expected) {
  const Result<InodeRef> at = directory(dir, who, Inode::kExecute);
  if (!at) co_return at.error();
  if (const int error = component_error(name)) co_return fail(error);
  const Inode::Slot* slot = (*at)->find(name);
  if (!slot) co_return fail(ENOENT);
  if (!expected || slot->inode.get() != expected.get()) co_return fail(ESTALE);
  const InodeRef gone = slot->inode;
  if (const int error = (*at)->may_remove(who, *gone)) co_return fail(error);
  if (gone->is_directory()) co_return fail(EISDIR);
  (*at)->erase(name);
  co_return Result<void>();
}

Async<void> MemoryFileSystem::remove_directory(Credentials who, NodeRef dir, std::string name) {
  const Result<InodeRef> at = directory(dir, who, Inode::kExecute);
  if (!at) co_return at.error();
  if (const int error = component_error(name)) co_return fail(error);
  const Inode::Slot* slot = (*at)->find(name);
  if (!slot) co_return fail(ENOENT);
  const InodeRef gone = slot->inode;
  if (const int error = (*at)->may_remove(who, *gone)) co_return fail(error);
  if (!gone->is_directory()) co_return fail(ENOTDIR);
  if (!gone->entries.empty()) co_return fail(ENOTEMPTY);
  (*at)->erase(name);
  gone->links = 0;
  co_return Result<void>();
}

int MemoryFileSystem::check_move(const Credentials& who, Inode& from, Inode& moved, Inode& to,
                                 const Inode* replaced) const {
  if (const int error = from.may_remove(who, moved)) return error;
  if (!to.permits(who, Inode::kWrite | Inode::kExecute)) return EACCES;
  if (to.links == 0) return ENOENT;
  if (replaced) {
    if (const int error = to.may_remove(who, *replaced)) return error;
    if (moved.is_directory() && !replaced->is_directory()) return ENOTDIR;
    if (!moved.is_directory() && replaced->is_directory()) return EISDIR;
    if (!replaced->entries.empty()) return ENOTEMPTY;
  }
  if (!moved.is_directory() || &from == &to) return 0;
  for (InodeRef up = to.shared_from_this(); up; up = up == root_ ? nullptr : up->parent.lock()) {
    if (up.get() == &moved) return EINVAL;
  }
  return moved.permits(who, Inode::kWrite) ? 0 : EACCES;  // its ".." changes
}

Async<void> MemoryFileSystem::rename(Credentials who, NodeRef from_dir, std::string from,
                                     NodeRef source, NodeRef to_dir, std::string to,
                                     NodeRef target) {
  const Result<InodeRef> left = directory(from_dir, who, Inode::kExecute);
  if (!left) co_return left.error();
  if (!own(to_dir)) co_return fail(EXDEV);
  const Result<InodeRef> entered = directory(to_dir, who, Inode::kExecute);
  if (!entered) co_return entered.error();
  if (const int error = component_error(from)) co_return fail(error);
  if (const int error = component_error(to)) co_return fail(error);
  const Inode::Slot* slot = (*left)->find(from);
  if (!slot) co_return fail(ENOENT);
  const InodeRef moved = slot->inode;
  if (moved.get() != source.get()) co_return fail(ESTALE);
  const Inode::Slot* there = (*entered)->find(to);
  const InodeRef replaced = there ? there->inode : nullptr;
  if (target ? replaced.get() != target.get() : replaced != nullptr) {
    co_return fail(target ? ESTALE : EEXIST);
  }
  if (const int error = check_move(who, **left, *moved, **entered, replaced.get())) {
    co_return fail(error);
  }
  if (moved == replaced) co_return Result<void>();  // two names of one file: nothing happens
  if (replaced) {
    (*entered)->erase(to);
    if (replaced->is_directory()) replaced->links = 0;
  }
  (*left)->erase(from);
  (*entered)->insert(to, moved);
  co_return Result<void>();
}

Async<void> MemoryFileSystem::link(Credentials who, NodeRef node, NodeRef dir, std::string name) {
  const InodeRef inode = own(node);
  if (!inode) co_return fail(EXDEV);
  const Result<InodeRef> at = directory(dir, who, Inode::kExecute);
  if (!at) co_return at.error();
  if (const int error = component_error(name)) co_return fail(error);
  if (inode->is_directory()) co_return fail(EPERM);
  if ((*at)->find(name)) co_return fail(EEXIST);
  if (!(*at)->permits(who, Inode::kWrite)) co_return fail(EACCES);
  if (inode->links == 0 || (*at)->links == 0) co_return fail(ENOENT);
  (*at)->insert(name, inode);
  co_return Result<void>();
}

Async<Listing> MemoryFileSystem::list(Credentials who, NodeRef dir, std::uint64_t cookie,
                                      std::size_t entries_max, bool with_attributes) {
  const Result<InodeRef> at = directory(dir, who, Inode::kRead);
  if (!at) co_return at.error();
  const bool searchable = with_attributes && (*at)->permits(who, Inode::kExecute);
  entries_max = std::max<std::size_t>(entries_max, 1);
  Listing listing;
  const auto full = [&] { return listing.entries.size() >= entries_max; };
  const auto add = [&](const std::string& name, std::uint64_t place, const InodeRef& inode) {
    Entry& entry = listing.entries.emplace_back();
    entry.name = name;
    entry.cookie = place;
    entry.node = inode->id().node;
    if (!searchable) return;
    entry.ref = inode;
    entry.attributes = inode->attributes();
    entry.dos = inode->dos;
  };
  if (cookie < 1 && !full()) add(".", 1, *at);
  if (cookie < 2 && !full()) {
    const InodeRef up = (*at)->parent.lock();
    add("..", 2, up ? up : *at);
  }
  auto next = (*at)->by_cookie.upper_bound(std::max<std::uint64_t>(cookie, 2));
  for (; next != (*at)->by_cookie.end() && !full(); ++next) {
    add(next->second, next->first, (*at)->find(next->second)->inode);
  }
  listing.end = next == (*at)->by_cookie.end();
  co_return listing;
}

// A walk: who asks is a person, and trees in memory are small.
std::string MemoryFileSystem::path(core::FileId id) {
  std::vector<std::pair<const Inode*, std::string>> directories{{root_.get(), ""}};
  while (!directories.empty()) {
    const auto [directory, above] = std::move(directories.back());
    directories.pop_back();
    for (const auto& [name, slot] : directory->entries) {
      if (slot.inode->id() == id) return above + name;
      if (slot.inode->is_directory())
        directories.emplace_back(slot.inode.get(), above + name + "/");
    }
  }
  return {};
}

Async<Volume> MemoryFileSystem::volume() {
  Volume volume;
  volume.total_bytes = world_->capacity;
  volume.free_bytes = volume.available_bytes = world_->capacity - world_->used;
  volume.total_files = std::uint64_t{1} << 32;
  volume.free_files = volume.total_files - inodes_.size();
  volume.block_size = Content::kBlock;
  volume.serial = world_->volume;
  co_return volume;
}

Async<void> MemoryFileSystem::commit(NodeRef node) {
  if (!own(node)) co_return fail(ESTALE);
  co_return Result<void>();
}

}  // namespace memory

std::unique_ptr<FileSystem> memory_file_system(MemoryOptions options) {
  return std::make_unique<memory::MemoryFileSystem>(std::move(options));
}

}  // namespace lockstep::files
