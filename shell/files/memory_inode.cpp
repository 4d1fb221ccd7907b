#include "shell/files/memory_inode.hpp"

#include <algorithm>

namespace lockstep::files::memory {

wire::Bytes Content::read(std::uint64_t offset, std::uint32_t size) const {
  if (offset >= size_) return {};
  wire::Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset)));
  const std::uint64_t end = offset + bytes.size();
  for (auto at = blocks_.lower_bound(offset / kBlock);
       at != blocks_.end() && at->first * kBlock < end; ++at) {
    const std::uint64_t start = at->first * kBlock;
    const std::uint64_t from = std::max(offset, start), to = std::min(end, start + kBlock);
    std::copy_n(at->second->begin() + static_cast<std::ptrdiff_t>(from - start), to - from,
                bytes.begin() + static_cast<std::ptrdiff_t>(from - offset));
  }
  return bytes;
}

int Content::add_blocks(std::uint64_t first, std::uint64_t last) {
  std::uint64_t missing = 0;
  for (std::uint64_t i = first; i <= last; ++i) missing += blocks_.contains(i) ? 0 : 1;
  const std::uint64_t fresh = missing - std::min(missing, reserved_);
  if (fresh * kBlock > world_.capacity - world_.used) return ENOSPC;
  world_.used += fresh * kBlock;
  reserved_ -= missing - fresh;
  for (std::uint64_t i = first; i <= last; ++i) {
    if (auto& block = blocks_[i]; !block) block = std::make_unique<Block>();
  }
  return 0;
}

int Content::write(std::uint64_t offset, wire::ByteView data) {
  if (data.empty()) return 0;
  if (offset > kSizeMax || data.size() > kSizeMax - offset) return EFBIG;
  const std::uint64_t end = offset + data.size();
  if (const int error = add_blocks(offset / kBlock, (end - 1) / kBlock)) return error;
  for (std::uint64_t at = offset; at < end;) {
    const std::uint64_t inside = at % kBlock;
    const std::uint64_t part = std::min(kBlock - inside, end - at);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at - offset), part,
                blocks_[at / kBlock]->begin() + static_cast<std::ptrdiff_t>(inside));
    at += part;
  }
  size_ = std::max(size_, end);
  return 0;
}

int Content::resize(std::uint64_t size) {
  if (size > kSizeMax) return EFBIG;
  if (size < size_) {
    const std::uint64_t whole = (size + kBlock - 1) / kBlock;
    const auto from = blocks_.lower_bound(whole);
    const auto freed = static_cast<std::uint64_t>(std::distance(from, blocks_.end())) + reserved_;
    world_.used -= freed * kBlock;
    reserved_ = 0;
    blocks_.erase(from, blocks_.end());
    // What lies beyond the end reads as zeros when the file grows again.
    if (const auto last = blocks_.find(size / kBlock); last != blocks_.end()) {
      std::fill(last->second->begin() + static_cast<std::ptrdiff_t>(size % kBlock),
                last->second->end(), std::uint8_t{0});
    }
  }
  size_ = size;
  return 0;
}

int Content::reserve(std::uint64_t size) {
  if (size > kSizeMax) return EFBIG;
  const std::uint64_t wanted = (size + kBlock - 1) / kBlock;
  const std::uint64_t have = blocks_.size() + reserved_;
  if (wanted <= have) return 0;
  if ((wanted - have) * kBlock > world_.capacity - world_.used) return ENOSPC;
  world_.used += (wanted - have) * kBlock;
  reserved_ += wanted - have;
  return 0;
}

Inode::Inode(std::shared_ptr<World> world, std::uint64_t number, FileType type,
             std::uint32_t mode_bits, const Credentials& owner)
    : world_(std::move(world)),
      mode(mode_bits & 07777U),
      uid(owner.uid),
      gid(owner.gid),
      content(*world_),
      number_(number),
      type_(type) {
  if (type == FileType::directory) links = 2;
  created = accessed = modified = changed = world_->now();
  version = ++world_->changes;
}

Attributes Inode::attributes() const {
  Attributes found;
  found.type = type_;
  found.mode = mode;
  found.links = links;
  found.uid = uid;
  found.gid = gid;
  found.size = is_directory()               ? Content::kBlock
               : type_ == FileType::symlink ? target.size()
                                            : content.size();
  found.allocated = is_directory() ? Content::kBlock : content.allocated();
  found.rdev_major = major;
  found.rdev_minor = minor;
  found.volume = world_->volume;
  found.node = number_;
  found.accessed = accessed;
  found.modified = modified;
  found.changed = changed;
  found.created = created;
  found.change = version;
  return found;
}

bool Inode::permits(const Credentials& who, std::uint32_t rights) const {
  if (who.uid == 0) {
    return (rights & kExecute) == 0 || is_directory() || (mode & 0111U) != 0;
  }
  const std::uint32_t granted = who.uid == uid ? mode >> 6 : in_group(who, gid) ? mode >> 3 : mode;
  return (rights & ~granted & 7U) == 0;
}

int Inode::may_remove(const Credentials& who, const Inode& entry) const {
  if (!permits(who, kWrite | kExecute)) return EACCES;
  constexpr std::uint32_t kSticky = 01000;
  if ((mode & kSticky) != 0 && !owned_by(who) && !entry.owned_by(who)) return EPERM;
  return 0;
}

void Inode::touch_modified() {
  modified = changed = world_->now();
  version = ++world_->changes;
}

