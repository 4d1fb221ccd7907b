// Goal: file and flags mean the same, flags win, defaults depend on root as documented, and every
// mistake is one line that names the place, the key and what was expected.
#include "shell/daemon/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/shell/temporary_directory.hpp"

namespace lockstep::daemon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() { std::filesystem::create_directory(directory_.path() / "data"); }

  void file(const std::string& text) { std::ofstream(file_) << text; }

  Config load(std::vector<std::string> arguments, bool with_export = true) {
    if (with_export) {
      arguments.push_back("--export");
      arguments.push_back("data=" + (directory_.path() / "data").string());
    }
    std::vector<const char*> argv = {"lockstepd"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    auto config = load_config(static_cast<int>(argv.size()), argv.data(), around_);
    if (!config) throw std::runtime_error("answered already");
    return *config;
  }
  std::string mistake(const std::vector<std::string>& arguments, bool with_export = true) {
    try {
      load(arguments, with_export);
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "one line";
      return error.what();
    }
    return "no mistake was found";
  }
  std::string mistake_in_file(const std::string& text) {
    file(text);
    return mistake({"--config", file_.string()});
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_.path() / "lockstep.toml";
  Surroundings around_{true, "server", directory_.path() / "home"};
};

TEST_F(ConfigTest, NothingIsRecordedUnlessAFileIsNamed) {
  EXPECT_TRUE(load({}).trace.empty());
  EXPECT_EQ(load({"--trace", "/tmp/steps"}).trace, "/tmp/steps");
}

TEST_F(ConfigTest, DefaultsOfRootAreTheStandardPorts) {
  const Config config = load({});
  EXPECT_EQ(config.ports.nfs, 2049);
  EXPECT_EQ(config.ports.smb, 445);
  EXPECT_EQ(config.ports.mount, 20048);
  EXPECT_EQ(config.ports.portmap, 111);
  EXPECT_EQ(config.state, "/var/lib/lockstep");
  EXPECT_EQ(config.control, "/var/lib/lockstep/control");
  EXPECT_EQ(config.limits.break_timeout, 35 * core::kSecond);
  EXPECT_EQ(config.limits.grace, 90 * core::kSecond);
  EXPECT_EQ(config.name, "server");
  EXPECT_TRUE(config.bind_everywhere);
}

TEST_F(ConfigTest, WithoutRootEverythingIsOnHighPorts) {
  around_.root = false;
  const Config config = load({});
  EXPECT_EQ(config.ports.nfs, 12049);
  EXPECT_EQ(config.ports.mount, 12049);
  EXPECT_EQ(config.ports.nlm, 12049);
  EXPECT_EQ(config.ports.smb, 12445);
  EXPECT_EQ(config.state, directory_.path() / "home" / "lockstep");
}

TEST_F(ConfigTest, AnNfsPortOfOnesOwnIsWhereTheOtherProgramsAre) {
  const Config config = load({"--nfs-port", "3049", "--nsm-port=4000"});
  EXPECT_EQ(config.ports.mount, 3049);
  EXPECT_EQ(config.ports.nlm, 3049);
  EXPECT_EQ(config.ports.nsm, 4000);
}

TEST_F(ConfigTest, FileAndFlagsMeanTheSameAndFlagsWin) {
  file(R"(
grace = "20s"
break_timeout = 5
bind = ["127.0.0.1", "::1"]
log_json = true
nfs_port = 3000
squash = "none"
v3_hold = "250ms"

[[export]]
name = "first"
directory = "data"
clients = ["10.0.0.0/8", "fd00::/8"]
smb_ranges_on_nfs_io = "advise"

[[export]]
name = "second"
directory = "data"
read_only = true
squash = "all"
users = ["ann"]

[[user]]
name = "ann"
nt_hash = "000102030405060708090a0b0c0d0e0f"
uid = 1234
groups = [7, 8]
)");
  const Config config =
      load({"--config", file_.string(), "--grace", "3s", "--no-log-json", "--v3-hold=1s"}, false);
  EXPECT_EQ(config.limits.grace, 3 * core::kSecond);
  EXPECT_EQ(config.limits.break_timeout, 5 * core::kSecond);
  EXPECT_THAT(config.bind, ElementsAre("127.0.0.1", "::1"));
  EXPECT_FALSE(config.log_json);
  EXPECT_EQ(config.ports.nfs, 3000);
  ASSERT_EQ(config.exports.size(), 2u);
  const ExportConfig& first = config.exports[0];
  EXPECT_EQ(first.squash, Squash::none) << "the top level is the default of exports";
  EXPECT_EQ(first.v3_hold, core::kSecond);
  EXPECT_FALSE(first.policy.smb_ranges_on_nfs_io);
  EXPECT_TRUE(first.policy.smb_deny_on_nfs_io);
  EXPECT_EQ(first.directory, std::filesystem::canonical(directory_.path() / "data"));
  EXPECT_TRUE(first.clients[0].contains("10.1.2.3"));
  EXPECT_TRUE(first.clients[0].contains("::ffff:10.1.2.3"));
  EXPECT_FALSE(first.clients[0].contains("11.0.0.1"));
  const ExportConfig& second = config.exports[1];
  EXPECT_TRUE(second.read_only);
  EXPECT_EQ(second.squash, Squash::all);
  EXPECT_THAT(second.users, ElementsAre("ann"));
  ASSERT_EQ(config.users.size(), 1u);
  EXPECT_EQ(config.users[0].uid, 1234u);
  EXPECT_EQ(config.users[0].gid, 1234u);
  EXPECT_THAT(*config.users[0].groups, ElementsAre(7, 8));
  EXPECT_EQ((*config.users[0].nt_hash)[15], 15);
}

TEST_F(ConfigTest, LocalAccountsGiveTheirNumbers) {
  const Config config = load({"--user", "daemon:se:cret"});
  ASSERT_EQ(config.users.size(), 1u);
  EXPECT_EQ(config.users[0].password, "se:cret");
  EXPECT_EQ(config.users[0].uid, 1u);
  EXPECT_EQ(config.users[0].gid, 1u);
}

TEST_F(ConfigTest, UsersWithoutAccountAreTheExportsOwner) {
  struct stat owner{};
  ASSERT_EQ(stat((directory_.path() / "data").c_str(), &owner), 0);
  const Config config = load({"--user", "nobody-of-this-name:x"});
  EXPECT_EQ(config.users[0].uid, owner.st_uid);
  EXPECT_EQ(config.users[0].gid, owner.st_gid);
}

TEST_F(ConfigTest, UnknownKeysNameTheirLineAndWhatWasMeant) {
  EXPECT_THAT(mistake_in_file("\n\nbraek_timeout = 3\n"),
              AllOf(HasSubstr(file_.string() + ":3: "), HasSubstr("did you mean break_timeout?")));
  EXPECT_THAT(mistake_in_file("[[export]]\nname='a'\ndirectory='data'\nreadonly = true\n"),
              AllOf(HasSubstr(":4: "), HasSubstr("did you mean read_only?")));
  EXPECT_THAT(mistake_in_file("[[user]]\nname='a'\nxyzzy=1\n"), HasSubstr("see lockstepd --help"));
  EXPECT_THAT(mistake({"--nfs-prot", "3"}), HasSubstr("did you mean --nfs-port?"));
}

TEST_F(ConfigTest, BadValuesSayWhatWasExpected) {
  EXPECT_THAT(mistake_in_file("grace = 1\nnfs_port = 99999\n"),
              AllOf(HasSubstr(":2: nfs_port = 99999"), HasSubstr("a port, 0 to 65535")));
  EXPECT_THAT(mistake_in_file("portmap = \"maybe\"\n"),
              HasSubstr("expected one of auto, embedded, register, off"));
  EXPECT_THAT(mistake_in_file("break_timeout = \"5 parsecs\"\n"), HasSubstr("35s, 500ms"));
  EXPECT_THAT(mistake_in_file("grace = \"99999999h\"\n"), HasSubstr("expected a time"));
  EXPECT_THAT(mistake_in_file("log_json = 3\n"), HasSubstr("expected true or false"));
  EXPECT_THAT(mistake_in_file("clients = [\"10.0.0/8\"]\n"), HasSubstr("10.0.0/8"));
  EXPECT_THAT(mistake_in_file("grace = = 3\n"), HasSubstr(":1: "));
  EXPECT_THAT(mistake_in_file("export = 3\n"), HasSubstr("expected [[export]]"));
  EXPECT_THAT(mistake_in_file("[[export]]\nname = 'x'\n"), HasSubstr("the export's directory"));
  EXPECT_THAT(mistake_in_file("[[user]]\nname = 'x'\n"), HasSubstr("either password or nt_hash"));
  EXPECT_THAT(mistake({"--nfs-port", "abc"}), HasSubstr("--nfs-port abc: expected a port"));
  EXPECT_THAT(mistake({"--metrics", "localhost"}), HasSubstr("127.0.0.1:9090"));
  EXPECT_THAT(mistake({"--export", "x"}), HasSubstr("expected NAME=DIR"));
  EXPECT_THAT(mistake({"--user", "x"}), HasSubstr("expected NAME:PASSWORD"));
}

TEST_F(ConfigTest, ExportsAreChecked) {
  EXPECT_THAT(mistake({}, false), HasSubstr("nothing to export"));
  EXPECT_THAT(mistake({"--export", "x=/nowhere/at/all"}),
              AllOf(HasSubstr("--export x="), HasSubstr("No such file"), HasSubstr("make it")));
  EXPECT_THAT(mistake({"--export", "DATA=/tmp"}), HasSubstr("two exports"));
  EXPECT_THAT(mistake({"--export", "IPC$=/tmp"}), HasSubstr("SMB keeps it"));
  EXPECT_THAT(mistake({"--smb-port", "2049"}), HasSubstr("cannot share"));
  EXPECT_THAT(mistake({"--config", "/nowhere.toml"}), HasSubstr("no such configuration file"));
}

TEST_F(ConfigTest, RepeatableFlagsGather) {
  const Config config = load({"--bind", "127.0.0.1", "--bind", "::1", "--users=a", "--users=b"});
  EXPECT_THAT(config.bind, ElementsAre("127.0.0.1", "::1"));
  EXPECT_FALSE(config.bind_everywhere);
  EXPECT_THAT(config.exports[0].users, ElementsAre("a", "b"));
  EXPECT_THAT(mistake({"--grace", "1", "--grace", "2"}), HasSubstr("only one value"));
}

TEST_F(ConfigTest, FirstUserIsKeptAndSecret) {
  const UserConfig made = first_user(directory_.path());
  EXPECT_EQ(made.password.size(), 20u);
  EXPECT_EQ(first_user(directory_.path()).password, made.password);
  struct stat found{};
  ASSERT_EQ(stat((directory_.path() / "password").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

}  // namespace
}  // namespace lockstep::daemon
