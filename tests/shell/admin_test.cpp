// Goal: what the control program shows is what the machine holds, in words: both families' true
// holders on one file, waiters with their reasons; and the metrics count as their definition says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>

#include "shell/admin/commands.hpp"
#include "shell/admin/control.hpp"
#include "shell/admin/observer.hpp"
#include "shell/admin/tables.hpp"
#include "tests/shell/temporary_directory.hpp"

namespace lockstep::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr core::FileId kFile{77, 1, 5};

/// A machine with its time; requests are answered in the same step, everything durable at once.
class World : public wire::Coordinator {
 public:
  World() { machine.recover({}, 1, now, effects); }

  core::RequestId new_request() override { return {++last_request}; }
  void submit(core::EventBody event, core::RequestId request, wire::ReplySink& sink) override {
    apply(std::move(event));
    if (const core::Reply* reply = reply_to(request)) sink.on_reply(*reply);
  }
  void report(core::EventBody event) override { apply(std::move(event)); }
  void attach(core::ClientId, wire::ClientSink&) override {}
  void detach(core::ClientId, wire::ClientSink&) override {}
  bool in_grace() const override { return false; }
  std::uint64_t epoch() const override { return 1; }

  void apply(core::EventBody body) {
    effects.clear();
    const core::Event event{now, std::move(body)};
    machine.apply(event, effects);
    observer.after_step(event, effects);
  }
  const core::Reply* reply_to(core::RequestId request) const {
    for (const core::Effect& effect : effects) {
      const auto* reply = std::get_if<core::Reply>(&effect);
      if (reply != nullptr && reply->request == request) return reply;
    }
    return nullptr;
  }
  core::ClientId arrive(core::Protocol protocol, std::string name) {
    core::ClientArrived arrived;
    arrived.request = new_request();
    arrived.protocol = protocol;
    arrived.identity = name;
    arrived.label = name;
    arrived.address = "192.0.2." + std::to_string(last_request);
    apply(arrived);
    return std::get<core::ClientReply>(reply_to(arrived.request)->body).client;
  }
  core::OpenId open(core::ClientId client, core::Rights rights = {}) {
    core::OpenRequested open;
    open.request = new_request();
    open.client = client;
    open.file = kFile;
    open.access = {core::AccessBit::read, core::AccessBit::write};
    if (!rights.empty()) {
      open.wish.flavour = core::Flavour::lease;
      open.wish.rights = rights;
      open.wish.key.bytes[0] = 0xAB;
    }
    apply(open);
    return std::get<core::OpenReply>(reply_to(open.request)->body).open;
  }
  core::RequestId lock(core::ClientId client, core::OpenId open, core::Range range,
                       core::Wait wait = core::Wait::none) {
    core::LockRequested lock;
    lock.request = new_request();
    lock.client = client;
    lock.open = open;
    // An NLM owner: the process number, then the client's own bytes.
    if (!open) lock.owner = std::string("\0\0\x04\xd2", 4) + "1234@witness";
    lock.file = kFile;
    lock.element.range = range;
    lock.wait = wait;
    apply(lock);
    return lock.request;
  }

  core::Machine machine{core::Limits{}};
  core::Nanos now = 1000 * core::kSecond;
  core::Effects effects;
  std::uint64_t last_request = 0;
  Observer observer{[](core::FileId) { return std::string("data/report"); }};
};

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    nfs_ = world_.arrive(core::Protocol::nlm, "witness");
    smb_ = world_.arrive(core::Protocol::smb, "desktop");
  }
  Json ask(Json request) {
    Json reply;
    const auto run = [](Commands& commands, Json question, Json& answer) -> wire::Task<> {
      answer = co_await commands.run(std::move(question));
    };
    wire::spawn(run(commands_, std::move(request), reply));
    return reply;
  }
  Json result(const std::string& command, const std::string& path = "") {
    const Json reply = ask(Json{{"command", command}, {"path", path}});
    EXPECT_TRUE(reply.value("ok", false)) << reply;
    return reply.value("result", Json());
  }
  Sources sources() {
    Sources from;
    from.coordinator = &world_;
    from.machine = [this]() -> const core::Machine& { return world_.machine; };
    from.now = [this] { return world_.now; };
    from.wall_nanos = [] { return std::int64_t{1'717'243'200} * 1'000'000'000; };
    from.path = [](core::FileId file) { return file == kFile ? "data/report" : ""; };
    from.find = [](std::string path) -> wire::Task<files::Result<core::FileId>> {
      if (path == "data/report") co_return kFile;
      co_return files::fail(ENOENT);
    };
    from.server = [] { return Json{{"version", "test"}}; };
    from.metrics = [this] { return world_.observer.text(); };
    return from;
  }

  World world_;
  Commands commands_{sources()};
  core::ClientId nfs_, smb_;
};

