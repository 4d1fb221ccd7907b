#include "shell/wire/smb2/io.hpp"

#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint64_t kOffsetMax = INT64_MAX;
constexpr std::uint32_t kWriteThroughFlag = 0x1;
constexpr std::uint16_t kReadResponseSize = 17;
constexpr std::uint16_t kWriteResponseSize = 17;
constexpr std::uint8_t kReadDataOffset = kHeaderSize + 16;
constexpr std::size_t kWriteFixedSize = 48;

core::AccessRequested access_event(const Open& open, core::Operation operation,
                                   std::uint64_t offset, std::uint64_t length) {
  core::AccessRequested event;
  event.client = open.client;
  event.open = open.id;
  event.target = {open.file_id(), operation};
  event.range = core::Range::of(offset, length);
  return event;
}

Bytes read_body(std::size_t size) {
  LittleWriter out;
  out.u16(kReadResponseSize);
  out.u8(kReadDataOffset);
  out.u8(0);
  out.u32(static_cast<std::uint32_t>(size));
  out.u32(0);
  out.u32(0);
  return out.take();
}

Bytes write_body(std::uint32_t count) {
  LittleWriter out;
  out.u16(kWriteResponseSize);
  out.u16(0);
  out.u32(count);
  out.u32(0);
  out.u16(0);
  out.u16(0);
  return out.take();
}

}  // namespace

bool range_is_valid(std::uint64_t offset, std::uint64_t length) {
  return offset <= kOffsetMax && length <= kOffsetMax - offset;
}

std::optional<ReadRequest> decode_read(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 4);  // StructureSize, Padding, Flags
  ReadRequest read;
  read.length = in.u32();
  read.offset = in.u64();
  read.file = read_handle(in);
  read.minimum = in.u32();
  in.u32();  // Channel: RDMA only
  in.u32();
  in.u32();
  if (in.failed()) return std::nullopt;
  return read;
}

std::optional<WriteRequest> decode_write(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 2);
  WriteRequest write;
  const std::uint16_t data_offset = in.u16();
  const std::uint32_t length = in.u32();
  write.offset = in.u64();
  write.file = read_handle(in);
  in.u32();  // Channel
  in.u32();
  in.u32();
  write.flags = in.u32();
  if (in.failed()) return std::nullopt;
  if (length == 0) return write;
  if (data_offset < kHeaderSize + kWriteFixedSize) return std::nullopt;
  in.seek(data_offset);
  write.data = in.take(length);
  if (in.failed()) return std::nullopt;
  return write;
}

Task<void> restore_frozen_times(OpenRef open) {
  if (!open->frozen_modified && !open->frozen_accessed) co_return;
  files::SetAttributes change;
  if (open->frozen_modified) {
    change.mtime = files::SetAttributes::Time::given;
    change.modified = *open->frozen_modified;
  }
  if (open->frozen_accessed) {
    change.atime = files::SetAttributes::Time::given;
    change.accessed = *open->frozen_accessed;
  }
  (void)co_await open->tree->files().set_attributes(open->session->credentials(), open->node,
                                                    change);
}

Task<Response> read_command(FileContext& context, Request& request) {
  const std::optional<ReadRequest> read = decode_read(request.message);
  if (!read) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, read->file);
  if (!open) co_return NtStatus::file_closed;
  if (open->is_directory()) co_return NtStatus::invalid_device_request;
  if (!open->may(access::kReadData | access::kExecute)) co_return NtStatus::access_denied;
  if (!range_is_valid(read->offset, read->length)) co_return NtStatus::invalid_parameter;
  const files::FileRef file = open->data;  // it may be closed while this waits
  if (!file) co_return NtStatus::invalid_device_request;

  files::Result<Bytes> data = Bytes();
  if (read->length != 0) {
    core::AccessRequested event =
        access_event(*open, core::Operation::read, read->offset, read->length);
    const core::Reply reply = co_await ask(context, request, std::move(event));
    if (reply.status != core::Status::ok) co_return status_of(reply.status);
    const AccessInFlight in_flight(context.coordinator, reply.request);
    data = co_await file->read(read->offset, read->length);
    if (!data) co_return status_of(data.error());
    if (data->empty()) co_return NtStatus::end_of_file;
  }
  if (data->size() < read->minimum) co_return NtStatus::end_of_file;
  open->position = read->offset + data->size();
  Response response(read_body(data->size()));
  response.payload = std::move(*data);
  co_return response;
}

Task<Response> write_command(FileContext& context, Request& request) {
  const std::optional<WriteRequest> write = decode_write(request.message);
  if (!write) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, write->file);
  if (!open) co_return NtStatus::file_closed;
  if (open->is_directory()) co_return NtStatus::invalid_device_request;
  if (!open->may(access::kWriteData | access::kAppendData)) co_return NtStatus::access_denied;
  if (!range_is_valid(write->offset, write->data.size())) co_return NtStatus::invalid_parameter;
  const files::FileRef file = open->data;  // it may be closed while this waits
  if (!file) co_return NtStatus::invalid_device_request;
  if (write->data.empty()) co_return Response(write_body(0));

  core::AccessRequested event =
      access_event(*open, core::Operation::write, write->offset, write->data.size());
  const core::Reply reply = co_await ask(context, request, std::move(event));
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  const AccessInFlight in_flight(context.coordinator, reply.request);
  if (!open->may(access::kWriteData)) {
    // A handle that may only append leaves alone what is there.
    const files::Result<files::Attributes> now =
        co_await open->tree->files().attributes(open->node);
    if (!now) co_return status_of(now.error());
    if (write->offset < now->size) co_return NtStatus::access_denied;
  }
  const bool through =
      (write->flags & kWriteThroughFlag) != 0 || (open->options & option::kWriteThrough) != 0;
  const files::Result<std::uint32_t> written =
      co_await file->write(write->offset, write->data, through);
  if (!written) co_return status_of(written.error());
  open->position = write->offset + *written;
  co_await restore_frozen_times(open);
  co_return Response(write_body(*written));
}

Task<Response> flush_command(FileContext& context, Request& request) {
  LittleReader in(request.body());
  in.skip(8);
  const FileHandle handle = read_handle(in);
  if (in.failed()) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, handle);
  if (!open) co_return NtStatus::file_closed;
  // On a directory the same bits are the right to add files and directories.
  if (!open->may(access::kWriteData | access::kAppendData)) co_return NtStatus::access_denied;
  const files::FileRef data = open->data;
  files::Result<void> done;
  if (data) {
    done = co_await data->sync();
  } else {
    done = co_await open->tree->files().commit(open->node);
  }
  if (!done) co_return status_of(done.error());
  LittleWriter out;
  out.u16(4);
  out.u16(0);
  co_return Response(out.take());
}

}  // namespace lockstep::wire::smb2
