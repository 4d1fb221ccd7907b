// One suite for every file system: what a protocol may rely on, whatever is behind it.
#include "tests/shell/files_conformance.hpp"

namespace lockstep::files::test {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST_P(FilesTest, AFileIsCreatedFoundWrittenAndRead) {
  const NodeRef made = calls.must_create(kRoot, calls.root(), "letter");
  EXPECT_EQ(made->type(), FileType::regular);
  EXPECT_EQ(calls.must_find(calls.root(), "letter")->id(), made->id());

  const FileRef file = calls.must_open(kRoot, made);
  EXPECT_EQ(file->node()->id(), made->id());
  calls.write(file, 0, "hello world");
  calls.write(file, 6, "there");
  EXPECT_EQ(calls.read(file, 0, 100), "hello there");
  EXPECT_EQ(calls.read(file, 6, 3), "the");
  EXPECT_EQ(calls.read(file, 11, 10), "");
  EXPECT_EQ(calls.read(file, 5000, 10), "");
  EXPECT_EQ(calls.attributes(made).size, 11U);
}

TEST_P(FilesTest, HolesReadAsZerosAndTruncationForgets) {
  const FileRef file = calls.must_open(kRoot, calls.must_create(kRoot, calls.root(), "holes"));
  calls.write(file, 10'000, "end");
  EXPECT_EQ(calls.read(file, 9'998, 10), std::string("\0\0end", 5));
  EXPECT_EQ(calls.error(file->truncate(10'001)), 0);
  EXPECT_EQ(calls.error(file->truncate(10'003)), 0);
  EXPECT_EQ(calls.read(file, 9'999, 10), std::string("\0e\0\0", 4));
  EXPECT_EQ(calls.error(file->truncate(~std::uint64_t{0})), EFBIG);
}

TEST_P(FilesTest, LargeWritesComeBackWhole) {
  const FileRef file = calls.must_open(kRoot, calls.must_create(kRoot, calls.root(), "large"));
  std::string text(1 << 20, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  ASSERT_EQ(calls.run(file->write(77, wire::as_bytes(text), true)).value(), text.size());
  EXPECT_EQ(calls.read(file, 77, 1 << 20), text);
  EXPECT_EQ(calls.error(file->sync()), 0);
  EXPECT_EQ(calls.error(calls->commit(file->node())), 0);
}

TEST_P(FilesTest, AllocationReservesWithoutChangingTheSize) {
  const FileRef file = calls.must_open(kRoot, calls.must_create(kRoot, calls.root(), "roomy"));
  calls.write(file, 0, "abc");
  EXPECT_EQ(calls.error(file->allocate(1 << 20)), 0);
  EXPECT_EQ(calls.attributes(file->node()).size, 3U);
  EXPECT_GE(calls.attributes(file->node()).allocated, 1U << 20);
  EXPECT_EQ(calls.error(file->allocate(1)), 0);
  EXPECT_EQ(calls.read(file, 0, 10), "abc");
}

TEST_P(FilesTest, NamesThatAreNoComponentsAreRefused) {
  const NodeRef dir = calls.root();
  const NodeRef file = calls.must_create(kRoot, dir, "f");
  CreateOptions options;
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."),
                                 std::string("a/b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(calls.error(calls->create(kRoot, dir, bad, options)), EINVAL) << bad;
    EXPECT_EQ(calls.error(calls->make_directory(kRoot, dir, bad, 0755)), EINVAL);
    EXPECT_EQ(calls.error(calls->make_symlink(kRoot, dir, bad, "x")), EINVAL);
    EXPECT_EQ(calls.error(calls->remove(kRoot, dir, bad, file)), EINVAL);
    EXPECT_EQ(calls.error(calls->remove_directory(kRoot, dir, bad)), EINVAL);
    EXPECT_EQ(calls.error(calls->rename(kRoot, dir, "f", file, dir, bad, nullptr)), EINVAL);
    EXPECT_EQ(calls.error(calls->rename(kRoot, dir, bad, file, dir, "g", nullptr)), EINVAL);
    EXPECT_EQ(calls.error(calls->link(kRoot, file, dir, bad)), EINVAL);
  }
  const std::string longest(255, 'n'), too_long(256, 'n');
  EXPECT_EQ(calls.error(calls->create(kRoot, dir, longest, options)), 0);
  EXPECT_EQ(calls.error(calls->create(kRoot, dir, too_long, options)), ENAMETOOLONG);
  EXPECT_EQ(calls.find_error(kRoot, dir, too_long), ENAMETOOLONG);
  EXPECT_EQ(calls.find_error(kRoot, dir, ""), ENOENT);
  EXPECT_EQ(calls.find_error(kRoot, dir, "a/b"), ENOENT);
}

TEST_P(FilesTest, CreateFindsOrRefusesWhatExists) {
  CreateOptions options;
  auto first = calls.run(calls->create(kRoot, calls.root(), "f", options)).value();
  EXPECT_TRUE(first.first);
  calls.write(calls.must_open(kRoot, first.second.node), 0, "content");

  auto again = calls.run(calls->create(kRoot, calls.root(), "f", options)).value();
  EXPECT_FALSE(again.first);
  EXPECT_EQ(again.second.node->id(), first.second.node->id());
  EXPECT_EQ(again.second.attributes.size, 7U);

  options.size = 0;
  auto emptied = calls.run(calls->create(kRoot, calls.root(), "f", options)).value();
  EXPECT_FALSE(emptied.first);
  EXPECT_EQ(emptied.second.attributes.size, 0U);

  options.exclusive = true;
  EXPECT_EQ(calls.error(calls->create(kRoot, calls.root(), "f", options)), EEXIST);
  options.exclusive = false;
  calls.must_make_directory(kRoot, calls.root(), "d");
  EXPECT_EQ(calls.error(calls->create(kRoot, calls.root(), "d", options)), EISDIR);
  options.size = 5;
  auto sized = calls.run(calls->create(kRoot, calls.root(), "new", options)).value();
  EXPECT_TRUE(sized.first);
  EXPECT_EQ(calls.attributes(sized.second.node).size, 5U);
}

TEST_P(FilesTest, AnExclusiveCreateIsRepeatedByItsVerifierOnly) {
  CreateOptions options;
  options.exclusive = true;
  options.verifier = 0x1234567855aa55aaULL;
  const auto first = calls.run(calls->create(kRoot, calls.root(), "x", options)).value();
  EXPECT_TRUE(first.first);
  const auto repeat = calls.run(calls->create(kRoot, calls.root(), "x", options)).value();
  EXPECT_EQ(repeat.second.node->id(), first.second.node->id());
  options.verifier = 0x1234567855aa55abULL;
  EXPECT_EQ(calls.error(calls->create(kRoot, calls.root(), "x", options)), EEXIST);

  // When the client has set the times, the create is over.
  SetAttributes times;
  times.atime = times.mtime = SetAttributes::Time::now;
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, first.second.node, times)), 0);
  options.verifier = 0x1234567855aa55aaULL;
  EXPECT_EQ(calls.error(calls->create(kRoot, calls.root(), "x", options)), EEXIST);
}

TEST_P(FilesTest, DirectoriesNestAndLeadUp) {
  const NodeRef a = calls.must_make_directory(kRoot, calls.root(), "a");
  const NodeRef b = calls.must_make_directory(kRoot, a, "b");
  EXPECT_EQ(calls.must_find(b, "..")->id(), a->id());
  EXPECT_EQ(calls.must_find(a, "..")->id(), calls.root()->id());
  EXPECT_EQ(calls.must_find(calls.root(), "..")->id(), calls.root()->id());
  EXPECT_EQ(calls.must_find(a, ".")->id(), a->id());
  EXPECT_EQ(calls.find_error(kRoot, a, "nothing"), ENOENT);
  const NodeRef file = calls.must_create(kRoot, a, "file");
  EXPECT_EQ(calls.find_error(kRoot, file, "x"), ENOTDIR);
  EXPECT_EQ(calls.attributes(a).links, 3U);
  EXPECT_EQ(calls.error(calls->make_directory(kRoot, a, "b", 0755)), EEXIST);
  EXPECT_EQ(calls.error(calls->remove_directory(kRoot, calls.root(), "a")), ENOTEMPTY);
  EXPECT_EQ(calls.error(calls->remove_directory(kRoot, a, "file")), ENOTDIR);
  EXPECT_EQ(calls.error(calls->remove(kRoot, a, "b", b)), EISDIR);
  EXPECT_EQ(calls.error(calls->remove_directory(kRoot, a, "b")), 0);
  EXPECT_EQ(calls.attributes(a).links, 2U);
}

TEST_P(FilesTest, SymlinksAreReadNeverFollowed) {
  const auto link =
      calls.run(calls->make_symlink(kRoot, calls.root(), "link", "/etc/passwd")).value();
  EXPECT_EQ(link.node->type(), FileType::symlink);
  EXPECT_EQ(link.attributes.size, 11U);
  const NodeRef found = calls.must_find(calls.root(), "link");
  EXPECT_EQ(found->type(), FileType::symlink);
  EXPECT_EQ(calls.run(calls->read_link(kRoot, found)).value(), "/etc/passwd");
  EXPECT_EQ(calls.find_error(kRoot, found, "x"), ENOTDIR);
  OpenMode mode;
  mode.read = true;
  EXPECT_EQ(calls.error(calls->open(kRoot, found, mode)), ELOOP);
  EXPECT_EQ(calls.error(calls->read_link(kRoot, calls.root())), EINVAL);
  CreateOptions options;
  EXPECT_EQ(calls.error(calls->create(kRoot, calls.root(), "link", options)), EEXIST);
}

TEST_P(FilesTest, SpecialFilesExistButAreNotOpened) {
  const auto fifo =
      calls.run(calls->make_special(kRoot, calls.root(), "p", FileType::fifo, 0600, 0, 0)).value();
  EXPECT_EQ(fifo.node->type(), FileType::fifo);
  OpenMode mode;
  mode.read = true;
  EXPECT_EQ(calls.error(calls->open(kRoot, fifo.node, mode)), EINVAL);
  EXPECT_EQ(
      calls.error(calls->make_special(kRoot, calls.root(), "r", FileType::regular, 0600, 0, 0)),
      EINVAL);
}

TEST_P(FilesTest, RemoveTakesExactlyWhatWasExpected) {
  const NodeRef old = calls.must_create(kRoot, calls.root(), "f");
  const NodeRef other = calls.must_create(kRoot, calls.root(), "g");
  EXPECT_EQ(calls.error(calls->remove(kRoot, calls.root(), "f", other)), ESTALE);
  EXPECT_EQ(calls.error(calls->remove(kRoot, calls.root(), "nothing", other)), ENOENT);
  const FileRef file = calls.must_open(kRoot, old);
  calls.write(file, 0, "still here");
  const wire::Bytes handle = calls->handle(old);
  EXPECT_EQ(calls.error(calls->remove(kRoot, calls.root(), "f", old)), 0);
  EXPECT_EQ(calls.find_error(kRoot, calls.root(), "f"), ENOENT);
  // An open file stays usable; its handle is stale.
  EXPECT_EQ(calls.read(file, 0, 100), "still here");
  EXPECT_EQ(calls.attributes(old).links, 0U);
  EXPECT_EQ(calls.error(calls->resolve(handle)), ESTALE);
}

TEST_P(FilesTest, LinksAreNamesOfOneFile) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "one");
  const NodeRef dir = calls.must_make_directory(kRoot, calls.root(), "d");
  EXPECT_EQ(calls.error(calls->link(kRoot, file, dir, "two")), 0);
  EXPECT_EQ(calls.must_find(dir, "two")->id(), file->id());
  EXPECT_EQ(calls.attributes(file).links, 2U);
  EXPECT_EQ(calls.error(calls->link(kRoot, file, dir, "two")), EEXIST);
  EXPECT_EQ(calls.error(calls->link(kRoot, dir, dir, "self")), EPERM);
  EXPECT_EQ(calls.error(calls->remove(kRoot, calls.root(), "one", file)), 0);
  EXPECT_EQ(calls.attributes(file).links, 1U);
  const auto again = calls.run(calls->resolve(calls->handle(file)));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ((*again)->id(), file->id());
}

TEST_P(FilesTest, RenameChecksBothEnds) {
  const NodeRef dir = calls.must_make_directory(kRoot, calls.root(), "d");
  const NodeRef f = calls.must_create(kRoot, calls.root(), "f");
  const NodeRef g = calls.must_create(kRoot, dir, "g");
  const NodeRef top = calls.root();
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "f", f, dir, "g", nullptr)), EEXIST);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "f", f, dir, "g", f)), ESTALE);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "f", g, dir, "h", nullptr)), ESTALE);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "f", f, dir, "h", g)), ESTALE);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "f", f, dir, "g", g)), 0);
  EXPECT_EQ(calls.must_find(dir, "g")->id(), f->id());
  EXPECT_EQ(calls.find_error(kRoot, top, "f"), ENOENT);
  EXPECT_EQ(calls.attributes(g).links, 0U);
  EXPECT_EQ(calls.error(calls->rename(kRoot, dir, "g", f, top, "back", nullptr)), 0);
  EXPECT_THAT(calls.names(top), UnorderedElementsAre(".", "..", "back", "d"));
  EXPECT_THAT(calls.names(dir), ElementsAre(".", ".."));
}

