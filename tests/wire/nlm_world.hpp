// A lock manager over the real core and files in memory: the world of the nlm tests.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "shell/files/memory_files.hpp"
#include "shell/wire/nlm/program.hpp"
#include "shell/wire/nsm/nsm.hpp"
#include "sim/wire/nfs3_messages.hpp"
#include "tests/wire/rpc_core.hpp"
#include "tests/wire/rpc_dialler.hpp"

namespace lockstep::wire::rpc_test {

/// One process on one host, as NLM sees it.
struct Locker {
  std::string host = "10.0.0.5";
  std::string name = "alpha";
  std::int32_t svid = 1;
  std::string oh = "1@alpha";
};

class NlmWorld : public testing::Test {
 protected:
  NlmWorld() {
    files::MemoryOptions options;
    options.root_mode = 0777;
    nfs3::Export one;
    one.name = "data";
    one.files = files::memory_file_system(options);
    exports.add(std::move(one));
    dispatcher.add(program);
    dispatcher.add(monitor);
    handle = make("f");
  }

  /// What waits for clients ends with the server.
  ~NlmWorld() override { client.interrupt(); }

  Bytes make(const std::string& name) {
    Bytes made;
    spawn(make_file(name, made));
    return made;
  }
  Task<void> make_file(std::string name, Bytes& made) {
    const nfs3::ExportRef of = exports.list().front();
    files::CreateOptions options;
    const files::Credentials root{0, 0, {}};
    const auto found = co_await of->files->create(root, of->files->root(), name, options);
    made = of->files->handle(found->second.node);
  }
  core::FileId id() {
    core::FileId found;
    spawn(find_id(found));
    return found;
  }
  Task<void> find_id(core::FileId& found) {
    const nfs3::Located located = co_await exports.locate(handle, "10.0.0.5");
    found = located.node->id();
  }

  nlm::LockCall args(const Locker& who, std::uint64_t offset, std::uint64_t length,
                     bool exclusive = true) {
    nlm::LockCall call;
    call.cookie = Bytes{1, 2, 3, 4, 5};
    call.exclusive = exclusive;
    call.lock.caller = who.name;
    call.lock.handle = handle;
    call.lock.svid = who.svid;
    const ByteView oh = as_bytes(who.oh);
    call.lock.oh.assign(oh.begin(), oh.end());
    call.lock.offset = offset;
    call.lock.length = length;
    return call;
  }
  /// The reply's message; empty while the call is held.
  std::shared_ptr<Bytes> send(const std::string& host, std::uint32_t number, std::uint32_t version,
                              std::uint32_t procedure, const BigWriter& arguments) {
    auto reply = std::make_shared<Bytes>();
    dispatcher.on_datagram({host, 900}, {"10.0.0.1", 4045},
                           call_message(++xid, number, version, procedure, arguments.buffer()),
                           [reply](Bytes message) { *reply = std::move(message); });
    return reply;
  }
  std::shared_ptr<Bytes> send(const Locker& who, std::uint32_t procedure, const nlm::LockCall& call,
                              std::uint32_t version = 4) {
    return send(who.host, nlm::kProgram, version, procedure,
                sim::nlm_call(procedure, call, version));
  }
  static std::optional<nlm::Status> status(const Bytes& reply, const Bytes& cookie) {
    if (reply.empty()) return std::nullopt;
    const rpc::ParsedReply parsed = rpc::parse_reply(reply);
    EXPECT_TRUE(parsed.valid && parsed.status == rpc::AcceptStatus::success);
    BigReader in(ByteView(reply).subspan(parsed.results));
    EXPECT_EQ(rpc::get_bytes(in, 1024), cookie) << "the cookie comes back whole";
    return static_cast<nlm::Status>(in.u32());
  }
  std::optional<nlm::Status> ask(const Locker& who, std::uint32_t procedure,
                                 const nlm::LockCall& call, std::uint32_t version = 4) {
    return status(*send(who, procedure, call, version), call.cookie);
  }
  std::optional<nlm::Status> lock(const Locker& who, std::uint64_t offset, std::uint64_t length,
                                  bool exclusive = true, bool block = false) {
    nlm::LockCall call = args(who, offset, length, exclusive);
    call.block = block;
    return ask(who, nlm::kLock, call);
  }
  std::optional<nlm::Status> unlock(const Locker& who, std::uint64_t offset, std::uint64_t length) {
    return ask(who, nlm::kUnlock, args(who, offset, length));
  }
  void pass(core::Nanos time) {
    clock.advance(time);
    coordinator.tick();
  }
  std::size_t locks() { return coordinator.machine().view(id()).locks.size(); }
  std::size_t waiters() { return coordinator.machine().view(id()).waiters.size(); }

  /// Answers the look-up that was sent last with this port.
  void answer_port(std::uint32_t port) {
    ASSERT_EQ(dialler.datagrams.back().to.port, 111);
    BigWriter out;
    out.u32(port);
    const auto datagram = dialler.datagrams.back();
    datagram.answer(std::move(out));
  }
  /// Answers the callback that was sent last as the client's lock manager does.
  void answer_granted(nlm::Status answer) {
    const auto datagram = dialler.datagrams.back();
    const rpc::ParsedCall call = datagram.call();
    ASSERT_EQ(call.header.procedure, nlm::kGranted);
    BigReader in(ByteView(datagram.payload).subspan(call.arguments));
    BigWriter out;
    rpc::put_opaque(out, rpc::get_bytes(in, 1024));
    out.u32(static_cast<std::uint32_t>(answer));
    datagram.answer(std::move(out));
  }

  HandClock clock;
  CoreCoordinator coordinator{clock};
  KeepingDialler dialler;
  rpc::Client client{clock, dialler, 1};
  nfs3::Exports exports;
  nlm::Program program{coordinator, clock, exports, client};
  nsm::Program monitor{
      5, [this](const std::string& name, const std::string& address, std::int32_t state) {
        program.hosts().rebooted(name, address, state);
      }};
  rpc::Dispatcher dispatcher{clock};
  Bytes handle;
  std::uint32_t xid = 0;
};

}  // namespace lockstep::wire::rpc_test
