// What each NFSv3 procedure does to files and answers. Method: calls as bytes, over files in
// memory, with a coordinator that lets everything pass.
#include <gmock/gmock.h>

#include <set>

#include "tests/wire/nfs3_world.hpp"

namespace lockstep::wire::rpc_test::nfs3_tests {
namespace {

using nfs3::Status;

class Nfs3Procedures : public Nfs3World {};

TEST_F(Nfs3Procedures, WriteReadTruncate) {
  const Bytes file = make(root(), "f");
  Results wrote = ask(kWrite, write_call(file, 3, "hello", 0));
  ASSERT_EQ(wrote.status, Status::ok);
  const WccResult wcc = get_wcc(wrote.in);
  EXPECT_TRUE(wcc.before);
  EXPECT_EQ(wcc.after.size, 8U);
  EXPECT_EQ(wrote.in.u32(), 5U);
  EXPECT_EQ(wrote.in.u32(), 0U) << "unstable as asked";
  EXPECT_EQ(wrote.in.u64(), 77U) << "the verifier is the server run";

  Results read = ask(kRead, read_call(file, 0, 5));
  ASSERT_EQ(read.status, Status::ok);
  EXPECT_TRUE(get_post_op(read.in).there);
  EXPECT_EQ(read.in.u32(), 5U);
  EXPECT_FALSE(rpc::get_bool(read.in)) << "not at the end";
  EXPECT_EQ(rpc::get_string(read.in, 10), std::string("\0\0\0he", 5));

  Results end = ask(kRead, read_call(file, 8, 100));
  get_post_op(end.in);
  EXPECT_EQ(end.in.u32(), 0U);
  EXPECT_TRUE(rpc::get_bool(end.in));
  EXPECT_EQ(content(file, ~std::uint64_t{0} - 1, 100), "");

  BigWriter cut = with_handle(file);
  NewAttributes size;
  size.size = 4;
  put_new_attributes(cut, size);
  rpc::put_bool(cut, false);
  EXPECT_EQ(ask(kSetattr, cut).status, Status::ok);
  EXPECT_EQ(stat(file).size, 4U);

  BigWriter commit = with_handle(file);
  commit.u64(0);
  commit.u32(0);
  Results committed = ask(kCommit, commit);
  ASSERT_EQ(committed.status, Status::ok);
  get_wcc(committed.in);
  EXPECT_EQ(committed.in.u64(), 77U);
}

TEST_F(Nfs3Procedures, WriteTellsGarbageFromTooBig) {
  const Bytes file = make(root(), "f");
  EXPECT_EQ(ask(kWrite, write_call(file, 0x7FFFFFFFFFFFFFFF, "xy")).status, Status::fbig);
  BigWriter liar = with_handle(file);
  liar.u64(0);
  liar.u32(100);
  liar.u32(0);
  rpc::put_string(liar, "short");
  EXPECT_FALSE(ask(kWrite, liar).answered);
  EXPECT_EQ(ask(kWrite, write_call(root(), 0, "x")).status, Status::isdir);
}

TEST_F(Nfs3Procedures, TheThreeWaysToCreate) {
  const auto create = [&](std::uint32_t how, std::uint64_t verifier,
                          std::optional<std::uint64_t> size = {}) {
    BigWriter out = with_name(root(), "f");
    out.u32(how);
    NewAttributes attributes;
    attributes.mode = 0600;
    attributes.size = size;
    if (how == 2)
      out.u64(verifier);
    else
      put_new_attributes(out, attributes);
    return ask(kCreate, out).status;
  };
  EXPECT_EQ(create(2, 5), Status::ok);
  EXPECT_EQ(create(2, 5), Status::ok) << "the same verifier is the same call";
  EXPECT_EQ(create(2, 6), Status::exist);
  EXPECT_EQ(create(1, 0), Status::exist);
  BigWriter lookup = with_name(root(), "f");
  Results found = ask(kLookup, lookup);
  const Bytes file = rpc::get_bytes(found.in, 64);
  ask(kWrite, write_call(file, 0, "data"));
  EXPECT_EQ(create(0, 0), Status::ok);
  EXPECT_EQ(content(file), "data") << "UNCHECKED keeps what is there";
  EXPECT_EQ(create(0, 0, 0), Status::ok);
  EXPECT_EQ(content(file), "") << "unless a size is given";
}

TEST_F(Nfs3Procedures, LookupAndNames) {
  const Bytes dir = make_dir(root(), "d");
  make(dir, "f");
  EXPECT_EQ(look(dir, "f"), Status::ok);
  EXPECT_EQ(look(dir, "g"), Status::noent);
  EXPECT_EQ(look(dir, ".."), Status::ok);
  EXPECT_EQ(look(dir, std::string(256, 'x')), Status::nametoolong);
  EXPECT_EQ(look(dir, "a/b"), Status::inval);
  EXPECT_EQ(look(dir, ""), Status::inval);
  EXPECT_EQ(look(make(root(), "file"), "x"), Status::notdir);
  EXPECT_EQ(look(Bytes(20, 1), "x"), Status::stale) << "a forged handle";
  EXPECT_EQ(look(Bytes(65, 1), "x"), Status::badhandle);
  EXPECT_EQ(look(Bytes{}, "x"), Status::badhandle);
}

TEST_F(Nfs3Procedures, LinksSymlinksAndDevices) {
  const Bytes file = make(root(), "f");
  BigWriter link = with_handle(file);
  rpc::put_opaque(link, root());
  rpc::put_string(link, "g");
  EXPECT_EQ(ask(kLink, link).status, Status::ok);
  EXPECT_EQ(ask(kLink, link).status, Status::exist);
  EXPECT_EQ(stat(file).links, 2U);

  BigWriter symlink = with_name(root(), "s");
  put_new_attributes(symlink, {});
  rpc::put_string(symlink, "f/../g");
  const Bytes made = created(ask(kSymlink, symlink));
  Results target = ask(kReadlink, with_handle(made));
  ASSERT_EQ(target.status, Status::ok);
  EXPECT_EQ(get_post_op(target.in).type, 5U);
  EXPECT_EQ(rpc::get_string(target.in, 100), "f/../g");
  EXPECT_EQ(ask(kReadlink, with_handle(file)).status, Status::inval);

  BigWriter fifo = with_name(root(), "p");
  fifo.u32(7);
  put_new_attributes(fifo, {});
  EXPECT_EQ(stat(created(ask(kMknod, fifo))).type, 7U);
  BigWriter regular = with_name(root(), "r");
  regular.u32(1);
  put_new_attributes(regular, {});
  EXPECT_EQ(ask(kMknod, regular).status, Status::badtype);
}

TEST_F(Nfs3Procedures, RemoveRmdirRename) {
  const Bytes dir = make_dir(root(), "d");
  const Bytes file = make(dir, "f");
  EXPECT_EQ(ask(kRmdir, with_name(root(), "d")).status, Status::notempty);
  EXPECT_EQ(ask(kRemove, with_name(root(), "d")).status, Status::isdir);
  EXPECT_EQ(ask(kRmdir, with_name(dir, "f")).status, Status::notdir);
  BigWriter rename = with_name(dir, "f");
  rpc::put_opaque(rename, root());
  rpc::put_string(rename, "g");
  EXPECT_EQ(ask(kRename, rename).status, Status::ok);
  EXPECT_EQ(ask(kRename, rename).status, Status::noent);
  EXPECT_EQ(look(root(), "g"), Status::ok);
  EXPECT_EQ(ask(kRmdir, with_name(root(), "d")).status, Status::ok);
  Results removed = ask(kRemove, with_name(root(), "g"));
  EXPECT_EQ(removed.status, Status::ok);
  EXPECT_TRUE(get_wcc(removed.in).before);
  EXPECT_EQ(ask(kGetattr, with_handle(file)).status, Status::stale);
  EXPECT_EQ(ask(kRmdir, with_name(root(), ".")).status, Status::inval);
}

TEST_F(Nfs3Procedures, SetattrGuard) {
  const Bytes file = make(root(), "f");
  const auto chmod = [&](files::TimeSpec guard) {
    BigWriter out = with_handle(file);
    NewAttributes attributes;
    attributes.mode = 0640;
    put_new_attributes(out, attributes);
    rpc::put_bool(out, true);
    out.u32(static_cast<std::uint32_t>(guard.seconds));
    out.u32(guard.nanos);
    return ask(kSetattr, out).status;
  };
  const files::TimeSpec now = stat(file).changed;
  EXPECT_EQ(chmod({now.seconds + 1, now.nanos}), Status::not_sync);
  EXPECT_EQ(chmod(now), Status::ok);
  EXPECT_EQ(stat(file).mode, 0640U);
  EXPECT_EQ(chmod(now), Status::not_sync);
}

TEST_F(Nfs3Procedures, TheOwnerReadsAndWritesWhateverTheMode) {
  uid = 1000;
  const Bytes file = make(root(), "f", 0000);
  EXPECT_EQ(ask(kWrite, write_call(file, 0, "mine")).status, Status::ok);
  EXPECT_EQ(content(file), "mine");
  const auto access = [&] {
    BigWriter out = with_handle(file);
    out.u32(0x3F);
    Results results = ask(kAccess, out);
    get_post_op(results.in);
    return results.in.u32();
  };
  EXPECT_EQ(access(), 0U) << "ACCESS tells the rights as they are";
  uid = 1001;
  EXPECT_EQ(ask(kWrite, write_call(file, 0, "no")).status, Status::access);
  EXPECT_EQ(content(file), "status 13");
  uid = 0;
  EXPECT_EQ(access() & 0x0D, 0x0DU);
}

TEST_F(Nfs3Procedures, SquashReadOnlyAndClients) {
  files::MemoryOptions options;
  options.root_mode = 0777;
  options.export_id = 2;
  options.seed = 2;
  share("squashed", options, [](nfs3::Export& one) { one.squash = nfs3::Squash::root; });
  options.export_id = 3;
  options.seed = 3;
  share("fixed", options, [](nfs3::Export& one) {
    one.read_only = true;
    one.clients.push_back(*nfs3::AddressRange::parse("10.0.0.0/24"));
  });
  EXPECT_EQ(stat(make(root("squashed"), "f")).uid, 65534U);
  BigWriter out = with_name(root("fixed"), "f");
  out.u32(0);
  put_new_attributes(out, {});
  EXPECT_EQ(ask(kCreate, out).status, Status::rofs);
  BigWriter access = with_handle(root("fixed"));
  access.u32(0x3F);
  Results results = ask(kAccess, access);
  get_post_op(results.in);
  EXPECT_EQ(results.in.u32(), 0x03U);
  from = "10.0.1.5";
  EXPECT_EQ(ask(kGetattr, with_handle(root("fixed"))).status, Status::access);
}

TEST_F(Nfs3Procedures, ReaddirPagesThroughEverything) {
  std::set<std::string> expected{".", ".."};
  for (int i = 0; i < 300; ++i) {
    expected.insert("file-number-" + std::to_string(i));
    make(root(), "file-number-" + std::to_string(i));
  }
  for (const bool plus : {false, true}) {
    std::set<std::string> names;
    std::uint64_t cookie = 0, verifier = 0;
    int pages = 0;
    for (bool end = false; !end; ++pages) {
      ASSERT_LT(pages, 200);
      BigWriter out = with_handle(root());
      out.u64(cookie);
      out.u64(verifier);
      if (plus) out.u32(2048);
      out.u32(4096);
      Results results = ask(plus ? kReaddirplus : kReaddir, out);
      ASSERT_EQ(results.status, Status::ok);
      ASSERT_LE(results.message.size(), 4096 + rpc::kReplyHeaderSize);
      get_post_op(results.in);
      verifier = results.in.u64();
      while (rpc::get_bool(results.in)) {
        results.in.u64();
        EXPECT_TRUE(names.insert(rpc::get_string(results.in, 255)).second);
        cookie = results.in.u64();
        if (plus) {
          EXPECT_TRUE(get_post_op(results.in).there);
          ASSERT_TRUE(rpc::get_bool(results.in));
          rpc::get_bytes(results.in, 64);
        }
      }
      end = rpc::get_bool(results.in);
      ASSERT_TRUE(results.in.ok());
    }
    EXPECT_EQ(names, expected);
    EXPECT_GT(pages, 2);
  }
  BigWriter stale = with_handle(root());
  stale.u64(5);
  stale.u64(12345);
  stale.u32(4096);
  EXPECT_EQ(ask(kReaddir, stale).status, Status::bad_cookie);
  BigWriter small = with_handle(root());
  small.u64(0);
  small.u64(0);
  small.u32(64);
  EXPECT_EQ(ask(kReaddir, small).status, Status::toosmall);
}

TEST_F(Nfs3Procedures, FileSystemQueries) {
  Results info = ask(kFsinfo, with_handle(root()));
  ASSERT_EQ(info.status, Status::ok);
  EXPECT_EQ(ask(kFsstat, with_handle(root())).status, Status::ok);
  EXPECT_EQ(ask(kPathconf, with_handle(root())).status, Status::ok);
  EXPECT_FALSE(ask(kFsinfo, BigWriter()).answered);
}

TEST_F(Nfs3Procedures, EveryProcedureSurvivesEveryPrefixOfItsArguments) {
  const Bytes file = make(root(), "f");
  for (std::uint32_t procedure = 1; procedure <= kCommit; ++procedure) {
    BigWriter full = with_name(root(), "x");
    for (int i = 0; i < 16; ++i) full.u32(1);
    for (std::size_t size = 0; size < full.size(); size += 3) {
      BigWriter part(Bytes(full.buffer().begin(), full.buffer().begin() + static_cast<long>(size)));
      Results results;
      send(procedure, part, results);
      EXPECT_FALSE(results.message.empty()) << procedure << " " << size;
    }
  }
}

TEST_F(Nfs3Procedures, Mount) {
  const Bytes dir = make_dir(root(), "sub");
  const auto mount_path = [&](const std::string& path, std::uint32_t version = 3) {
    BigWriter out;
    rpc::put_string(out, path);
    Results results;
    send_to(mount::kProgram, version, 1, out, results);
    open(results);
    return results;
  };
  Results mounted = mount_path("/data");
  ASSERT_EQ(mounted.status, Status::ok);
  EXPECT_EQ(rpc::get_bytes(mounted.in, 64), root());
  EXPECT_EQ(mounted.in.u32(), 1U);
  EXPECT_EQ(mounted.in.u32(), rpc::kAuthSys);
  Results below = mount_path("/data//sub/");
  EXPECT_EQ(rpc::get_bytes(below.in, 64), dir);
  EXPECT_EQ(mount_path("/nothing").status, Status::noent);
  EXPECT_EQ(mount_path("/data/nothing").status, Status::noent);
  EXPECT_EQ(mount_path("/").status, Status::noent);
  EXPECT_EQ(mount_path("/data/../x").status, Status::inval);
  EXPECT_EQ(mount_path("/data", 1).status, Status::access) << "no handles of version 2";
  EXPECT_EQ(mount.mounted().size(), 2U);
  Results gone;
  send_to(mount::kProgram, 1, 4, BigWriter(), gone);
  EXPECT_TRUE(mount.mounted().empty());
  Results list;
  send_to(mount::kProgram, 3, 5, BigWriter(), list);
  BigReader in(ByteView(list.message).subspan(rpc::kReplyHeaderSize));
  EXPECT_TRUE(rpc::get_bool(in));
  EXPECT_EQ(rpc::get_string(in, 100), "/data");
}

}  // namespace
}  // namespace lockstep::wire::rpc_test::nfs3_tests
