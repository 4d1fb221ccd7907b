#include "shell/daemon/server.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "shell/admin/commands.hpp"
#include "shell/admin/control.hpp"
#include "shell/admin/gauges.hpp"
#include "shell/admin/http.hpp"
#include "shell/admin/log.hpp"
#include "shell/admin/observer.hpp"
#include "shell/coordinator/coordinator.hpp"
#include "shell/daemon/network.hpp"
#include "shell/daemon/protocols.hpp"
#include "shell/daemon/state_directory.hpp"
#include "shell/daemon/version.hpp"
#include "shell/files/host_files.hpp"
#include "shell/files/io_pool.hpp"
#include "shell/journal/group_commit.hpp"
#include "shell/journal/sqlite_store.hpp"
#include "shell/net/clock.hpp"
#include "shell/net/dialler.hpp"
#include "shell/recording/recorder.hpp"
#include "shell/wire/smb2/ntlm/acceptor.hpp"

namespace lockstep::daemon {

namespace {

/// The number of an export stands in its handles: it follows from its name, so that handles stay
/// good when exports come and go.
std::uint32_t export_number(std::string_view name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return hash;
}

std::size_t descriptor_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 1024;
}

wire::smb2::EncryptionPolicy encryption_of(Encryption configured) {
  switch (configured) {
    case Encryption::off:
      return wire::smb2::EncryptionPolicy::off;
    case Encryption::offered:
      return wire::smb2::EncryptionPolicy::offered;
    case Encryption::required:
      return wire::smb2::EncryptionPolicy::required;
  }
  return wire::smb2::EncryptionPolicy::offered;
}

wire::smb2::Options smb_options(const Config& config) {
  wire::smb2::Options options;
  options.dns_name = config.name;
  options.netbios_name = config.name.substr(0, config.name.find('.')).substr(0, 15);
  for (char& c : options.netbios_name) c = static_cast<char>(std::toupper(c));
  options.signing_required = config.smb_signing_required;
  options.encryption = encryption_of(config.smb_encryption);
  // One identity for as long as the name stays: clients compare it across connections.
  for (std::size_t i = 0; i < 16; i += 4) {
    const std::uint32_t part = export_number(config.name + static_cast<char>('0' + i));
    for (std::size_t j = 0; j < 4; ++j) {
      options.server_guid.bytes[i + j] = static_cast<std::uint8_t>(part >> (8 * j));
    }
  }
  for (const ExportConfig& one : config.exports) {
    if (one.guest) options.guest = files::Credentials{one.anonymous_uid, one.anonymous_gid, {}};
  }
  return options;
}

std::vector<wire::smb2::User> smb_users(const Config& config) {
  std::vector<wire::smb2::User> users;
  for (const UserConfig& user : config.users) {
    wire::smb2::User one;
    one.name = user.name;
    one.nt_hash = user.nt_hash ? *user.nt_hash : wire::smb2::ntlm::nt_hash(user.password);
    one.credentials = {*user.uid, *user.gid, user.groups.value_or(std::vector<std::uint32_t>{})};
    users.push_back(std::move(one));
  }
  return users;
}

std::unique_ptr<journal::SqliteStore> open_journal(const std::filesystem::path& state) {
  auto store = journal::SqliteStore::open(state / "journal.sqlite");
  if (!store) throw std::runtime_error(store.error().text);
  return std::move(*store);
}

struct Served {
  ExportConfig config;
  std::shared_ptr<files::FileSystem> files;
};

}  // namespace

/// Everything that lives as long as the server, in the order in which it depends on what is above.
class Server::Parts {
 public:
  explicit Parts(Config configured);
  ~Parts();
  void run();
  const Config& config() const { return config_; }

 private:
  static Config prepared(Config config);
  std::vector<Served> serve_exports();
  wire::nfs3::Exports nfs_exports() const;
  std::vector<wire::smb2::ShareRef> smb_shares() const;
  std::uint64_t start_journal(std::unique_ptr<journal::SqliteStore> store);
  Protocols::Setup setup() const;
  admin::Sources sources();
  std::string path(core::FileId id) const;
  wire::Task<files::Result<core::FileId>> find(std::string path);
  wire::Task<files::Result<core::FileId>> walk(const Served& in, std::filesystem::path inside);
  admin::Json status() const;
  std::string metrics() const;
  void stop();

