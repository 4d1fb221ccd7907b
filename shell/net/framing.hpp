// Messages out of a byte stream, and the mark in front of a message that is sent.
//
// ONC RPC record marking (RFC 5531 11): a message is one or more fragments; the first bit of a
// fragment's 4-byte mark says whether it is the last, the others are its length.
// SMB over TCP (MS-SMB2 2.1): a zero byte and a 3-byte length before each message; a NetBIOS
// keep-alive (RFC 1002 4.3.7, type 0x85) may stand between messages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "shell/wire/bytes.hpp"

namespace lockstep::net {

enum class Framing : std::uint8_t { rpc, smb };

/// The 4 bytes that go before a message of that size.
std::array<std::uint8_t, 4> frame_mark(Framing framing, std::size_t size);

/// Give it the stream as it comes: read into `space()`, tell how much with `commit()`, then take
/// messages with `next()` until there is none. Memory grows with what has arrived, never with what
/// a length promises.
class Framer {
 public:
  Framer(Framing framing, std::size_t message_max);

  /// Where the next bytes of the stream belong; not empty.
  std::span<std::uint8_t> space();
  void commit(std::size_t size);
  /// The next whole message. Nothing: more bytes are needed, or the stream is `bad()`.
  std::optional<wire::Bytes> next();

  bool bad() const { return !error_.empty(); }
  const std::string& error() const { return error_; }
  /// Some bytes of a message have arrived, and not all.
  bool inside_message() const { return in_message_ || begin_ != end_; }

 private:
  bool read_mark();
  void fail(std::string why) { error_ = std::move(why); }

  const Framing framing_;
  const std::size_t message_max_;
  /// [begin_, end_) is read from the stream and not used yet. Not cleared: an idle connection takes
  /// up one page of it, and most of them only ever use that one.
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  wire::Bytes message_;  ///< the first `received_` bytes count
  std::size_t received_ = 0;
  std::size_t fragment_left_ = 0;  ///< bytes of this fragment that are still to come
  std::size_t fragments_ = 0;
  bool last_fragment_ = true;
  bool in_message_ = false;
  bool direct_ = false;  ///< the last `space()` was inside the message
  std::string error_;
};

}  // namespace lockstep::net
