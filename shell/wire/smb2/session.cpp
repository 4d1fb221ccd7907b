#include "shell/wire/smb2/session.hpp"

#include "shell/wire/smb2/authentication.hpp"
#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/crypto/session_crypto.hpp"

namespace lockstep::wire::smb2 {

Session::Session(Server& server, Connection& connection, std::uint64_t id)
    : server_(server),
      connection_(&connection),
      id_(id),
      client_(connection.client()),
      client_guid_(connection.negotiated().client_guid),
      dialect_(connection.dialect()) {}

Session::~Session() = default;

bool Session::send_break(ByteView body, bool share_encrypts) {
  if (connection_ == nullptr) return false;
  return connection_->send_break(shared_from_this(), body, encrypt_ || share_encrypts);
}

TreeRef Session::find_tree(std::uint32_t id) const {
  const auto found = trees_.find(id);
  return found == trees_.end() ? nullptr : found->second;
}

}  // namespace lockstep::wire::smb2
