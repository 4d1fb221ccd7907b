// What only a directory of the host can get wrong: escapes, restarts, forged handles, limits.
#include <fcntl.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "tests/shell/files_fixture.hpp"

namespace lockstep::files::test {
namespace {

namespace fs = std::filesystem;

class HostFilesTest : public ::testing::Test {
 protected:
  HostFilesTest() {
    options.root = scratch.path() / "export";
    options.state_dir = scratch.path() / "state";
    options.export_name = "export";
    options.export_id = 7;
    fs::create_directories(options.root);
    fs::create_directories(options.state_dir);
    outside = scratch.path() / "outside";
    fs::create_directories(outside);
    std::ofstream(outside / "secret") << "secret";
  }
  /// A file system as a server that has just started would have it.
  std::unique_ptr<FileSystem> start() { return host_file_system(options, pool); }

  Loop loop;
  ScratchDirectory scratch;
  IoPool pool{4, loop.poster()};
  HostOptions options;
  fs::path outside;
};

TEST_F(HostFilesTest, SymlinksLeadNowhere) {
  fs::create_directory(options.root / "sub");
  fs::create_directory_symlink(outside, options.root / "way-out");
  fs::create_symlink("../../outside/secret", options.root / "sub" / "up");
  const auto files = start();
  const Calls calls(loop, *files);
  const NodeRef link = calls.must_find(calls.root(), "way-out");
  EXPECT_EQ(link->type(), FileType::symlink);
  EXPECT_EQ(calls.find_error(kRoot, link, "secret"), ENOTDIR);
  EXPECT_EQ(calls.error(calls->create(kRoot, link, "new", {})), ENOTDIR);
  EXPECT_EQ(calls.error(calls->list(kRoot, link, 0, 10, false)), ENOTDIR);
  const NodeRef up = calls.must_find(calls.must_find(calls.root(), "sub"), "up");
  OpenMode mode;
  mode.read = true;
  EXPECT_EQ(calls.error(calls->open(kRoot, up, mode)), ELOOP);
  SetAttributes change;
  change.size = 0;
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, up, change)), EINVAL);
  change = {};
  change.uid = kAlice.uid;
  if (is_root()) {
    EXPECT_EQ(calls.error(calls->set_attributes(kRoot, link, change)), 0);
  }
  struct stat untouched;
  ASSERT_EQ(::stat(outside.c_str(), &untouched), 0);
  EXPECT_EQ(untouched.st_uid, ::geteuid());
}

TEST_F(HostFilesTest, UpwardEndsAtTheRootAlsoAfterAMove) {
  fs::create_directories(options.root / "a" / "b");
  const auto files = start();
  const Calls calls(loop, *files);
  const NodeRef a = calls.must_find(calls.root(), "a");
  const NodeRef b = calls.must_find(a, "b");
  EXPECT_EQ(calls.must_find(calls.root(), "..")->id(), calls.root()->id());
  fs::rename(options.root / "a" / "b", outside / "b");  // somebody on the host takes it out
  EXPECT_EQ(calls.find_error(kRoot, b, ".."), ESTALE);
  fs::rename(outside / "b", options.root / "b");
  EXPECT_EQ(calls.must_find(b, "..")->id(), calls.root()->id());
}

TEST_F(HostFilesTest, ARenameRaceDoesNotLeadOut) {
  fs::create_directories(options.root / "d" / "x");
  const auto files = start();
  const Calls calls(loop, *files);
  const NodeRef d = calls.must_find(calls.root(), "d");
  std::atomic<bool> stop = false;
  std::thread host([&] {
    // The entry is by turns a directory and a symlink that leads out of the export.
    std::error_code ignored;
    fs::create_directory_symlink(outside, options.root / "link", ignored);
    while (!stop) {
      ::renameat2(AT_FDCWD, (options.root / "d" / "x").c_str(), AT_FDCWD,
                  (options.root / "link").c_str(), RENAME_EXCHANGE);
      fs::rename(options.root / "d", outside / "d", ignored);
      fs::rename(outside / "d", options.root / "d", ignored);
    }
  });
  int directories = 0, links = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto found = calls.run(calls->lookup(kRoot, d, "x", NameCase::exact));
    if (!found) continue;
    (found->node->type() == FileType::directory ? directories : links)++;
    EXPECT_NE(calls.find_error(kRoot, found->node, "secret"), 0);
    const auto up = calls.run(calls->lookup(kRoot, d, "..", NameCase::exact));
    if (up) {
      EXPECT_EQ(up->node->id(), calls.root()->id());
    }
  }
  stop = true;
  host.join();
  EXPECT_GT(directories + links, 0);
}