TEST_P(FilesTest, RenameOfDirectoriesKeepsTheTreeATree) {
  const NodeRef top = calls.root();
  const NodeRef a = calls.must_make_directory(kRoot, top, "a");
  const NodeRef b = calls.must_make_directory(kRoot, a, "b");
  const NodeRef c = calls.must_make_directory(kRoot, b, "c");
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "a", a, b, "x", nullptr)), EINVAL);
  EXPECT_EQ(calls.error(calls->rename(kRoot, a, "b", b, top, "b2", nullptr)), 0);
  EXPECT_EQ(calls.must_find(b, "..")->id(), top->id());
  EXPECT_EQ(calls.attributes(b).links, 3U);
  EXPECT_EQ(calls.must_find(b, "c")->id(), c->id());
  const NodeRef file = calls.must_create(kRoot, top, "f");
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "f", file, top, "a", a)), EISDIR);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "a", a, top, "f", file)), ENOTDIR);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "a", a, top, "b2", b)), ENOTEMPTY);
  EXPECT_EQ(calls.error(calls->rename(kRoot, b, "c", c, top, "a", a)), 0);
  EXPECT_EQ(calls.must_find(top, "a")->id(), c->id());
}

TEST_P(FilesTest, RenameOntoAnotherNameOfTheSameFileChangesNothing) {
  const NodeRef top = calls.root();
  const NodeRef file = calls.must_create(kRoot, top, "one");
  ASSERT_EQ(calls.error(calls->link(kRoot, file, top, "two")), 0);
  EXPECT_EQ(calls.error(calls->rename(kRoot, top, "one", file, top, "two", file)), 0);
  EXPECT_THAT(calls.names(top), UnorderedElementsAre(".", "..", "one", "two"));
}

