// Bounded reading and writing of wire bytes.
//
// A Reader never throws and never reads past its span: after the first overrun it is `failed()`,
// every later read yields zero or an empty span, and the decoder checks once at its end. Lengths
// that come from the wire are only ever used through `take`, which bounds them.
// A Writer appends to a buffer that it owns; `patch_*` fills in lengths known later.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep::wire {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

namespace detail {
template <std::endian Order, class T>
T load(const std::uint8_t* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const std::size_t shift = 8 * (Order == std::endian::little ? i : sizeof(T) - 1 - i);
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(from[i]) << shift));
  }
  return value;
}
template <std::endian Order, class T>
void store(std::uint8_t* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const std::size_t shift = 8 * (Order == std::endian::little ? i : sizeof(T) - 1 - i);
    to[i] = static_cast<std::uint8_t>(value >> shift);
  }
}
}  // namespace detail

/// Reads integers of one byte order (big for XDR, little for SMB) from a span.
template <std::endian Order>
class BasicReader {
 public:
  explicit BasicReader(ByteView bytes) : bytes_(bytes) {}

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }

  /// The next `size` bytes, or an empty span and failure when there are fewer.
  ByteView take(std::size_t size) {
    if (failed_ || size > remaining()) {
      failed_ = true;
      return {};
    }
    ByteView part = bytes_.subspan(position_, size);
    position_ += size;
    return part;
  }
  void skip(std::size_t size) { take(size); }
  /// Moves to an absolute offset, which must lie inside the span.
  void seek(std::size_t offset) {
    if (offset > bytes_.size())
      failed_ = true;
    else
      position_ = offset;
  }
  /// Marks the input as bad: for values that are out of their domain.
  void fail() { failed_ = true; }

  bool failed() const { return failed_; }
  bool ok() const { return !failed_; }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  ByteView all() const { return bytes_; }
  ByteView rest() const { return bytes_.subspan(position_); }

 private:
  template <class T>
  T number() {
    ByteView part = take(sizeof(T));
    return part.empty() ? T{0} : detail::load<Order, T>(part.data());
  }
  ByteView bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

template <std::endian Order>
class BasicWriter {
 public:
  BasicWriter() = default;
  explicit BasicWriter(Bytes buffer) : buffer_(std::move(buffer)) {}

  void u8(std::uint8_t value) { buffer_.push_back(value); }
  void u16(std::uint16_t value) { number(value); }
  void u32(std::uint32_t value) { number(value); }
  void u64(std::uint64_t value) { number(value); }
  void bytes(ByteView part) { buffer_.insert(buffer_.end(), part.begin(), part.end()); }
  void text(std::string_view part) { bytes(as_bytes(part)); }
  void zeros(std::size_t count) { buffer_.resize(buffer_.size() + count, 0); }
  /// Zero bytes until the size is a multiple of `alignment`, counted from `base`.
  void align(std::size_t alignment, std::size_t base = 0) {
    while ((buffer_.size() - base) % alignment != 0) buffer_.push_back(0);
  }
  void patch_u16(std::size_t offset, std::uint16_t value) { patch(offset, value); }
  void patch_u32(std::size_t offset, std::uint32_t value) { patch(offset, value); }
  void patch_u64(std::size_t offset, std::uint64_t value) { patch(offset, value); }

  std::size_t size() const { return buffer_.size(); }
  Bytes& buffer() { return buffer_; }
  const Bytes& buffer() const { return buffer_; }
  Bytes take() { return std::move(buffer_); }

 private:
  template <class T>
  void number(T value) {
    const std::size_t at = buffer_.size();
    buffer_.resize(at + sizeof(T));
    detail::store<Order>(buffer_.data() + at, value);
  }
  template <class T>
  void patch(std::size_t offset, T value) {
    if (offset + sizeof(T) <= buffer_.size()) detail::store<Order>(buffer_.data() + offset, value);
  }
  Bytes buffer_;
};

using LittleReader = BasicReader<std::endian::little>;
using LittleWriter = BasicWriter<std::endian::little>;
using BigReader = BasicReader<std::endian::big>;
using BigWriter = BasicWriter<std::endian::big>;

}  // namespace lockstep::wire
