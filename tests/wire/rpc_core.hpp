// A coordinator over the real core, everything at once and in order: for wire tests that need its
// decisions.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "core/machine.hpp"
#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::rpc_test {

class CoreCoordinator final : public Coordinator {
 public:
  explicit CoreCoordinator(HandClock& clock, core::Limits limits = {})
      : clock_(clock), machine_(limits) {
    core::Effects effects;
    machine_.recover({}, 1, clock_.now(), effects);
  }

  core::RequestId new_request() override { return core::RequestId{++last_request_}; }
  void submit(core::EventBody event, core::RequestId request, ReplySink& sink) override {
    sinks_[request] = &sink;
    apply(std::move(event));
  }
  void report(core::EventBody event) override { apply(std::move(event)); }
  void attach(core::ClientId client, ClientSink& sink) override { clients_[client] = &sink; }
  void detach(core::ClientId client, ClientSink& sink) override {
    const auto at = clients_.find(client);
    if (at != clients_.end() && at->second == &sink) clients_.erase(at);
  }
  bool in_grace() const override { return machine_.view().grace; }
  std::uint64_t epoch() const override { return 1; }

  /// Applies what is due.
  void tick() { apply(core::Tick{}); }
  core::Machine& machine() { return machine_; }
  /// Breaks for clients without a sink.
  std::vector<core::SendBreak> breaks;

 private:
  // Effects of one event are carried out before the next event is applied, as a server does it.
  void apply(core::EventBody body) {
    events_.push_back(std::move(body));
    if (busy_) return;
    busy_ = true;
    while (!events_.empty()) {
      core::Event event;
      event.now = clock_.now();
      event.body = std::move(events_.front());
      events_.pop_front();
      core::Effects effects;
      machine_.apply(event, effects);
      for (const core::Effect& effect : effects) carry_out(effect);
    }
    busy_ = false;
  }
  void carry_out(const core::Effect& effect) {
    if (const auto* reply = std::get_if<core::Reply>(&effect)) {
      const auto at = sinks_.find(reply->request);
      if (at == sinks_.end()) return;
      ReplySink* sink = at->second;
      sinks_.erase(at);
      sink->on_reply(*reply);
    } else if (const auto* parked = std::get_if<core::Parked>(&effect)) {
      if (sinks_.contains(parked->request)) sinks_[parked->request]->on_parked();
    } else if (const auto* granted = std::get_if<core::NotifyGranted>(&effect)) {
      if (ClientSink* sink = sink_of(granted->client)) sink->on_granted(*granted);
    } else if (const auto* stop = std::get_if<core::StopNotifying>(&effect)) {
      if (ClientSink* sink = sink_of(stop->client)) sink->on_stop_notifying(stop->grant);
    } else if (const auto* notice = std::get_if<core::SendBreak>(&effect)) {
      if (ClientSink* sink = sink_of(notice->client))
        sink->on_break(*notice);
      else
        breaks.push_back(*notice);
    }
  }
  ClientSink* sink_of(core::ClientId client) {
    const auto at = clients_.find(client);
    return at == clients_.end() ? nullptr : at->second;
  }

  HandClock& clock_;
  core::Machine machine_;
  std::uint64_t last_request_ = 0;
  std::map<core::RequestId, ReplySink*> sinks_;
  std::map<core::ClientId, ClientSink*> clients_;
  std::deque<core::EventBody> events_;
  bool busy_ = false;
};

}  // namespace lockstep::wire::rpc_test
