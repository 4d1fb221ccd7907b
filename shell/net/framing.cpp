#include "shell/net/framing.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lockstep::net {

namespace {

constexpr std::size_t kMarkSize = 4;
constexpr std::size_t kBufferSize = 64 << 10;
/// A rest of this size is read straight into the message; below, another copy is cheaper than
/// another system call.
constexpr std::size_t kDirectMin = 16 << 10;
constexpr std::size_t kReserveMax = 1 << 20;
/// Clients send one fragment, some a handful; without a bound empty ones could go on for ever.
constexpr std::size_t kFragmentsMax = 4096;
constexpr std::uint32_t kLastFragment = 0x80000000;
constexpr std::uint8_t kNetbiosKeepAlive = 0x85;

}  // namespace

std::array<std::uint8_t, 4> frame_mark(Framing framing, std::size_t size) {
  const std::uint32_t mark =
      static_cast<std::uint32_t>(size) | (framing == Framing::rpc ? kLastFragment : 0u);
  return {static_cast<std::uint8_t>(mark >> 24), static_cast<std::uint8_t>(mark >> 16),
          static_cast<std::uint8_t>(mark >> 8), static_cast<std::uint8_t>(mark)};
}

Framer::Framer(Framing framing, std::size_t message_max)
    : framing_(framing), message_max_(message_max) {}

std::span<std::uint8_t> Framer::space() {
  direct_ = begin_ == end_ && fragment_left_ >= kDirectMin;
  if (direct_) {
    const std::size_t more = std::min(fragment_left_, std::max(kBufferSize, received_));
    message_.resize(received_ + more);
    return {message_.data() + received_, more};
  }
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::uint8_t[]>(kBufferSize);
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (end_ == kBufferSize) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  return {buffer_.get() + end_, kBufferSize - end_};
}

void Framer::commit(std::size_t size) {
  if (direct_) {
    received_ += size;
    fragment_left_ -= size;
  } else {
    end_ += size;
  }
}

/// Takes a mark from the buffer. False: there is none yet, or it is bad.
bool Framer::read_mark() {
  if (end_ - begin_ < kMarkSize) return false;
  const std::uint8_t* at = buffer_.get() + begin_;
  const std::uint32_t mark = wire::detail::load<std::endian::big, std::uint32_t>(at);
  begin_ += kMarkSize;
  if (framing_ == Framing::rpc) {
    last_fragment_ = (mark & kLastFragment) != 0;
    fragment_left_ = mark & ~kLastFragment;
    if (++fragments_ > kFragmentsMax) fail("a record of too many fragments");
  } else {
    last_fragment_ = true;
    fragment_left_ = mark & 0xFFFFFF;
    if (at[0] == kNetbiosKeepAlive && fragment_left_ == 0) {
      last_fragment_ = false;  // no message: the next mark begins one
    } else if (at[0] != 0) {
      fail("not an SMB stream");
    }
  }
  if (fragment_left_ > message_max_ - received_) {
    fail("a message of more than " + std::to_string(message_max_) + " bytes");
  }
  if (bad()) return false;
  in_message_ = in_message_ || last_fragment_ || fragment_left_ > 0;
  message_.reserve(std::min(received_ + fragment_left_, kReserveMax));
  return true;
}

std::optional<wire::Bytes> Framer::next() {
  while (!bad()) {
    const std::size_t part = std::min(fragment_left_, end_ - begin_);
    if (part > 0) {
      message_.resize(received_);
      message_.insert(message_.end(), buffer_.get() + begin_, buffer_.get() + begin_ + part);
      begin_ += part;
      received_ += part;
      fragment_left_ -= part;
    }
    if (fragment_left_ > 0) return {};
    if (in_message_ && last_fragment_) {
      message_.resize(received_);
      received_ = fragments_ = 0;
      in_message_ = false;
      return std::exchange(message_, {});
    }
    if (!read_mark()) return {};
  }
  return {};
}

}  // namespace lockstep::net
