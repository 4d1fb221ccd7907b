// The order rule: what leaves when, against a journal that the test drives by hand.
#include "shell/coordinator/coordinator.hpp"

#include <gtest/gtest.h>

namespace lockstep::coordinator {
namespace {

using namespace core;

class HandClock final : public wire::Clock {
 public:
  Nanos now() const override { return time; }
  std::int64_t wall_nanos() const override { return 0; }
  std::function<void()> at(Nanos when, std::function<void()> action) override {
    due = when;
    pending = std::move(action);
    return [this] { pending = {}; };
  }
  Nanos time = kSecond;
  Nanos due = kNever;
  std::function<void()> pending;
};

struct Sink final : wire::ReplySink {
  void on_parked() override { parked = true; }
  void on_reply(Reply got) override { reply = std::move(got); }
  bool parked = false;
  std::optional<Reply> reply;
};

class CoordinatorTest : public ::testing::Test {
 protected:
  CoordinatorTest()
      : coordinator(Machine(Limits{}), clock,
                    {[this](std::uint64_t number, std::vector<journal::Record> records) {
                       appended = number;
                       for (auto& record : records) {
                         if (record.value)
                           disk[record.key] = *record.value;
                         else
                           disk.erase(record.key);
                       }
                     },
                     [this] { hurried = appended; }},
                    {}) {
    coordinator.recover({}, 1);
    coordinator.durable(appended);
  }
  ClientId client(Protocol protocol, const std::string& name) {
    Sink sink;
    ClientArrived event{coordinator.new_request(), protocol, name, name, name, 0};
    coordinator.submit(event, event.request, sink);
    return std::get<ClientReply>(sink.reply->body).client;
  }
  LockRequested lock(ClientId who, Wait wait = Wait::none) {
    LockRequested event;
    event.request = coordinator.new_request();
    event.client = who;
    event.owner = "o";
    event.file = {7, 0, 1};
    event.wait = wait;
    return event;
  }

