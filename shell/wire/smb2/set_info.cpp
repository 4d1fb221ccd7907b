#include "shell/wire/smb2/set_info.hpp"

#include "shell/wire/smb2/fscc_file.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint32_t kModeValid = option::kWriteThrough | option::kSequentialOnly |
                                     option::kNoIntermediateBuffering | option::kSynchronousAlert |
                                     option::kSynchronousNonAlert;
constexpr std::uint32_t kModeChangeable =
    option::kWriteThrough | option::kSequentialOnly | option::kNoIntermediateBuffering;

NtStatus set_position(Open& open, ByteView buffer) {
  if (buffer.size() < 8) return NtStatus::info_length_mismatch;
  const std::uint64_t position = LittleReader(buffer).u64();
  if (position > static_cast<std::uint64_t>(INT64_MAX)) return NtStatus::invalid_parameter;
  open.position = position;
  return NtStatus::success;
}

NtStatus set_mode(Open& open, ByteView buffer) {
  if (buffer.size() < 4) return NtStatus::info_length_mismatch;
  const std::uint32_t mode = LittleReader(buffer).u32();
  if ((mode & ~kModeValid) != 0) return NtStatus::invalid_parameter;
  open.mode = (open.mode & ~kModeChangeable) | (mode & kModeChangeable);
  if ((mode & option::kWriteThrough) != 0)
    open.options |= option::kWriteThrough;
  else
    open.options &= ~option::kWriteThrough;
  return NtStatus::success;
}

Task<NtStatus> set_file(FileContext& context, Request& request, OpenRef open, InfoChange change) {
  const ByteView buffer = change.buffer;
  switch (static_cast<FileInfoClass>(change.info)) {
    case FileInfoClass::basic:
      co_return co_await set_basic(context, request, open, buffer);
    case FileInfoClass::disposition:
      co_return co_await set_disposition(context, request, open, buffer);
    case FileInfoClass::end_of_file:
      co_return co_await set_size(context, request, open, buffer, false);
    case FileInfoClass::allocation:
      co_return co_await set_size(context, request, open, buffer, true);
    case FileInfoClass::rename:
      co_return co_await set_rename(context, request, open, buffer);
    case FileInfoClass::link:
      co_return co_await set_link(context, request, open, buffer);
    case FileInfoClass::position:
      co_return set_position(*open, buffer);
    case FileInfoClass::mode:
      co_return set_mode(*open, buffer);
    case FileInfoClass::full_ea:
      co_return NtStatus::eas_not_supported;
    case FileInfoClass::valid_data_length:
      co_return NtStatus::privilege_not_held;
    case FileInfoClass::short_name:
      co_return NtStatus::not_supported;
    default:
      co_return NtStatus::invalid_info_class;
  }
}

}  // namespace

std::optional<InfoChange> decode_info_change(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 2);
  InfoChange change;
  change.type = static_cast<InfoType>(in.u8());
  change.info = in.u8();
  const std::uint32_t length = in.u32();
  const std::uint16_t offset = in.u16();
  in.u16();
  change.additional = in.u32();
  change.file = read_handle(in);
  if (length != 0) {
    in.seek(offset);
    change.buffer = in.take(length);
  }
  if (in.failed()) return std::nullopt;
  return change;
}

Task<Response> set_info_command(FileContext& context, Request& request) {
  const std::optional<InfoChange> change = decode_info_change(request.message);
  if (!change) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, change->file);
  if (!open) co_return NtStatus::file_closed;
  NtStatus status = NtStatus::invalid_parameter;
  switch (change->type) {
    case InfoType::file:
      status = co_await set_file(context, request, open, *change);
      break;
    case InfoType::security:
      status = co_await set_security(context, request, open, change->additional, change->buffer);
      break;
    case InfoType::file_system:
      status = NtStatus::access_denied;
      break;
    case InfoType::quota:
      status = NtStatus::not_supported;
      break;
  }
  if (status != NtStatus::success) co_return status;
  LittleWriter out;
  out.u16(2);
  co_return Response(out.take());
}

}  // namespace lockstep::wire::smb2
