#include "shell/wire/smb2/break.hpp"

#include <algorithm>

#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint16_t kOplockSize = 24;
constexpr std::uint16_t kLeaseSize = 36;

/// 3.3.5.22.1: an oplock answers otherwise than a lease.
NtStatus oplock_ack_status(core::Status status) {
  switch (status) {
    case core::Status::not_breaking:
      return NtStatus::invalid_device_state;
    case core::Status::unknown_right:
    case core::Status::ack_exceeds:
      return NtStatus::invalid_oplock_protocol;
    default:
      return status_of(status);
  }
}

Task<Response> acknowledge_oplock(FileContext& context, Request& request, OplockAck ack) {
  const OpenRef open = find_open(context, request, ack.file);
  if (!open) co_return NtStatus::file_closed;
  if (ack.level != OplockLevel::none && ack.level != OplockLevel::level2) {
    co_return NtStatus::invalid_parameter;
  }
  core::BreakAcknowledged event;
  event.client = open->client;
  event.flavour = core::Flavour::oplock;
  event.open = open->id;
  event.rights = rights_of_level(ack.level);
  const core::Reply reply = co_await ask(context, request, event);
  if (reply.status != core::Status::ok) co_return oplock_ack_status(reply.status);
  const auto* body = std::get_if<core::AckReply>(&reply.body);
  LittleWriter out;
  out.u16(kOplockSize);
  out.u8(static_cast<std::uint8_t>(body != nullptr ? level_of(body->rights) : ack.level));
  out.u8(0);
  out.u32(0);
  write_handle(out, open->handle);
  co_return Response(out.take());
}

Task<Response> acknowledge_lease(FileContext& context, Request& request, LeaseAck ack) {
  core::BreakAcknowledged event;
  event.client = request.session->client();
  event.flavour = core::Flavour::lease;
  event.key = ack.key;
  event.rights = ack.rights;
  const core::Reply reply = co_await ask(context, request, event);
  if (reply.status != core::Status::ok) co_return status_of(reply.status);
  const auto* body = std::get_if<core::AckReply>(&reply.body);
  LittleWriter out;
  out.u16(kLeaseSize);
  out.u16(0);
  out.u32(0);
  out.bytes(ack.key.bytes);
  out.u32(state_of(body != nullptr ? body->rights : ack.rights));
  out.u64(0);
  co_return Response(out.take());
}

}  // namespace

std::optional<std::variant<OplockAck, LeaseAck>> decode_break_ack(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize);
  const std::uint16_t size = in.u16();
  if (size == kOplockSize) {
    OplockAck ack;
    ack.level = static_cast<OplockLevel>(in.u8());
    in.u8();
    in.u32();
    ack.file = read_handle(in);
    if (in.failed()) return std::nullopt;
    return ack;
  }
  if (size == kLeaseSize) {
    LeaseAck ack;
    in.u16();
    in.u32();
    const ByteView key = in.take(ack.key.bytes.size());
    std::copy(key.begin(), key.end(), ack.key.bytes.begin());
    ack.rights = rights_of_state(in.u32());
    in.u64();
    if (in.failed()) return std::nullopt;
    return ack;
  }
  return std::nullopt;
}

Task<Response> break_command(FileContext& context, Request& request) {
  const auto ack = decode_break_ack(request.message);
  if (!ack) co_return NtStatus::invalid_parameter;
  if (const auto* oplock = std::get_if<OplockAck>(&*ack)) {
    co_return co_await acknowledge_oplock(context, request, *oplock);
  }
  co_return co_await acknowledge_lease(context, request, std::get<LeaseAck>(*ack));
}

}  // namespace lockstep::wire::smb2
