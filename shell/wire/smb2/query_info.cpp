#include "shell/wire/smb2/query_info.hpp"

#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/fscc_security.hpp"
#include "shell/wire/smb2/fscc_status.hpp"
#include "shell/wire/smb2/fscc_volume.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint16_t kResponseSize = 9;
constexpr std::uint16_t kOutputOffset = kHeaderSize + 8;

Response answer(InfoBuffer info) {
  if (is_error(info.status)) return info.status;
  LittleWriter out;
  out.u16(kResponseSize);
  out.u16(kOutputOffset);
  out.u32(static_cast<std::uint32_t>(info.bytes.size()));
  Response response(info.status, out.take());
  response.payload = std::move(info.bytes);
  return response;
}

Task<Response> query_file(FileContext& context, Request& request, OpenRef open, InfoQuery query) {
  const auto info = static_cast<FileInfoClass>(query.info);
  const std::uint32_t needed = access_for_query(info);
  if (needed != 0 && !open->may(needed)) co_return NtStatus::access_denied;
  if (info == FileInfoClass::normalized_name && request.dialect < Dialect::smb311) {
    co_return NtStatus::not_supported;
  }
  if (tells_attributes(info)) {
    core::AccessRequested event;
    event.client = open->client;
    event.open = open->id;
    event.target = {open->file_id(), core::Operation::get_attributes};
    const core::Reply reply = co_await ask(context, request, std::move(event));
    if (reply.status != core::Status::ok) co_return status_of(reply.status);
    context.coordinator.report(core::AccessEnded{reply.request});
  }
  const files::Result<FileState> state = co_await file_state(open->tree->files(), open->node);
  if (!state) co_return status_of(state.error());
  FileFacts facts;
  facts.attributes = state->attributes;
  facts.dos = state->dos;
  facts.delete_pending = open->file->delete_pending;
  facts.granted_access = open->granted;
  facts.position = open->position;
  facts.mode = open->mode;
  facts.path = open->place.path;
  co_return answer(fit(encode_file_info(info, facts), query.output_max));
}

Task<Response> query_volume(OpenRef open, InfoQuery query) {
  const files::Result<files::Volume> volume = co_await open->tree->files().volume();
  if (!volume) co_return status_of(volume.error());
  const Share& share = open->tree->share();
  co_return answer(fit(encode_volume_info(static_cast<VolumeInfoClass>(query.info), *volume,
                                          share.name, share.read_only),
                       query.output_max));
}

Task<Response> query_security(OpenRef open, InfoQuery query) {
  constexpr std::uint32_t kReadable = security::kOwner | security::kGroup | security::kDacl;
  if ((query.additional & security::kSacl) != 0) co_return NtStatus::access_denied;
  if ((query.additional & kReadable) != 0 && !open->may(access::kReadControl)) {
    co_return NtStatus::access_denied;
  }
  const files::Result<FileState> state = co_await file_state(open->tree->files(), open->node);
  if (!state) co_return status_of(state.error());
  InfoBuffer info;
  info.bytes = encode_security(state->attributes, state->dos, query.additional);
  if (info.bytes.size() > query.output_max) {
    Response response(NtStatus::buffer_too_small);
    LittleWriter needed;
    needed.u32(static_cast<std::uint32_t>(info.bytes.size()));
    response.error_data = needed.take();
    co_return response;
  }
  co_return answer(std::move(info));
}

}  // namespace

std::optional<InfoQuery> decode_info_query(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 2);
  InfoQuery query;
  query.type = static_cast<InfoType>(in.u8());
  query.info = in.u8();
  query.output_max = in.u32();
  in.u16();  // input buffer: only for quotas and for a list of extended attributes
  in.u16();
  in.u32();
  query.additional = in.u32();
  in.u32();  // Flags
  query.file = read_handle(in);
  if (in.failed()) return std::nullopt;
  return query;
}

Task<Response> query_info_command(FileContext& context, Request& request) {
  const std::optional<InfoQuery> query = decode_info_query(request.message);
  if (!query) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, query->file);
  if (!open) co_return NtStatus::file_closed;
  switch (query->type) {
    case InfoType::file:
      co_return co_await query_file(context, request, open, *query);
    case InfoType::file_system:
      co_return co_await query_volume(open, *query);
    case InfoType::security:
      co_return co_await query_security(open, *query);
    case InfoType::quota:
      co_return NtStatus::not_supported;
  }
  co_return NtStatus::invalid_parameter;
}

}  // namespace lockstep::wire::smb2
