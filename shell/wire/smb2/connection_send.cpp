// From responses to frames: credits, compounds, signatures, encryption (MS-SMB2 3.3.4.1).
#include <algorithm>
#include <utility>

#include "shell/wire/smb2/authentication.hpp"
#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

// Where in a header.
constexpr std::size_t kCreditsAt = 14;
constexpr std::size_t kFlagsAt = 16;
constexpr std::size_t kNextAt = 20;

std::size_t base_of(const Outgoing& outgoing) {
  return outgoing.encrypt_for ? crypto::kTransformSize : 0;
}

/// What the final response of a set-up, and everything of a session that signs, must carry.
bool must_sign(const Request& request, NtStatus status, bool has_key, bool required) {
  if (!has_key) return false;
  if (request.header.command == Command::session_setup && status == NtStatus::success) return true;
  return request.was_signed || required;
}

}  // namespace

/// What one request earns (3.3.1.2): what it cost, and what it asks for on top once the client has
/// logged on. Only the window says no.
std::uint16_t Connection::grant_credits(const Request& request, NtStatus status) {
  const Header& header = request.header;
  const std::uint32_t charge =
      negotiated_.multi_credit() ? std::max<std::uint32_t>(header.credit_charge, 1) : 1;
  const bool more = header.command != Command::negotiate &&
                    (header.command != Command::session_setup || status == NtStatus::success);
  const std::uint32_t asked = std::max<std::uint32_t>(header.credits, 1);
  return credits_.grant(more ? charge + asked - 1 : charge);
}

Bytes Connection::error_body(const Response& response) const {
  // 2.2.2: 3.1.1 wraps what it tells in an error context, the others put it there as it is.
  const bool context = dialect() == Dialect::smb311 && !response.error_data.empty();
  LittleWriter data;
  if (context) {
    data.u32(static_cast<std::uint32_t>(response.error_data.size()));
    data.u32(0);
  }
  data.bytes(response.error_data);
  LittleWriter out;
  out.u16(9);
  out.u8(context ? 1 : 0);
  out.u8(0);
  out.u32(static_cast<std::uint32_t>(data.size()));
  out.bytes(data.buffer());
  if (data.size() == 0) out.u8(0);
  return out.take();
}

void Connection::append(Outgoing& outgoing, Request& request, Response response) {
  if (closed_) return;
  const SessionRef& session = request.session;
  LittleWriter& out = outgoing.out;
  if (outgoing.pieces.empty()) {
    const bool setup = request.header.command == Command::session_setup;
    const bool encrypt = request.encrypted || (session && session->encrypt_ && !setup);
    if (encrypt && session && session->crypto_ && session->crypto_->seal) {
      outgoing.encrypt_for = session;
    } else if (request.encrypted) {
      const auto found = sessions_.find(request.transform_session_);
      if (found != sessions_.end()) outgoing.encrypt_for = found->second;
    }
    out.zeros(base_of(outgoing));
  } else {
    out.align(8, base_of(outgoing));
    const std::size_t previous = outgoing.pieces.back().at;
    out.patch_u32(previous + kNextAt, static_cast<std::uint32_t>(out.size() - previous));
    out.patch_u16(previous + kCreditsAt, 0);
  }
  if (response.body.empty()) response.body = error_body(response);

  Outgoing::Piece piece;
  piece.at = out.size();
  piece.session = session;
  const bool has_key = session && session->crypto_ && session->crypto_->signer;
  piece.sign = must_sign(request, response.status, has_key, has_key && session->signing_required_);
  if (!request.is_async()) outgoing.credits += grant_credits(request, response.status);

  Header header = request.header;
  header.status = static_cast<std::uint32_t>(response.status);
  header.credits = static_cast<std::uint16_t>(std::min<std::uint32_t>(outgoing.credits, 0xFFFF));
  header.flags = kFlagResponse | (header.flags & (kFlagRelated | kFlagPriorityMask | kFlagReplay));
  header.next = 0;
  header.signature = {};
  if (request.is_async()) {
    header.flags |= kFlagAsync;
    header.async_id = request.async_id_;
  }
  out.buffer().reserve(out.size() + kHeaderSize + response.body.size() + response.payload.size() +
                       8);
  encode_header(header, out);
  out.bytes(response.body);
  out.bytes(response.payload);
  outgoing.pieces.push_back(std::move(piece));
}