  const StateDirectory state_;
  const Config config_;
  boost::asio::io_context loop_{1};
  net::LoopClock clock_{loop_};
  files::IoPool pool_;
  std::vector<Served> served_;
  admin::Observer observer_;
  std::ofstream recording_;
  std::optional<recording::Recorder> recorder_;  ///< of the configuration's `trace`
  coordinator::CoreCoordinator coordinator_;
  std::unique_ptr<journal::GroupCommit> journal_;
  const std::uint64_t epoch_;  ///< of this run; set when the state is recovered

  net::LoopDialler dialler_;
  Protocols protocols_;
  Network network_;

  std::unique_ptr<admin::Commands> commands_;
  std::shared_ptr<admin::ControlServer> control_;
  std::shared_ptr<admin::HttpServer> http_;
  boost::asio::signal_set signals_{loop_, SIGTERM, SIGINT};
  bool stopping_ = false;
  bool fenced_ = false;
};

Config Server::Parts::prepared(Config config) {
  if (config.users.empty()) {
    config.users.push_back(first_user(config.state));
    complete_user(config.users.back(), config, Surroundings::of_this_process());
  }
  return config;
}

Server::Parts::Parts(Config configured)
    : state_(configured.state),
      config_(prepared(std::move(configured))),
      pool_(config_.io_threads,
            [this](std::function<void()> fn) { boost::asio::post(loop_, std::move(fn)); }),
      served_(serve_exports()),
      observer_([this](core::FileId id) { return path(id); }),
      coordinator_(core::Machine(config_.limits), clock_,
                   {[this](std::uint64_t number, std::vector<journal::Record> records) {
                      journal_->append(number, std::move(records));
                    },
                    [this] { journal_->hurry(); }},
                   [this](const core::Event& event, const core::Effects& effects) {
                     observer_.after_step(event, effects);
                     if (recorder_) recorder_->after_step(event, effects, coordinator_.machine());
                   }),
      epoch_(start_journal(open_journal(config_.state))),
      dialler_(loop_, config_.bind_everywhere ? std::vector<std::string>{} : config_.bind,
               net::ConnectionLimits{}),
      protocols_(coordinator_, clock_, dialler_, setup()),
      network_(loop_, config_, protocols_.rpc(), protocols_.smb()) {
  commands_ = std::make_unique<admin::Commands>(sources());
  network_.listen();
  network_.offer(clock_, protocols_.rpc_client());
  control_ = std::make_shared<admin::ControlServer>(loop_, config_.control, *commands_);
  if (config_.metrics) {
    http_ = std::make_shared<admin::HttpServer>(
        loop_, wire::Address{config_.metrics->address, config_.metrics->port}, *commands_);
  }
}

Server::Parts::~Parts() {
  stop();
  pool_.stop();
}

std::vector<Served> Server::Parts::serve_exports() {
  std::vector<Served> all;
  files::raise_descriptor_limit();
  const std::size_t share = descriptor_limit() / config_.exports.size();
  for (const ExportConfig& one : config_.exports) {
    files::HostOptions options;
    // An inode that is kept open costs the kernel a kilobyte and saves a few microseconds.
    options.nodes_max = std::min<std::size_t>(1536, share / 2);
    options.files_max = std::min<std::size_t>(256, share / 8);
    options.root = one.directory;
    options.state_dir = config_.state;
    options.export_name = one.name;
    options.export_id = export_number(one.name);
    all.push_back({one, files::host_file_system(options, pool_)});
  }
  return all;
}

wire::nfs3::Exports Server::Parts::nfs_exports() const {
  wire::nfs3::Exports all;
  for (const Served& one : served_) {
    all.add({one.config.name, one.files, one.config.policy, one.config.v3_hold,
             one.config.read_only, one.config.squash, one.config.anonymous_uid,
             one.config.anonymous_gid, one.config.clients});
  }
  return all;
}

std::vector<wire::smb2::ShareRef> Server::Parts::smb_shares() const {
  std::vector<wire::smb2::ShareRef> shares;
  for (const Served& one : served_) {
    auto share = std::make_shared<wire::smb2::Share>();
    share->name = one.config.name;
    share->files = one.files;
    share->export_number = export_number(one.config.name);
    share->read_only = one.config.read_only;
    share->encrypt = config_.smb_encryption == Encryption::required;
    share->users = one.config.users;
    share->guests = one.config.guest;
    shares.push_back(std::move(share));
  }
  return shares;
}

