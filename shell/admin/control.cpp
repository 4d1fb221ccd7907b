#include "shell/admin/control.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace lockstep::admin {

namespace {

using Local = boost::asio::local::stream_protocol;
using Error = boost::system::error_code;

constexpr std::size_t kRequestMax = 64 << 10;
constexpr std::size_t kConnectionsMax = 64;
constexpr std::chrono::minutes kSilence{10};

[[noreturn]] void failed(const std::filesystem::path& path, const std::string& why,
                         const char* remedy) {
  throw std::runtime_error("control socket " + path.string() + " (--control): " + why + ": " +
                           remedy);
}

Local::endpoint endpoint_of(const std::filesystem::path& path) {
  if (path.string().size() >= sizeof(sockaddr_un::sun_path)) {
    failed(path, "a socket's path has at most 107 characters", "choose a shorter one");
  }
  return Local::endpoint(path.string());
}

/// A socket that nobody answers on was left behind by a server that was killed.
void clear_the_way(boost::asio::io_context& loop, const std::filesystem::path& path) {
  Local::socket probe(loop);
  Error error;
  probe.connect(endpoint_of(path), error);
  if (!error) failed(path, "another lockstepd answers there", "stop it, or choose another --state");
  struct stat found{};
  if (lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) unlink(path.c_str());
}

}  // namespace

class ControlServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ControlServer> server, Local::socket socket)
      : server_(std::move(server)), socket_(std::move(socket)), timer_(socket_.get_executor()) {
    ++server_->connections_;
  }
  ~Connection() { --server_->connections_; }

  void read() {
    timer_.expires_after(kSilence);
    timer_.async_wait([weak = weak_from_this()](const Error& cancelled) {
      const auto self = weak.lock();
      Error ignored;
      if (self && !cancelled) self->socket_.close(ignored);
    });
    boost::asio::async_read_until(
        socket_, boost::asio::dynamic_buffer(incoming_, kRequestMax), '\n',
        [self = shared_from_this()](const Error& error, std::size_t size) {
          if (error) return self->end();
          std::string line = self->incoming_.substr(0, size);
          self->incoming_.erase(0, size);
          wire::spawn(self->answer(self, std::move(line)));
        });
  }

 private:
  wire::Task<> answer(std::shared_ptr<Connection> self, std::string line) {
    Json request = Json::parse(line, nullptr, false);
    Json reply;
    try {
      reply = co_await server_->commands_.run(std::move(request));
    } catch (const std::exception& error) {
      reply = Json{{"ok", false}, {"error", error.what()}};
    }
    outgoing_ = reply.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    boost::asio::async_write(socket_, boost::asio::buffer(outgoing_),
                             [self](const Error& error, std::size_t) {
                               if (error)
                                 self->end();
                               else
                                 self->read();
                             });
  }
  void end() {
    timer_.cancel();
    Error ignored;
    socket_.close(ignored);
  }

  std::shared_ptr<ControlServer> server_;
  Local::socket socket_;
  boost::asio::steady_timer timer_;
  std::string incoming_, outgoing_;
};

ControlServer::ControlServer(boost::asio::io_context& loop, const std::filesystem::path& path,
                             Commands& commands)
    : loop_(loop), path_(path), commands_(commands), acceptor_(loop) {
  const Local::endpoint endpoint = endpoint_of(path);
  clear_the_way(loop, path);
  Error error;
  acceptor_.open(endpoint.protocol(), error);
  // Nobody else may connect, not even before the mode could be changed.
  const mode_t before = umask(0177);
  if (!error) acceptor_.bind(endpoint, error);
  umask(before);
  if (!error) acceptor_.listen(16, error);
  if (error) failed(path, error.message(), "let the server's user write there, or choose another");
}

ControlServer::~ControlServer() = default;

void ControlServer::start() { accept(); }

void ControlServer::stop() {
  if (!acceptor_.is_open()) return;
  Error ignored;
  acceptor_.close(ignored);
  unlink(path_.c_str());
}

void ControlServer::accept() {
  acceptor_.async_accept([self = shared_from_this()](const Error& error, Local::socket socket) {
    if (!self->acceptor_.is_open()) return;
    if (!error && self->connections_ < kConnectionsMax) {
      std::make_shared<Connection>(self, std::move(socket))->read();
    }
    self->accept();
  });
}

}  // namespace lockstep::admin
