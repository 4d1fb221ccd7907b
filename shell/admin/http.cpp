#include "shell/admin/http.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "shell/net/address.hpp"
#include "shell/net/listener.hpp"

namespace lockstep::admin {

namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::size_t kBrowsersMax = 64;
constexpr std::chrono::seconds kTimeout{15};
constexpr std::uint64_t kBodyMax = 1024;

}  // namespace

class HttpServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<HttpServer> server, tcp::socket socket)
      : server_(std::move(server)), stream_(std::move(socket)) {
    ++server_->connections_;
  }
  ~Connection() { --server_->connections_; }

  void read() {
    parser_.emplace();
    parser_->body_limit(kBodyMax);
    stream_.expires_after(kTimeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const Error& error, std::size_t) {
                       if (error) return;
                       wire::spawn(self->answer(self));
                     });
  }

 private:
  using Response = http::response<http::string_body>;

  wire::Task<> answer(std::shared_ptr<Connection> self) {
    const http::request<http::string_body>& request = parser_->get();
    response_ = Response(http::status::ok, request.version());
    response_.keep_alive(request.keep_alive());
    response_.set(http::field::server, "lockstepd");
    response_.set(http::field::cache_control, "no-store");
    const bool asks = request.method() == http::verb::get || request.method() == http::verb::head;
    const std::string target(request.target());
    if (!asks) {
      fail(http::status::method_not_allowed, "only GET");
    } else if (target == "/metrics") {
      fill("text/plain; version=0.0.4; charset=utf-8", server_->commands_.metrics());
    } else if (target == "/state.json") {
      fill("application/json", co_await state());
    } else if (target == "/") {
      fill("text/html; charset=utf-8", page());
    } else {
      fail(http::status::not_found, "/, /metrics or /state.json");
    }
    if (request.method() == http::verb::head) response_.body().clear();
    response_.prepare_payload();
    stream_.expires_after(kTimeout);
    http::async_write(stream_, response_, [self](const Error& error, std::size_t) {
      if (!error && self->response_.keep_alive()) return self->read();
      Error ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  wire::Task<std::string> state() {
    Json all;
    for (const char* command : {"status", "locks", "opens", "waiters", "clients"}) {
      Json request{{"command", command}, {"limit", 1000}};
      Json reply = co_await server_->commands_.run(std::move(request));
      all[command] = reply.contains("result") ? std::move(reply["result"]) : Json();
    }
    co_return all.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void fill(const char* type, std::string body) {
    response_.set(http::field::content_type, type);
    response_.body() = std::move(body);
  }
  void fail(http::status status, const char* text) {
    response_.result(status);
    fill("text/plain; charset=utf-8", std::string(text) + "\n");
  }

  std::shared_ptr<HttpServer> server_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_{64 << 10};
  std::optional<http::request_parser<http::string_body>> parser_;
  Response response_;
};

HttpServer::HttpServer(boost::asio::io_context& loop, const wire::Address& address,
                       Commands& commands)
    : commands_(commands), acceptor_(loop) {
  const auto endpoint = net::endpoint_of<tcp::endpoint>(address);
  Error error;
  if (!endpoint) error = Error(EADDRNOTAVAIL, boost::system::system_category());
  if (!error) acceptor_.open(endpoint->protocol(), error);
  if (!error) acceptor_.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(*endpoint, error);
  if (!error) acceptor_.listen(64, error);
  if (error) throw net::ListenError(address, "--metrics", error);
}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return acceptor_.local_endpoint().port(); }

void HttpServer::start() { accept(); }

void HttpServer::stop() {
  Error ignored;
  acceptor_.close(ignored);
}

void HttpServer::accept() {
  acceptor_.async_accept([self = shared_from_this()](const Error& error, tcp::socket socket) {
    if (!self->acceptor_.is_open()) return;
    if (!error && self->connections_ < kBrowsersMax) {
      std::make_shared<Connection>(self, std::move(socket))->read();
    }
    self->accept();
  });
}

}  // namespace lockstep::admin
