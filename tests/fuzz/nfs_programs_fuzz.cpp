// Any arguments for any procedure of portmap, MOUNT, NFSv3, NLM and NSM, over files in memory. The
// first bytes choose the procedure and whether a valid handle comes first; the rest is the call.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "shell/files/memory_files.hpp"
#include "shell/wire/mount/mount.hpp"
#include "shell/wire/nfs3/program.hpp"
#include "shell/wire/nlm/program.hpp"
#include "shell/wire/nsm/nsm.hpp"
#include "shell/wire/portmap/portmap.hpp"
#include "tests/wire/rpc_dialler.hpp"
#include "tests/wire/rpc_world.hpp"

namespace {

using namespace lockstep::wire;

struct World {
  World() {
    lockstep::files::MemoryOptions options;
    options.root_mode = 0777;
    nfs3::Export one;
    one.name = "data";
    one.files = lockstep::files::memory_file_system(options);
    root = one.files->handle(one.files->root());
    exports.add(std::move(one));
    for (rpc::Program* program :
         std::initializer_list<rpc::Program*>{&mapper, &mount, &nfs, &nlm, &nsm}) {
      dispatcher.add(*program);
    }
  }
  rpc_test::HandClock clock;
  rpc_test::YesCoordinator coordinator;
  rpc_test::KeepingDialler dialler;
  rpc::Client client{clock, dialler, 1};
  nfs3::Exports exports;
  Bytes root;
  portmap::Portmapper mapper{clock, {}};
  mount::Mount mount{exports};
  nfs3::Program nfs{coordinator, clock, exports};
  nlm::Program nlm{coordinator, clock, exports, client};
  nsm::Program nsm{3, [](const std::string&, const std::string&, std::int32_t) {}};
  rpc::Dispatcher dispatcher{clock};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  // Outgoing callbacks wait for a clock that nobody moves: the world lives as long as the process.
  static World* world = new World;
  constexpr std::array<std::uint32_t, 5> kPrograms{portmap::kProgram, mount::kProgram,
                                                   nfs3::kProgram, nlm::kProgram, nsm::kProgram};
  world->coordinator.events.clear();
  world->dialler.refuse = true;
  BigWriter arguments;
  if (data[3] & 1) rpc::put_opaque(arguments, world->root);
  arguments.bytes(ByteView(data, size).subspan(4));
  static std::uint32_t xid = 0;
  world->dispatcher.on_datagram(
      {data[3] & 2 ? "127.0.0.1" : "10.0.0.5", 900}, {"10.0.0.1", 2049},
      rpc_test::call_message(++xid, kPrograms[data[0] % kPrograms.size()], data[1] % 5,
                             data[2] % 25, arguments.buffer(), data[3] & 4 ? 0 : 1000),
      [](Bytes) {});
  for (const auto& datagram : world->dialler.datagrams) *datagram.closed = true;
  world->dialler.datagrams.clear();
  world->clock.advance(lockstep::core::kSecond * 100);
  return 0;
}
