// The world around an SMB connection in tests: ports by hand, file commands that the test scripts.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shell/wire/ports.hpp"
#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/file_service.hpp"
#include "shell/wire/smb2/ntlm/acceptor.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2::test {

class TestPeer final : public Peer {
 public:
  void send(Bytes message) override {
    if (!closed) sent.push_back(std::move(message));
  }
  void close() override { closed = true; }
  const Address& remote() const override { return remote_; }
  const Address& local() const override { return local_; }
  std::deque<Bytes> sent;
  bool closed = false;

 private:
  Address remote_{"192.0.2.7", 50'000}, local_{"192.0.2.1", 445};
};

class TestClock final : public Clock {
 public:
  core::Nanos now() const override { return time; }
  std::int64_t wall_nanos() const override { return 1'700'000'000'000'000'000; }
  std::function<void()> at(core::Nanos when, std::function<void()> action) override {
    const std::uint64_t key = ++timers_;
    due[key] = {when, std::move(action)};
    return [this, key] { due.erase(key); };
  }
  /// Lets time pass and runs what has become due.
  void pass(core::Nanos span) {
    time += span;
    while (true) {
      const auto found =
          std::ranges::find_if(due, [&](const auto& entry) { return entry.second.first <= time; });
      if (found == due.end()) return;
      const std::function<void()> action = std::move(found->second.second);
      due.erase(found);
      action();
    }
  }
  core::Nanos time = 5 * core::kSecond;
  std::map<std::uint64_t, std::pair<core::Nanos, std::function<void()>>> due;

 private:
  std::uint64_t timers_ = 0;
};

/// Knows clients by identity, and remembers what it was told, in order.
class TestCoordinator final : public Coordinator {
 public:
  core::RequestId new_request() override { return {++requests_}; }
  void submit(core::EventBody event, core::RequestId id, ReplySink& sink) override {
    const auto& arrived = std::get<core::ClientArrived>(event);
    log.push_back("arrived " + std::to_string(arrived.identity.size()));
    core::Reply reply;
    reply.request = id;
    if (full) {
      reply.status = core::Status::limit;
    } else {
      const auto [at, fresh] = ids_.try_emplace(arrived.identity, ids_.size() + 1);
      reply.body = core::ClientReply{core::ClientId{at->second}, !fresh};
    }
    if (hold)
      held.push_back([&sink, reply] { sink.on_reply(reply); });
    else
      sink.on_reply(reply);
  }
  void report(core::EventBody event) override {
    if (const auto* left = std::get_if<core::ClientLeft>(&event)) {
      log.push_back("left " + std::to_string(left->client.value));
    }
  }
  void attach(core::ClientId client, ClientSink&) override {
    log.push_back("attach " + std::to_string(client.value));
  }
  void detach(core::ClientId client, ClientSink&) override {
    log.push_back("detach " + std::to_string(client.value));
  }
  bool in_grace() const override { return false; }
  std::uint64_t epoch() const override { return 1; }

  std::vector<std::string> log;
  bool full = false, hold = false;
  std::vector<std::function<void()>> held;

