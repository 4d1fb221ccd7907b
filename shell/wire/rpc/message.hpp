// The RPC message (RFC 5531 9): headers of calls and replies, and the two flavours of credential
// that are accepted, AUTH_NONE and AUTH_SYS (RFC 5531 14).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shell/wire/bytes.hpp"

namespace lockstep::wire::rpc {

/// RFC 5531 9, accept_stat.
enum class AcceptStatus : std::uint32_t {
  success = 0,
  prog_unavail = 1,
  prog_mismatch = 2,
  proc_unavail = 3,
  garbage_args = 4,
  system_err = 5,
};

/// RFC 5531 9, auth_stat.
enum class AuthStatus : std::uint32_t {
  ok = 0,
  bad_cred = 1,
  rejected_cred = 2,
  bad_verf = 3,
  rejected_verf = 4,
  too_weak = 5,
};

inline constexpr std::uint32_t kAuthNone = 0;
inline constexpr std::uint32_t kAuthSys = 1;
inline constexpr std::size_t kAuthBodyMax = 400;      ///< RFC 5531 8.2
inline constexpr std::size_t kMachineNameMax = 255;   ///< RFC 5531 14
inline constexpr std::size_t kAuthSysGroupsMax = 16;  ///< RFC 5531 14

/// Who calls. AUTH_NONE leaves the ids at nobody.
struct Credential {
  std::uint32_t flavor = kAuthNone;
  std::uint32_t uid = 65534;
  std::uint32_t gid = 65534;
  std::vector<std::uint32_t> groups;
  std::string machine;
};

struct CallHeader {
  std::uint32_t xid = 0;
  std::uint32_t program = 0;
  std::uint32_t version = 0;
  std::uint32_t procedure = 0;
  Credential credential;
};

/// What a received message turned out to be.
struct ParsedCall {
  enum class Kind : std::uint8_t {
    call,    ///< `header` is complete, the arguments begin at `arguments`
    reject,  ///< a call that cannot be run: send `rejection`
    drop,    ///< no call at all (too short, or a reply): nothing can be answered
  };
  Kind kind = Kind::drop;
  CallHeader header;
  std::size_t arguments = 0;  ///< offset into the message
  Bytes rejection;
};
ParsedCall parse_call(ByteView message);

/// Appends a call header; the arguments follow. AUTH_NONE unless the credential says AUTH_SYS.
void put_call(BigWriter& out, const CallHeader& call);

/// A writer that holds the header of a successful reply (24 bytes, xid still zero): results follow.
/// Results are appended in place, so that a READ of 1 MiB is copied once.
BigWriter begin_reply();
inline constexpr std::size_t kReplyHeaderSize = 24;
/// Fills in the xid of a message made by begin_reply or reply_error.
void set_xid(Bytes& reply, std::uint32_t xid);

/// MSG_ACCEPTED with a status other than success; `low` and `high` are used by prog_mismatch.
Bytes reply_error(std::uint32_t xid, AcceptStatus status, std::uint32_t low = 0,
                  std::uint32_t high = 0);
/// MSG_DENIED, AUTH_ERROR.
Bytes reply_auth_error(std::uint32_t xid, AuthStatus status);
/// MSG_DENIED, RPC_MISMATCH: this server speaks version 2 only.
Bytes reply_rpc_mismatch(std::uint32_t xid);

/// A reply as the caller sees it.
struct ParsedReply {
  bool valid = false;     ///< a well-formed reply message
  bool accepted = false;  ///< MSG_ACCEPTED
  std::uint32_t xid = 0;
  AcceptStatus status = AcceptStatus::system_err;
  std::size_t results = 0;  ///< offset into the message, when status is success
};
ParsedReply parse_reply(ByteView message);

}  // namespace lockstep::wire::rpc
