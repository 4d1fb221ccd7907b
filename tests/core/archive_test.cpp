// Save and load: the loaded machine is the same one.
#include <gtest/gtest.h>

#include <stdexcept>

#include "core/machine.hpp"

namespace lockstep::core {
namespace {

TEST(Archive, ALoadedMachineGoesOnAsTheOneThatWasSaved) {
  Machine machine{Limits{}};
  Effects effects;
  machine.recover({}, 1, 0, effects);
  auto apply = [&](Machine& to, EventBody body) {
    Effects out;
    to.apply({kSecond, std::move(body)}, out);
    return out;
  };
  const FileId file{3, 0, 1};
  apply(machine, ClientArrived{RequestId{1}, Protocol::smb, "guid", "10.0.0.1", "win", 0});
  apply(machine, ClientArrived{RequestId{2}, Protocol::nlm, "host", "10.0.0.2", "lin", 0});
  const std::vector<ClientView> clients = machine.clients();
  OpenRequested open;
  open.request = RequestId{3};
  open.client = clients[0].client;
  open.file = file;
  open.access = {AccessBit::read, AccessBit::write};
  open.wish = {Flavour::lease, kRWH, {}, true, 0};
  apply(machine, open);
  LockRequested lock;
  lock.request = RequestId{4};
  lock.client = clients[1].client;
  lock.owner = std::string("\0\1owner", 7);
  lock.file = file;
  lock.wait = Wait::callback;
  apply(machine, lock);
  AccessRequested read;
  read.request = RequestId{5};
  read.client = clients[0].client;
  read.open = machine.view(file).opens[0].open;
  read.target = {file, Operation::read};
  apply(machine, read);

  Machine loaded = Machine::load(machine.save());
  EXPECT_EQ(loaded.view(), machine.view());
  EXPECT_EQ(loaded.hash(), machine.hash());
  EXPECT_EQ(loaded.next_deadline(), machine.next_deadline());
  EXPECT_EQ(loaded.check_invariants(), std::nullopt);
  const BreakAcknowledged ack{RequestId{6}, clients[0].client, Flavour::lease, {}, {}, kNoRights};
  EXPECT_EQ(apply(loaded, AccessEnded{RequestId{5}}), apply(machine, AccessEnded{RequestId{5}}));
  const Effects after = apply(loaded, ack);
  EXPECT_EQ(after, apply(machine, ack));
  EXPECT_EQ(loaded.view(), machine.view());
}

TEST(Archive, WhatIsNoSnapshotIsRefused) {
  EXPECT_THROW(Machine::load(""), std::runtime_error);
  EXPECT_THROW(Machine::load("22 serialization::archive 19 0 0 99"), std::runtime_error);
  EXPECT_THROW(Machine::load("nonsense"), std::runtime_error);
}

}  // namespace
}  // namespace lockstep::core
