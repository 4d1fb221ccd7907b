// Break before effect: nothing happens to a file before the core has said so, whatever the
// procedure; what the core refuses has no effect; an access ends when its I/O has ended, and not
// before. Method: a coordinator that holds every request until the test answers.
#include <gmock/gmock.h>

#include <map>

#include "tests/wire/nfs3_world.hpp"

namespace lockstep::wire::rpc_test::nfs3_tests {
namespace {

using core::Operation;
using nfs3::Status;

class Nfs3Gate : public Nfs3World {
 protected:
  Nfs3Gate() {
    dir = make_dir(root(), "d");
    file = make(dir, "f");
    other = make(dir, "g");
    ask(kWrite, write_call(file, 0, "content"));
    coordinator.events.clear();
    coordinator.hold = true;
  }
  /// A file's operations as the core was asked about them.
  std::multimap<std::uint64_t, Operation> targets() {
    std::multimap<std::uint64_t, Operation> found;
    for (const auto& access : coordinator.all<core::AccessRequested>()) {
      found.emplace(access.target.file.node, access.target.operation);
      for (const core::Target& target : access.others) {
        found.emplace(target.file.node, target.operation);
      }
    }
    return found;
  }
  std::uint64_t node(const Bytes& handle) {
    coordinator.hold = false;
    const std::uint64_t id = stat(handle).node;
    coordinator.hold = true;
    return id;
  }
  Bytes dir, file, other;
};

TEST_F(Nfs3Gate, AWriteHappensAfterTheAnswerAndEndsItsAccess) {
  Results results;
  send(kWrite, write_call(file, 0, "CHANGED"), results);
  ASSERT_EQ(coordinator.held.size(), 1U);
  const auto asked = coordinator.all<core::AccessRequested>().at(0);
  EXPECT_EQ(asked.target.operation, Operation::write);
  EXPECT_EQ(asked.range, (core::Range{0, 6}));
  EXPECT_EQ(asked.patience, clock.now() + 500 * core::kMillisecond);
  EXPECT_TRUE(results.message.empty());
  coordinator.hold = false;
  EXPECT_EQ(content(file), "content") << "no effect yet";
  EXPECT_TRUE(coordinator.all<core::AccessEnded>().size() == 1) << "only the read's own";
  coordinator.answer(core::Status::ok);
  open(results);
  EXPECT_EQ(results.status, Status::ok);
  EXPECT_EQ(content(file), "CHANGED");
  const auto ended = coordinator.all<core::AccessEnded>();
  EXPECT_THAT(ended, testing::Contains(
                         testing::Field(&core::AccessEnded::request, testing::Eq(asked.request))));
}

TEST_F(Nfs3Gate, WhatTheCoreRefusesHasNoEffect) {
  const std::map<core::Status, Status> table{
      {core::Status::later, Status::jukebox},
      {core::Status::grace, Status::jukebox},
      {core::Status::lock_conflict, Status::access},
      {core::Status::share_conflict, Status::access},
      {core::Status::file_open, Status::access},
      {core::Status::cancelled, Status::jukebox},
      {core::Status::delete_pending, Status::access},
      {core::Status::limit, Status::jukebox},
      {core::Status::journal_failed, Status::io},
  };
  for (const auto& [said, expected] : table) {
    Results results;
    send(kRemove, with_name(dir, "f"), results);
    coordinator.answer(said);
    open(results);
    EXPECT_EQ(results.status, expected) << core::name(said);
    EXPECT_EQ(look(dir, "f"), Status::ok);
  }
  EXPECT_TRUE(coordinator.all<core::AccessEnded>().empty()) << "nothing was in flight";
}

TEST_F(Nfs3Gate, EveryProcedureAsksForWhatItTouches) {
  const std::uint64_t d = node(dir), f = node(file), g = node(other), r = node(root());
  const auto expect = [&](std::uint32_t procedure, const BigWriter& arguments,
                          std::multimap<std::uint64_t, Operation> wanted) {
    coordinator.events.clear();
    Results results;
    send(procedure, arguments, results);
    ASSERT_EQ(coordinator.held.size(), 1U) << procedure;
    EXPECT_EQ(targets(), wanted) << procedure;
    coordinator.answer(core::Status::later);
    open(results);
    EXPECT_EQ(results.status, Status::jukebox) << procedure;
  };
  expect(kGetattr, with_handle(file), {{f, Operation::get_attributes}});
  expect(kRead, read_call(file, 0, 10), {{f, Operation::read}});
  expect(kWrite, write_call(file, 0, "x"), {{f, Operation::write}});
  for (const bool size : {true, false}) {
    BigWriter setattr = with_handle(file);
    NewAttributes change;
    if (size)
      change.size = 3;
    else
      change.mode = 0600;
    put_new_attributes(setattr, change);
    rpc::put_bool(setattr, false);
    expect(kSetattr, setattr, {{f, size ? Operation::set_size : Operation::set_attributes}});
    BigWriter create = with_name(dir, size ? "f" : "new");
    create.u32(0);
    put_new_attributes(create, change);
    if (size)
      expect(kCreate, create, {{f, Operation::set_size}});
    else
      expect(kCreate, create, {{d, Operation::change_directory}});
  }
  BigWriter mkdir = with_name(dir, "n");
  put_new_attributes(mkdir, {});
  expect(kMkdir, mkdir, {{d, Operation::change_directory}});
  expect(kRemove, with_name(dir, "f"), {{f, Operation::remove}, {d, Operation::change_directory}});
  expect(kRmdir, with_name(root(), "d"),
         {{d, Operation::remove}, {r, Operation::change_directory}});
  BigWriter over = with_name(dir, "f");
  rpc::put_opaque(over, dir);
  rpc::put_string(over, "g");
  expect(kRename, over,
         {{f, Operation::rename_source},
          {g, Operation::rename_target},
          {d, Operation::change_directory}});
  BigWriter move = with_name(root(), "d");
  rpc::put_opaque(move, root());
  rpc::put_string(move, "e");
  expect(kRename, move,
         {{d, Operation::rename_source},
          {d, Operation::rename_ancestor},
          {r, Operation::change_directory}});
  BigWriter link = with_handle(file);
  rpc::put_opaque(link, root());
  rpc::put_string(link, "l");
  expect(kLink, link, {{f, Operation::link}, {r, Operation::change_directory}});
}

TEST_F(Nfs3Gate, RightsComeBeforeBreaks) {
  uid = 1001;
  EXPECT_EQ(ask(kWrite, write_call(file, 0, "x")).status, Status::access);
  EXPECT_TRUE(coordinator.all<core::AccessRequested>().empty())
      << "who may not write breaks nobody's cache";
}

TEST_F(Nfs3Gate, ANameThatMovedIsAskedAboutAgain) {
  const std::uint64_t f = node(file), g = node(other);
  coordinator.events.clear();
  Results results;
  send(kRemove, with_name(dir, "f"), results);
  ASSERT_EQ(coordinator.held.size(), 1U);
  // While the core waits for a break, somebody renames g over f.
  coordinator.hold = false;
  BigWriter over = with_name(dir, "g");
  rpc::put_opaque(over, dir);
  rpc::put_string(over, "f");
  ASSERT_EQ(ask(kRename, over).status, Status::ok);
  coordinator.events.clear();
  coordinator.hold = true;
  coordinator.answer(core::Status::ok);
  ASSERT_EQ(coordinator.held.size(), 1U) << "the name leads to another file now";
  EXPECT_EQ(targets().count(g), 1U);
  EXPECT_EQ(targets().count(f), 0U);
  EXPECT_TRUE(results.message.empty());
  coordinator.answer(core::Status::ok);
  open(results);
  EXPECT_EQ(results.status, Status::ok);
  EXPECT_EQ(look(dir, "f"), Status::noent);
}

TEST_F(Nfs3Gate, AClientIsAnAddressAndArrivesOnce) {
  coordinator.hold = false;
  ask(kRead, read_call(file, 0, 1));
  from = "10.0.0.6";
  ask(kRead, read_call(file, 0, 1));
  ask(kRead, read_call(file, 0, 1));
  const auto arrived = coordinator.all<core::ClientArrived>();
  ASSERT_EQ(arrived.size(), 1U) << "the first one came with the set-up";
  EXPECT_EQ(arrived[0].address, "10.0.0.6");
  EXPECT_EQ(arrived[0].protocol, core::Protocol::nfs3);
  const auto asked = coordinator.all<core::AccessRequested>();
  EXPECT_NE(asked[0].client, asked[1].client);
  EXPECT_EQ(asked[1].client, asked[2].client);
}

TEST_F(Nfs3Gate, ARepeatOfAHeldCallJoinsIt) {
  Results first, second;
  send(kWrite, write_call(file, 0, "once"), first);
  --xid;
  send(kWrite, write_call(file, 0, "once"), second);
  EXPECT_EQ(coordinator.held.size(), 1U);
  coordinator.answer(core::Status::later);
  EXPECT_FALSE(first.message.empty());
  EXPECT_EQ(first.message, second.message);
  --xid;
  Results third;
  send(kWrite, write_call(file, 0, "once"), third);
  EXPECT_EQ(third.message, first.message) << "JUKEBOX is kept too";
  EXPECT_TRUE(coordinator.held.empty());
}

}  // namespace
}  // namespace lockstep::wire::rpc_test::nfs3_tests
