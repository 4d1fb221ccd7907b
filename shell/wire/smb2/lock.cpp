#include "shell/wire/smb2/lock.hpp"

#include "shell/wire/smb2/fscc_status.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint32_t kShared = 0x01;
constexpr std::uint32_t kExclusive = 0x02;
constexpr std::uint32_t kUnlock = 0x04;
constexpr std::uint32_t kFailImmediately = 0x10;
constexpr std::size_t kItemSize = 24;
constexpr std::uint32_t kSequenceIndexMax = 64;

/// Nothing when offset and length reach beyond the last byte that can be.
std::optional<core::Range> range_of(const LockItem& item) {
  if (item.length != 0 && item.length - 1 > core::kEndOfFile - item.offset) return std::nullopt;
  return core::Range::of(item.offset, item.length);
}

Response success() {
  LittleWriter out;
  out.u16(4);
  out.u16(0);
  return Response(out.take());
}

Task<NtStatus> unlock(FileContext& context, Request& request, OpenRef open,
                      std::vector<LockItem> items) {
  const UnlockPlan plan = plan_unlocks(items);
  if (!plan.ranges.empty()) {
    core::Unlocked event;
    event.client = open->client;
    event.open = open->id;
    event.file = open->file_id();
    event.range = plan.ranges.front();
    event.more.assign(plan.ranges.begin() + 1, plan.ranges.end());
    const core::Reply reply = co_await ask(context, request, std::move(event));
    if (reply.status != core::Status::ok) co_return status_of(reply.status);
  }
  co_return plan.then;
}

Task<NtStatus> lock(FileContext& context, Request& request, OpenRef open,
                    std::vector<LockItem> items) {
  const LockPlan plan = plan_locks(items);
  if (plan.status != NtStatus::success) co_return plan.status;
  core::LockRequested event;
  event.client = open->client;
  event.open = open->id;
  event.file = open->file_id();
  event.element = plan.elements.front();
  event.more.assign(plan.elements.begin() + 1, plan.elements.end());
  event.wait = plan.fail_immediately ? core::Wait::none : core::Wait::queue;
  const core::Reply reply = co_await ask(context, request, std::move(event));
  co_return status_of(reply.status);
}

}  // namespace

std::optional<LockRequest> decode_lock(ByteView message) {
  LittleReader in(message);
  in.skip(kHeaderSize + 2);
  LockRequest lock;
  const std::uint16_t count = in.u16();
  const std::uint32_t sequence = in.u32();
  lock.file = read_handle(in);
  if (in.failed() || count == 0 || in.remaining() < count * kItemSize) return std::nullopt;
  lock.sequence_number = static_cast<std::uint8_t>(sequence & 0xF);
  lock.sequence_index = sequence >> 4;
  lock.items.reserve(count);
  for (std::uint16_t i = 0; i < count; ++i) {
    LockItem item;
    item.offset = in.u64();
    item.length = in.u64();
    item.flags = in.u32();
    in.u32();
    lock.items.push_back(item);
  }
  return lock;
}

bool is_unlock(const LockItem& first) { return (first.flags & kUnlock) != 0; }

LockPlan plan_locks(const std::vector<LockItem>& items) {
  LockPlan plan;
  const auto refuse = [&](NtStatus status) {
    plan = LockPlan{};
    plan.status = status;
    return plan;
  };
  for (const LockItem& item : items) {
    const std::uint32_t kind = item.flags & ~kFailImmediately;
    if (kind != kShared && kind != kExclusive) return refuse(NtStatus::invalid_parameter);
    const bool immediate = (item.flags & kFailImmediately) != 0;
    // Only one lock can be waited for.
    if (items.size() > 1 && !immediate) return refuse(NtStatus::invalid_parameter);
    plan.fail_immediately = immediate;
  }
  for (const LockItem& item : items) {
    const std::optional<core::Range> range = range_of(item);
    if (!range) return refuse(NtStatus::invalid_lock_range);
    const bool exclusive = (item.flags & kExclusive) != 0;
    plan.elements.push_back(
        {*range, exclusive ? core::LockMode::exclusive : core::LockMode::shared});
  }
  return plan;
}

UnlockPlan plan_unlocks(const std::vector<LockItem>& items) {
  UnlockPlan plan;
  for (const LockItem& item : items) {
    if (item.flags != kUnlock) {
      plan.then = NtStatus::invalid_parameter;
      return plan;
    }
    const std::optional<core::Range> range = range_of(item);
    if (!range) {
      plan.then = NtStatus::invalid_lock_range;
      return plan;
    }
    plan.ranges.push_back(*range);
  }
  return plan;
}

Task<Response> lock_command(FileContext& context, Request& request) {
  std::optional<LockRequest> decoded = decode_lock(request.message);
  if (!decoded) co_return NtStatus::invalid_parameter;
  const OpenRef open = find_open(context, request, decoded->file);
  if (!open) co_return NtStatus::file_closed;
  if (open->is_directory()) co_return NtStatus::invalid_parameter;
  if (!open->may(access::kReadData | access::kWriteData | access::kExecute)) {
    co_return NtStatus::access_denied;
  }

  std::optional<std::uint8_t>* slot = nullptr;
  if (request.dialect >= Dialect::smb300 && decoded->sequence_index >= 1 &&
      decoded->sequence_index <= kSequenceIndexMax) {
    slot = &open->lock_sequences[decoded->sequence_index - 1];
    if (*slot == decoded->sequence_number) co_return success();
    slot->reset();
  }
  NtStatus status;
  if (is_unlock(decoded->items.front())) {
    status = co_await unlock(context, request, open, std::move(decoded->items));
  } else {
    status = co_await lock(context, request, open, std::move(decoded->items));
  }
  if (status != NtStatus::success) co_return status;
  if (slot != nullptr) *slot = decoded->sequence_number;
  co_return success();
}

}  // namespace lockstep::wire::smb2
