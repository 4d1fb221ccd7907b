#include "shell/recording/recorder.hpp"

#include <utility>

#include "shell/recording/lines.hpp"

namespace lockstep::recording {

namespace {

template <class T>
Json lines_of(const std::vector<T>& all) {
  Json lines = Json::array();
  for (const T& each : all) {
    if (Json line = line_of(each); !line.is_null()) lines.push_back(std::move(line));
  }
  return lines;
}

/// Time and clients have to do with every file.
bool touches_all(const core::EventBody& body) {
  return std::holds_alternative<core::Tick>(body) ||
         std::holds_alternative<core::ClientLeft>(body) ||
         std::holds_alternative<core::HostRebooted>(body) ||
         std::holds_alternative<core::ReclaimCompleted>(body) ||
         std::holds_alternative<core::JournalChanged>(body);
}

}  // namespace

void Recorder::began(core::Nanos now, std::uint64_t run, const core::Machine& machine) {
  opens_.clear();
  requests_.clear();
  views_.clear();
  Json files = Json::array();
  for (const core::FileId file : machine.files()) {
    core::FileView view = machine.view(file);
    files.push_back(line_of(view));
    look_at(file, std::move(view));
  }
  const Json line{{"run", run},
                  {"now", now},
                  {"limits", line_of(machine.limits())},
                  {"clients", lines_of(machine.clients())},
                  {"files", std::move(files)}};
  out_ << line.dump() << std::endl;
}

void Recorder::after_step(const core::Event& event, const core::Effects& effects,
                          const core::Machine& machine) {
  Json files = Json::array();
  for (const core::FileId file : touched(event, effects, machine)) {
    core::FileView view = machine.view(file);
    files.push_back(line_of(view));
    look_at(file, std::move(view));
  }
  const Json line{{"now", event.now},
                  {"event", line_of(event.body)},
                  {"effects", lines_of(effects)},
                  {"files", std::move(files)}};
  out_ << line.dump() << std::endl;
}

std::set<core::FileId> Recorder::touched(const core::Event& event, const core::Effects& effects,
                                         const core::Machine& machine) const {
  std::set<core::FileId> files;
  const auto of_open = [&](core::OpenId open) {
    if (const auto at = opens_.find(open); at != opens_.end()) files.insert(at->second);
  };
  const auto of_request = [&](core::RequestId request) {
    if (const auto at = requests_.find(request); at != requests_.end()) {
      files.insert(at->second.begin(), at->second.end());
    }
  };
  const auto add = [&](const auto& body) {
    if constexpr (requires { body.target.file; }) {
      files.insert(body.target.file);
      for (const core::Target& other : body.others) files.insert(other.file);
    } else if constexpr (requires { body.target; }) {
      of_request(body.target);
    }
    if constexpr (requires { body.file; }) files.insert(body.file);
    if constexpr (requires { body.open; }) of_open(body.open);
    if constexpr (requires { body.request; }) of_request(body.request);
    if constexpr (requires { body.grant; }) of_request(body.grant);
  };
  std::visit(add, event.body);
  bool all = touches_all(event.body);
  for (const core::Effect& effect : effects) {
    std::visit(add, effect);
    all = all || std::holds_alternative<core::GraceEnded>(effect);
  }
  if (const auto* ack = std::get_if<core::BreakAcknowledged>(&event.body)) {
    for (const core::FileView& view : machine.view_of(ack->client)) files.insert(view.file);
  }
  if (!all) return files;
  for (const auto& [file, view] : views_) files.insert(file);
  for (const core::FileId file : machine.files()) files.insert(file);
  return files;
}

/// Remembers what is on the file now, and forgets what was.
void Recorder::look_at(core::FileId file, core::FileView view) {
  core::FileView& last = views_[file];
  const auto each_request = [](const core::FileView& of, const auto& call) {
    for (const core::WaiterView& waiter : of.waiters) call(waiter.request);
    for (const core::AccessView& access : of.accesses) call(access.request);
    for (const core::GrantView& grant : of.grants) call(grant.grant);
  };
  for (const core::OpenView& open : last.opens) opens_.erase(open.open);
  each_request(last, [&](core::RequestId request) {
    const auto at = requests_.find(request);
    if (at != requests_.end() && at->second.erase(file) != 0 && at->second.empty()) {
      requests_.erase(at);
    }
  });
  last = std::move(view);
  for (const core::OpenView& open : last.opens) opens_[open.open] = file;
  each_request(last, [&](core::RequestId request) { requests_[request].insert(file); });
  const bool bare = last.opens.empty() && last.locks.empty() && last.rights.empty() &&
                    last.waiters.empty() && last.accesses.empty() && last.grants.empty();
  if (bare) views_.erase(file);
}

}  // namespace lockstep::recording
