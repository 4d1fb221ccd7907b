// NEGOTIATE on a connection (MS-SMB2 3.3.5.3, 3.3.5.4): the SMB2 one, and SMB1's that leads to it.
#include <array>

#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/ntlm/spnego.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

Bytes negotiate_response(const Server& server, const Negotiated& agreed) {
  std::array<std::uint8_t, 32> salt{};
  server.random(salt);
  return encode_negotiate_response(agreed, server.options().server_guid, server.file_time(),
                                   ntlm::negotiate_hint(), salt);
}

}  // namespace

Task<Response> Connection::on_negotiate(Request& request) {
  const std::optional<NegotiateRequest> asked = decode_negotiate_request(request.message);
  if (!asked) co_return NtStatus::invalid_parameter;
  Negotiated agreed;
  const NtStatus status = negotiate(*asked, server_.options(), agreed);
  if (status != NtStatus::success) co_return status;
  co_return co_await agree(request, agreed);
}

/// The core learns of the client before the client learns of us.
Task<Response> Connection::agree(Request& request, Negotiated agreed) {
  if (!client_) {
    // A client is its ClientGuid; without one, each connection is a client of its own.
    Guid guid = agreed.client_guid;
    if (guid.empty()) server_.random(guid.bytes);
    identity_.assign(guid.bytes.begin(), guid.bytes.end());
    client_ = co_await server_.acquire_client(identity_, remote().host);
    if (!client_) co_return NtStatus::insuff_server_resources;
    if (closed_) {  // it went away meanwhile, before anybody could know of the client
      server_.release_client(identity_);
      client_ = {};
      co_return NtStatus::network_name_deleted;
    }
  }
  negotiated_ = agreed;
  if (agreed.dialect == Dialect::smb311) preauth_.add(request.message);
  co_return Response(negotiate_response(server_, agreed));
}

void Connection::on_smb1(ByteView frame) {
  // Only as the very first message; it takes MessageId 0.
  if (dialect() != Dialect::none || !credits_.consume(0, 1)) return disconnect();
  const std::optional<MultiProtocolRequest> asked = decode_smb1_negotiate(frame);
  const Options& options = server_.options();
  if (asked && asked->wildcard && options.dialect_max >= Dialect::smb210) {
    return spawn(answer_smb1(shared_from_this(), Dialect::wildcard));
  }
  if (asked && asked->smb202 && options.dialect_min <= Dialect::smb202) {
    return spawn(answer_smb1(shared_from_this(), Dialect::smb202));
  }
  disconnect();
}

Task<void> Connection::answer_smb1([[maybe_unused]] std::shared_ptr<Connection> self,
                                   Dialect dialect) {
  Request request;
  request.header.command = Command::negotiate;
  request.connection_ = this;
  Outgoing outgoing;
  const Negotiated agreed = negotiate_multi_protocol(dialect, server_.options());
  Response response;
  if (dialect == Dialect::wildcard) {
    // Who the client is comes with the SMB2 NEGOTIATE that this asks for.
    negotiated_ = agreed;
    response = Response(negotiate_response(server_, agreed));
  } else {
    response = co_await agree(request, agreed);
  }
  append(outgoing, request, std::move(response));
  flush(outgoing);
}

}  // namespace lockstep::wire::smb2
