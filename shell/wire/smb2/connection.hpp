// One SMB connection, sans I/O: framed messages in (without the 4-byte length of direct TCP, which
// is the carrier's), framed messages out through the Peer.
//
// on_message -> decrypt, split into requests, take their MessageIds from the credit window
//   -> process: one coroutine a frame; the requests of a compound one after the other
//     -> admit: flags, session, encryption, signature, tree, sizes, credit charge
//     -> route: what the connection level does itself, or the FileService
//     -> Outgoing: the responses of the frame, signed one by one or encrypted as a whole.
// Frames run concurrently; only SESSION_SETUPs wait for each other. A violation that leaves no
// room for an answer ends the connection.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "shell/wire/ports.hpp"
#include "shell/wire/smb2/compound.hpp"
#include "shell/wire/smb2/credits.hpp"
#include "shell/wire/smb2/crypto/keys.hpp"
#include "shell/wire/smb2/negotiate.hpp"
#include "shell/wire/smb2/ntlm/acceptor.hpp"
#include "shell/wire/smb2/outgoing.hpp"
#include "shell/wire/smb2/request.hpp"
#include "shell/wire/smb2/session.hpp"

namespace lockstep::wire::smb2 {

class Server;

class Connection final : public wire::Session, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server& server, std::shared_ptr<Peer> peer);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void on_message(Bytes message) override;
  void on_closed() override;

  Server& server() const { return server_; }
  const Address& remote() const { return peer_->remote(); }
  const Negotiated& negotiated() const { return negotiated_; }
  Dialect dialect() const { return negotiated_.dialect; }
  core::ClientId client() const { return client_; }
  const std::map<std::uint64_t, SessionRef>& sessions() const { return sessions_; }
  /// Whether somebody is logged on: carriers close connections that stay strangers for long.
  bool authenticated() const;
  std::size_t requests_in_flight() const { return in_flight_.size(); }
  const CreditWindow& credits() const { return credits_; }

  /// Session::send_break and Request::go_async end here.
  bool send_break(const SessionRef& session, ByteView body, bool encrypt);
  void send_interim(Request& request);

 private:
  friend class Server;
  /// What the requests of a compound leave to their successors.
  struct Chain {
    SessionRef session;
    TreeRef tree;
    std::optional<FileHandle> file;
    NtStatus create_error = NtStatus::success;
    bool session_failed = true;  ///< nothing to inherit yet, or the predecessor had none
  };
  using State = smb2::Session::State;
  using Refusal = std::optional<Response>;  ///< empty: go on

  // connection.cpp: the way of a frame
  std::optional<Incoming> receive(Bytes frame);
  bool take_message_ids(const Incoming& incoming);
  Task<void> process(std::shared_ptr<Connection> self, Incoming incoming);
  Task<Response> run_part(Request& request, Chain& chain);
  void start(Incoming incoming);
  void start_deferred();
  void on_smb1(ByteView frame);
  Task<void> answer_smb1(std::shared_ptr<Connection> self, Dialect dialect);
  Task<void> end_all(std::shared_ptr<Connection> self);
  void disconnect();
  void expect_log_on();
  void cancel_requests(const smb2::Session& session, bool creates_only);
  void cancel_creates(const Tree& tree);
  void drop(const std::function<bool(const Request&)>& which);
  void on_cancel(const Request& request);

  // dispatch.cpp: what is checked before a handler runs, and which one runs
  Refusal admit(Request& request, Chain& chain);
  Refusal find_session(Request& request, Chain& chain);
  Refusal check_protection(Request& request);
  Refusal check_signature(Request& request);
  Refusal find_tree(Request& request, Chain& chain);
  Refusal check_sizes(const Request& request) const;
  Task<Response> route(Request& request);
  Task<Response> run_file_command(Request& request);

  // negotiate, session_setup, tree, ioctl
  Task<Response> on_negotiate(Request& request);
  Task<Response> agree(Request& request, Negotiated agreed);
  Task<Response> on_session_setup(Request& request);
  NtStatus refuse_binding(const Request& request) const;
  Task<void> end_previous(SessionRef session, std::uint64_t previous);
  NtStatus establish(smb2::Session& session, ntlm::Verdict verdict, std::uint8_t client_mode);
  Task<Response> on_logoff(Request& request);
  Task<Response> on_tree_connect(Request& request);
  Task<Response> on_tree_disconnect(Request& request);
  Task<Response> on_echo(Request& request);
  Task<Response> on_ioctl(Request& request);
  Response on_validate_negotiate(ByteView input, std::uint32_t output_max);

  // connection_send.cpp
  void append(Outgoing& outgoing, Request& request, Response response);
  void flush(Outgoing& outgoing);
  void sign_pieces(Outgoing& outgoing);
  void encrypt_and_send(const SessionRef& session, Bytes frame);
  Bytes error_body(const Response& response) const;
  std::uint16_t grant_credits(const Request& request, NtStatus status);

  Server& server_;
  std::shared_ptr<Peer> peer_;
  bool closed_ = false;
  bool leaving_ = false;  ///< we asked for the end: what still comes is ignored
  bool spoke_ = false;
  std::function<void()> stop_timer_;

  Negotiated negotiated_;
  crypto::PreauthHash preauth_;  ///< 3.1.1: Connection.PreauthIntegrityHashValue
  std::string identity_;         ///< under which the core knows the client
  core::ClientId client_;

  CreditWindow credits_;
  std::uint64_t next_async_id_ = 1;
  std::map<std::uint64_t, Request*> in_flight_;  ///< by MessageId
  std::map<std::uint64_t, Request*> waiting_;    ///< those with an interim response, by AsyncId
  Occupancy running_;                            ///< frames being processed
  bool setup_running_ = false;
  std::deque<Incoming> deferred_;  ///< SESSION_SETUPs behind the one that runs
  std::map<std::uint64_t, SessionRef> sessions_;
};

}  // namespace lockstep::wire::smb2