TEST_F(AdminTest, LocksShowBothFamiliesTrueHolders) {
  world_.lock(nfs_, {}, {0, 9});
  world_.lock(smb_, world_.open(smb_), {100, core::kEndOfFile});
  world_.now += 60 * core::kSecond;
  const Json locks = result("locks");
  ASSERT_EQ(locks.size(), 2u);
  EXPECT_EQ(locks[0]["file"], "data/report");
  EXPECT_EQ(locks[0]["protocol"], "nlm");
  EXPECT_EQ(locks[0]["client"], "witness");
  EXPECT_EQ(locks[0]["owner"], "svid 1234 1234@witness");
  EXPECT_EQ(locks[0]["range"], "0-9");
  EXPECT_EQ(locks[0]["mode"], "exclusive");
  EXPECT_EQ(locks[0]["since"], "2024-06-01T11:59:00Z");
  EXPECT_EQ(locks[0]["age_seconds"], 60.0);
  EXPECT_EQ(locks[1]["protocol"], "smb");
  EXPECT_EQ(locks[1]["client"], "desktop");
  EXPECT_EQ(locks[1]["range"], "100-end");
  const std::string table = table_of("locks", locks);
  EXPECT_THAT(table, HasSubstr("witness"));
  EXPECT_THAT(table, HasSubstr("100-end"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3) << table;
}

TEST_F(AdminTest, ABreakShowsItsDeadlineAndItsWaiterTheReason) {
  world_.open(smb_, core::kRWH);
  world_.lock(nfs_, {}, {0, 9}, core::Wait::callback);
  const Json locks = result("locks");
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_EQ(locks[0]["kind"], "lease");
  EXPECT_EQ(locks[0]["mode"], "RWH");
  EXPECT_TRUE(locks[0].contains("breaking_to"));
  EXPECT_EQ(locks[0]["deadline"], "2024-06-01T12:00:35Z");
  const Json waiters = result("waiters");
  ASSERT_EQ(waiters.size(), 1u);
  EXPECT_EQ(waiters[0]["client"], "witness");
  EXPECT_EQ(waiters[0]["waits_for"], Json::array({"breaks"}));
  EXPECT_EQ(waiters[0]["range"], "0-9");
  EXPECT_THAT(table_of("waiters", waiters), HasSubstr("breaks"));
}

TEST_F(AdminTest, ExplainSaysWhatARequestWouldMeetAndLeavesNothing) {
  world_.lock(nfs_, {}, {0, core::kEndOfFile});
  world_.open(smb_);
  const std::size_t clients = world_.machine.clients().size();
  const Json report = result("explain", "data/report");
  EXPECT_EQ(report["locks"].size(), 1u);
  EXPECT_EQ(report["opens"].size(), 1u);
  const auto answer = [&](const std::string& request) {
    for (const Json& one : report["requests"]) {
      if (one["request"] == request) return one;
    }
    return Json();
  };
  EXPECT_EQ(answer("NFS lock, exclusive, whole file")["answer"], "denied");
  EXPECT_EQ(answer("NFS lock, exclusive, whole file")["held_by"][0]["client"], "witness");
  EXPECT_EQ(answer("SMB open to read")["answer"], "ok");
  EXPECT_THAT(table_of("explain", report), HasSubstr("held by nlm:witness"));
  EXPECT_EQ(world_.machine.clients().size(), clients);
}

TEST_F(AdminTest, MistakesAreOneLine) {
  for (const Json& request : {Json{{"command", "lokcs"}}, Json{{"command", "explain"}},
                              Json::array(), Json{{"command", "explain"}, {"path", "elsewhere"}}}) {
    const Json reply = ask(request);
    EXPECT_FALSE(reply.value("ok", true));
    EXPECT_THAT(reply.value("error", ""), Not(testing::AnyOf(HasSubstr("\n"), testing::IsEmpty())));
  }
}

TEST_F(AdminTest, OtherReportsHaveTheirCounts) {
  world_.lock(nfs_, {}, {0, 9});
  world_.open(smb_);
  EXPECT_EQ(result("opens").size(), 1u);
  EXPECT_EQ(result("clients").size(), 2u);
  EXPECT_EQ(result("grace")["grace"], false);
  const Json status = result("status");
  EXPECT_EQ(status["locks"], 1);
  EXPECT_EQ(status["opens"], 1);
  EXPECT_EQ(status["clients"], 2);
  for (const char* command : {"status", "clients", "grace", "opens"}) {
    EXPECT_FALSE(table_of(command, result(command)).empty());
  }
}

TEST_F(AdminTest, ConflictsAreCountedUnderTheirNames) {
  const core::OpenId open = world_.open(smb_, core::kRWH);
  world_.lock(nfs_, {}, {0, 9}, core::Wait::callback);
  world_.now += 300 * core::kMillisecond;
  core::BreakAcknowledged acknowledged;
  acknowledged.request = world_.new_request();
  acknowledged.client = smb_;
  acknowledged.key.bytes[0] = 0xAB;
  world_.apply(acknowledged);
  world_.lock(smb_, open, {5, 5});
  const std::string text = world_.observer.text();
  const std::string conflict = "cross_protocol_conflict_total{initiator=\"";
  EXPECT_THAT(text, HasSubstr(conflict +
                              "nfs\",conflicting=\"smb_lease\",resolution=\"break_initiated\"} 1"));
  EXPECT_THAT(text, HasSubstr(conflict +
                              "nfs\",conflicting=\"smb_lease\",resolution=\"break_completed\"} 1"));
  EXPECT_THAT(text,
              HasSubstr(conflict + "smb\",conflicting=\"nfs_lock\",resolution=\"denied\"} 1"));
  const std::string duration =
      "cross_protocol_break_duration_seconds_bucket{trigger=\"nfs_lock\",target=\"smb_write_"
      "lease\",le=\"";
  EXPECT_THAT(text, HasSubstr(duration + "0.2\"} 0"));
  EXPECT_THAT(text, HasSubstr(duration + "0.4\"} 1"));
  EXPECT_THAT(text, HasSubstr(duration + "51.2\"} 1"));
}

TEST(BreakDurationsTest, BucketsAreCumulative) {
  BreakDurations durations;
  durations.add(100 * core::kMillisecond);
  durations.add(core::kSecond);
  durations.add(100 * core::kSecond);
  const std::string text = durations.text("d", "a=\"b\"");
  EXPECT_THAT(text, HasSubstr("d_bucket{a=\"b\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("le=\"1.6\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("le=\"51.2\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("d_sum{a=\"b\"} 101.100000\n"));
}

TEST_F(AdminTest, TheControlSocketAnswersLineByLine) {
  using Local = boost::asio::local::stream_protocol;
  const test::TemporaryDirectory directory;
  const auto path = directory.path() / "control";
  boost::asio::io_context loop;
  auto server = std::make_shared<ControlServer>(loop, path, commands_);
  server->start();
  EXPECT_THROW(ControlServer(loop, path, commands_), std::runtime_error) << "somebody answers";
  Local::socket client(loop);
  client.connect(Local::endpoint(path.string()));
  std::string answers;
  boost::asio::write(client,
                     boost::asio::buffer(std::string("{\"command\":\"clients\"}\nnonsense\n")));
  bool done = false;
  boost::asio::async_read_until(client, boost::asio::dynamic_buffer(answers), "}\n{",
                                [&](const auto& error, std::size_t) { done = !error; });
  while (!done && loop.run_one_for(std::chrono::seconds(5)) > 0) {
  }
  ASSERT_TRUE(done);
  EXPECT_EQ(Json::parse(answers.substr(0, answers.find('\n')))["result"].size(), 2u);
  server->stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(AdminTest, ASocketLeftBehindIsTakenOver) {
  const test::TemporaryDirectory directory;
  const auto path = directory.path() / "control";
  boost::asio::io_context loop;
  {
    boost::asio::local::stream_protocol::acceptor dead(
        loop, boost::asio::local::stream_protocol::endpoint(path.string()));
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_NO_THROW(std::make_shared<ControlServer>(loop, path, commands_)->stop());
}

}  // namespace
}  // namespace lockstep::admin
