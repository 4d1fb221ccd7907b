#include "shell/wire/smb2/server.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "shell/wire/ports.hpp"
#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint64_t kUnixEpochAsFileTime = 116'444'736'000'000'000;

void random_from_openssl(std::span<std::uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) {
    throw std::runtime_error("OpenSSL has no random numbers");
  }
}

ShareRef ipc_share() {
  Share share;
  share.name = "IPC$";
  share.type = Share::Type::pipe;
  share.guests = true;
  return std::make_shared<const Share>(std::move(share));
}

}  // namespace

Server::Server(Options options, std::vector<ShareRef> shares, std::vector<User> users,
               Coordinator& coordinator, Clock& clock)
    : options_(std::move(options)),
      shares_(std::move(shares)),
      users_(std::move(users)),
      coordinator_(coordinator),
      clock_(clock) {
  if (!options_.random) options_.random = random_from_openssl;
  if (options_.server_guid.empty()) options_.random(options_.server_guid.bytes);
  shares_.push_back(ipc_share());
}

Server::~Server() = default;

ShareRef Server::find_share(std::string_view name) const {
  const auto found = std::ranges::find_if(
      shares_, [&](const ShareRef& share) { return same_name(share->name, name); });
  return found == shares_.end() ? nullptr : *found;
}

const User* Server::find_user(std::string_view name) const {
  const auto found =
      std::ranges::find_if(users_, [&](const User& user) { return same_name(user.name, name); });
  return found == users_.end() ? nullptr : &*found;
}

std::uint64_t Server::file_time() const {
  return kUnixEpochAsFileTime + static_cast<std::uint64_t>(clock_.wall_nanos()) / 100;
}

std::size_t Server::frame_max() const {
  // The payload, a compound's small parts, headers, and the transform header.
  constexpr std::size_t kRoom = 256 * 1024;
  return std::size_t{std::max(options_.write_max, options_.transact_max)} + kRoom;
}

SessionRef Server::find_session(std::uint64_t id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second;
}

SessionRef Server::new_session(Connection& connection) {
  // 32 bits of chance: some clients keep no more of it, and it should not be guessed.
  std::uint64_t id = 0;
  while (id == 0 || id == 0xFFFFFFFF || sessions_.contains(id)) {
    std::array<std::uint8_t, 4> bytes{};
    options_.random(bytes);
    id = wire::detail::load<std::endian::little, std::uint32_t>(bytes.data());
  }
  auto session = std::make_shared<Session>(*this, connection, id);
  sessions_.emplace(id, session);
  return session;
}

Task<void> Server::end_session(SessionRef session) {
  if (session->state_ == Session::State::closing) {
    co_await session->ended_.wait();
    co_return;
  }
  session->state_ = Session::State::closing;
  sessions_.erase(session->id_);
  // While the transport is there, breaks still go out and answers of what ends now are signed.
  std::shared_ptr<Connection> connection;
  if (session->connection_ != nullptr) connection = session->connection_->shared_from_this();
  if (connection) {
    connection->sessions_.erase(session->id_);
    connection->cancel_requests(*session, /*creates_only=*/true);
  }
  const std::map<std::uint32_t, TreeRef> trees = session->trees_;
  for (const auto& [id, tree] : trees) tree->closing_ = true;
  for (const auto& [id, tree] : trees) co_await tree->creates_.empty();
  if (session->was_valid_) co_await files_->close_session(session);
  if (connection) connection->cancel_requests(*session, /*creates_only=*/false);
  session->trees_.clear();
  session->connection_ = nullptr;
  session->ended_.open();
}

Task<core::ClientId> Server::acquire_client(std::string identity, std::string address) {
  // Counted before the core answers, so that the last connection of the same client that goes
  // meanwhile does not take it away.
  ++clients_[identity].connections;
  core::ClientArrived arrived;
  arrived.protocol = core::Protocol::smb;
  arrived.identity = identity;
  arrived.address = address;
  arrived.label = address;
  const core::Reply reply = co_await request(coordinator_, std::move(arrived));
  const auto* const body = std::get_if<core::ClientReply>(&reply.body);
  if (reply.status != core::Status::ok || body == nullptr) {
    release_client(identity);
    co_return core::ClientId{};
  }
  Client& client = clients_[identity];
  if (!client.id) {
    client.id = body->client;
    coordinator_.attach(client.id, files_->client_sink());
  }
  co_return client.id;
}

void Server::release_client(const std::string& identity) {
  const auto found = clients_.find(identity);
  if (found == clients_.end() || --found->second.connections != 0) return;
  const core::ClientId id = found->second.id;
  clients_.erase(found);
  if (!id) return;
  coordinator_.report(core::ClientLeft{id, core::LeaveReason::disconnected});
  coordinator_.detach(id, files_->client_sink());
}

}  // namespace lockstep::wire::smb2