TEST_P(FilesTest, AttributesTellWhatChanged) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f", 0640);
  const Attributes before = calls.attributes(file);
  EXPECT_EQ(before.type, FileType::regular);
  EXPECT_EQ(before.mode, 0640U);
  EXPECT_EQ(before.links, 1U);
  EXPECT_EQ(before.node, file->id().node);
  ::usleep(20'000);  // the host's clock of file times may tick slowly
  SetAttributes change;
  change.mode = 0600;
  change.mtime = SetAttributes::Time::given;
  change.modified = {12345, 0};
  const Attributes after = calls.run(calls->set_attributes(kRoot, file, change)).value();
  EXPECT_EQ(after.mode, 0600U);
  EXPECT_EQ(after.modified.seconds, 12345);
  EXPECT_EQ(after.accessed, before.accessed);
  EXPECT_GT(after.changed, before.changed);
  EXPECT_NE(after.change, before.change);
  EXPECT_EQ(after.created, before.created);
}

TEST_P(FilesTest, AGuardLetsOneChangeThrough) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  SetAttributes change;
  change.guard = calls.attributes(file).changed;
  change.size = 10;
  ::usleep(20'000);
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, file, change)), 0);
  change.size = 20;
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, file, change)), ECANCELED);
  EXPECT_EQ(calls.attributes(file).size, 10U);
  change.guard.reset();
  EXPECT_EQ(calls.error(calls->set_attributes(kRoot, calls.root(), change)), EISDIR);
}