  HandClock clock;
  std::uint64_t appended = 0, hurried = 0;
  journal::Contents disk;
  CoreCoordinator coordinator;
};

TEST_F(CoordinatorTest, AGrantWaitsForTheDiskAndAReleaseDoesNot) {
  const ClientId host = client(Protocol::nlm, "host");
  Sink granted, released;
  const LockRequested event = lock(host);
  coordinator.submit(event, event.request, granted);
  EXPECT_FALSE(granted.reply) << "not on disk yet";
  EXPECT_EQ(hurried, appended) << "the disk is told that somebody waits";
  const Unlocked unlock{coordinator.new_request(), host, {}, "o", {7, 0, 1}, Range::whole(), {}};
  coordinator.submit(unlock, unlock.request, released);
  EXPECT_TRUE(released.reply) << "gives something back only";
  EXPECT_LT(hurried, appended) << "for which nobody waits";
  coordinator.durable(appended);
  ASSERT_TRUE(granted.reply);
  EXPECT_EQ(granted.reply->status, Status::ok);
}

TEST_F(CoordinatorTest, AGrantThatIsStoppedBeforeItIsOnDiskIsNotToldAtAll) {
  struct Called final : wire::ClientSink {
    void on_break(const SendBreak&) override {}
    void on_granted(const NotifyGranted& granted) override { told.push_back(granted.grant); }
    void on_stop_notifying(RequestId grant) override { stopped.push_back(grant); }
    std::vector<RequestId> told, stopped;
  };
  const ClientId holder = client(Protocol::nlm, "holder"), host = client(Protocol::nlm, "host");
  Called called;
  coordinator.attach(host, called);
  auto unlock = [&](ClientId who) {
    Sink released;
    const Unlocked event{coordinator.new_request(), who, {}, "o", {7, 0, 1}, Range::whole(), {}};
    coordinator.submit(event, event.request, released);
    EXPECT_TRUE(released.reply);
  };
  Sink granted, blocked;
  const LockRequested first = lock(holder), second = lock(host, Wait::callback);
  coordinator.submit(first, first.request, granted);
  coordinator.durable(appended);
  coordinator.submit(second, second.request, blocked);
  ASSERT_EQ(blocked.reply->status, Status::blocked);
  unlock(holder);
  EXPECT_TRUE(called.told.empty()) << "not on disk yet";
  unlock(host);
  coordinator.durable(appended);
  EXPECT_TRUE(called.told.empty()) << "it has unlocked meanwhile";
  coordinator.detach(host, called);
}

TEST_F(CoordinatorTest, AGrantThatCannotBeMadeDurableFailsAndIsTakenBack) {
  const ClientId host = client(Protocol::nlm, "host");
  Sink granted, refused, again;
  const LockRequested event = lock(host);
  coordinator.submit(event, event.request, granted);
  coordinator.journal_failed();
  ASSERT_TRUE(granted.reply);
  EXPECT_EQ(granted.reply->status, Status::journal_failed);
  EXPECT_TRUE(coordinator.machine().view({7, 0, 1}).locks.empty());
  const LockRequested second = lock(host);
  coordinator.submit(second, second.request, refused);
  ASSERT_TRUE(refused.reply);
  EXPECT_EQ(refused.reply->status, Status::journal_failed);
  coordinator.durable(appended);
  const LockRequested third = lock(host);
  coordinator.submit(third, third.request, again);
  coordinator.durable(appended);
  ASSERT_TRUE(again.reply);
  EXPECT_EQ(again.reply->status, Status::ok);
}

TEST_F(CoordinatorTest, WhatWasHeldBeforeStaysWhenMoreOfItCannotBeMadeDurable) {
  const ClientId host = client(Protocol::nlm, "host");
  Sink part, whole;
  LockRequested some = lock(host);
  some.element.range = {4, 7};
  coordinator.submit(some, some.request, part);
  coordinator.durable(appended);
  ASSERT_TRUE(part.reply);
  const LockRequested all = lock(host);
  coordinator.submit(all, all.request, whole);
  coordinator.journal_failed();
  ASSERT_TRUE(whole.reply);
  EXPECT_EQ(whole.reply->status, Status::journal_failed);
  const auto held = coordinator.machine().view({7, 0, 1}).locks;
  ASSERT_EQ(held.size(), 1u);
  EXPECT_TRUE(held[0].range.contains(some.element.range)) << "it was told that it has these";
}

TEST_F(CoordinatorTest, ChangesOfAFileAreCountedFromTheAnswerToTheirEnd) {
  const FileId file{7, 0, 1};
  const ClientId one = client(Protocol::nfs3, "one"), two = client(Protocol::nfs3, "two");
  const auto before = coordinator.changes(file);
  EXPECT_EQ(before.in_flight, 0u);
  auto access = [&](ClientId who, Operation operation) {
    AccessRequested event;
    event.request = coordinator.new_request();
    event.client = who;
    event.target = {file, operation};
    Sink sink;
    coordinator.submit(event, event.request, sink);
    EXPECT_TRUE(sink.reply && sink.reply->status == Status::ok);
    return event.request;
  };
  const RequestId first = access(one, Operation::write);
  const RequestId second = access(two, Operation::write);
  access(two, Operation::read);
  EXPECT_EQ(coordinator.changes(file).in_flight, 2u);
  coordinator.report(AccessEnded{first});
  coordinator.report(AccessEnded{second});
  EXPECT_EQ(coordinator.changes(file).in_flight, 0u);
  EXPECT_EQ(coordinator.changes(file).started, before.started + 2);
}

TEST_F(CoordinatorTest, TheTimerIsAlwaysTheMachinesNextDeadline) {
  const ClientId smb = client(Protocol::smb, "guid");
  const ClientId host = client(Protocol::nlm, "host");
  OpenRequested open;
  open.request = coordinator.new_request();
  open.client = smb;
  open.file = {7, 0, 1};
  open.access = {AccessBit::read, AccessBit::write};
  open.wish = {Flavour::lease, kRWH, {}, true, 0};
  Sink opened, blocked;
  coordinator.submit(open, open.request, opened);
  coordinator.durable(appended);
  EXPECT_EQ(clock.due, kNever);
  const LockRequested event = lock(host);
  coordinator.submit(event, event.request, blocked);
  EXPECT_TRUE(blocked.parked);
  EXPECT_EQ(clock.due, clock.time + Limits{}.break_timeout);
  clock.time = clock.due;
  std::exchange(clock.pending, {})();
  coordinator.durable(appended);
  ASSERT_TRUE(blocked.reply);
  EXPECT_EQ(blocked.reply->status, Status::ok);
}

TEST_F(CoordinatorTest, WhatWasDurableIsThereAfterARestart) {
  const ClientId host = client(Protocol::nlm, "host");
  Sink granted;
  const LockRequested event = lock(host);
  coordinator.submit(event, event.request, granted);
  CoreCoordinator next(Machine(Limits{}), clock, {[](auto, auto) {}, [] {}}, {});
  next.recover(disk, 2);
  EXPECT_TRUE(next.in_grace());
  ASSERT_EQ(next.machine().view({7, 0, 1}).locks.size(), 1u);
  EXPECT_TRUE(next.machine().view({7, 0, 1}).locks[0].recovered);
}

TEST_F(CoordinatorTest, StopAnswersEverything) {
  const ClientId one = client(Protocol::nlm, "one");
  const ClientId two = client(Protocol::smb, "two");
  Sink granted, waits;
  const LockRequested event = lock(one);
  coordinator.submit(event, event.request, granted);
  OpenRequested open;
  open.request = coordinator.new_request();
  open.client = two;
  open.file = {8, 0, 1};
  coordinator.submit(open, open.request, waits);
  coordinator.stop();
  EXPECT_TRUE(granted.reply);
  EXPECT_EQ(coordinator.outstanding(), 0u);
}

}  // namespace
}  // namespace lockstep::coordinator