/// Sends what was gathered; then what had to wait for it may follow.
void Connection::flush(Outgoing& outgoing) {
  Outgoing full = std::exchange(outgoing, Outgoing{});
  if (!full.pieces.empty() && !closed_) {
    if (!full.encrypt_for) sign_pieces(full);
    const Outgoing::Piece& first = full.pieces.front();
    const ByteView message = ByteView(full.out.buffer()).subspan(base_of(full));
    const Header header = *decode_header(message);
    // 3.1.1: the hashes go on with what was answered, but for the response that ends the set-up.
    if (header.command == Command::negotiate && dialect() == Dialect::smb311) {
      preauth_.add(message);
    } else if (header.command == Command::session_setup && first.session &&
               header.status == static_cast<std::uint32_t>(NtStatus::more_processing_required) &&
               first.session->authentication_) {
      first.session->authentication_->preauth.add(message);
    }
    if (full.encrypt_for)
      encrypt_and_send(full.encrypt_for, full.out.take());
    else
      peer_->send(full.out.take());
  }
  for (const auto& call : full.after) call();
}

void Connection::sign_pieces(Outgoing& outgoing) {
  Bytes& buffer = outgoing.out.buffer();
  for (std::size_t i = 0; i < outgoing.pieces.size(); ++i) {
    const Outgoing::Piece& piece = outgoing.pieces[i];
    if (!piece.sign) continue;
    const std::size_t end =
        i + 1 < outgoing.pieces.size() ? outgoing.pieces[i + 1].at : buffer.size();
    buffer[piece.at + kFlagsAt] |= kFlagSigned;
    const crypto::Signature signature =
        piece.session->crypto_->signer->sign(ByteView(buffer).subspan(piece.at, end - piece.at));
    std::ranges::copy(signature,
                      buffer.begin() + static_cast<std::ptrdiff_t>(piece.at + kSignatureAt));
  }
}

/// `frame` starts with room for the transform header.
void Connection::encrypt_and_send(const SessionRef& session, Bytes frame) {
  session->crypto_->seal->seal(frame, session->id());
  peer_->send(std::move(frame));
}

/// 3.3.4.2. It earns the credits that the final response then does not.
void Connection::send_interim(Request& request) {
  if (closed_) return;
  Outgoing& before = *request.outgoing_;
  flush(before);
  Response pending(NtStatus::pending);
  Outgoing interim;
  const bool was_signed = std::exchange(request.was_signed, false);  // it is not signed
  const std::uint16_t credits = grant_credits(request, NtStatus::pending);
  request.async_id_ = next_async_id_++;
  waiting_[request.async_id_] = &request;
  interim.credits = credits;
  append(interim, request, std::move(pending));
  interim.pieces.front().sign = false;
  request.was_signed = was_signed;
  flush(interim);
}

/// 2.2.23, 3.3.4.6, 3.3.4.7: nobody's MessageId, no session, no tree, never signed.
bool Connection::send_break(const SessionRef& session, ByteView body, bool encrypt) {
  if (closed_) return false;
  const bool seal = encrypt && session->crypto_ && session->crypto_->seal;
  Header header;
  header.command = Command::oplock_break;
  header.flags = kFlagResponse;
  header.message_id = kNoMessageId;
  LittleWriter out;
  if (seal) out.zeros(crypto::kTransformSize);
  encode_header(header, out);
  out.bytes(body);
  if (seal)
    encrypt_and_send(session, out.take());
  else
    peer_->send(out.take());
  return true;
}

}  // namespace lockstep::wire::smb2