TEST_P(FilesTest, DosInfoIsKeptApart) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  EXPECT_EQ(calls.run(calls->dos_info(file)).value().attributes, 0U);
  EXPECT_FALSE(calls.run(calls->dos_info(file)).value().created.has_value());
  DosInfo info;
  info.attributes = 0x22;
  info.created = TimeSpec{1'000'000'000, 100};
  EXPECT_EQ(calls.error(calls->set_dos_info(kRoot, file, info)), 0);
  const DosInfo stored = calls.run(calls->dos_info(file)).value();
  EXPECT_EQ(stored.attributes, 0x22U);
  EXPECT_EQ(stored.created, info.created);
  EXPECT_FALSE(stored.rights.has_value());
  info.rights = {0640, 7, 8, wire::Bytes(2000, 5)};
  EXPECT_EQ(calls.error(calls->set_dos_info(kRoot, file, info)), 0);
  const DosInfo listed = calls.run(calls->dos_info(file)).value();
  ASSERT_TRUE(listed.rights.has_value());
  EXPECT_EQ(listed.rights->mode, 0640U);
  EXPECT_EQ(listed.rights->gid, 8U);
  EXPECT_EQ(listed.rights->acl, info.rights->acl);
  EXPECT_EQ(calls.error(calls->set_dos_info(kRoot, calls.root(), info)), 0);
  EXPECT_EQ(calls.run(calls->dos_info(calls.root())).value().attributes, 0x22U);
}

