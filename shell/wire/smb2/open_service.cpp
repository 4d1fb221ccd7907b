#include "shell/wire/smb2/open_service.hpp"

#include "shell/wire/smb2/break.hpp"
#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/create.hpp"
#include "shell/wire/smb2/directory.hpp"
#include "shell/wire/smb2/fscc_status.hpp"
#include "shell/wire/smb2/io.hpp"
#include "shell/wire/smb2/lock.hpp"
#include "shell/wire/smb2/query_info.hpp"
#include "shell/wire/smb2/set_info.hpp"

namespace lockstep::wire::smb2 {
namespace {

/// FSCTLs on files that clients send unasked (MS-FSCC 2.3). What is not here is answered
/// INVALID_DEVICE_REQUEST, the answer of a file system that does not know a code.
enum class Fsctl : std::uint32_t {
  get_compression = 0x0009003C,
  get_object_id = 0x0009009C,
  get_reparse_point = 0x000900A8,
  create_or_get_object_id = 0x000900C0,
};

constexpr std::uint32_t kObjectIdSize = 64;

/// The identity of a file that survives renames (FILE_OBJECTID_BUFFER): made from its number.
Bytes object_id(const core::FileId& id) {
  LittleWriter out;
  out.u64(id.node);
  out.u32(id.generation);
  out.u32(id.volume);
  out.zeros(kObjectIdSize - out.size());
  return out.take();
}

}  // namespace

Task<Response> OpenService::handle(Request& request) {
  switch (request.header.command) {
    case Command::create:
      return create_command(context_, request);
    case Command::close:
      return close_command(context_, request);
    case Command::flush:
      return flush_command(context_, request);
    case Command::read:
      return read_command(context_, request);
    case Command::write:
      return write_command(context_, request);
    case Command::lock:
      return lock_command(context_, request);
    case Command::query_directory:
      return query_directory_command(context_, request);
    case Command::change_notify:
      return change_notify_command(context_, request);
    case Command::query_info:
      return query_info_command(context_, request);
    case Command::set_info:
      return set_info_command(context_, request);
    case Command::oplock_break:
      return break_command(context_, request);
    default:
      break;
  }
  return [](NtStatus status) -> Task<Response> { co_return status; }(NtStatus::not_supported);
}

Task<Response> OpenService::handle_fsctl(Request& request, std::uint32_t code, FileHandle file,
                                         ByteView, std::uint32_t output_max) {
  const OpenRef open = context_.opens.find(*request.session, *request.tree, file);
  if (!open) co_return NtStatus::file_closed;
  Response response;
  switch (static_cast<Fsctl>(code)) {
    case Fsctl::get_compression:
      response.payload = Bytes(2);
      break;
    case Fsctl::get_object_id:
    case Fsctl::create_or_get_object_id:
      response.payload = object_id(open->file_id());
      break;
    case Fsctl::get_reparse_point:
      co_return NtStatus::not_a_reparse_point;
    default:
      co_return NtStatus::invalid_device_request;
  }
  if (response.payload.size() > output_max) co_return NtStatus::buffer_too_small;
  co_return response;
}

Task<void> OpenService::close_session(SessionRef session) {
  co_await close_all(context_, context_.opens.of_session(*session));
}

Task<void> OpenService::close_tree(SessionRef session, TreeRef tree) {
  co_await close_all(context_, context_.opens.of_tree(*session, *tree));
}

}  // namespace lockstep::wire::smb2
