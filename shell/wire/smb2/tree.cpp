// TREE_CONNECT and TREE_DISCONNECT (MS-SMB2 3.3.5.7, 3.3.5.8).
#include <algorithm>
#include <string>

#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/server.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint32_t kShareNoCaching = 0x00000030;
constexpr std::uint32_t kShareEncrypts = 0x00008000;
/// Longest host name, longest share name, and what is around them, in UTF-16.
constexpr std::size_t kPathMax = 2 * (2 + 255 + 1 + 80);

/// The share of `\\server\share`; nothing when the path has another form.
std::optional<std::string> share_of(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 4);
  const std::uint16_t offset = in.u16();
  const std::uint16_t size = in.u16();
  if (offset < in.position() || size > kPathMax) return std::nullopt;
  in.seek(offset);
  const std::optional<std::string> path = utf8_from_utf16(in.take(size));
  if (in.failed() || !path || !path->starts_with("\\\\")) return std::nullopt;
  const std::size_t separator = path->find('\\', 2);
  if (separator == std::string::npos) return std::nullopt;
  std::string share = path->substr(separator + 1);
  if (share.empty() || share.find('\\') != std::string::npos) return std::nullopt;
  return share;
}

bool may_connect(const Identity& who, const Share& share) {
  if (share.type == Share::Type::pipe) return true;
  if (who.anonymous) return false;
  if (who.guest) return share.guests;
  return share.users.empty() || std::ranges::any_of(share.users, [&](const std::string& name) {
           return same_name(name, who.user);
         });
}

}  // namespace

Task<Response> Connection::on_tree_connect(Request& request) {
  const SessionRef session = request.session;
  const Identity& who = session->identity();
  if (dialect() == Dialect::smb311 && !who.guest && !who.anonymous && !request.was_signed &&
      !request.encrypted) {
    Response end;
    end.disconnect = true;
    co_return end;
  }
  const std::optional<std::string> name = share_of(request.message);
  if (!name) co_return NtStatus::bad_network_name;
  const ShareRef share = server_.find_share(*name);
  if (!share) co_return NtStatus::bad_network_name;
  if (!may_connect(who, *share)) co_return NtStatus::access_denied;
  if (share->encrypt && negotiated_.cipher == crypto::CipherId::none) {
    co_return NtStatus::access_denied;
  }
  if (session->trees_.size() >= server_.options().trees_per_session_max) {
    co_return NtStatus::insufficient_resources;
  }
  const std::uint32_t id = session->next_tree_id_++;
  const std::uint32_t access = share->read_only ? kReadOnlyAccess : kFullAccess;
  request.tree = std::make_shared<Tree>(id, share, access);
  session->trees_.emplace(id, request.tree);
  request.header.tree_id = id;

  LittleWriter out;
  out.u16(16);
  out.u8(share->type == Share::Type::pipe ? 2 : 1);
  out.u8(0);
  out.u32((share->type == Share::Type::pipe ? kShareNoCaching : 0) |
          (share->encrypt ? kShareEncrypts : 0));
  out.u32(0);
  out.u32(access);
  co_return Response(out.take());
}

Task<Response> Connection::on_tree_disconnect(Request& request) {
  const TreeRef tree = request.tree;
  const SessionRef session = request.session;
  tree->closing_ = true;
  session->trees_.erase(tree->id());
  cancel_creates(*tree);
  co_await tree->creates_.empty();
  if (!tree->is_pipe()) co_await server_.file_service().close_tree(session, tree);
  LittleWriter out;
  out.u16(4);
  out.u16(0);
  co_return Response(out.take());
}

}  // namespace lockstep::wire::smb2