TEST_P(FilesTest, NamesAreFoundWhateverTheirCase) {
  const NodeRef top = calls.root();
  const NodeRef file = calls.must_create(kRoot, top, "Read Me.TXT");
  const NodeRef street = calls.must_create(kRoot, top, "STRAßE Ωмега");
  EXPECT_EQ(calls.find_error(kRoot, top, "read me.txt"), ENOENT);
  for (int round = 0; round < 3; ++round) {
    const auto found = calls.run(calls->lookup(kRoot, top, "rEAD mE.txt", NameCase::folded));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->node->id(), file->id());
    EXPECT_EQ(found->name, "Read Me.TXT");
    ::usleep(15'000);
  }
  const auto found = calls.run(calls->lookup(kRoot, top, "straße ωМЕГА", NameCase::folded));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->node->id(), street->id());

  // An exact name wins over a folded one; a name that came later is seen.
  const NodeRef lower = calls.must_create(kRoot, top, "read me.txt");
  EXPECT_EQ(calls.run(calls->lookup(kRoot, top, "read me.txt", NameCase::folded))->node->id(),
            lower->id());
  EXPECT_EQ(calls.run(calls->lookup(kRoot, top, "READ ME.TXT", NameCase::folded))->name,
            "Read Me.TXT");
  EXPECT_EQ(calls.error(calls->remove(kRoot, top, "Read Me.TXT", file)), 0);
  EXPECT_EQ(calls.run(calls->lookup(kRoot, top, "READ ME.TXT", NameCase::folded))->name,
            "read me.txt");
  EXPECT_EQ(calls.find_error(kRoot, top, "READ ME", NameCase::folded), ENOENT);
}