TEST_F(HostFilesTest, HandlesSurviveARestart) {
  for (const HandleMode mode : {HandleMode::automatic, HandleMode::recorded}) {
    options.handles = mode;
    std::vector<std::pair<wire::Bytes, core::FileId>> known;
    std::string prefix = mode == HandleMode::recorded ? "r" : "k";
    {
      const auto files = start();
      const Calls calls(loop, *files);
      NodeRef dir = calls.root();
      for (int depth = 0; depth < 5; ++depth) {
        dir = calls.must_make_directory(kRoot, dir, prefix + "dir");
        const NodeRef file = calls.must_create(kRoot, dir, prefix + "file");
        known.emplace_back(calls->handle(dir), dir->id());
        known.emplace_back(calls->handle(file), file->id());
      }
      known.emplace_back(calls->handle(calls.root()), calls.root()->id());
      // Renamed, linked and listed files are found again too.
      const NodeRef moved = calls.must_create(kRoot, calls.root(), prefix + "before");
      ASSERT_EQ(calls.error(calls->rename(kRoot, calls.root(), prefix + "before", moved, dir,
                                          "after", nullptr)),
                0);
      known.emplace_back(calls->handle(moved), moved->id());
      const NodeRef linked = calls.must_create(kRoot, dir, "name");
      ASSERT_EQ(calls.error(calls->link(kRoot, linked, dir, "other")), 0);
      ASSERT_EQ(calls.error(calls->remove(kRoot, dir, "other", linked)), 0);
      known.emplace_back(calls->handle(linked), linked->id());
      std::ofstream(options.root / (prefix + "listed")) << "x";
      const Listing listing = calls.run(calls->list(kRoot, calls.root(), 0, 100, true)).value();
      for (const Entry& entry : listing.entries) {
        known.emplace_back(calls->handle(entry.ref), entry.ref->id());
      }
    }
    const auto files = start();
    const Calls calls(loop, *files);
    for (const auto& [handle, id] : known) {
      const auto found = calls.run(calls->resolve(handle));
      ASSERT_TRUE(found.has_value()) << found.error().message();
      EXPECT_EQ((*found)->id(), id);
      EXPECT_EQ(calls->handle(*found), handle);
    }
  }
}

TEST_F(HostFilesTest, AReusedInodeIsAnotherFile) {
  for (const HandleMode mode : {HandleMode::automatic, HandleMode::recorded}) {
    options.handles = mode;
    std::set<core::FileId> ids;
    std::vector<wire::Bytes> handles;
    for (int round = 0; round < 20; ++round) {
      const auto files = start();
      const Calls calls(loop, *files);
      const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
      EXPECT_TRUE(ids.insert(file->id()).second);
      handles.push_back(calls->handle(file));
      ASSERT_EQ(calls.error(calls->remove(kRoot, calls.root(), "f", file)), 0);
    }
    const auto files = start();
    const Calls calls(loop, *files);
    calls.must_create(kRoot, calls.root(), "f");
    for (const wire::Bytes& handle : handles) {
      EXPECT_EQ(calls.error(calls->resolve(handle)), ESTALE);
    }
    fs::remove(options.root / "f");
  }
}

TEST_F(HostFilesTest, AHandleOpensItsOwnExportOnly) {
  const auto first = start();
  const Calls calls(loop, *first);
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  const wire::Bytes handle = calls->handle(file);

  // The same directory under another number, another name, another secret.
  HostOptions other = options;
  other.export_id = 8;
  const auto numbered = host_file_system(other, pool);
  const Calls numbered_calls(loop, *numbered);
  EXPECT_EQ(numbered_calls.error(numbered->resolve(handle)), ESTALE);
  EXPECT_EQ(numbered_calls.must_find(numbered->root(), "f")->id(), file->id())
      << "one file, one identity, whichever export it is reached through";
  other = options;
  other.export_name = "another";
  const auto named = host_file_system(other, pool);
  EXPECT_EQ(Calls(loop, *named).error(named->resolve(handle)), ESTALE);
  other = options;
  other.state_dir = scratch.path() / "other-state";
  fs::create_directories(other.state_dir);
  const auto keyed = host_file_system(other, pool);
  EXPECT_EQ(Calls(loop, *keyed).error(keyed->resolve(handle)), ESTALE);
  struct stat secret;
  ASSERT_EQ(::stat((other.state_dir / "handle.key").c_str(), &secret), 0);
  EXPECT_EQ(secret.st_mode & 0777U, 0600U);
}

