// An NFSv3 and MOUNT server over files in memory, driven by bytes: the world of the nfs3 tests.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "shell/files/memory_files.hpp"
#include "shell/wire/mount/mount.hpp"
#include "shell/wire/nfs3/program.hpp"
#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::rpc_test {

enum Proc : std::uint32_t {
  kGetattr = 1,
  kSetattr,
  kLookup,
  kAccess,
  kReadlink,
  kRead,
  kWrite,
  kCreate,
  kMkdir,
  kSymlink,
  kMknod,
  kRemove,
  kRmdir,
  kRename,
  kLink,
  kReaddir,
  kReaddirplus,
  kFsstat,
  kFsinfo,
  kPathconf,
  kCommit,
};

/// Results of a call, after the RPC header; reads on from the status.
struct Results {
  Bytes message;
  BigReader in{ByteView{}};
  nfs3::Status status = nfs3::Status::serverfault;
  bool answered = false;
};

struct PostOp {
  bool there = false;
  std::uint32_t type = 0, mode = 0, links = 0, uid = 0, gid = 0;
  std::uint64_t size = 0, node = 0;
  files::TimeSpec changed;
};

inline PostOp get_attributes(BigReader& in) {
  PostOp a;
  a.there = true;
  a.type = in.u32();
  a.mode = in.u32();
  a.links = in.u32();
  a.uid = in.u32();
  a.gid = in.u32();
  a.size = in.u64();
  in.skip(8 + 8 + 8);
  a.node = in.u64();
  in.skip(16);
  a.changed = nfs3::get_time(in);
  return a;
}
inline PostOp get_post_op(BigReader& in) {
  return rpc::get_bool(in) ? get_attributes(in) : PostOp{};
}
/// Whether the attributes before were there, and those after.
inline std::pair<bool, PostOp> get_wcc(BigReader& in) {
  const bool before = rpc::get_bool(in);
  if (before) in.skip(24);
  return {before, get_post_op(in)};
}

struct NewAttributes {
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::uint64_t> size;
  int mtime = 0;  ///< 0 keep, 1 now
};
inline void put_new_attributes(BigWriter& out, const NewAttributes& a) {
  const auto put = [&](const std::optional<std::uint32_t>& value) {
    rpc::put_bool(out, value.has_value());
    if (value) out.u32(*value);
  };
  put(a.mode);
  put(a.uid);
  put(a.gid);
  rpc::put_bool(out, a.size.has_value());
  if (a.size) out.u64(*a.size);
  out.u32(0);
  out.u32(static_cast<std::uint32_t>(a.mtime));
}

class Nfs3World : public testing::Test {
 protected:
  Nfs3World() {
    files::MemoryOptions options;
    options.root_mode = 0777;
    share("data", options, [](nfs3::Export&) {});
    dispatcher.add(program);
    dispatcher.add(mount);
  }
  ~Nfs3World() override {
    while (!coordinator.held.empty()) coordinator.answer(core::Status::cancelled);
  }
  template <class Change>
  void share(std::string name, files::MemoryOptions options, Change change) {
    nfs3::Export one;
    one.name = std::move(name);
    one.files = files::memory_file_system(options);
    one.squash = nfs3::Squash::none;
    change(one);
    exports.add(std::move(one));
  }

  Bytes root(const std::string& name = "data") {
    const nfs3::ExportRef one = exports.find(name);
    return one->files->handle(one->files->root());
  }
  Results ask(std::uint32_t procedure, const BigWriter& arguments) {
    Results results;
    send(procedure, arguments, results);
    open(results);
    return results;
  }
  /// For calls that are held: the reply lands in `results.message`.
  void send(std::uint32_t procedure, const BigWriter& arguments, Results& results) {
    send_to(nfs3::kProgram, 3, procedure, arguments, results);
  }
  void send_to(std::uint32_t number, std::uint32_t version, std::uint32_t procedure,
               const BigWriter& arguments, Results& results) {
    dispatcher.on_datagram(
        {from, 900}, {"10.0.0.1", 2049},
        call_message(++xid, number, version, procedure, arguments.buffer(), uid, gid),
        [&results](Bytes message) { results.message = std::move(message); });
  }
  static void open(Results& results) {
    const rpc::ParsedReply parsed = rpc::parse_reply(results.message);
    results.answered = parsed.valid && parsed.status == rpc::AcceptStatus::success;
    results.in = BigReader(ByteView(results.message).subspan(parsed.results));
    if (results.answered) results.status = static_cast<nfs3::Status>(results.in.u32());
  }

  static BigWriter with_handle(const Bytes& handle) {
    BigWriter out;
    rpc::put_opaque(out, handle);
    return out;
  }
  static BigWriter with_name(const Bytes& dir, const std::string& name) {
    BigWriter out = with_handle(dir);
    rpc::put_string(out, name);
    return out;
  }

  // Shorthands that expect success.
  Bytes make(const Bytes& dir, const std::string& name, std::uint32_t mode = 0644) {
    BigWriter out = with_name(dir, name);
    out.u32(0);
    NewAttributes attributes;
    attributes.mode = mode;
    put_new_attributes(out, attributes);
    return created(ask(kCreate, out));
  }
  Bytes make_dir(const Bytes& dir, const std::string& name, std::uint32_t mode = 0755) {
    BigWriter out = with_name(dir, name);
    NewAttributes attributes;
    attributes.mode = mode;
    put_new_attributes(out, attributes);
    return created(ask(kMkdir, out));
  }
  Bytes created(Results results) {
    EXPECT_EQ(results.status, nfs3::Status::ok);
    if (results.status != nfs3::Status::ok || !rpc::get_bool(results.in)) return {};
    return rpc::get_bytes(results.in, 64);
  }
  BigWriter write_call(const Bytes& file, std::uint64_t offset, const std::string& data,
                       std::uint32_t stable = 2) {
    BigWriter out = with_handle(file);
    out.u64(offset);
    out.u32(static_cast<std::uint32_t>(data.size()));
    out.u32(stable);
    rpc::put_string(out, data);
    return out;
  }
  BigWriter read_call(const Bytes& file, std::uint64_t offset, std::uint32_t count) {
    BigWriter out = with_handle(file);
    out.u64(offset);
    out.u32(count);
    return out;
  }
  std::string content(const Bytes& file, std::uint64_t offset = 0, std::uint32_t count = 1 << 20) {
    Results results = ask(kRead, read_call(file, offset, count));
    if (results.status != nfs3::Status::ok) {
      return "status " + std::to_string(static_cast<std::uint32_t>(results.status));
    }
    get_post_op(results.in);
    results.in.skip(8);
    return rpc::get_string(results.in, 1 << 20);
  }
  nfs3::Status look(const Bytes& dir, const std::string& name) {
    return ask(kLookup, with_name(dir, name)).status;
  }
  PostOp stat(const Bytes& file) {
    Results results = ask(kGetattr, with_handle(file));
    EXPECT_EQ(results.status, nfs3::Status::ok);
    return results.status == nfs3::Status::ok ? get_attributes(results.in) : PostOp{};
  }

  HandClock clock;
  YesCoordinator coordinator;
  nfs3::Exports exports;
  nfs3::Program program{coordinator, clock, exports};
  mount::Mount mount{exports};
  rpc::Dispatcher dispatcher{clock};
  std::uint32_t xid = 0;
  std::uint32_t uid = 0, gid = 0;
  std::string from = "10.0.0.5";
};

}  // namespace lockstep::wire::rpc_test
