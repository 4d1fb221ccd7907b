// What every request has to pass (MS-SMB2 3.3.5.2), and who answers it.
#include <algorithm>

#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

enum class Limit : std::uint8_t { none, read, write, transact };

/// What is known of a command without looking into it.
struct Rule {
  std::uint16_t structure_size;
  std::uint16_t body_min;  ///< fixed part: odd sizes count one byte of a buffer
  bool session, tree;      ///< needs them
  Limit limit = Limit::none;
  std::uint16_t lengths[2] = {0, 0};  ///< where in the body payload lengths (32 bits) stand
};

constexpr Rule kRules[kCommandCount] = {
    /* negotiate */ {36, 36, false, false},
    /* session_setup */ {25, 24, false, false},
    /* logoff */ {4, 4, true, false},
    /* tree_connect */ {9, 8, true, false},
    /* tree_disconnect */ {4, 4, true, true},
    /* create */ {57, 56, true, true},
    /* close */ {24, 24, true, true},
    /* flush */ {24, 24, true, true},
    /* read */ {49, 48, true, true, Limit::read, {4, 0}},
    /* write */ {49, 48, true, true, Limit::write, {4, 0}},
    /* lock */ {48, 48, true, true},
    /* ioctl */ {57, 56, true, true, Limit::transact, {28, 44}},
    /* cancel */ {4, 4, false, false},
    /* echo */ {4, 4, false, false},
    /* query_directory */ {33, 32, true, true, Limit::transact, {28, 0}},
    /* change_notify */ {32, 32, true, true, Limit::transact, {4, 0}},
    /* query_info */ {41, 40, true, true, Limit::transact, {4, 12}},
    /* set_info */ {33, 32, true, true, Limit::transact, {4, 0}},
    /* oplock_break */ {24, 24, true, true},
};
/// A lease break acknowledgment is longer than that of an oplock (2.2.24.2).
constexpr std::uint16_t kLeaseAckSize = 36;

const Rule& rule_of(const Request& request) {
  return kRules[static_cast<std::size_t>(request.header.command)];
}

std::uint32_t length_at(ByteView body, std::size_t at) {
  return at == 0 ? 0 : wire::detail::load<std::endian::little, std::uint32_t>(body.data() + at);
}

/// FSCTLs about the connection itself: they need a session, but neither tree nor file.
bool is_connection_ioctl(const Request& request) {
  constexpr std::uint32_t kValidateNegotiateInfo = 0x00140204;
  constexpr std::uint32_t kQueryNetworkInterfaceInfo = 0x001401FC;
  if (request.header.command != Command::ioctl || request.body().size() < 8) return false;
  const std::uint32_t code = length_at(request.body(), 4);
  return code == kValidateNegotiateInfo || code == kQueryNetworkInterfaceInfo;
}

Response ended() {
  Response response;
  response.disconnect = true;
  return response;
}

}  // namespace

Connection::Refusal Connection::admit(Request& request, Chain& chain) {
  const Header& header = request.header;
  const bool negotiated = dialect() != Dialect::none && dialect() != Dialect::wildcard;
  if ((header.command == Command::negotiate) == negotiated) return ended();

  if (!header.has(kFlagRelated)) chain = Chain{};
  if (Refusal refusal = find_session(request, chain)) return refusal;
  if (static_cast<std::uint16_t>(header.command) >= kCommandCount) {
    return Response(NtStatus::invalid_parameter);
  }
  std::uint32_t known = kFlagRelated | kFlagSigned | kFlagDfs;
  if (dialect() >= Dialect::smb311 || !negotiated) known |= kFlagPriorityMask;
  if (dialect() >= Dialect::smb300) known |= kFlagReplay;
  if (header.command == Command::cancel) known |= kFlagAsync;
  if ((header.flags & ~known) != 0) return Response(NtStatus::invalid_parameter);

  if (Refusal refusal = check_protection(request)) return refusal;
  if (header.has(kFlagRelated) && chain.create_error != NtStatus::success) {
    return Response(chain.create_error);
  }
  const Rule& rule = rule_of(request);
  if (rule.session && (!request.session || request.session->state_ == State::closing)) {
    return Response(NtStatus::user_session_deleted);
  }
  if (rule.session && request.session->state_ == State::in_progress) {
    return Response(NtStatus::access_denied);
  }
  if (rule.tree && !is_connection_ioctl(request)) {
    if (Refusal refusal = find_tree(request, chain)) return refusal;
  }
  return check_sizes(request);
}

/// A related request goes on with its predecessor's session (3.3.5.2.7.2), any other names its own.
Connection::Refusal Connection::find_session(Request& request, Chain& chain) {
  const Header& header = request.header;
  if (header.has(kFlagRelated)) {
    request.session = chain.session;
    if (chain.session_failed) return Response(NtStatus::invalid_parameter);
    return std::nullopt;
  }
  const auto found = sessions_.find(header.session_id);
  if (found != sessions_.end()) request.session = found->second;
  chain.session = request.session;
  chain.session_failed = !request.session;
  if (!request.session && header.command == Command::session_setup) {
    // A client that wants to bind signs with the session's key, and looks for ours in the answer.
    request.session = server_.find_session(header.session_id);
    request.foreign_ = request.session != nullptr;
  }
  return std::nullopt;
}