TEST_F(HostFilesTest, AnExclusiveCreateIsRepeatedAcrossARestart) {
  CreateOptions create;
  create.exclusive = true;
  create.verifier = 0xfedcba9876543210ULL;
  core::FileId made;
  {
    const auto files = start();
    made = Calls(loop, *files)
               .run(files->create(kRoot, files->root(), "x", create))
               ->second.node->id();
  }
  const auto files = start();
  const Calls calls(loop, *files);
  const auto again = calls.run(calls->create(kRoot, calls.root(), "x", create));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->second.node->id(), made);
  create.verifier = 1;
  EXPECT_EQ(calls.error(calls->create(kRoot, calls.root(), "x", create)), EEXIST);
}

TEST_F(HostFilesTest, ManyMoreFilesThanAreKept) {
  options.nodes_max = 16;
  options.files_max = 4;
  const auto files = start();
  const Calls calls(loop, *files);
  std::vector<wire::Bytes> handles;
  std::vector<core::FileId> ids;
  const NodeRef held = calls.must_create(kRoot, calls.root(), "held");
  for (int i = 0; i < 300; ++i) {
    const NodeRef node = calls.must_create(kRoot, calls.root(), "f" + std::to_string(i));
    calls.write(calls.must_open(kRoot, node), 0, std::to_string(i));
    handles.push_back(calls->handle(node));
    ids.push_back(node->id());
  }
  const auto open_descriptors = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  EXPECT_LT(open_descriptors(), 100);
  for (std::size_t i = 0; i < handles.size(); ++i) {
    const NodeRef node = calls.run(calls->resolve(handles[i])).value();
    EXPECT_EQ(node->id(), ids[i]);
    EXPECT_EQ(calls.read(calls.must_open(kRoot, node), 0, 10), std::to_string(i));
  }
  EXPECT_EQ(calls.must_find(calls.root(), "held").get(), held.get()) << "in use: the same node";
}

TEST_F(HostFilesTest, IdleFilesAreClosedWithoutAnotherCall) {
  options.file_idle = std::chrono::milliseconds(20);
  const auto files = start();
  const Calls calls(loop, *files);
  std::weak_ptr<File> open = calls.must_open(kRoot, calls.must_create(kRoot, calls.root(), "f"));
  EXPECT_FALSE(open.expired()) << "kept for the next call";
  loop.run_for(std::chrono::milliseconds(150));
  EXPECT_TRUE(open.expired());
}

TEST_F(HostFilesTest, ARemovedFileGivesItsSpaceBack) {
  const auto files = start();
  const Calls calls(loop, *files);
  NodeRef node = calls.must_create(kRoot, calls.root(), "big");
  FileRef file = calls.must_open(kRoot, node);
  ASSERT_EQ(calls.error(file->allocate(8 << 20)), 0);
  ASSERT_EQ(calls.error(calls->remove(kRoot, calls.root(), "big", node)), 0);
  const std::string open_file = "/big (deleted)";
  const auto still_open = [&] {
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      if (fs::read_symlink(entry, ignored).string().ends_with(open_file)) return true;
    }
    return false;
  };
  EXPECT_TRUE(still_open()) << "in use";
  file.reset();
  node.reset();
  for (int i = 0; still_open() && i < 1000; ++i) ::usleep(1000);
  EXPECT_FALSE(still_open());
}

TEST_F(HostFilesTest, WhatTheHostChangesIsSeen) {
  const auto files = start();
  const Calls calls(loop, *files);
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  const wire::Bytes handle = calls->handle(file);
  fs::remove(options.root / "f");
  EXPECT_EQ(calls.error(calls->resolve(handle)), ESTALE);
  EXPECT_EQ(calls.find_error(kRoot, calls.root(), "f"), ENOENT);
  EXPECT_EQ(calls.attributes(file).links, 0U);
}

