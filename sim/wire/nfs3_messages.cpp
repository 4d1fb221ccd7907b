#include "sim/wire/nfs3_messages.hpp"

namespace lockstep::sim {

using wire::BigReader;
using wire::BigWriter;
using wire::Bytes;
namespace rpc = wire::rpc;
namespace nfs3 = wire::nfs3;
namespace nlm = wire::nlm;

PostOp get_attributes(BigReader& in) {
  PostOp a;
  a.there = true;
  a.type = in.u32();
  a.mode = in.u32();
  a.links = in.u32();
  a.uid = in.u32();
  a.gid = in.u32();
  a.size = in.u64();
  in.skip(8 + 8 + 8);
  a.node = in.u64();
  in.skip(8);
  a.modified = nfs3::get_time(in);
  a.changed = nfs3::get_time(in);
  return a;
}

PostOp get_post_op(BigReader& in) { return rpc::get_bool(in) ? get_attributes(in) : PostOp{}; }

WccResult get_wcc(BigReader& in) {
  WccResult result;
  result.before = rpc::get_bool(in);
  if (result.before) {
    result.size = in.u64();
    result.modified = nfs3::get_time(in);
    result.changed = nfs3::get_time(in);
  }
  result.after = get_post_op(in);
  return result;
}

void put_new_attributes(BigWriter& out, const NewAttributes& a) {
  const auto put = [&](const std::optional<std::uint32_t>& value) {
    rpc::put_bool(out, value.has_value());
    if (value) out.u32(*value);
  };
  put(a.mode);
  put(a.uid);
  put(a.gid);
  rpc::put_bool(out, a.size.has_value());
  if (a.size) out.u64(*a.size);
  out.u32(0);
  out.u32(static_cast<std::uint32_t>(a.mtime));
}

BigWriter with_handle(const Bytes& handle) {
  BigWriter out;
  rpc::put_opaque(out, handle);
  return out;
}

BigWriter with_name(const Bytes& dir, const std::string& name) {
  BigWriter out = with_handle(dir);
  rpc::put_string(out, name);
  return out;
}

BigWriter read_call(const Bytes& file, std::uint64_t offset, std::uint32_t count) {
  BigWriter out = with_handle(file);
  out.u64(offset);
  out.u32(count);
  return out;
}

BigWriter write_call(const Bytes& file, std::uint64_t offset, std::string_view data,
                     std::uint32_t stable) {
  BigWriter out = with_handle(file);
  out.u64(offset);
  out.u32(static_cast<std::uint32_t>(data.size()));
  out.u32(stable);
  rpc::put_string(out, data);
  return out;
}

BigWriter nlm_call(std::uint32_t procedure, const nlm::LockCall& call, std::uint32_t version,
                   std::int32_t state) {
  BigWriter out;
  rpc::put_opaque(out, call.cookie);
  const bool message = procedure >= nlm::kTestMsg && procedure <= nlm::kUnlockMsg;
  const std::uint32_t basic = message ? procedure - (nlm::kTestMsg - nlm::kTest) : procedure;
  const bool locks = basic == nlm::kLock || basic == nlm::kNonMonitoredLock;
  if (locks || basic == nlm::kCancel) rpc::put_bool(out, call.block);
  if (basic != nlm::kUnlock) rpc::put_bool(out, call.exclusive);
  nlm::put_lock(out, call.lock, version);
  if (locks) {
    rpc::put_bool(out, call.reclaim);
    out.u32(static_cast<std::uint32_t>(state));
  }
  return out;
}

}  // namespace lockstep::sim