/// The journal's epoch is durable before anything else of this run; then the state is rebuilt.
std::uint64_t Server::Parts::start_journal(std::unique_ptr<journal::SqliteStore> store) {
  auto contents = store->load();
  if (!contents) throw std::runtime_error(contents.error().text);
  const std::uint64_t epoch = store->epoch();
  journal_ = std::make_unique<journal::GroupCommit>(
      std::move(store),
      [this](std::function<void()> fn) { boost::asio::post(loop_, std::move(fn)); },
      journal::GroupCommit::Handler{
          [this](std::uint64_t number) { coordinator_.durable(number); },
          [this](const journal::Error& error) {
            log::error("the journal cannot be written: new locks and opens are refused",
                       {{"reason", error.text}});
            coordinator_.journal_failed();
            if (error.kind == journal::Failure::fenced) {
              fenced_ = true;
              stop();
            }
          }});
  std::vector<core::Record> records;
  for (const auto& [key, value] : *contents) {
    if (auto record = core::decode_record(key, value)) records.push_back(std::move(*record));
  }
  observer_.recovered(records);
  coordinator_.recover(*contents, epoch);
  if (!config_.trace.empty()) {
    recording_.open(config_.trace, std::ios::app);
    if (!recording_) throw std::runtime_error("cannot write the trace " + config_.trace.string());
    recorder_.emplace(recording_);
    recorder_->began(clock_.now(), epoch, coordinator_.machine());
  }
  if (coordinator_.unreadable_records() > 0) {
    log::error("records of the journal are not readable and protect nothing",
               {{"records", coordinator_.unreadable_records()}});
  }
  if (coordinator_.in_grace()) log::info("grace period begins: clients reclaim what they held");
  return epoch;
}

Protocols::Setup Server::Parts::setup() const {
  Protocols::Setup setup;
  setup.exports = nfs_exports();
  setup.smb = smb_options(config_);
  setup.shares = smb_shares();
  setup.users = smb_users(config_);
  setup.names.push_back(config_.name);
  if (!config_.bind_everywhere) {
    setup.names.insert(setup.names.end(), config_.bind.begin(), config_.bind.end());
  }
  setup.seed = static_cast<std::uint64_t>(clock_.wall_nanos());
  return setup;
}

std::string Server::Parts::path(core::FileId id) const {
  for (const Served& one : served_) {
    const std::string inside = one.files->path(id);
    if (!inside.empty()) return one.config.name + "/" + inside;
  }
  return {};
}

wire::Task<files::Result<core::FileId>> Server::Parts::walk(const Served& in,
                                                            std::filesystem::path inside) {
  files::NodeRef at = in.files->root();
  for (const std::filesystem::path& step : inside) {
    if (step == "." || step.empty()) continue;
    files::Credentials server{getuid(), getgid(), {}};
    auto found =
        co_await in.files->lookup(std::move(server), at, step.string(), files::NameCase::exact);
    if (!found) co_return found.error();
    at = found->node;
  }
  co_return at->id();
}

/// By the path on the host, by the export's name with a path inside, or by a path inside any
/// export.
wire::Task<files::Result<core::FileId>> Server::Parts::find(std::string path) {
  namespace fs = std::filesystem;
  const fs::path asked = fs::path(path).lexically_normal();
  for (const Served& one : served_) {
    const fs::path base = asked.is_absolute() ? one.config.directory : fs::path(one.config.name);
    fs::path inside = asked.lexically_relative(base);
    if (inside.empty() || *inside.begin() == "..") continue;
    auto found = co_await walk(one, std::move(inside));
    if (found) co_return found;
  }
  for (const Served& one : served_) {
    if (asked.is_absolute()) break;
    auto found = co_await walk(one, asked);
    if (found) co_return found;
  }
  co_return files::fail(ENOENT);
}

