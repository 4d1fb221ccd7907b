// The world of the ONC RPC tests: a clock that is moved by hand, peers that keep what is sent, and
// a coordinator that says yes unless told otherwise and remembers what it was asked.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shell/wire/ports.hpp"
#include "shell/wire/rpc/dispatcher.hpp"
#include "shell/wire/rpc/message.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::rpc_test {

class HandClock final : public Clock {
 public:
  core::Nanos now() const override { return now_; }
  std::int64_t wall_nanos() const override { return 1'700'000'000'000'000'000; }
  std::function<void()> at(core::Nanos when, std::function<void()> action) override {
    const auto key = std::pair(when, next_++);
    timers_.emplace(key, std::move(action));
    return [this, key] { timers_.erase(key); };
  }
  void advance(core::Nanos by) {
    const core::Nanos until = now_ + by;
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto node = timers_.extract(timers_.begin());
      now_ = std::max(now_, node.key().first);
      node.mapped()();
    }
    now_ = until;
  }
  std::size_t timers() const { return timers_.size(); }

 private:
  core::Nanos now_ = core::kSecond;
  std::uint64_t next_ = 0;
  std::map<std::pair<core::Nanos, std::uint64_t>, std::function<void()>> timers_;
};

class KeepingPeer final : public Peer {
 public:
  explicit KeepingPeer(std::string host, std::uint16_t port = 700)
      : remote_{std::move(host), port} {}
  void send(Bytes message) override {
    if (!closed) sent.push_back(std::move(message));
  }
  void close() override { closed = true; }
  void hold_reading(bool hold) override { held = hold; }
  const Address& remote() const override { return remote_; }
  const Address& local() const override { return local_; }

  std::vector<Bytes> sent;
  bool closed = false;
  bool held = false;

 private:
  Address remote_;
  Address local_{"10.0.0.1", 2049};
};

/// Answers requests with `ok`, or holds those that `hold` says until `answer` is called.
class YesCoordinator final : public Coordinator {
 public:
  core::RequestId new_request() override { return core::RequestId{++last_request_}; }
  void submit(core::EventBody event, core::RequestId request, ReplySink& sink) override {
    events.push_back(event);
    if (const auto* arrived = std::get_if<core::ClientArrived>(&event)) {
      auto [at, fresh] = clients.try_emplace({arrived->protocol, arrived->identity},
                                             core::ClientId{clients.size() + 1});
      (void)fresh;
      reply(sink, request, core::Status::ok, core::ClientReply{at->second, !fresh});
      return;
    }
    if (hold) {
      held.push_back({request, &sink});
      sink.on_parked();
      return;
    }
    reply(sink, request, next_status(), next_body());
  }
  void report(core::EventBody event) override { events.push_back(std::move(event)); }
  void attach(core::ClientId client, ClientSink& sink) override { sinks[client] = &sink; }
  void detach(core::ClientId client, ClientSink& sink) override {
    const auto at = sinks.find(client);
    if (at != sinks.end() && at->second == &sink) sinks.erase(at);
  }
  bool in_grace() const override { return grace; }
  std::uint64_t epoch() const override { return 77; }

  void answer(core::Status status, core::ReplyBody body = {}) {
    const auto [request, sink] = held.front();
    held.pop_front();
    reply(*sink, request, status, std::move(body));
  }
  template <class E>
  std::vector<E> all() const {
    std::vector<E> found;
    for (const core::EventBody& event : events) {
      if (const E* one = std::get_if<E>(&event)) found.push_back(*one);
    }
    return found;
  }

  std::vector<core::EventBody> events;
  std::map<std::pair<core::Protocol, std::string>, core::ClientId> clients;
  std::map<core::ClientId, ClientSink*> sinks;
  std::deque<std::pair<core::RequestId, ReplySink*>> held;
  std::deque<std::pair<core::Status, core::ReplyBody>> answers;  ///< of the next requests
  bool hold = false;
  bool grace = false;

 private:
  core::Status next_status() const {
    return answers.empty() ? core::Status::ok : answers.front().first;
  }
  core::ReplyBody next_body() {
    if (answers.empty()) return {};
    core::ReplyBody body = std::move(answers.front().second);
    answers.pop_front();
    return body;
  }
  static void reply(ReplySink& sink, core::RequestId request, core::Status status,
                    core::ReplyBody body) {
    core::Reply made;
    made.request = request;
    made.status = status;
    made.body = std::move(body);
    sink.on_reply(std::move(made));
  }
  std::uint64_t last_request_ = 0;
};

/// A call message of AUTH_SYS.
inline Bytes call_message(std::uint32_t xid, std::uint32_t program, std::uint32_t version,
                          std::uint32_t procedure, const Bytes& arguments = {},
                          std::uint32_t uid = 1000, std::uint32_t gid = 1000) {
  rpc::CallHeader header;
  header.xid = xid;
  header.program = program;
  header.version = version;
  header.procedure = procedure;
  header.credential.flavor = rpc::kAuthSys;
  header.credential.uid = uid;
  header.credential.gid = gid;
  header.credential.machine = "client";
  BigWriter out;
  rpc::put_call(out, header);
  out.bytes(arguments);
  return out.take();
}

}  // namespace lockstep::wire::rpc_test
