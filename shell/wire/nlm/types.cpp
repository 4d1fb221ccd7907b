#include "shell/wire/nlm/types.hpp"

#include <algorithm>
#include <array>

#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::nlm {
namespace {

using core::AccessBit;

constexpr std::uint64_t kMax32 = 0xFFFFFFFF;

/// Who is in the way, as a client can be told.
struct WireHolder {
  bool exclusive = true;
  std::int32_t svid = 0;
  Bytes oh;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

// Semantics section 1: an SMB holder is `smb:<client>` with svid 0; a lease holds everything.
WireHolder wire_holder(const core::Holder& holder) {
  WireHolder wire;
  wire.exclusive = holder.mode == core::LockMode::exclusive;
  wire.offset = holder.range.first;
  wire.length = 0;
  if (holder.range.empty()) {
    wire.length = 1;  // an SMB lock of no bytes: the least that this protocol can say
  } else if (holder.range.last != core::kEndOfFile) {
    wire.length = holder.range.last - holder.range.first + 1;
  }
  if (holder.protocol == core::Protocol::smb) {
    wire.oh = to_bytes("smb:" + holder.label);
  } else if (holder.protocol == core::Protocol::nlm && holder.owner.size() >= 4) {
    const ByteView owner = as_bytes(holder.owner);
    wire.svid =
        static_cast<std::int32_t>(detail::load<std::endian::big, std::uint32_t>(owner.data()));
    wire.oh = Bytes(owner.begin() + 4, owner.end());
  } else {
    wire.oh = to_bytes(holder.owner);
  }
  if (wire.oh.size() > kNetObjMax) wire.oh.resize(kNetObjMax);
  if (holder.kind == core::Holder::Kind::right) {
    wire.offset = 0;
    wire.length = core::kEndOfFile;
  }
  return wire;
}

void put_range(BigWriter& out, std::uint64_t offset, std::uint64_t length, std::uint32_t version) {
  if (version == 4) {
    out.u64(offset);
    out.u64(length);
    return;
  }
  // What lies beyond 32 bits shows as reaching to the end of what this version can say.
  const bool beyond = offset > kMax32 || length > kMax32 - offset;
  out.u32(static_cast<std::uint32_t>(std::min(offset, kMax32)));
  out.u32(beyond ? 0 : static_cast<std::uint32_t>(length));
}

struct CoreRow {
  core::Status said;
  Status status;
};
constexpr std::array kCoreTable{
    CoreRow{core::Status::ok, Status::granted},
    CoreRow{core::Status::blocked, Status::blocked},
    CoreRow{core::Status::denied, Status::denied},
    CoreRow{core::Status::share_conflict, Status::denied},
    CoreRow{core::Status::lock_conflict, Status::denied},
    CoreRow{core::Status::delete_pending, Status::denied},
    CoreRow{core::Status::cancelled, Status::denied},
    CoreRow{core::Status::later, Status::denied_nolocks},
    CoreRow{core::Status::grace, Status::denied_grace_period},
    // A client counts DENIED_GRACE_PERIOD to a reclaim as lost too, but DENIED is the truth.
    CoreRow{core::Status::no_grace, Status::denied},
    CoreRow{core::Status::reclaim_bad, Status::denied},
    CoreRow{core::Status::reclaim_conflict, Status::denied},
    CoreRow{core::Status::deadlock, Status::deadlock},
    CoreRow{core::Status::limit, Status::denied_nolocks},
    CoreRow{core::Status::journal_failed, Status::denied_nolocks},
};

core::Access access_from(std::uint32_t bits) {
  core::Access access;
  if (bits & 1) access = access | AccessBit::read;
  if (bits & 2) access = access | AccessBit::write;
  return access;
}

}  // namespace

Status in_version(Status status, std::uint32_t version) {
  if (version == 4 || status <= Status::denied_grace_period) return status;
  return status == Status::deadlock ? Status::denied : Status::denied_nolocks;
}

Status status_of_core(core::Status said) {
  for (const CoreRow& row : kCoreTable) {
    if (row.said == said) return row.status;
  }
  return Status::failed;
}

Status status_of_errno(int error) {
  switch (error) {
    case 0:
      return Status::granted;
    case ESTALE:
    case EBADF:
    case ENOENT:
      return Status::stale_fh;
    case EROFS:
      return Status::rofs;
    case EACCES:
    case EPERM:
      return Status::denied;
    default:
      return Status::failed;
  }
}

Lock get_lock(BigReader& in, std::uint32_t version) {
  Lock lock;
  lock.caller = rpc::get_string(in, kCallerMax);
  lock.handle = rpc::get_bytes(in, kNetObjMax);
  lock.oh = rpc::get_bytes(in, kNetObjMax);
  lock.svid = static_cast<std::int32_t>(in.u32());
  lock.offset = version == 4 ? in.u64() : in.u32();
  lock.length = version == 4 ? in.u64() : in.u32();
  return lock;
}

void put_lock(BigWriter& out, const Lock& lock, std::uint32_t version) {
  rpc::put_string(out, lock.caller);
  rpc::put_opaque(out, lock.handle);
  rpc::put_opaque(out, lock.oh);
  out.u32(static_cast<std::uint32_t>(lock.svid));
  // As it was asked, never translated: the client compares.
  if (version == 4) {
    out.u64(lock.offset);
    out.u64(lock.length);
  } else {
    out.u32(static_cast<std::uint32_t>(lock.offset));
    out.u32(static_cast<std::uint32_t>(lock.length));
  }
}

std::optional<core::Range> range_of(const Lock& lock) {
  if (lock.length == 0) return core::Range{lock.offset, core::kEndOfFile};
  if (lock.length - 1 > core::kEndOfFile - lock.offset) return std::nullopt;
  return core::Range{lock.offset, lock.offset + (lock.length - 1)};
}

std::string owner_of(const Lock& lock) {
  BigWriter out;
  out.u32(static_cast<std::uint32_t>(lock.svid));
  out.bytes(lock.oh);
  return std::string(as_text(out.buffer()));
}

LockCall get_test_call(BigReader& in, std::uint32_t version) {
  LockCall call;
  call.cookie = rpc::get_bytes(in, kNetObjMax);
  call.exclusive = rpc::get_bool(in);
  call.lock = get_lock(in, version);
  return call;
}

LockCall get_lock_call(BigReader& in, std::uint32_t version) {
  LockCall call;
  call.cookie = rpc::get_bytes(in, kNetObjMax);
  call.block = rpc::get_bool(in);
  call.exclusive = rpc::get_bool(in);
  call.lock = get_lock(in, version);
  call.reclaim = rpc::get_bool(in);
  call.state = static_cast<std::int32_t>(in.u32());
  return call;
}

LockCall get_cancel_call(BigReader& in, std::uint32_t version) {
  LockCall call;
  call.cookie = rpc::get_bytes(in, kNetObjMax);
  call.block = rpc::get_bool(in);
  call.exclusive = rpc::get_bool(in);
  call.lock = get_lock(in, version);
  return call;
}

LockCall get_unlock_call(BigReader& in, std::uint32_t version) {
  LockCall call;
  call.cookie = rpc::get_bytes(in, kNetObjMax);
  call.lock = get_lock(in, version);
  return call;
}

void put_granted_call(BigWriter& out, const LockCall& call, std::uint32_t version) {
  rpc::put_opaque(out, call.cookie);
  rpc::put_bool(out, call.exclusive);
  put_lock(out, call.lock, version);
}

core::LockElement element_of(const LockCall& call, core::Range range) {
  return {range, call.exclusive ? core::LockMode::exclusive : core::LockMode::shared};
}

Bytes encode_result(const Bytes& cookie, Status status, std::uint32_t version) {
  BigWriter out;
  rpc::put_opaque(out, cookie);
  out.u32(static_cast<std::uint32_t>(in_version(status, version)));
  return out.take();
}

Bytes encode_test_result(const Bytes& cookie, Status status,
                         const std::optional<core::Holder>& holder, std::uint32_t version) {
  // DENIED without a holder would be no answer to TEST.
  if (status == Status::denied && !holder) status = Status::denied_nolocks;
  BigWriter out;
  rpc::put_opaque(out, cookie);
  out.u32(static_cast<std::uint32_t>(in_version(status, version)));
  if (in_version(status, version) == Status::denied) {
    const WireHolder wire = wire_holder(*holder);
    rpc::put_bool(out, wire.exclusive);
    out.u32(static_cast<std::uint32_t>(wire.svid));
    rpc::put_opaque(out, wire.oh);
    put_range(out, wire.offset, wire.length, version);
  }
  return out.take();
}

// fsh_mode (DN 0, DR 1, DW 2, DRW 3) and fsh_access (NONE 0, R 1, W 2, RW 3) are sets of bits.
ShareCall get_share_call(BigReader& in) {
  ShareCall call;
  call.cookie = rpc::get_bytes(in, kNetObjMax);
  call.caller = rpc::get_string(in, kCallerMax);
  call.handle = rpc::get_bytes(in, kNetObjMax);
  call.oh = rpc::get_bytes(in, kNetObjMax);
  const std::uint32_t deny = in.u32();
  const std::uint32_t access = in.u32();
  if (deny > 3 || access > 3) in.fail();
  call.deny = access_from(deny);
  call.access = access_from(access);
  call.reclaim = rpc::get_bool(in);
  return call;
}

Bytes encode_share_result(const Bytes& cookie, Status status, std::uint32_t version) {
  BigWriter out;
  rpc::put_opaque(out, cookie);
  out.u32(static_cast<std::uint32_t>(in_version(status, version)));
  out.u32(0);  // sequence: of no meaning (XNFS 10.3.16)
  return out.take();
}

}  // namespace lockstep::wire::nlm
