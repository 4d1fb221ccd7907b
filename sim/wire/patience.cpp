// Processes that wait for each other in a circle that no server can see: an SMB lock's owner is its
// open, so that nobody but the client knows that the one who waits on one file is the one who holds
// another. A person sees that nothing goes on and interrupts one of them, as with Ctrl-C.
//
// Who waits for whom is read off the server: a lock that waits waits for the holders of what it
// conflicts with, and for those who conflict with it and wait longer; and a process that waits does
// nothing else, so it gives back nothing. What such a circle is not must end by itself.
#include <algorithm>
#include <set>
#include <utility>

#include "sim/wire/world.hpp"

namespace lockstep::sim::wired {

namespace {

/// When somebody looks whether anything goes on.
constexpr Nanos kPatience = 20 * kSecond;

const Mark kCircle{Mark::Kind::sometimes, "wire", "processes wait for each other across files"};

using Graph = std::map<std::string, std::set<std::string>>;  ///< who waits, for whom

bool conflict(core::Range a, core::LockMode mode, core::Range b, core::LockMode other) {
  return a.overlaps(b) && (mode == core::LockMode::exclusive || other == core::LockMode::exclusive);
}

/// The circle that one gets into from `at`, if any.
std::vector<std::string> circle_from(const Graph& graph, const std::string& at,
                                     std::vector<std::string>& way, std::set<std::string>& seen) {
  const auto turn = std::ranges::find(way, at);
  if (turn != way.end()) return {turn, way.end()};
  const auto waits = graph.find(at);
  if (waits == graph.end() || !seen.insert(at).second) return {};
  way.push_back(at);
  for (const std::string& next : waits->second) {
    std::vector<std::string> found = circle_from(graph, next, way, seen);
    if (!found.empty()) return found;
  }
  way.pop_back();
  return {};
}

std::vector<std::string> circle_of(const Graph& graph) {
  std::set<std::string> seen;
  for (const auto& [who, whom] : graph) {
    std::vector<std::string> way;
    std::vector<std::string> found = circle_from(graph, who, way, seen);
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace

void World::watch_for_circles() {
  time_.put_after(kPatience, [this] {
    interrupt_circles();
    watch_for_circles();
  });
}

/// By the name of a process, as A.1.
std::optional<std::string> World::process_of(const core::ClientView& client, core::OpenId open,
                                             const std::string& owner) const {
  for (const auto& [name, member] : members_) {
    if (!member.client ||
        client.protocol != (member.setup.smb ? core::Protocol::smb : core::Protocol::nlm)) {
      continue;
    }
    if (const auto process = member.client->process_of(open, owner)) {
      return name + "." + std::to_string(*process);
    }
  }
  return std::nullopt;
}

void World::interrupt_circles() {
  if (!server_ || server_->dead()) return;
  const auto locking = [](const auto& entry) { return entry.second.doing.starts_with("lock"); };
  const bool waits = std::ranges::any_of(members_, [&](const auto& entry) {
    return std::ranges::any_of(entry.second.processes, locking);
  });
  if (!waits) return;
  const core::StateView view = server_->machine().view();
  std::map<core::ClientId, core::ClientView> clients;
  for (const core::ClientView& client : view.clients) clients[client.client] = client;
  Graph graph;
  std::map<std::string, Nanos> since;
  for (const core::FileView& file : view.files) {
    for (auto waiter = file.waiters.begin(); waiter != file.waiters.end(); ++waiter) {
      if (!waiter->queued) continue;
      const auto& [range, mode] = waiter->element;
      const auto who = process_of(clients[waiter->client], waiter->open, waiter->owner);
      if (!who) continue;
      since[*who] = waiter->since;
      const auto waits_for = [&](const auto& other, core::Range its, core::LockMode how) {
        const bool same = other.client == waiter->client && other.open == waiter->open &&
                          other.owner == waiter->owner;
        if (same || !conflict(range, mode, its, how)) return;
        const auto whom = process_of(clients[other.client], other.open, other.owner);
        if (whom) graph[*who].insert(*whom);
      };
      for (const core::LockView& lock : file.locks) waits_for(lock, lock.range, lock.mode);
      for (auto earlier = file.waiters.begin(); earlier != waiter; ++earlier) {
        if (earlier->queued) waits_for(*earlier, earlier->element.range, earlier->element.mode);
      }
    }
  }
  for (auto circle = circle_of(graph); !circle.empty(); circle = circle_of(graph)) {
    const std::string last = *std::ranges::max_element(
        circle, [&](const auto& a, const auto& b) { return since[a] < since[b]; });
    graph.erase(last);
    witness_.marks.hit(kCircle);
    Member& member = *find(last.substr(0, last.find('.')));
    tell(member.name, last + " is interrupted: it waits in a circle of processes");
    member.client->give_up(static_cast<unsigned>(last.back() - '0'));
  }
}

}  // namespace lockstep::sim::wired