admin::Json Server::Parts::status() const {
  admin::Json status;
  status["name"] = config_.name;
  status["version"] = kVersion;
  status["epoch"] = epoch_;
  status["connections"] = network_.connections();
  status["connections_refused"] = network_.refused();
  status["smb_sessions"] = protocols_.smb().sessions().size();
  status["requests_outstanding"] = coordinator_.outstanding();
  const Ports& ports = config_.ports;
  status["ports"] = {{"nfs", ports.nfs},
                     {"mount", ports.mount},
                     {"nlm", ports.nlm},
                     {"nsm", ports.nsm},
                     {"smb", ports.smb}};
  for (const Served& one : served_) {
    status["exports"].push_back(
        {{"name", one.config.name}, {"directory", one.config.directory.string()}});
  }
  const journal::GroupCommit::Stats journal = journal_->stats();
  status["journal"] = {{"batches", journal.batches},
                       {"transactions", journal.transactions},
                       {"failures", journal.failures},
                       {"queued", journal.queued}};
  return status;
}

admin::Sources Server::Parts::sources() {
  admin::Sources from;
  from.coordinator = &coordinator_;
  from.machine = [this]() -> const core::Machine& { return coordinator_.machine(); };
  from.now = [this] { return clock_.now(); };
  from.wall_nanos = [this] { return clock_.wall_nanos(); };
  from.path = [this](core::FileId id) { return path(id); };
  from.find = [this](std::string where) { return find(std::move(where)); };
  from.server = [this] { return status(); };
  from.metrics = [this] { return metrics(); };
  return from;
}

std::string Server::Parts::metrics() const {
  admin::Surroundings around;
  around.epoch = coordinator_.epoch();
  around.connections = network_.connections();
  around.connections_refused = network_.refused();
  around.requests_outstanding = coordinator_.outstanding();
  around.smb_sessions = protocols_.smb().sessions().size();
  around.rpc_calls = protocols_.rpc().counters().calls;
  around.rpc_dropped = protocols_.rpc().counters().dropped;
  around.rpc_replies_repeated = protocols_.rpc().replies().hits();
  around.journal = journal_->stats();
  return observer_.text() + admin::gauges_text(coordinator_.machine(), around);
}

void Server::Parts::run() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    log::info("stopping", {{"signal", signal}});
    stop();
  });
  network_.start();
  control_->start();
  if (http_) http_->start();
  protocols_.notify_hosts(coordinator_.machine().clients());
  log::info("ready", {{"version", kVersion}, {"epoch", epoch_}});
  loop_.run();
  // What was begun ends: sessions hear of their end, file calls finish. It runs out of work at
  // once, unless somebody still has a timer.
  loop_.restart();
  loop_.run_for(std::chrono::seconds(2));
  log::info("stopped");
  if (fenced_) throw std::runtime_error("another server has taken this one's place");
}

/// Connections end without an answer to what is outstanding: to their clients it is as if the
/// server had crashed, and they reclaim from the next run.
void Server::Parts::stop() {
  if (std::exchange(stopping_, true)) return;
  protocols_.interrupt();
  network_.stop(protocols_.rpc_client());
  if (control_) control_->stop();
  if (http_) http_->stop();
  coordinator_.stop();
  signals_.cancel();
  loop_.stop();
}

Server::Server(Config config) : parts_(std::make_unique<Parts>(std::move(config))) {}
Server::~Server() = default;
void Server::run() { parts_->run(); }

std::vector<std::string> Server::mount_lines() const {
  const Config& config = parts_->config();
  const std::string host = config.bind_everywhere ? config.name : config.bind.front();
  const Ports& ports = config.ports;
  std::vector<std::string> lines;
  for (const ExportConfig& one : config.exports) {
    lines.push_back(fmt::format("export {} = {}", one.name, one.directory.string()));
    if (ports.nfs != 0) {
      lines.push_back(
          fmt::format("  NFS: mount -t nfs -o vers=3,proto=tcp,port={},mountport={},mountproto=tcp "
                      "{}:/{} MOUNTPOINT",
                      ports.nfs, ports.mount, host, one.name));
    }
    if (ports.smb != 0) {
      lines.push_back(
          fmt::format("  SMB: mount -t cifs -o vers=3.1.1,port={},username={} //{}/{} MOUNTPOINT",
                      ports.smb, config.users.front().name, host, one.name));
    }
  }
  for (const UserConfig& user : config.users) {
    if (user.where.empty() && !user.password.empty()) {
      lines.push_back(fmt::format("SMB user {} password {}", user.name, user.password));
    }
  }
  return lines;
}

}  // namespace lockstep::daemon
