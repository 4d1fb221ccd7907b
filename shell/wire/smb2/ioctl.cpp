// IOCTL (MS-SMB2 3.3.5.15): what concerns the connection is answered here, what concerns a file by
// the file commands' code, everything else in the protocol's own terms.
#include <algorithm>

#include "shell/wire/smb2/connection.hpp"
#include "shell/wire/smb2/server.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint32_t kIsFsctl = 0x00000001;

enum class Fsctl : std::uint32_t {
  dfs_get_referrals = 0x00060194,
  dfs_get_referrals_ex = 0x000601B0,
  pipe_peek = 0x0011400C,
  pipe_wait = 0x00110018,
  pipe_transceive = 0x0011C017,
  query_network_interface_info = 0x001401FC,
  lmr_request_resiliency = 0x001401D4,
  validate_negotiate_info = 0x00140204,
};

struct IoctlRequest {
  std::uint32_t code = 0;
  FileHandle file;
  ByteView input;
  std::uint32_t output_max = 0;
  std::uint32_t flags = 0;
};

std::optional<IoctlRequest> decode_ioctl(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 4);
  IoctlRequest request;
  request.code = in.u32();
  request.file = read_handle(in);
  const std::uint32_t input_offset = in.u32();
  const std::uint32_t input_size = in.u32();
  in.skip(12);  // MaxInputResponse, OutputOffset, OutputCount
  request.output_max = in.u32();
  request.flags = in.u32();
  in.skip(4);
  if (in.failed()) return std::nullopt;
  if (input_size == 0) return request;
  if (input_offset < in.position()) return std::nullopt;
  in.seek(input_offset);
  request.input = in.take(input_size);
  if (in.failed()) return std::nullopt;
  return request;
}

/// 2.2.32. The input that came is not sent back.
Bytes ioctl_body(std::uint32_t code, FileHandle file, std::size_t output_size) {
  constexpr std::uint32_t kFixed = 48;
  const auto offset = static_cast<std::uint32_t>(kHeaderSize) + kFixed;
  LittleWriter out;
  out.u16(49);
  out.u16(0);
  out.u32(code);
  write_handle(out, file);
  out.u32(offset);
  out.u32(0);
  out.u32(offset);
  out.u32(static_cast<std::uint32_t>(output_size));
  out.u32(0);
  out.u32(0);
  return out.take();
}

}  // namespace

Task<Response> Connection::on_ioctl(Request& request) {
  const std::optional<IoctlRequest> ioctl = decode_ioctl(request.message);
  if (!ioctl) co_return NtStatus::invalid_parameter;
  if ((ioctl->flags & kIsFsctl) == 0) co_return NtStatus::not_supported;
  switch (static_cast<Fsctl>(ioctl->code)) {
    case Fsctl::validate_negotiate_info:
      co_return on_validate_negotiate(ioctl->input, ioctl->output_max);
    case Fsctl::dfs_get_referrals:
    case Fsctl::dfs_get_referrals_ex:
      co_return NtStatus::fs_driver_required;
    case Fsctl::query_network_interface_info:
      co_return NtStatus::not_supported;
    case Fsctl::lmr_request_resiliency:
      co_return NtStatus::invalid_device_request;
    case Fsctl::pipe_wait:
      co_return NtStatus::object_name_not_found;
    case Fsctl::pipe_peek:
    case Fsctl::pipe_transceive:
      if (request.tree->is_pipe()) co_return NtStatus::file_closed;
      co_return NtStatus::not_supported;
  }
  if (request.tree->is_pipe()) co_return NtStatus::not_supported;
  const FileHandle file = request.file(ioctl->file);
  Response response = co_await server_.file_service().handle_fsctl(request, ioctl->code, file,
                                                                   ioctl->input, ioctl->output_max);
  if (!is_error(response.status)) {
    response.body = ioctl_body(ioctl->code, file, response.payload.size());
  }
  co_return response;
}

/// 3.3.5.15.12: a client asks whether the NEGOTIATE that it sent is the one that came. Any
/// difference means that somebody is between us.
Response Connection::on_validate_negotiate(ByteView input, std::uint32_t output_max) {
  constexpr std::uint32_t kOutputSize = 24;
  constexpr std::size_t kDialectsMax = 64;
  Response end;
  end.disconnect = true;
  if (dialect() == Dialect::smb311 || output_max < kOutputSize) return end;
  LittleReader in(input);
  const std::uint32_t capabilities = in.u32();
  const ByteView guid = in.take(16);
  const std::uint16_t security_mode = in.u16();
  const std::uint16_t count = in.u16();
  std::vector<Dialect> dialects;
  if (count > kDialectsMax) in.fail();
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    dialects.push_back(static_cast<Dialect>(in.u16()));
  }
  if (in.failed() || capabilities != negotiated_.client_capabilities ||
      security_mode != negotiated_.client_security_mode ||
      !std::ranges::equal(guid, negotiated_.client_guid.bytes) ||
      choose_dialect(dialects, server_.options()) != dialect()) {
    return end;
  }
  LittleWriter out;
  out.u32(negotiated_.capabilities);
  out.bytes(server_.options().server_guid.bytes);
  out.u16(negotiated_.security_mode);
  out.u16(static_cast<std::uint16_t>(dialect()));
  Response response(ioctl_body(static_cast<std::uint32_t>(Fsctl::validate_negotiate_info),
                               FileHandle::inherit(), out.size()));
  response.payload = out.take();
  return response;
}

}  // namespace lockstep::wire::smb2
