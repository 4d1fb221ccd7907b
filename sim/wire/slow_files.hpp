// Files whose calls take time: what one server run sees of the Disk. Rights, names and contents are
// those of the files in memory behind it.
#pragma once

#include "sim/wire/disk.hpp"

namespace lockstep::sim::wired {

class SlowFile final : public files::File, public std::enable_shared_from_this<SlowFile> {
 public:
  SlowFile(Disk& disk, std::uint64_t run, files::FileRef inner)
      : disk_(disk), run_(run), inner_(std::move(inner)) {}

  const files::NodeRef& node() const override { return inner_->node(); }
  files::Async<wire::Bytes> read(std::uint64_t offset, std::uint32_t size) override;
  files::Async<std::uint32_t> write(std::uint64_t offset, wire::ByteView data, bool sync) override;
  files::Async<void> sync() override;
  files::Async<void> truncate(std::uint64_t size) override;
  files::Async<void> allocate(std::uint64_t size) override;

 private:
  Disk& disk_;
  std::uint64_t run_;
  files::FileRef inner_;
};

class SlowFiles final : public files::FileSystem {
 public:
  SlowFiles(Disk& disk, std::uint64_t run, std::shared_ptr<files::FileSystem> inner)
      : disk_(disk), run_(run), inner_(std::move(inner)) {}

  files::NodeRef root() const override { return inner_->root(); }
  wire::Bytes handle(const files::NodeRef& node) const override { return inner_->handle(node); }
  files::Async<files::NodeRef> resolve(wire::Bytes handle) override;
  files::Async<files::Attributes> attributes(files::NodeRef node) override;
  files::Async<files::Attributes> set_attributes(files::Credentials who, files::NodeRef node,
                                                 files::SetAttributes change) override;
  files::Async<std::uint32_t> access(files::Credentials who, files::NodeRef node) override;
  files::Async<files::DosInfo> dos_info(files::NodeRef node) override;
  files::Async<void> set_dos_info(files::Credentials who, files::NodeRef node,
                                  files::DosInfo info) override;
  files::Async<files::Found> lookup(files::Credentials who, files::NodeRef dir, std::string name,
                                    files::NameCase fold) override;
  files::Async<std::string> read_link(files::Credentials who, files::NodeRef link) override;
  files::Async<files::FileRef> open(files::Credentials who, files::NodeRef node,
                                    files::OpenMode mode) override;
  files::Async<std::pair<bool, files::Found>> create(files::Credentials who, files::NodeRef dir,
                                                     std::string name,
                                                     files::CreateOptions options) override;
  files::Async<files::Found> make_directory(files::Credentials who, files::NodeRef dir,
                                            std::string name, std::uint32_t mode) override;
  files::Async<files::Found> make_symlink(files::Credentials who, files::NodeRef dir,
                                          std::string name, std::string target) override;
  files::Async<files::Found> make_special(files::Credentials who, files::NodeRef dir,
                                          std::string name, files::FileType type,
                                          std::uint32_t mode, std::uint32_t major,
                                          std::uint32_t minor) override;
  files::Async<void> remove(files::Credentials who, files::NodeRef dir, std::string name,
                            files::NodeRef expected) override;
  files::Async<void> remove_directory(files::Credentials who, files::NodeRef dir,
                                      std::string name) override;
  files::Async<void> rename(files::Credentials who, files::NodeRef from_dir, std::string from,
                            files::NodeRef source, files::NodeRef to_dir, std::string to,
                            files::NodeRef target) override;
  files::Async<void> link(files::Credentials who, files::NodeRef node, files::NodeRef dir,
                          std::string name) override;
  files::Async<files::Listing> list(files::Credentials who, files::NodeRef dir,
                                    std::uint64_t cookie, std::size_t entries_max,
                                    bool with_attributes) override;
  files::Async<files::Volume> volume() override;
  files::Async<void> commit(files::NodeRef node) override;

 private:
  /// `make()` after a while, its result after another.
  template <class Make>
  auto slowly(Make make) -> decltype(make());

  Disk& disk_;
  std::uint64_t run_;
  std::shared_ptr<files::FileSystem> inner_;
};

}  // namespace lockstep::sim::wired