TEST_F(HostFilesTest, MountPointsAreTheEdgeOfAnExport) {
  fs::create_directory(options.root / "mounted");
  if (::mount("none", (options.root / "mounted").c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "mounting needs root";
  }
  const auto files = start();
  const Calls calls(loop, *files);
  EXPECT_EQ(calls.find_error(kRoot, calls.root(), "mounted"), EACCES);
  const Listing listing = calls.run(calls->list(kRoot, calls.root(), 0, 10, true)).value();
  ASSERT_EQ(listing.entries.size(), 3U);
  EXPECT_EQ(listing.entries[2].name, "mounted");
  EXPECT_EQ(listing.entries[2].ref, nullptr);
  ASSERT_EQ(::umount((options.root / "mounted").c_str()), 0);
}

TEST_F(HostFilesTest, AFullDiskSaysSo) {
  if (::mount("none", options.root.c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "mounting needs root";
  }
  {
    const auto files = start();
    const Calls calls(loop, *files);
    const FileRef file = calls.must_open(kRoot, calls.must_create(kRoot, calls.root(), "f"));
    const std::string text(1 << 20, 'x');
    EXPECT_EQ(calls.error(file->write(0, wire::as_bytes(text), false)), ENOSPC);
    EXPECT_EQ(calls.error(file->allocate(1 << 20)), ENOSPC);
    EXPECT_EQ(calls.error(file->truncate(0)), 0);
    EXPECT_EQ(calls.error(file->write(0, wire::as_bytes("fits"), true)), 0);
    EXPECT_EQ(calls.run(calls->volume()).value().total_bytes, 256U << 10);
  }
  ASSERT_EQ(::umount2(options.root.c_str(), MNT_DETACH), 0);
}

TEST_F(HostFilesTest, AnotherFileSystemKeepsTheSamePromises) {
  if (::mount("none", options.root.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "mounting needs root";
  }
  std::map<std::string, wire::Bytes> handles;
  {
    const auto files = start();
    const Calls calls(loop, *files);
    for (int i = 0; i < 50; ++i) {
      const std::string name = "f" + std::to_string(i);
      handles[name] = calls->handle(calls.must_create(kRoot, calls.root(), name));
    }
  }
  const auto files = start();
  const Calls calls(loop, *files);
  std::size_t removed = 0;
  for (std::uint64_t cookie = 0;;) {
    const Listing part = calls.run(calls->list(kRoot, calls.root(), cookie, 3, false)).value();
    for (const Entry& entry : part.entries) {
      if (!handles.contains(entry.name)) continue;
      const NodeRef node = calls.run(calls->resolve(handles[entry.name])).value();
      EXPECT_EQ(node->id().node, entry.node);
      ASSERT_EQ(calls.error(calls->remove(kRoot, calls.root(), entry.name, node)), 0);
      ++removed;
    }
    if (part.end) break;
    cookie = part.entries.back().cookie;
  }
  EXPECT_EQ(removed, handles.size());
  ASSERT_EQ(::umount2(options.root.c_str(), MNT_DETACH), 0);
}

TEST_F(HostFilesTest, DurableChangesAnswerAsOthersDo) {
  options.durable_changes = true;
  const auto files = start();
  const Calls calls(loop, *files);
  const NodeRef dir = calls.must_make_directory(kRoot, calls.root(), "d");
  const NodeRef file = calls.must_create(kRoot, dir, "f", 0000);
  CreateOptions exclusive;
  exclusive.exclusive = true;
  EXPECT_EQ(calls.error(calls->create(kRoot, dir, "f", exclusive)), EEXIST);
  SetAttributes change;
  change.mode = 0200;
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, file, change)), 0);
  const auto link = calls.run(calls->make_symlink(kRoot, dir, "s", "target")).value();
  const auto pipe = calls.run(calls->make_special(kRoot, dir, "p", FileType::fifo, 0600, 0, 0));
  change.mode = 0640;
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, pipe->node, change)), 0);
  EXPECT_EQ(calls.error(calls->rename(kRoot, dir, "s", link.node, calls.root(), "t", nullptr)), 0);
  EXPECT_EQ(calls.error(calls->remove(kRoot, dir, "f", file)), 0);
  EXPECT_EQ(calls.error(calls->remove_directory(kRoot, dir, "none")), ENOENT);
}

