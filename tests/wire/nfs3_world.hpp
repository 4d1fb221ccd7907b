// An NFSv3 and MOUNT server over files in memory, driven by bytes: the world of the nfs3 tests.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "shell/files/memory_files.hpp"
#include "shell/wire/mount/mount.hpp"
#include "shell/wire/nfs3/program.hpp"
#include "sim/wire/nfs3_messages.hpp"
#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::rpc_test {

using namespace sim;  // NOLINT: what a client says, under the names that the protocol has

/// Results of a call, after the RPC header; reads on from the status.
struct Results {
  Bytes message;
  BigReader in{ByteView{}};
  nfs3::Status status = nfs3::Status::serverfault;
  bool answered = false;
};

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
  static BigWriter write_call(const Bytes& file, std::uint64_t offset, const std::string& data,
                              std::uint32_t stable = kFileSync) {
    return sim::write_call(file, offset, data, stable);
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
