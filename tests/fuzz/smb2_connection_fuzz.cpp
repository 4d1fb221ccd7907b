// Whole connections: the input is a series of frames (16-bit length, then bytes) that go to a
// connection with a logged-on session; a frame that starts with 0x00 is made a signed-looking
// request of that session with the next MessageId, so that the fuzzer gets past the header.
#include <cstddef>
#include <cstdint>

#include "tests/wire/smb2_client.hpp"

using namespace lockstep::wire;
using namespace lockstep::wire::smb2;
using namespace lockstep::wire::smb2::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  TestClient client(world);
  LittleReader in(ByteView(data, size));
  const std::uint8_t start = in.u8();
  if (start % 4 != 0) {
    client.negotiate(start % 2 == 0 ? Dialect::smb210 : Dialect::smb311);
    client.log_on();
    client.tree_connect("\\\\s\\data");
    client.sign = false;
  }
  while (in.ok() && in.remaining() > 2 && !client.peer->closed) {
    const std::uint16_t length = in.u16();
    const ByteView part = in.take(std::min<std::size_t>(length, in.remaining()));
    Bytes frame(part.begin(), part.end());
    if (frame.size() > 4 && frame[0] == 0) {
      Ask made;
      made.command = static_cast<Command>(frame[1] % 20);
      made.flags = frame[2] & 0x06u;
      made.charge = frame[3];
      made.credits = 8;
      made.body.assign(frame.begin() + 4, frame.end());
      frame = client.encode({std::move(made)});
    }
    client.connection->on_message(std::move(frame));
    client.peer->sent.clear();
    while (world.files.waiting() != 0) world.files.release();
  }
  client.connection->on_closed();
  if (!world.server->sessions().empty()) __builtin_trap();
  if (client.connection->requests_in_flight() != 0) __builtin_trap();
  return 0;
}