TEST_F(HostFilesTest, WhatCannotBeServedIsSaidAtOnce) {
  options.root = scratch.path() / "missing";
  try {
    start();
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("export export: "));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("missing"));
  }
}

TEST_F(HostFilesTest, ManyCallsAtOnce) {
  const auto files = start();
  const Calls calls(loop, *files);
  const auto worker = [](FileSystem& on, int id, int& done) -> wire::Task<> {
    for (int i = 0; i < 20; ++i) {
      const std::string name = "w" + std::to_string(id);
      CreateOptions create;
      auto made = co_await on.create(kAlice, on.root(), name, create);
      if (!made) break;
      OpenMode mode;
      mode.write = mode.read = true;
      auto file = co_await on.open(kAlice, made->second.node, mode);
      if (!file) break;
      const std::string text = name + " " + std::to_string(i);
      (co_await (*file)->write(0, wire::as_bytes(text), false)).value();
      const auto back = (co_await (*file)->read(0, 100)).value();
      EXPECT_EQ(wire::as_text(back), text);
      (co_await on.list(kRoot, on.root(), 0, 100, true)).value();
      (co_await on.remove(kAlice, on.root(), name, made->second.node)).value();
    }
    ++done;
  };
  fs::permissions(options.root, fs::perms::all);
  int done = 0;
  for (int id = 0; id < 20; ++id) wire::spawn(worker(*files, id, done));
  while (done < 20) loop.step();
  EXPECT_THAT(calls.names(calls.root()), ::testing::ElementsAre(".", ".."));
}

/// Without any privilege, in a process of its own.
void serve_as_itself(const fs::path& directory) {
  ASSERT_FALSE(is_root());
  EXPECT_FALSE(can_switch_identity());
  Loop loop;
  IoPool pool(2, loop.poster());
  HostOptions options;
  options.root = directory / "export";
  options.state_dir = directory / "state";
  options.export_name = "export";
  wire::Bytes handle;
  core::FileId id;
  {
    const auto files = host_file_system(options, pool);
    const Calls calls(loop, *files);
    const NodeRef dir = calls.must_make_directory(kRoot, calls.root(), "d");
    const NodeRef file = calls.must_create(kAlice, dir, "f", 0600);
    EXPECT_EQ(calls.attributes(file).uid, ::geteuid());
    calls.write(calls.must_open(kEve, file), 0, "own");
    handle = calls->handle(file);
    id = file->id();
    EXPECT_EQ(calls.error(calls->commit(file)), 0);
  }
  const auto files = host_file_system(options, pool);
  const Calls calls(loop, *files);
  const NodeRef again = calls.run(calls->resolve(handle)).value();
  EXPECT_EQ(again->id(), id);
  EXPECT_EQ(calls.read(calls.must_open(kRoot, again, false), 0, 10), "own");
  options.handles = HandleMode::kernel;
  EXPECT_THROW(host_file_system(options, pool), std::exception);
}

TEST(UnprivilegedHostFilesTest, ServesAsItself) {
  constexpr const char* kVariable = "LOCKSTEP_UNPRIVILEGED_DIRECTORY";
  if (const char* const directory = std::getenv(kVariable)) return serve_as_itself(directory);
  if (!is_root()) GTEST_SKIP() << "giving up privileges needs root";
  const ScratchDirectory scratch;
  constexpr std::uint32_t kNobody = 65534;
  for (const char* name : {"export", "state"}) {
    fs::create_directory(scratch.path() / name);
    ASSERT_EQ(::chown((scratch.path() / name).c_str(), kNobody, kNobody), 0);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv(kVariable, scratch.path().c_str(), 1);
    const bool dropped = ::setgroups(0, nullptr) == 0 &&
                         ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                         ::setresuid(kNobody, kNobody, kNobody) == 0;
    if (dropped) {
      ::execl("/proc/self/exe", "test", "--gtest_filter=UnprivilegedHostFilesTest.ServesAsItself",
              "--gtest_brief=1", nullptr);
    }
    ::_exit(99);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace lockstep::files::test