 private:
  std::uint64_t requests_ = 0;
  std::map<std::string, std::uint64_t> ids_;
};

/// CREATE makes handles, READ gives bytes, LOCK waits until the test lets it go, FLUSH says what
/// FileId it was asked for.
class TestFiles final : public FileService, public ClientSink {
 public:
  Task<Response> handle(Request& request) override {
    log.push_back("command " + std::to_string(static_cast<int>(request.header.command)));
    LittleReader in(request.body());
    switch (request.header.command) {
      case Command::create: {
        if (create_waits) co_await wait(request);
        if (request.cancelled()) co_return NtStatus::cancelled;
        if (create_status != NtStatus::success) co_return create_status;
        const FileHandle made{++handles_, 7};
        request.set_file(made);
        LittleWriter out;
        out.u16(89);
        out.zeros(62);
        write_handle(out, made);
        out.zeros(8);
        co_return Response(out.take());
      }
      case Command::close:
        in.skip(8);
        break;
      case Command::flush:
        in.skip(8);
        break;
      case Command::read: {
        Response response;
        LittleWriter out;
        const std::uint32_t size =
            detail::load<std::endian::little, std::uint32_t>(request.body().data() + 4);
        out.u16(17);
        out.u8(80);
        out.u8(0);
        out.u32(size);
        out.u64(0);
        response.body = out.take();
        response.payload = Bytes(size, 0x5A);
        co_return response;
      }
      case Command::lock: {
        co_await wait(request);
        if (request.cancel_reason() == CancelReason::asked) co_return NtStatus::cancelled;
        if (request.cancelled()) co_return NtStatus::range_not_locked;
        LittleWriter out;
        out.u16(4);
        out.u16(0);
        co_return Response(out.take());
      }
      case Command::query_info: {
        Response response(NtStatus::buffer_too_small);
        response.error_data = {1, 2, 3, 4};
        co_return response;
      }
      default:
        co_return NtStatus::not_supported;
    }
    const FileHandle file = request.file(read_handle(in));
    asked.push_back(file);
    if (file == FileHandle::inherit()) co_return NtStatus::file_closed;
    LittleWriter out;
    out.u16(4);
    out.u16(0);
    co_return Response(out.take());
  }
  Task<Response> handle_fsctl(Request&, std::uint32_t code, FileHandle file, ByteView input,
                              std::uint32_t) override {
    asked.push_back(file);
    if (code != 0x000900C0) co_return NtStatus::invalid_device_request;
    Response response;
    response.payload.assign(input.begin(), input.end());
    co_return response;
  }
  Task<void> close_session(SessionRef session) override {
    log.push_back("close_session " + session->identity().user);
    if (close_waits) co_await close_gate.wait();
    log.push_back("closed");
  }
  Task<void> close_tree(SessionRef, TreeRef tree) override {
    log.push_back("close_tree " + tree->share().name);
    co_return;
  }
  ClientSink& client_sink() override { return *this; }
  void on_break(const core::SendBreak&) override {}
  std::size_t open_count(const Session&) const override { return 0; }

  /// Lets the request that has waited longest go on.
  void release() {
    const auto first = waiting_.begin();
    const std::shared_ptr<Gate> gate = first->second;
    waiting_.erase(first);
    gate->open();
  }
  std::size_t waiting() const { return waiting_.size(); }

  std::vector<std::string> log;
  std::vector<FileHandle> asked;
  NtStatus create_status = NtStatus::success;
  bool create_waits = false, close_waits = false;
  Gate close_gate;

 private:
  Task<void> wait(Request& request) {
    const auto gate = std::make_shared<Gate>();
    const std::uint64_t key = ++waits_;
    waiting_.emplace(key, gate);
    request.on_cancel([this, key, gate](CancelReason) {
      waiting_.erase(key);
      gate->open();
    });
    request.go_async();
    co_await gate->wait();
  }
  std::map<std::uint64_t, std::shared_ptr<Gate>> waiting_;
  std::uint64_t handles_ = 100, waits_ = 0;
};

/// A server with one user ("Alice", "secret"), and the shares "data", "Locked" (encrypted) and
/// "private" (nobody's).
struct World {
  TestCoordinator coordinator;
  TestClock clock;
  TestFiles files;
  std::unique_ptr<Server> server;

  explicit World(Options options = {}) {
    options.random = [state = std::uint8_t{1}](std::span<std::uint8_t> out) mutable {
      for (std::uint8_t& byte : out) {
        state = static_cast<std::uint8_t>(state * 5 + 3);
        byte = state;
      }
    };
    std::vector<ShareRef> shares;
    const auto share = [&](std::string name, auto change) {
      Share made;
      made.name = std::move(name);
      change(made);
      shares.push_back(std::make_shared<const Share>(std::move(made)));
    };
    share("data", [](Share& made) { made.guests = true; });
    share("Locked", [](Share& made) { made.encrypt = true; });
    share("private", [](Share& made) { made.users = {"Bob"}; });
    share("ro", [](Share& made) { made.read_only = true; });
    std::vector<User> users;
    users.push_back({"Alice", ntlm::nt_hash("secret"), {1000, 1000, {}}});
    users.push_back({"Bob", ntlm::nt_hash("builder"), {1001, 1001, {}}});
    server = std::make_unique<Server>(std::move(options), std::move(shares), std::move(users),
                                      coordinator, clock);
    server->set_file_service(files);
  }
};

}  // namespace lockstep::wire::smb2::test
