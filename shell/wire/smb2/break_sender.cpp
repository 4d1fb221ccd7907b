#include "shell/wire/smb2/break_sender.hpp"

#include "shell/wire/smb2/create_caching.hpp"
#include "shell/wire/smb2/open_table.hpp"

namespace lockstep::wire::smb2 {
namespace {
constexpr std::uint16_t kOplockBreakSize = 24;
constexpr std::uint16_t kLeaseBreakSize = 44;
constexpr std::uint32_t kAckRequired = 1;
}  // namespace

void BreakSender::hold(core::RightId right) {
  if (right) ++held_[right].responses;
}

void BreakSender::release(core::RightId right) {
  const auto at = held_.find(right);
  if (at == held_.end() || --at->second.responses != 0) return;
  const std::vector<core::SendBreak> breaks = std::move(at->second.breaks);
  held_.erase(at);
  for (const core::SendBreak& notice : breaks) send(notice);
}

void BreakSender::on_break(const core::SendBreak& notice) {
  const auto at = held_.find(notice.right);
  if (at == held_.end()) return send(notice);
  at->second.breaks.push_back(notice);
}

void BreakSender::send(const core::SendBreak& notice) {
  if (notice.flavour == core::Flavour::oplock) {
    const OpenRef open = opens_.find(notice.open);
    if (!open) return;  // closed meanwhile: that is an answer too
    const Bytes body =
        encode_oplock_break(open->handle.persistent, open->handle.volatile_part, notice.to);
    open->session->send_break(body, open->tree->share().encrypt);
    return;
  }
  const std::vector<OpenRef> leased = opens_.of_lease(notice.client, notice.key);
  if (leased.empty()) return;
  const bool encrypt = leased.front()->tree->share().encrypt;
  const Bytes body = encode_lease_break(notice, leased.front()->lease_version2);
  // A lease belongs to the client, not to a connection: one notice, on the client's oldest
  // connection, which is where clients with several look for it.
  if (const OpenRef oldest = opens_.oldest_of(notice.client)) {
    oldest->session->send_break(body, encrypt);
  }
}

Bytes encode_oplock_break(std::uint64_t persistent, std::uint64_t volatile_part, core::Rights to) {
  LittleWriter out;
  out.u16(kOplockBreakSize);
  out.u8(static_cast<std::uint8_t>(level_of(to)));
  out.u8(0);
  out.u32(0);
  out.u64(persistent);
  out.u64(volatile_part);
  return out.take();
}

Bytes encode_lease_break(const core::SendBreak& notice, bool version2) {
  LittleWriter out;
  out.u16(kLeaseBreakSize);
  out.u16(version2 ? notice.epoch : 0);
  out.u32(notice.ack_required ? kAckRequired : 0);
  out.bytes(notice.key.bytes);
  out.u32(state_of(notice.from));
  out.u32(state_of(notice.to));
  out.zeros(12);  // BreakReason and the two hints: reserved
  return out.take();
}

}  // namespace lockstep::wire::smb2
