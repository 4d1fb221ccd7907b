// The port mapper: queries of the three versions, and who may change it. Method: bytes through the
// dispatcher.
#include "shell/wire/portmap/portmap.hpp"

#include <gtest/gtest.h>

#include "shell/wire/rpc/universal_address.hpp"
#include "tests/wire/rpc_world.hpp"

namespace lockstep::wire::portmap {
namespace {

using rpc::Transport;
using rpc_test::call_message;

std::vector<Mapping> offered() {
  std::vector<Mapping> own;
  for (const Transport transport : {Transport::tcp, Transport::udp}) {
    Mapping nlm;
    nlm.program = 100021;
    nlm.version = 4;
    nlm.transport = transport;
    nlm.port = 4045;
    own.push_back(nlm);
  }
  own.push_back({100003, 3, Transport::tcp, 2049, "superuser"});
  return own;
}

struct Portmap : testing::Test {
  Portmap() { dispatcher.add(mapper); }
  Bytes ask(std::uint32_t version, std::uint32_t procedure, BigWriter arguments,
            std::string from = "10.0.0.7") {
    Bytes reply;
    dispatcher.on_datagram({std::move(from), 900}, {"10.0.0.1", 111},
                           call_message(++xid, kProgram, version, procedure, arguments.buffer()),
                           [&](Bytes message) { reply = std::move(message); });
    return reply;
  }
  static BigWriter mapping(std::uint32_t program, std::uint32_t version, std::uint32_t protocol,
                           std::uint32_t port) {
    BigWriter out;
    for (const std::uint32_t word : {program, version, protocol, port}) out.u32(word);
    return out;
  }
  static BigWriter binding(std::uint32_t program, std::uint32_t version, std::string netid,
                           std::string address = "") {
    BigWriter out;
    out.u32(program);
    out.u32(version);
    rpc::put_string(out, netid);
    rpc::put_string(out, address);
    rpc::put_string(out, "owner");
    return out;
  }
  static BigReader results(const Bytes& reply) {
    return BigReader(ByteView(reply).subspan(rpc::parse_reply(reply).results));
  }
  std::uint32_t number(const Bytes& reply) { return results(reply).u32(); }
  std::string text(const Bytes& reply) {
    BigReader in = results(reply);
    return rpc::get_string(in, 200);
  }

  rpc_test::HandClock clock;
  Portmapper mapper{clock, offered()};
  rpc::Dispatcher dispatcher{clock};
  std::uint32_t xid = 0;
};

TEST_F(Portmap, Getport) {
  EXPECT_EQ(number(ask(2, 3, mapping(100021, 4, 6, 0))), 4045U);
  EXPECT_EQ(number(ask(2, 3, mapping(100021, 4, 17, 0))), 4045U);
  EXPECT_EQ(number(ask(2, 3, mapping(100003, 3, 17, 0))), 0U) << "NFS has no UDP";
  EXPECT_EQ(number(ask(2, 3, mapping(100003, 4, 6, 0))), 2049U) << "any version will do";
  EXPECT_EQ(number(ask(2, 3, mapping(100004, 1, 6, 0))), 0U);
  EXPECT_EQ(number(ask(2, 3, mapping(100003, 3, 99, 0))), 0U);
}

TEST_F(Portmap, GetaddrNamesTheAddressThatTheCallerUsed) {
  EXPECT_EQ(text(ask(3, 3, binding(100003, 3, "tcp"))), "10.0.0.1.8.1");
  EXPECT_EQ(text(ask(4, 3, binding(100021, 4, "udp"))), "10.0.0.1.15.205");
  EXPECT_EQ(text(ask(4, 3, binding(100003, 9, "tcp"))), "10.0.0.1.8.1");
  EXPECT_EQ(text(ask(4, 9, binding(100003, 9, "tcp"))), "") << "GETVERSADDR wants that version";
  EXPECT_EQ(text(ask(4, 3, binding(100003, 3, "ticots"))), "");
}

TEST_F(Portmap, DumpListsEverything) {
  const Bytes reply = ask(2, 4, {});
  BigReader in = results(reply);
  std::size_t count = 0;
  while (rpc::get_bool(in)) {
    in.skip(16);
    ++count;
  }
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(count, mapper.mappings().size());
  EXPECT_EQ(count, 9U);
}

TEST_F(Portmap, OnlyThisMachineSetsAndNeverOurs) {
  EXPECT_EQ(number(ask(2, 1, mapping(200, 1, 6, 99))), 0U);
  EXPECT_EQ(number(ask(2, 1, mapping(200, 1, 6, 99), "127.0.0.1")), 1U);
  EXPECT_EQ(number(ask(2, 3, mapping(200, 1, 6, 0))), 99U);
  EXPECT_EQ(number(ask(2, 1, mapping(100003, 3, 6, 99), "127.0.0.1")), 0U);
  EXPECT_EQ(number(ask(2, 2, mapping(100003, 3, 0, 0), "127.0.0.1")), 0U);
  EXPECT_EQ(number(ask(2, 3, mapping(100003, 3, 6, 0))), 2049U);
  EXPECT_EQ(number(ask(2, 2, mapping(200, 1, 0, 0))), 0U);
  EXPECT_EQ(number(ask(2, 2, mapping(200, 1, 0, 0), "127.0.0.1")), 1U);
  EXPECT_EQ(number(ask(4, 1, binding(200, 1, "udp", "0.0.0.0.1.0"), "127.0.0.1")), 1U);
  EXPECT_EQ(text(ask(4, 3, binding(200, 1, "udp"))), "10.0.0.1.1.0");
}

TEST_F(Portmap, IndirectCallsAreNotMade) {
  EXPECT_TRUE(ask(2, 5, mapping(100003, 3, 0, 0)).empty());
  EXPECT_EQ(rpc::parse_reply(ask(4, 10, {})).status, rpc::AcceptStatus::proc_unavail);
}

TEST_F(Portmap, ShortArgumentsAreGarbage) {
  BigWriter one;
  one.u32(1);
  EXPECT_EQ(rpc::parse_reply(ask(2, 3, one)).status, rpc::AcceptStatus::garbage_args);
  EXPECT_EQ(rpc::parse_reply(ask(4, 3, one)).status, rpc::AcceptStatus::garbage_args);
}

}  // namespace
}  // namespace lockstep::wire::portmap