TEST_P(FilesTest, HandlesLeadBackAndForgeriesDoNot) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  const wire::Bytes handle = calls->handle(file);
  ASSERT_FALSE(handle.empty());
  EXPECT_LE(handle.size(), 64U);
  EXPECT_EQ(calls.run(calls->resolve(handle)).value()->id(), file->id());
  EXPECT_EQ(calls.run(calls->resolve(calls->handle(calls.root()))).value()->id(),
            calls.root()->id());
  for (std::size_t i = 0; i < handle.size(); ++i) {
    wire::Bytes forged = handle;
    forged[i] ^= 1;
    EXPECT_EQ(calls.error(calls->resolve(forged)), ESTALE) << "byte " << i;
  }
  for (std::size_t size = 0; size < handle.size(); ++size) {
    EXPECT_EQ(calls.error(calls->resolve(
                  wire::Bytes(handle.begin(), handle.begin() + static_cast<std::ptrdiff_t>(size)))),
              ESTALE);
  }
  wire::Bytes longer = handle;
  longer.push_back(0);
  EXPECT_EQ(calls.error(calls->resolve(longer)), ESTALE);
}

TEST_P(FilesTest, ListingsGoOnWhereTheyStopped) {
  const NodeRef top = calls.root();
  std::vector<std::string> expected = {".", ".."};
  for (int i = 0; i < 100; ++i) {
    expected.push_back("entry-" + std::to_string(i));
    calls.must_create(kRoot, top, expected.back());
  }
  for (const std::size_t step : {1, 2, 3, 50, 1000}) {
    const auto names = calls.names(top, step);
    EXPECT_EQ(names[0], ".");
    EXPECT_EQ(names[1], "..");
    EXPECT_THAT(names, ::testing::UnorderedElementsAreArray(expected)) << step;
  }
}

TEST_P(FilesTest, CookiesStayGoodWhileEntriesComeAndGo) {
  const NodeRef top = calls.root();
  std::map<std::string, NodeRef> nodes;
  for (int i = 0; i < 60; ++i) {
    const std::string name = "stays-" + std::to_string(i);
    nodes[name] = calls.must_create(kRoot, top, name);
    nodes["goes-" + std::to_string(i)] = calls.must_create(kRoot, top, "goes-" + std::to_string(i));
  }
  std::multiset<std::string> seen;
  std::uint64_t cookie = 0;
  for (int round = 0;; ++round) {
    const Listing part = calls.run(calls->list(kRoot, top, cookie, 10, false)).value();
    for (const Entry& entry : part.entries) seen.insert(entry.name);
    if (part.end) break;
    cookie = part.entries.back().cookie;
    // Take away what was just listed, the entry that the cookie stands on too, and add others.
    for (const Entry& entry : part.entries) {
      if (!entry.name.starts_with("goes")) continue;
      ASSERT_EQ(calls.error(calls->remove(kRoot, top, entry.name, nodes[entry.name])), 0);
    }
    calls.must_create(kRoot, top, "new-" + std::to_string(round));
    ASSERT_LT(round, 100);
  }
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(seen.count("stays-" + std::to_string(i)), 1U) << i;
    EXPECT_EQ(seen.count("goes-" + std::to_string(i)), 1U) << i;
  }
}

