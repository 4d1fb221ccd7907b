// SESSION_SETUP and LOGOFF (MS-SMB2 3.3.5.5, 3.3.5.6).
#include <array>
#include <utility>

#include "shell/wire/smb2/authentication.hpp"
#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint8_t kFlagBinding = 0x01;
constexpr std::uint16_t kSessionIsGuest = 0x0001;
constexpr std::uint16_t kSessionIsNull = 0x0002;
constexpr std::uint16_t kSessionEncrypts = 0x0004;

struct SetupRequest {
  std::uint8_t flags = 0;
  std::uint8_t security_mode = 0;
  std::uint64_t previous_session = 0;
  ByteView token;
};

std::optional<SetupRequest> decode_setup(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 2);
  SetupRequest request;
  request.flags = in.u8();
  request.security_mode = in.u8();
  in.skip(8);  // Capabilities, Channel
  const std::uint16_t offset = in.u16();
  const std::uint16_t size = in.u16();
  request.previous_session = in.u64();
  if (offset < in.position()) return std::nullopt;
  in.seek(offset);
  request.token = in.take(size);
  if (in.failed()) return std::nullopt;
  return request;
}

Bytes setup_response(std::uint16_t flags, ByteView token) {
  LittleWriter out;
  out.u16(9);
  out.u16(flags);
  out.u16(static_cast<std::uint16_t>(kHeaderSize + 8));
  out.u16(static_cast<std::uint16_t>(token.size()));
  out.bytes(token);
  return out.take();
}

ntlm::Acceptor make_acceptor(const Server& server) {
  std::array<std::uint8_t, 8> challenge{};
  server.random(challenge);
  const ntlm::Naming naming{server.options().netbios_name, server.options().dns_name};
  return ntlm::Acceptor(naming, challenge, server.file_time(), [&server](std::string_view name) {
    const User* const user = server.find_user(name);
    return user == nullptr ? std::nullopt : std::optional(user->nt_hash);
  });
}

bool same_identity(const Identity& left, const Identity& right) {
  return left.user == right.user && left.guest == right.guest && left.anonymous == right.anonymous;
}

}  // namespace

Task<Response> Connection::on_session_setup(Request& request) {
  const std::optional<SetupRequest> setup = decode_setup(request.message);
  if (!setup) co_return NtStatus::invalid_parameter;
  const bool binding = (setup->flags & kFlagBinding) != 0;
  if (binding) co_return refuse_binding(request);
  if (request.foreign_) co_return NtStatus::user_session_deleted;
  const bool must_encrypt = server_.options().encryption == EncryptionPolicy::required;
  if (must_encrypt && negotiated_.cipher == crypto::CipherId::none) {
    co_return NtStatus::access_denied;
  }
  if (!request.session) {
    if (request.header.session_id != 0) co_return NtStatus::user_session_deleted;
    if (sessions_.size() >= server_.options().sessions_per_connection_max) {
      co_return NtStatus::insufficient_resources;
    }
    request.session = server_.new_session(*this);
    sessions_.emplace(request.session->id(), request.session);
    request.header.session_id = request.session->id();
  }
  const SessionRef session = request.session;
  if (session->state_ == State::closing) co_return NtStatus::user_session_deleted;
  if (!session->authentication_) {
    session->authentication_ = std::make_unique<Authentication>(make_acceptor(server_), preauth_);
  }
  session->authentication_->preauth.add(request.message);

  ntlm::SpnegoAcceptor::Step step = session->authentication_->acceptor.step(setup->token);
  if (step.outcome == ntlm::SpnegoAcceptor::Outcome::more) {
    co_return Response(NtStatus::more_processing_required, setup_response(0, step.token));
  }
  NtStatus status = step.verdict == ntlm::Verdict::malformed ? NtStatus::invalid_parameter
                                                             : NtStatus::logon_failure;
  if (step.outcome == ntlm::SpnegoAcceptor::Outcome::done) {
    status = establish(*session, step.verdict, setup->security_mode);
  }
  session->authentication_.reset();
  if (status != NtStatus::success) {
    // A failed re-authentication ends the session too (3.3.5.5.3).
    co_await server_.end_session(session);
    co_return status;
  }
  co_await end_previous(session, setup->previous_session);
  const Identity& who = session->identity_;
  const std::uint16_t flags = static_cast<std::uint16_t>(
      (who.guest ? kSessionIsGuest : 0) | (who.anonymous ? kSessionIsNull : 0) |
      (session->encrypt_ ? kSessionEncrypts : 0));
  co_return Response(setup_response(flags, step.token));
}

