// Goal: whatever way a stream is cut, the same messages come out, and memory follows what arrived
// and not what a length promises.
#include "shell/net/framing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace lockstep::net {
namespace {

using wire::Bytes;

constexpr std::size_t kMax = 1 << 20;

void append(Bytes& stream, const Bytes& part) {
  stream.insert(stream.end(), part.begin(), part.end());
}
void append_mark(Bytes& stream, std::uint32_t mark) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    stream.push_back(static_cast<std::uint8_t>(mark >> shift));
  }
}
Bytes framed(Framing framing, const Bytes& message) {
  const auto mark = frame_mark(framing, message.size());
  Bytes stream(mark.begin(), mark.end());
  append(stream, message);
  return stream;
}

/// Feeds the stream in pieces of at most `piece` bytes; returns what came out.
std::vector<Bytes> messages(Framer& framer, const Bytes& stream, std::size_t piece) {
  std::vector<Bytes> out;
  for (std::size_t at = 0; at < stream.size() && !framer.bad();) {
    const auto space = framer.space();
    const std::size_t size = std::min({space.size(), piece, stream.size() - at});
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), size, space.begin());
    at += size;
    framer.commit(size);
    while (auto message = framer.next()) out.push_back(std::move(*message));
  }
  return out;
}

RC_GTEST_PROP(FramerTest, CutsDoNotMatter, (std::vector<Bytes> sent)) {
  const Framing framing = *rc::gen::element(Framing::rpc, Framing::smb);
  const auto piece = *rc::gen::inRange<std::size_t>(1, 200);
  Bytes stream;
  for (const Bytes& message : sent) append(stream, framed(framing, message));
  Framer framer(framing, kMax);
  RC_ASSERT(messages(framer, stream, piece) == sent);
  RC_ASSERT(!framer.inside_message());
}

TEST(FramerTest, LargeMessagesComeWholeWhateverTheirPieces) {
  for (const std::size_t size :
       {std::size_t{16384}, std::size_t{65537}, std::size_t{700'000}, kMax}) {
    Bytes message(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
    Bytes stream = framed(Framing::smb, message);
    append(stream, framed(Framing::smb, {1, 2, 3}));
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{65536}, std::size_t{1} << 30}) {
      Framer framer(Framing::smb, kMax);
      const auto got = messages(framer, stream, piece);
      ASSERT_EQ(got.size(), 2u);
      EXPECT_TRUE(got[0] == message) << size << " in " << piece;
      EXPECT_EQ(got[1], (Bytes{1, 2, 3}));
    }
  }
}

TEST(FramerTest, FragmentsOfARecordAreOneMessage) {
  Bytes stream;
  append_mark(stream, 3);
  append(stream, {1, 2, 3});
  append_mark(stream, 0);
  append_mark(stream, 0x80000002);
  append(stream, {4, 5});
  Framer framer(Framing::rpc, kMax);
  EXPECT_EQ(messages(framer, stream, 1), (std::vector<Bytes>{{1, 2, 3, 4, 5}}));
}

TEST(FramerTest, TheBoundCountsAllFragments) {
  Bytes stream;
  append_mark(stream, 60);
  append(stream, Bytes(60));
  append_mark(stream, 0x80000000 | 41);
  Framer framer(Framing::rpc, 100);
  EXPECT_TRUE(messages(framer, stream, 7).empty());
  EXPECT_TRUE(framer.bad());
}

TEST(FramerTest, EmptyFragmentsWithoutEndAreRefused) {
  Framer framer(Framing::rpc, kMax);
  Bytes stream;
  for (int i = 0; i < 5000; ++i) append_mark(stream, 0);
  EXPECT_TRUE(messages(framer, stream, 1 << 20).empty());
  EXPECT_TRUE(framer.bad());
}

TEST(FramerTest, SmbRefusesOtherStreamsAndSkipsKeepAlives) {
  Framer other(Framing::smb, kMax);
  EXPECT_TRUE(messages(other, {'G', 'E', 'T', ' '}, 4).empty());
  EXPECT_TRUE(other.bad());
  Bytes stream = {0x85, 0, 0, 0};
  append(stream, framed(Framing::smb, {9}));
  Framer framer(Framing::smb, kMax);
  EXPECT_EQ(messages(framer, stream, 3), (std::vector<Bytes>{{9}}));
}

TEST(FramerTest, APromisedLengthCostsNothing) {
  Framer framer(Framing::rpc, std::size_t{1} << 30);
  Bytes stream;
  append_mark(stream, 0x80000000 | (1 << 30));
  EXPECT_TRUE(messages(framer, stream, 4).empty());
  EXPECT_LE(framer.space().size(), std::size_t{64} << 10);
  EXPECT_TRUE(framer.inside_message());
}

}  // namespace
}  // namespace lockstep::net