TEST_P(FilesTest, ListingsBringAttributes) {
  const NodeRef top = calls.root();
  const NodeRef dir = calls.must_make_directory(kRoot, top, "d");
  const NodeRef file = calls.must_create(kRoot, dir, "f", 0600);
  DosInfo info;
  info.attributes = 2;
  ASSERT_EQ(calls.error(calls->set_dos_info(kRoot, file, info)), 0);
  const Listing all = calls.run(calls->list(kRoot, dir, 0, 10, true)).value();
  ASSERT_EQ(all.entries.size(), 3U);
  EXPECT_TRUE(all.end);
  EXPECT_EQ(all.entries[0].ref->id(), dir->id());
  EXPECT_EQ(all.entries[1].ref->id(), top->id());
  EXPECT_EQ(all.entries[1].node, top->id().node);
  const Entry& entry = all.entries[2];
  EXPECT_EQ(entry.name, "f");
  EXPECT_EQ(entry.node, file->id().node);
  EXPECT_EQ(entry.ref->id(), file->id());
  EXPECT_EQ(entry.attributes->mode, 0600U);
  EXPECT_EQ(entry.dos.attributes, 2U);
  const Listing bare = calls.run(calls->list(kRoot, dir, 0, 10, false)).value();
  EXPECT_FALSE(bare.entries[2].attributes.has_value());
  EXPECT_EQ(bare.entries[2].ref, nullptr);
  EXPECT_EQ(calls.error(calls->list(kRoot, file, 0, 10, false)), ENOTDIR);
}

TEST_P(FilesTest, AVolumeHasRoom) {
  const Volume volume = calls.run(calls->volume()).value();
  EXPECT_GT(volume.total_bytes, 0U);
  EXPECT_GE(volume.total_bytes, volume.free_bytes);
  EXPECT_EQ(volume.name_max, 255U);
  EXPECT_EQ(volume.serial, calls.root()->id().volume);
}

TEST_P(FilesTest, OpensAreForWhatTheySay) {
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  OpenMode mode;
  const FileRef neither = calls.run(calls->open(kRoot, file, mode)).value();
  EXPECT_EQ(calls.error(neither->read(0, 1)), EBADF);
  EXPECT_EQ(calls.error(neither->write(0, wire::as_bytes("x"), false)), EBADF);
  mode.read = true;
  const FileRef reader = calls.run(calls->open(kRoot, file, mode)).value();
  EXPECT_EQ(calls.error(reader->write(0, wire::as_bytes("x"), false)), EBADF);
  EXPECT_EQ(calls.error(reader->truncate(0)), EINVAL);
  EXPECT_EQ(calls.error(calls->open(kRoot, calls.root(), mode)), 0);
  mode.write = true;
  EXPECT_EQ(calls.error(calls->open(kRoot, calls.root(), mode)), EISDIR);
}

TEST_P(FilesTest, PathsFollowTheirFiles) {
  const NodeRef dir = calls.must_make_directory(kRoot, calls.root(), "d");
  const NodeRef file = calls.must_create(kRoot, dir, "f");
  EXPECT_EQ(calls->path(file->id()), "d/f");
  EXPECT_EQ(calls.error(calls->rename(kRoot, dir, "f", file, calls.root(), "g", nullptr)), 0);
  EXPECT_EQ(calls->path(file->id()), "g");
  EXPECT_EQ(calls.error(calls->remove(kRoot, calls.root(), "g", file)), 0);
  EXPECT_NE(calls->path(file->id()), "g");
}

TEST_P(FilesTest, ForeignNodesAreNotTakenForOwn) {
  auto other = memory_file_system();
  const NodeRef foreign = other->root();
  EXPECT_EQ(calls.error(calls->attributes(foreign)), ESTALE);
  EXPECT_EQ(calls.find_error(kRoot, foreign, "x"), ESTALE);
  const NodeRef file = calls.must_create(kRoot, calls.root(), "f");
  EXPECT_EQ(calls.error(calls->rename(kRoot, calls.root(), "f", file, foreign, "f", nullptr)),
            EXDEV);
  EXPECT_TRUE(calls->handle(foreign).empty());
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Everywhere, FilesTest,
                         ::testing::Values(Kind::memory, Kind::host, Kind::recorded), kind_name);

}  // namespace lockstep::files::test