/// Several connections of one session are not offered (SMB2_GLOBAL_CAP_MULTI_CHANNEL), so the
/// answer is REQUEST_NOT_ACCEPTED in the end; a client that could not have bound anyway hears why.
NtStatus Connection::refuse_binding(const Request& request) const {
  if (request.header.session_id == 0) return NtStatus::invalid_parameter;
  if (!request.session) return NtStatus::user_session_deleted;
  if (!request.foreign_ || request.session->connection_ == nullptr) {
    return NtStatus::request_not_accepted;
  }
  const Negotiated& theirs = request.session->connection_->negotiated();
  if (theirs.signing != negotiated_.signing) {
    if (theirs.signing == crypto::SigningAlgorithm::aes_gmac) {
      return NtStatus::request_out_of_sequence;
    }
    if (negotiated_.signing == crypto::SigningAlgorithm::aes_gmac) return NtStatus::not_supported;
  }
  if (dialect() < Dialect::smb300) return NtStatus::request_not_accepted;
  if (!request.was_signed || theirs.dialect != dialect() || theirs.cipher != negotiated_.cipher) {
    return NtStatus::invalid_parameter;
  }
  return NtStatus::request_not_accepted;
}

/// The client lost its connection and comes back: what the old session holds goes first.
Task<void> Connection::end_previous(SessionRef session, std::uint64_t previous) {
  if (previous == 0 || previous == session->id()) co_return;
  const SessionRef old = server_.find_session(previous);
  if (!old || old->state_ != State::valid) co_return;
  if (!same_identity(old->identity_, session->identity_)) co_return;
  co_await server_.end_session(old);
}

/// Authentication is over: who it is, and the keys of a new session. Those of an old one stay.
NtStatus Connection::establish(smb2::Session& session, ntlm::Verdict verdict,
                               std::uint8_t client_mode) {
  const Options& options = server_.options();
  const ntlm::Acceptor& ntlm = session.authentication_->acceptor.ntlm();
  Identity identity;
  identity.user = ntlm.user();
  identity.domain = ntlm.domain();
  bool has_key = ntlm.has_key();
  if (verdict == ntlm::Verdict::accepted) {
    const User* const user = server_.find_user(ntlm.user());
    if (user == nullptr) return NtStatus::logon_failure;
    identity.user = user->name;
    identity.credentials = user->credentials;
  } else if (verdict == ntlm::Verdict::anonymous) {
    identity.anonymous = true;
  } else {
    if (!options.guest) return NtStatus::logon_failure;
    identity.guest = true;
    identity.credentials = *options.guest;
    has_key = false;
  }
  const bool nobody = identity.guest || identity.anonymous;
  if (nobody && options.encryption == EncryptionPolicy::required) return NtStatus::access_denied;
  if (session.was_valid_) {
    session.identity_ = std::move(identity);
    return NtStatus::success;
  }
  if (has_key) {
    const std::size_t cipher_size = identity.anonymous ? 0 : crypto::key_size(negotiated_.cipher);
    const crypto::SessionKeys keys = crypto::derive_session_keys(
        dialect(), ntlm.session_key(), session.authentication_->preauth.value(), cipher_size);
    session.crypto_ = std::make_unique<crypto::SessionCrypto>();
    session.crypto_->signer = crypto::make_signer(negotiated_.signing, keys.signing);
    if (cipher_size != 0) {
      using crypto::Cipher;
      session.crypto_->seal = std::make_unique<Cipher>(negotiated_.cipher, Cipher::Direction::seal,
                                                       keys.server_to_client);
      session.crypto_->open = std::make_unique<Cipher>(negotiated_.cipher, Cipher::Direction::open,
                                                       keys.client_to_server);
    }
  }
  session.signing_required_ =
      !nobody && (options.signing_required || (client_mode & kSigningRequired) != 0);
  session.encrypt_ = !nobody && options.encryption == EncryptionPolicy::required;
  session.identity_ = std::move(identity);
  session.was_valid_ = true;
  session.state_ = State::valid;
  return NtStatus::success;
}

Task<Response> Connection::on_logoff(Request& request) {
  const SessionRef session = request.session;
  co_await server_.end_session(session);
  LittleWriter out;
  out.u16(4);
  out.u16(0);
  co_return Response(out.take());
}

}  // namespace lockstep::wire::smb2
