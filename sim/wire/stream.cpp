#include "sim/wire/stream.hpp"

#include <algorithm>
#include <utility>

namespace lockstep::sim::wired {

namespace {

std::string route(const Address& from, const Address& to, std::uint64_t number, const char* way) {
  return from.host + ">" + to.host + "#" + std::to_string(number) + way;
}

}  // namespace

// ---- Ends ---------------------------------------------------------------------------------------

End::End(Stream&, int side, Address local, Address remote, net::Framing framing)
    : side_(side),
      local_(std::move(local)),
      remote_(std::move(remote)),
      framing_(framing),
      framer_(framing, kMessageMax) {}

void End::send(Bytes message) {
  const auto stream = stream_.lock();
  if (closing_ || !stream) return;
  unheard_.push_back(stream->network().time().now());
  const auto mark = net::frame_mark(framing_, message.size());
  message.insert(message.begin(), mark.begin(), mark.end());
  send_raw(std::move(message));
}

void End::send_raw(Bytes bytes) {
  const auto stream = stream_.lock();
  if (!closing_ && stream) stream->push(side_, std::move(bytes));
}

void End::close() {
  if (closing_) return;
  const auto stream = stream_.lock();
  end();
  if (stream) stream->finish(side_);
}

void End::hold_reading(bool hold) {
  held_ = hold;
  const auto stream = stream_.lock();
  if (!hold && stream) stream->pump(1 - side_);
}

void End::receive(const Bytes& bytes) {
  const auto kept = shared_from_this();
  for (std::size_t at = 0; at < bytes.size() && !closing_;) {
    const auto space = framer_.space();
    const std::size_t part = std::min(space.size(), bytes.size() - at);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), part, space.begin());
    framer_.commit(part);
    at += part;
    while (!closing_) {
      std::optional<Bytes> message = framer_.next();
      if (!message) break;
      if (const auto stream = stream_.lock()) {
        std::deque<Nanos>& unheard = stream->end(1 - side_)->unheard_;
        if (!unheard.empty()) unheard.pop_front();
      }
      const auto session = session_;
      session->on_message(std::move(*message));
    }
    if (framer_.bad()) return close();
  }
}

void End::end(bool at_once) {
  if (std::exchange(closing_, true)) return;
  const auto session = std::exchange(session_, nullptr);
  const auto stream = stream_.lock();
  if (stream) closed_at_ = stream->network().time().now();
  if (!session) return;
  if (at_once || !stream) return session->on_closed();
  // Later, since the session may be in the middle of a message now.
  stream->network().time().put_after(0, [session] { session->on_closed(); });
}

Nanos End::heard_until() const {
  const auto stream = stream_.lock();
  if (!stream) return 0;
  const End& other = *stream->end(1 - side_);
  const Nanos now = std::min(stream->network().time().now(), other.closed_at_);
  return other.unheard_.empty() ? now : std::min(now, other.unheard_.front());
}

bool End::half_open() const {
  const auto stream = stream_.lock();
  return !stream || !stream->end(1 - side_)->open();
}

// ---- Streams ------------------------------------------------------------------------------------

Stream::Stream(Network& network, std::uint64_t number, const Address& from, const Address& to,
               net::Framing framing)
    : network_(network),
      number_(number),
      ends_{std::make_shared<End>(*this, 0, from, to, framing),
            std::make_shared<End>(*this, 1, to, from, framing)},
      chance_{Random(network.seed_, route(from, to, from.port, "out")),
              Random(network.seed_, route(from, to, from.port, "in"))} {}

void Stream::begin() {
  for (const auto& one : ends_) one->stream_ = weak_from_this();
}

void Stream::push(int side, Bytes bytes) {
  if (network_.muted_.contains(host(side))) return;
  const auto from = static_cast<std::size_t>(side);
  Way& way = ways_[from];
  Random& chance = chance_[from];
  ++network_.messages_;
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t part = bytes.size() - at;
    if (network_.weather_.split && part > 1 && chance.one_in(3)) part = 1 + chance.below(part - 1);
    way.pieces.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                            bytes.begin() + static_cast<std::ptrdiff_t>(at + part));
    // In order: nothing overtakes on a stream.
    last_[from] = std::max(last_[from], network_.time_.now() + network_.delay(chance));
    way.due.push_back(last_[from]);
    at += part;
  }
  arm(side);
}

void Stream::finish(int side) {
  ways_[static_cast<std::size_t>(side)].finished = true;
  ways_[static_cast<std::size_t>(1 - side)].pieces.clear();
  ways_[static_cast<std::size_t>(1 - side)].due.clear();
  arm(side);
}

bool Stream::blocked(int from) const {
  const End& reader = *end(1 - from);
  return !network_.reachable(host(from), host(1 - from)) ||
         network_.frozen_.contains(host(1 - from)) || (reader.held_ && reader.open());
}

void Stream::arm(int from) {
  Way& way = ways_[static_cast<std::size_t>(from)];
  if (way.armed || (way.pieces.empty() && !way.finished)) return;
  way.armed = true;
  const Nanos due = way.pieces.empty() ? network_.time_.now() +
                                             network_.delay(chance_[static_cast<std::size_t>(from)])
                                       : way.due.front();
  network_.time_.put(due, [self = shared_from_this(), from] {
    self->ways_[static_cast<std::size_t>(from)].armed = false;
    self->arrived(from);
  });
}

void Stream::pump(int from) {
  if (!blocked(from)) arm(from);
}

void Stream::arrived(int from) {
  if (blocked(from)) return;  // pump() comes when it is not
  Way& way = ways_[static_cast<std::size_t>(from)];
  const std::shared_ptr<End> reader = end(1 - from);
  if (way.pieces.empty()) {
    if (!way.finished) return;
    way.finished = false;
    reader->end();
    if (over()) network_.forget(number_);
    return;
  }
  const Bytes bytes = std::move(way.pieces.front());
  way.pieces.pop_front();
  way.due.pop_front();
  if (reader->open()) {
    reader->receive(bytes);
  } else {
    ended(1 - from);  // nobody is there any more: a reset comes back
  }
  arm(from);
}

void Stream::ended(int side) {
  drop_all(1 - side);
  tell(1 - side);
}

void Stream::tell(int side) {
  const Nanos after = network_.delay(chance_[static_cast<std::size_t>(side)]);
  network_.time_.put_after(after, [self = shared_from_this(), side] {
    if (!self->network_.reachable(self->host(1 - side), self->host(side))) return;
    self->end(side)->end();
    self->drop_all(1 - side);
    if (self->over()) self->network_.forget(self->number_);
  });
}

void Stream::truncate(int from) {
  Way& way = ways_[static_cast<std::size_t>(from)];
  if (way.pieces.empty() || blocked(from)) return drop_all(from);
  Bytes first = std::move(way.pieces.front());
  first.resize(chance_[static_cast<std::size_t>(from)].below(first.size() + 1));
  drop_all(from);
  end(1 - from)->receive(first);
}

void Stream::drop_all(int from) {
  Way& way = ways_[static_cast<std::size_t>(from)];
  way.pieces.clear();
  way.due.clear();
  way.finished = false;
}

}  // namespace lockstep::sim::wired
