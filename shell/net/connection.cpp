#include "shell/net/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "shell/admin/log.hpp"
#include "shell/net/address.hpp"

namespace lockstep::net {

namespace {

using std::chrono::steady_clock;

/// Two buffers a message; the system takes 64 at once through Asio.
constexpr std::size_t kMessagesAtOnce = 32;
constexpr std::chrono::seconds kLinger{2};

}  // namespace

Connection::Connection(Socket socket, Framing framing, const ConnectionLimits& limits,
                       Admission::Place place)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      framing_(framing),
      limits_(limits),
      place_(std::move(place)),
      framer_(framing, limits.message_max),
      opened_(steady_clock::now()),
      moved_(opened_) {
  Error gone;
  remote_ = address_of(socket_.remote_endpoint(gone));
  local_ = address_of(socket_.local_endpoint(gone));
  socket_.non_blocking(true, gone);
}

void Connection::start(std::shared_ptr<wire::Session> session) {
  session_ = std::move(session);
  // The session may have closed its peer while it was made.
  if (closing_) return end_session();
  watch();
  read();
}

// ---- Receiving
// -----------------------------------------------------------------------------------

bool Connection::may_read() const {
  return !reading_ && !delivering_ && !held_ && !closing_ && unsent_bytes_ <= limits_.unsent_pause;
}

void Connection::read() {
  if (!may_read()) return;
  reading_ = true;
  const std::span<std::uint8_t> space = framer_.space();
  socket_.async_read_some(boost::asio::buffer(space.data(), space.size()),
                          [self = shared_from_this()](const Error& error, std::size_t size) {
                            self->on_read(error, size);
                          });
}

void Connection::on_read(const Error& error, std::size_t size) {
  reading_ = false;
  if (closing_) return;
  if (error) return abort(error.message());
  moved_ = steady_clock::now();
  framer_.commit(size);
  deliver();
}

void Connection::deliver() {
  delivering_ = true;
  while (!closing_) {
    std::optional<wire::Bytes> message = framer_.next();
    if (!message) break;
    spoke_ = true;
    session_->on_message(std::move(*message));
  }
  delivering_ = false;
  if (framer_.bad()) return abort(framer_.error());
  if (!watching_ && !closing_) watch();
  flush();
  read();
}

void Connection::hold_reading(bool hold) {
  held_ = hold;
  if (!hold) read();
}

// ---- Sending
// -------------------------------------------------------------------------------------

void Connection::send(wire::Bytes message) {
  if (closing_) return;
  unsent_.push_back({frame_mark(framing_, message.size()), std::move(message)});
  unsent_bytes_ += unsent_.back().size();
  if (unsent_bytes_ > limits_.unsent_max) return abort("it does not read what is sent to it");
  // What is sent in one turn of the loop leaves together.
  if (delivering_ || writing_ || flush_posted_) return;
  flush_posted_ = true;
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void Connection::flush() {
  if (!writing_ && !unsent_.empty() && !ended_) write();
}

void Connection::write() {
  writing_ = true;
  if (!watching_) watch();
  std::vector<boost::asio::const_buffer> parts;
  parts.reserve(2 * std::min(unsent_.size(), kMessagesAtOnce));
  std::size_t skip = written_of_first_;
  for (std::size_t i = 0; i < std::min(unsent_.size(), kMessagesAtOnce); ++i) {
    for (boost::asio::const_buffer part :
         {boost::asio::buffer(unsent_[i].mark), boost::asio::buffer(unsent_[i].message)}) {
      const std::size_t gone = std::min(skip, part.size());
      skip -= gone;
      if (part.size() > gone) parts.push_back(part + gone);
    }
  }
  socket_.async_write_some(parts,
                           [self = shared_from_this()](const Error& error, std::size_t size) {
                             self->on_written(error, size);
                           });
}

void Connection::on_written(const Error& error, std::size_t size) {
  writing_ = false;
  if (ended_) return;
  if (error) return abort(error.message());
  moved_ = steady_clock::now();
  unsent_bytes_ -= size;
  written_of_first_ += size;
  while (!unsent_.empty() && written_of_first_ >= unsent_.front().size()) {
    written_of_first_ -= unsent_.front().size();
    unsent_.pop_front();
  }
  if (!unsent_.empty())
    write();
  else if (closing_)
    return end_socket();
  read();
}

// ---- Timeouts
// ------------------------------------------------------------------------------------

/// When it is over if nothing moves. Nothing: it may stay as it is for ever.
std::optional<steady_clock::time_point> Connection::deadline() const {
  if (closing_) return moved_ + kLinger;
  if (!spoke_) return opened_ + limits_.handshake;
  if (framer_.inside_message() || !unsent_.empty()) return moved_ + limits_.stall;
  if (limits_.idle.count() > 0) return moved_ + limits_.idle;
  return {};
}

/// The timer looks again when it fires, rather than being set anew by every message.
void Connection::watch() {
  const auto when = deadline();
  watching_ = when.has_value();
  if (!watching_) return;
  timer_.expires_at(*when);
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self && !error && !self->ended_) self->on_watch();
  });
}

void Connection::on_watch() {
  // A session that holds us back is at work: that the client is silent meanwhile is our doing.
  if (held_ && unsent_.empty()) moved_ = steady_clock::now();
  const auto when = deadline();
  if (!when || *when > steady_clock::now()) return watch();
  abort(closing_ ? "closed" : spoke_ ? "nothing moved for too long" : "it said nothing");
}

// ---- The end
// -------------------------------------------------------------------------------------

void Connection::close() {
  if (closing_) return;
  closing_ = true;
  end_session();
  if (unsent_.empty()) return end_socket();
  moved_ = steady_clock::now();
  timer_.cancel();
  watch();
  if (!delivering_) flush();
}

void Connection::abort(std::string_view reason) {
  if (ended_) return;
  log::debug("connection ends", {{"client", remote_.host}, {"reason", reason}});
  closing_ = true;
  end_session();
  end_socket();
}

void Connection::end_session() {
  if (!session_) return;
  // Later, since the session may be in the middle of a message now.
  boost::asio::post(socket_.get_executor(),
                    [self = shared_from_this(), session = std::exchange(session_, nullptr)] {
                      session->on_closed();
                    });
}

void Connection::end_socket() {
  if (ended_) return;
  ended_ = true;
  timer_.cancel();
  Error ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
  place_.reset();
}

}  // namespace lockstep::net
