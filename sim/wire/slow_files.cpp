#include "sim/wire/slow_files.hpp"

#include <utility>

namespace lockstep::sim::wired {

using files::Async;
using files::Attributes;
using files::Credentials;
using files::DosInfo;
using files::fail;
using files::FileRef;
using files::Found;
using files::Listing;
using files::NodeRef;

/// One call: time passes, it takes effect, time passes. The power may go at each point.
template <class Make>
auto Disk::timed(Disk* disk, std::uint64_t run, Make make) -> decltype(make()) {
  if (!co_await disk->pause(run, disk->health.latency_max / 2)) co_return fail(EIO);
  disk->take_effect();
  if (disk->gone(run)) co_return fail(EIO);
  auto result = co_await make();
  if (!co_await disk->pause(run, disk->health.latency_max / 2)) co_return fail(EIO);
  co_return result;
}

template <class Make>
auto SlowFiles::slowly(Make make) -> decltype(make()) {
  return Disk::timed(&disk_, run_, std::move(make));
}

Async<NodeRef> SlowFiles::resolve(wire::Bytes handle) { return inner_->resolve(std::move(handle)); }
Async<Attributes> SlowFiles::attributes(NodeRef node) {
  return inner_->attributes(std::move(node));
}
Async<Attributes> SlowFiles::set_attributes(Credentials who, NodeRef node,
                                            files::SetAttributes change) {
  const bool cuts = change.size.has_value();
  return slowly([=, this]() -> Async<Attributes> {
    if (cuts) {
      Disk::Write write;
      write.truncate = change.size;
      disk_.wrote(node, std::move(write), disk_.content(node));
    }
    return inner_->set_attributes(who, node, change);
  });
}
Async<std::uint32_t> SlowFiles::access(Credentials who, NodeRef node) {
  return inner_->access(std::move(who), std::move(node));
}
Async<DosInfo> SlowFiles::dos_info(NodeRef node) { return inner_->dos_info(std::move(node)); }
Async<void> SlowFiles::set_dos_info(Credentials who, NodeRef node, DosInfo info) {
  return slowly([=, this] { return inner_->set_dos_info(who, node, info); });
}
Async<Found> SlowFiles::lookup(Credentials who, NodeRef dir, std::string name,
                               files::NameCase fold) {
  return slowly([=, this] { return inner_->lookup(who, dir, name, fold); });
}
Async<std::string> SlowFiles::read_link(Credentials who, NodeRef link) {
  return inner_->read_link(std::move(who), std::move(link));
}

Async<FileRef> SlowFiles::open(Credentials who, NodeRef node, files::OpenMode mode) {
  auto opened = co_await inner_->open(std::move(who), std::move(node), mode);
  if (!opened) co_return opened.error();
  co_return FileRef(std::make_shared<SlowFile>(disk_, run_, std::move(*opened)));
}

Async<std::pair<bool, Found>> SlowFiles::create(Credentials who, NodeRef dir, std::string name,
                                                files::CreateOptions options) {
  return slowly([=, this] { return inner_->create(who, dir, name, options); });
}
Async<Found> SlowFiles::make_directory(Credentials who, NodeRef dir, std::string name,
                                       std::uint32_t mode) {
  return slowly([=, this] { return inner_->make_directory(who, dir, name, mode); });
}
Async<Found> SlowFiles::make_symlink(Credentials who, NodeRef dir, std::string name,
                                     std::string target) {
  return slowly([=, this] { return inner_->make_symlink(who, dir, name, target); });
}
Async<Found> SlowFiles::make_special(Credentials who, NodeRef dir, std::string name,
                                     files::FileType type, std::uint32_t mode, std::uint32_t major,
                                     std::uint32_t minor) {
  return slowly(
      [=, this] { return inner_->make_special(who, dir, name, type, mode, major, minor); });
}
Async<void> SlowFiles::remove(Credentials who, NodeRef dir, std::string name, NodeRef expected) {
  return slowly([=, this] { return inner_->remove(who, dir, name, expected); });
}
Async<void> SlowFiles::remove_directory(Credentials who, NodeRef dir, std::string name) {
  return slowly([=, this] { return inner_->remove_directory(who, dir, name); });
}
Async<void> SlowFiles::rename(Credentials who, NodeRef from_dir, std::string from, NodeRef source,
                              NodeRef to_dir, std::string to, NodeRef target) {
  return slowly(
      [=, this] { return inner_->rename(who, from_dir, from, source, to_dir, to, target); });
}
Async<void> SlowFiles::link(Credentials who, NodeRef node, NodeRef dir, std::string name) {
  return slowly([=, this] { return inner_->link(who, node, dir, name); });
}
Async<Listing> SlowFiles::list(Credentials who, NodeRef dir, std::uint64_t cookie,
                               std::size_t entries_max, bool with_attributes) {
  return slowly([=, this] { return inner_->list(who, dir, cookie, entries_max, with_attributes); });
}
Async<files::Volume> SlowFiles::volume() { return inner_->volume(); }

Async<void> SlowFiles::commit(NodeRef node) {
  if (!co_await disk_.pause(run_, disk_.health.sync_max)) co_return fail(EIO);
  disk_.take_effect();
  if (disk_.gone(run_)) co_return fail(EIO);
  if (const int error = disk_.synced(node)) co_return fail(error);
  co_return files::Result<void>();
}

// ---- One open file ------------------------------------------------------------------------------

Async<wire::Bytes> SlowFile::read(std::uint64_t offset, std::uint32_t size) {
  const files::FileRef inner = inner_;
  return Disk::timed(&disk_, run_, [inner, offset, size] { return inner->read(offset, size); });
}

Async<std::uint32_t> SlowFile::write(std::uint64_t offset, wire::ByteView data, bool sync) {
  const auto self = shared_from_this();  // it may be closed meanwhile
  if (!co_await disk_.pause(run_, disk_.health.latency_max)) co_return fail(EIO);
  disk_.take_effect();
  if (disk_.gone(run_)) co_return fail(EIO);
  if (disk_.health.full) co_return fail(ENOSPC);
  const wire::Bytes before = disk_.content(inner_->node());
  auto written = co_await inner_->write(offset, data, false);
  if (!written) co_return written;
  Disk::Write write;
  write.offset = offset;
  write.data.assign(data.begin(), data.begin() + *written);
  disk_.wrote(inner_->node(), std::move(write), before);
  if (!sync) co_return written;
  const auto done = co_await this->sync();
  if (!done) co_return done.error();
  co_return written;
}

Async<void> SlowFile::sync() {
  const auto self = shared_from_this();  // it may be closed meanwhile
  if (!co_await disk_.pause(run_, disk_.health.sync_max)) co_return fail(EIO);
  disk_.take_effect();
  if (disk_.gone(run_)) co_return fail(EIO);
  if (const int error = disk_.synced(inner_->node())) co_return fail(error);
  co_return files::Result<void>();
}

Async<void> SlowFile::truncate(std::uint64_t size) {
  const auto self = shared_from_this();  // it may be closed meanwhile
  if (!co_await disk_.pause(run_, disk_.health.latency_max)) co_return fail(EIO);
  Disk::Write write;
  write.truncate = size;
  disk_.wrote(inner_->node(), std::move(write), disk_.content(inner_->node()));
  co_return co_await inner_->truncate(size);
}

Async<void> SlowFile::allocate(std::uint64_t size) { return inner_->allocate(size); }

}  // namespace lockstep::sim::wired