/// Encryption and signature (3.3.5.2.1.1, 3.3.5.2.4, 3.3.5.2.9).
Connection::Refusal Connection::check_protection(Request& request) {
  const SessionRef& session = request.session;
  if (request.encrypted) {
    // Whose key it was is who asks; there is no answer to somebody who is not sure.
    const std::uint64_t claimed =
        request.header.has(kFlagRelated) && session ? session->id() : request.header.session_id;
    if (claimed != request.transform_session_) return ended();
    return std::nullopt;
  }
  if (session && session->encrypt_ && !request.foreign_) {
    return Response(NtStatus::access_denied);
  }
  return check_signature(request);
}

Connection::Refusal Connection::check_signature(Request& request) {
  const Header& header = request.header;
  const SessionRef& session = request.session;
  const bool required = session && session->signing_required_ && !request.foreign_;
  if (!header.has(kFlagSigned)) {
    if (required && session->state_ == State::valid) return Response(NtStatus::access_denied);
    return std::nullopt;
  }
  if (header.command == Command::negotiate) return Response(NtStatus::invalid_parameter);
  if (!session) return Response(NtStatus::user_session_deleted);
  if (!session->crypto_ || !session->crypto_->signer) {
    // No key yet: a client may sign the legs of its first set-up with whatever it has.
    if (header.command == Command::session_setup) return std::nullopt;
    return Response(NtStatus::access_denied);
  }
  if (!session->crypto_->signer->verify(request.message)) return Response(NtStatus::access_denied);
  request.was_signed = true;
  return std::nullopt;
}

Connection::Refusal Connection::find_tree(Request& request, Chain& chain) {
  request.tree = request.header.has(kFlagRelated) && chain.tree
                     ? chain.tree
                     : request.session->find_tree(request.header.tree_id);
  if (!request.tree || request.tree->closing()) return Response(NtStatus::network_name_deleted);
  chain.tree = request.tree;
  if (request.tree->share().encrypt && !request.encrypted) {
    return Response(NtStatus::access_denied);
  }
  return std::nullopt;
}

/// StructureSize, maximal lengths, and whether the credits pay for them (3.3.5.2.5).
Connection::Refusal Connection::check_sizes(const Request& request) const {
  const Rule& rule = rule_of(request);
  const ByteView body = request.body();
  if (body.size() < rule.body_min) return Response(NtStatus::invalid_parameter);
  const auto size = wire::detail::load<std::endian::little, std::uint16_t>(body.data());
  if (size != rule.structure_size) {
    const bool lease_ack = request.header.command == Command::oplock_break &&
                           size == kLeaseAckSize && body.size() >= kLeaseAckSize;
    if (!lease_ack) return Response(NtStatus::invalid_parameter);
  }
  if (rule.limit == Limit::none) return std::nullopt;
  const std::uint32_t payload =
      std::max(length_at(body, rule.lengths[0]), length_at(body, rule.lengths[1]));
  const std::uint32_t limit = rule.limit == Limit::read    ? negotiated_.read_max
                              : rule.limit == Limit::write ? negotiated_.write_max
                                                           : negotiated_.transact_max;
  if (payload > limit) return Response(NtStatus::invalid_parameter);
  if (negotiated_.multi_credit()) {
    const std::uint32_t charge = std::max<std::uint32_t>(request.header.credit_charge, 1);
    if (payload != 0 && (payload - 1) / kCreditUnit + 1 > charge) {
      return Response(NtStatus::invalid_parameter);
    }
  }
  return std::nullopt;
}

Task<Response> Connection::route(Request& request) {
  switch (request.header.command) {
    case Command::negotiate:
      return on_negotiate(request);
    case Command::session_setup:
      return on_session_setup(request);
    case Command::logoff:
      return on_logoff(request);
    case Command::tree_connect:
      return on_tree_connect(request);
    case Command::tree_disconnect:
      return on_tree_disconnect(request);
    case Command::ioctl:
      return on_ioctl(request);
    case Command::echo:
      return on_echo(request);
    default:
      return run_file_command(request);
  }
}

Task<Response> Connection::on_echo(Request& request) {
  (void)request;
  LittleWriter out;
  out.u16(4);
  out.u16(0);
  co_return Response(out.take());
}

Task<Response> Connection::run_file_command(Request& request) {
  const Command command = request.header.command;
  if (request.tree->is_pipe()) {
    // There are no named pipes yet: none can be opened, so no handle is one.
    co_return command == Command::create ? NtStatus::object_name_not_found : NtStatus::file_closed;
  }
  // What gives something back is never refused.
  const bool gives_back = command == Command::close || command == Command::oplock_break ||
                          command == Command::flush || command == Command::write;
  if (waiting_.size() >= server_.options().requests_outstanding_max && !gives_back) {
    co_return NtStatus::insufficient_resources;
  }
  if (command != Command::create) co_return co_await server_.file_service().handle(request);
  const TreeRef tree = request.tree;
  const Inside inside(tree->creates_);
  co_return co_await server_.file_service().handle(request);
}

}  // namespace lockstep::wire::smb2
