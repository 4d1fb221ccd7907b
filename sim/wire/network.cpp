#include "sim/wire/network.hpp"

#include <algorithm>
#include <utility>

#include "sim/wire/stream.hpp"

namespace lockstep::sim::wired {

Network::Network(VirtualTime& time, std::uint64_t seed, Weather weather)
    : time_(time), seed_(seed), weather_(weather) {}

Network::~Network() = default;

void Network::listen(const Address& at, net::Framing framing, Accept accept) {
  listeners_[at] = {framing, std::move(accept)};
}
void Network::bind(const Address& at, OnDatagram handler) { bound_[at] = std::move(handler); }
void Network::unbind(const Address& at) { bound_.erase(at); }

void Network::forget(std::uint64_t stream) { streams_.erase(stream); }

void Network::connect(const std::string& from, const Address& to, net::Framing framing,
                      std::shared_ptr<wire::Session> session, const Connected& done) {
  const Address local{from, free_port()};
  auto stream = std::make_shared<Stream>(*this, ++last_stream_, local, to, framing);
  stream->begin();
  Random chance(seed_, "connect " + from + std::to_string(local.port));
  const auto give_up = [this, done](Nanos after) { time_.put_after(after, [done] { done({}); }); };
  if (!reachable(from, to.host) || !reachable(to.host, from) || frozen_.contains(to.host) ||
      !hears(to)) {
    return give_up(kConnectTimeout);
  }
  time_.put_after(delay(chance), [this, stream, to, session = std::move(session), done] {
    const auto listener = listeners_.find(to);
    if (listener == listeners_.end()) return time_.put_after(0, [done] { done({}); }), void();
    const std::shared_ptr<End> near = stream->end(0), far = stream->end(1);
    streams_.emplace(stream->number(), stream);
    near->session_ = session;
    std::shared_ptr<wire::Session> accepted = listener->second.accept(far);
    if (far->open()) {
      far->session_ = std::move(accepted);
    } else {
      time_.put_after(0, [accepted] { accepted->on_closed(); });
    }
    time_.put_after(0, [near, done] { done(near->open() ? near : nullptr); });
  });
}

// ---- Datagrams ----------------------------------------------------------------------------------

void Network::datagram(const Address& from, const Address& to, const Bytes& payload) {
  const auto [at, fresh] =
      chances_.try_emplace(from.host + ">" + to.host, seed_, "udp " + from.host + ">" + to.host);
  if (muted_.contains(from.host)) return;
  Random& chance = at->second;
  ++messages_;
  const bool twice = chance.percent(weather_.duplicate);
  for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
    // Drawn in any case, so that a cut does not change what becomes of later ones.
    const Nanos after = delay(chance);
    const bool lost = chance.percent(weather_.loss);
    if (lost || !reachable(from.host, to.host) || !hears(to)) continue;
    time_.put_after(after, [this, from, to, payload] { arrive(from, to, payload); });
  }
}

void Network::arrive(const Address& from, const Address& to, const Bytes& payload) {
  if (!reachable(from.host, to.host)) return;
  if (frozen_.contains(to.host)) {
    late_[to.host].push_back([this, from, to, payload] { arrive(from, to, payload); });
    return;
  }
  const auto bound = bound_.find(to);
  if (bound == bound_.end()) return;
  const OnDatagram handler = bound->second;
  handler(from, to, payload);
}

// ---- What happens to machines -------------------------------------------------------------------

void Network::vanish(const std::string& host, bool silent) {
  muted_.insert(host);
  std::erase_if(listeners_, [&](const auto& one) { return one.first.host == host; });
  std::erase_if(bound_, [&](const auto& one) { return one.first.host == host; });
  const auto streams = streams_;
  for (const auto& [number, stream] : streams) {
    for (int side = 0; side < 2; ++side) {
      if (stream->host(side) != host) continue;
      stream->end(side)->end(/*at_once=*/true);
      stream->drop_all(1 - side);
      if (!silent) {
        stream->truncate(side);
        stream->tell(1 - side);
      }
      watch(stream);
      if (stream->over()) forget(number);
    }
  }
  muted_.erase(host);
}

/// An end that hears nothing of the other one gives up in the end.
void Network::watch(const std::shared_ptr<Stream>& stream) {
  time_.put_after(kUnreachable, [this, stream] {
    const std::shared_ptr<End> ends[] = {stream->end(0), stream->end(1)};
    const bool cut = !reachable(stream->host(0), stream->host(1)) ||
                     !reachable(stream->host(1), stream->host(0));
    if (!cut && ends[0]->open() && ends[1]->open()) return;
    for (const auto& one : ends) one->end();
    for (int side = 0; side < 2; ++side) stream->drop_all(side);
    forget(stream->number());
  });
}

void Network::freeze(const std::string& host) { frozen_.insert(host); }

void Network::thaw(const std::string& host) {
  frozen_.erase(host);
  for (const Action& datagram : std::exchange(late_[host], {})) datagram();
  pump_all();
}

void Network::cut(const std::string& from, const std::string& to) {
  cuts_.insert({from, to});
  for (const auto& [number, stream] : streams_) {
    const std::string &a = stream->host(0), &b = stream->host(1);
    if ((a == from && b == to) || (a == to && b == from)) watch(stream);
  }
}

void Network::mend(const std::string& from, const std::string& to) {
  cuts_.erase({from, to});
  pump_all();
}

void Network::mend_all() {
  cuts_.clear();
  deaf_.clear();
  pump_all();
}

void Network::pump_all() {
  const auto streams = streams_;
  for (const auto& [number, stream] : streams) {
    stream->pump(0);
    stream->pump(1);
  }
}

void Network::reset(const std::string& first, const std::string& second, Notice notice) {
  const auto streams = streams_;
  for (const auto& [number, stream] : streams) {
    const int side = stream->host(0) == first ? 0 : 1;
    if (stream->host(side) != first || stream->host(1 - side) != second) continue;
    stream->truncate(0);
    stream->truncate(1);
    // The one that is told is gone at once, so that what the other sends meets a reset.
    if (notice != Notice::second) stream->end(side)->end();
    if (notice != Notice::first) stream->end(1 - side)->end();
    watch(stream);
    if (stream->over()) forget(number);
  }
}

}  // namespace lockstep::sim::wired