void Inode::touch_changed() {
  changed = world_->now();
  version = ++world_->changes;
}

const Inode::Slot* Inode::find(const std::string& name) const {
  const auto at = entries.find(name);
  return at == entries.end() ? nullptr : &at->second;
}

void Inode::insert(const std::string& name, InodeRef inode) {
  if (inode->is_directory()) {
    inode->parent = weak_from_this();
    ++links;
  } else {
    ++inode->links;
  }
  inode->touch_changed();
  by_cookie.emplace(next_cookie_, name);
  entries[name] = {std::move(inode), next_cookie_++};
  touch_modified();
}

void Inode::erase(const std::string& name) {
  const auto at = entries.find(name);
  Inode& inode = *at->second.inode;
  --(inode.is_directory() ? links : inode.links);
  inode.touch_changed();
  by_cookie.erase(at->second.cookie);
  entries.erase(at);
  touch_modified();
}

bool Inode::in_group(const Credentials& who, std::uint32_t group) const {
  return who.gid == group || std::ranges::find(who.groups, group) != who.groups.end();
}

int Inode::check_change(const Credentials& who, const SetAttributes& change) const {
  using Time = SetAttributes::Time;
  if (change.guard && *change.guard != changed) return ECANCELED;
  if (change.uid == 0xffffffff || change.gid == 0xffffffff) return EINVAL;
  if (change.size) {
    if (is_directory()) return EISDIR;
    if (type_ != FileType::regular) return EINVAL;
    if (!owned_by(who) && !permits(who, kWrite)) return EACCES;
    if (*change.size > Content::kSizeMax) return EFBIG;
  }
  if (who.uid != 0) {
    if (change.uid && (*change.uid != uid || who.uid != uid)) return EPERM;
    const bool may_give = change.gid && (*change.gid == gid || in_group(who, *change.gid));
    if (change.gid && (who.uid != uid || !may_give)) return EPERM;
  }
  if (change.mode && type_ == FileType::symlink) return EOPNOTSUPP;
  if (change.mode && !owned_by(who)) return EPERM;
  const bool both_now = change.atime == Time::now && change.mtime == Time::now;
  const bool any = change.atime != Time::keep || change.mtime != Time::keep;
  if (any && !owned_by(who)) {
    if (!both_now) return EPERM;
    if (!permits(who, kWrite)) return EACCES;
  }
  return 0;
}

int Inode::change_attributes(const Credentials& who, const SetAttributes& change) {
  using Time = SetAttributes::Time;
  if (const int error = check_change(who, change)) return error;
  if (change.size) {
    if (const int error = content.resize(*change.size)) return error;
    touch_modified();
  }
  if (change.uid || change.gid) {
    uid = change.uid.value_or(uid);
    gid = change.gid.value_or(gid);
    if (type_ == FileType::regular) drop_set_id();
  }
  if (change.mode) {
    mode = *change.mode & 07777U;
    if (who.uid != 0 && !in_group(who, gid)) mode &= ~kSetGid;
  }
  touch_changed();
  if (change.atime != Time::keep) {
    accessed = change.atime == Time::now ? changed : change.accessed;
  }
  if (change.mtime != Time::keep) {
    modified = change.mtime == Time::now ? changed : change.modified;
    verifier.reset();
  }
  return 0;
}

void Inode::drop_set_id() {
  mode &= ~kSetUid;
  if ((mode & kGroupExecute) != 0) mode &= ~kSetGid;
}

namespace {

class MemoryFile final : public File {
 public:
  MemoryFile(InodeRef inode, Credentials who, OpenMode mode)
      : inode_(std::move(inode)), node_(inode_), who_(std::move(who)), mode_(mode) {}

  const NodeRef& node() const override { return node_; }

  Async<wire::Bytes> read(std::uint64_t offset, std::uint32_t size) override {
    if (!mode_.read) co_return fail(EBADF);
    if (inode_->is_directory()) co_return fail(EISDIR);
    inode_->touch_accessed();
    co_return inode_->content.read(offset, size);
  }

  Async<std::uint32_t> write(std::uint64_t offset, wire::ByteView data, bool) override {
    if (!mode_.write) co_return fail(EBADF);
    if (const int error = inode_->content.write(offset, data)) co_return fail(error);
    if (!data.empty()) modified();
    co_return static_cast<std::uint32_t>(data.size());
  }

  Async<void> sync() override {
    if (!mode_.read && !mode_.write) co_return fail(EBADF);
    co_return Result<void>();
  }

  Async<void> truncate(std::uint64_t size) override {
    if (!mode_.write) co_return fail(mode_.read ? EINVAL : EBADF);
    if (const int error = inode_->content.resize(size)) co_return fail(error);
    modified();
    co_return Result<void>();
  }

  Async<void> allocate(std::uint64_t size) override {
    if (!mode_.write) co_return fail(EBADF);
    if (const int error = inode_->content.reserve(size)) co_return fail(error);
    co_return Result<void>();
  }

 private:
  void modified() {
    if (who_.uid != 0) inode_->drop_set_id();
    inode_->touch_modified();
  }

  InodeRef inode_;
  NodeRef node_;
  Credentials who_;
  OpenMode mode_;
};

}  // namespace

FileRef make_memory_file(InodeRef inode, Credentials who, OpenMode mode) {
  return std::make_shared<MemoryFile>(std::move(inode), std::move(who), mode);
}

}  // namespace lockstep::files::memory
