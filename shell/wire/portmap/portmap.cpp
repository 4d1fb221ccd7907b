#include "shell/wire/portmap/portmap.hpp"

#include <algorithm>
#include <utility>

#include "shell/wire/rpc/universal_address.hpp"
#include "shell/wire/rpc/xdr.hpp"

namespace lockstep::wire::portmap {
namespace {

using rpc::Reply;
using rpc::Transport;

constexpr std::size_t kNetidMax = 32;
constexpr std::size_t kOwnerMax = 255;
constexpr std::size_t kForeignMappingsMax = 256;

bool parse_protocol(std::uint32_t number, Transport& transport) {
  transport = number == kProtocolTcp ? Transport::tcp : Transport::udp;
  return number == kProtocolTcp || number == kProtocolUdp;
}

bool from_this_machine(const rpc::CallContext& call) {
  return call.remote.host == "::1" || call.remote.host.starts_with("127.");
}

bool is_ipv6(const std::string& host) { return host.find(':') != std::string::npos; }

std::string netid_of(Transport transport, bool ipv6) {
  std::string netid = transport == Transport::tcp ? "tcp" : "udp";
  if (ipv6) netid += '6';
  return netid;
}

/// rpcb (RFC 1833 2.1).
struct Binding {
  std::uint32_t program = 0, version = 0;
  std::string netid, address, owner;
};

Binding get_binding(BigReader& in) {
  Binding binding;
  binding.program = in.u32();
  binding.version = in.u32();
  binding.netid = rpc::get_string(in, kNetidMax);
  binding.address = rpc::get_string(in, rpc::kUniversalAddressMax);
  binding.owner = rpc::get_string(in, kOwnerMax);
  return binding;
}

Reply boolean(bool value) {
  BigWriter out = rpc::begin_reply();
  rpc::put_bool(out, value);
  return Reply::done(std::move(out));
}

}  // namespace

bool parse_netid(std::string_view netid, Transport& transport) {
  transport = netid.starts_with("tcp") ? Transport::tcp : Transport::udp;
  return netid == "tcp" || netid == "tcp6" || netid == "udp" || netid == "udp6";
}

Portmapper::Portmapper(Clock& clock, std::vector<Mapping> own)
    : clock_(clock), mappings_(std::move(own)) {
  for (const Transport transport : {Transport::tcp, Transport::udp}) {
    for (const std::uint32_t version : {2U, 3U, 4U}) {
      Mapping self;
      self.program = kProgram;
      self.version = version;
      self.transport = transport;
      self.port = kPort;
      mappings_.push_back(self);
    }
  }
  own_ = mappings_.size();
}

bool Portmapper::has_procedure(std::uint32_t version, std::uint32_t procedure) const {
  if (procedure <= kCallIt) return true;
  if (version == 2) return false;
  if (procedure == kGetTime) return true;
  return version == 4 && (procedure == kGetVersionAddress || procedure == kGetAddressList);
}

Task<Reply> Portmapper::call(const rpc::CallContext& call) {
  if (call.header.procedure == kNull) co_return Reply::empty();
  if (call.header.procedure == kCallIt) co_return Reply::none();
  if (call.header.version == 2) co_return call_v2(call);
  co_return call_rpcbind(call);
}

Reply Portmapper::call_v2(const rpc::CallContext& call) {
  BigReader in = call.reader();
  if (call.header.procedure == kDump) {
    BigWriter out = rpc::begin_reply();
    for (const Mapping& mapping : mappings_) {
      rpc::put_bool(out, true);
      out.u32(mapping.program);
      out.u32(mapping.version);
      out.u32(protocol_number(mapping.transport));
      out.u32(mapping.port);
    }
    rpc::put_bool(out, false);
    return Reply::done(std::move(out));
  }
  Mapping asked;
  asked.program = in.u32();
  asked.version = in.u32();
  const std::uint32_t protocol = in.u32();
  const std::uint32_t port = in.u32();
  if (in.failed()) return Reply::garbage();
  const bool known = parse_protocol(protocol, asked.transport);
  switch (call.header.procedure) {
    case kSet:
      if (!known || port == 0 || port > 0xFFFF) return boolean(false);
      asked.port = static_cast<std::uint16_t>(port);
      return boolean(set(call, asked));
    case kUnset:
      // RFC 1833 3.2: protocol and port are not looked at.
      return boolean(unset(call, asked.program, asked.version, nullptr));
    default: {
      const Mapping* found =
          known ? find(asked.program, asked.version, asked.transport, false) : nullptr;
      BigWriter out = rpc::begin_reply();
      out.u32(found ? found->port : 0);
      return Reply::done(std::move(out));
    }
  }
}

Reply Portmapper::call_rpcbind(const rpc::CallContext& call) {
  switch (call.header.procedure) {
    case kDump:
      return dump_rpcbind(call);
    case kGetPort:
      return get_address(call, false);
    case kGetVersionAddress:
      return get_address(call, true);
    case kGetAddressList:
      return list_addresses(call);
    case kGetTime: {
      BigWriter out = rpc::begin_reply();
      out.u32(static_cast<std::uint32_t>(clock_.wall_nanos() / 1'000'000'000));
      return Reply::done(std::move(out));
    }
    default:
      break;
  }
  BigReader in = call.reader();
  const Binding binding = get_binding(in);
  if (in.failed()) return Reply::garbage();
  Mapping mapping;
  const bool known = parse_netid(binding.netid, mapping.transport);
  if (call.header.procedure == kUnset) {
    // An empty netid unsets all transports.
    if (!known && !binding.netid.empty()) return boolean(false);
    return boolean(
        unset(call, binding.program, binding.version, known ? &mapping.transport : nullptr));
  }
  const auto address = rpc::parse_universal(binding.address);
  if (!known || !address || address->port == 0) return boolean(false);
  mapping.program = binding.program;
  mapping.version = binding.version;
  mapping.port = address->port;
  mapping.owner = binding.owner;
  return boolean(set(call, mapping));
}

// The address is the one that the caller reached us under: no other is known to work for it.
// RFC 1833 2.2.1: GETADDR takes the transport of the request itself; the netid argument is what
// clients set to the same thing, and is honoured where it says more.
Reply Portmapper::get_address(const rpc::CallContext& call, bool exact_version) {
  BigReader in = call.reader();
  const Binding binding = get_binding(in);
  if (in.failed()) return Reply::garbage();
  Transport transport = call.transport;
  if (!binding.netid.empty() && !parse_netid(binding.netid, transport)) {
    BigWriter none = rpc::begin_reply();
    rpc::put_string(none, "");
    return Reply::done(std::move(none));
  }
  const Mapping* found = find(binding.program, binding.version, transport, exact_version);
  BigWriter out = rpc::begin_reply();
  rpc::put_string(out, found ? rpc::universal({call.local.host, found->port}) : "");
  return Reply::done(std::move(out));
}

/// RPCBPROC_GETADDRLIST: one rpcb_entry for each transport.
Reply Portmapper::list_addresses(const rpc::CallContext& call) {
  constexpr std::uint32_t kDatagram = 1;  // NC_TPI_CLTS
  constexpr std::uint32_t kStream = 3;    // NC_TPI_COTS_ORD
  BigReader in = call.reader();
  const Binding binding = get_binding(in);
  if (in.failed()) return Reply::garbage();
  const bool ipv6 = is_ipv6(call.local.host);
  BigWriter out = rpc::begin_reply();
  for (const Transport transport : {Transport::tcp, Transport::udp}) {
    const Mapping* found = find(binding.program, binding.version, transport, true);
    if (!found) continue;
    rpc::put_bool(out, true);
    rpc::put_string(out, rpc::universal({call.local.host, found->port}));
    rpc::put_string(out, netid_of(transport, ipv6));
    out.u32(transport == Transport::tcp ? kStream : kDatagram);
    rpc::put_string(out, ipv6 ? "inet6" : "inet");
    rpc::put_string(out, transport == Transport::tcp ? "tcp" : "udp");
  }
  rpc::put_bool(out, false);
  return Reply::done(std::move(out));
}

Reply Portmapper::dump_rpcbind(const rpc::CallContext& call) {
  const bool ipv6 = is_ipv6(call.local.host);
  const std::string any = ipv6 ? "::" : "0.0.0.0";
  BigWriter out = rpc::begin_reply();
  for (const Mapping& mapping : mappings_) {
    rpc::put_bool(out, true);
    out.u32(mapping.program);
    out.u32(mapping.version);
    rpc::put_string(out, netid_of(mapping.transport, ipv6));
    rpc::put_string(out, rpc::universal({any, mapping.port}));
    rpc::put_string(out, mapping.owner);
  }
  rpc::put_bool(out, false);
  return Reply::done(std::move(out));
}

bool Portmapper::set(const rpc::CallContext& call, Mapping mapping) {
  if (!from_this_machine(call)) return false;
  for (const Mapping& other : mappings_) {
    if (other.program == mapping.program && other.version == mapping.version &&
        other.transport == mapping.transport) {
      return other.port == mapping.port;
    }
  }
  if (mappings_.size() - own_ >= kForeignMappingsMax) return false;
  mappings_.push_back(std::move(mapping));
  return true;
}

bool Portmapper::unset(const rpc::CallContext& call, std::uint32_t program, std::uint32_t version,
                       const Transport* transport) {
  if (!from_this_machine(call)) return false;
  const auto first = mappings_.begin() + static_cast<std::ptrdiff_t>(own_);
  const auto gone = std::remove_if(first, mappings_.end(), [&](const Mapping& mapping) {
    return mapping.program == program && mapping.version == version &&
           (!transport || mapping.transport == *transport);
  });
  const bool any = gone != mappings_.end();
  mappings_.erase(gone, mappings_.end());
  return any;
}

// RFC 1833 2.2.1 and 3.2: without that very version any version's address will do, the program
// itself answers PROG_MISMATCH with its range.
const Mapping* Portmapper::find(std::uint32_t program, std::uint32_t version, Transport transport,
                                bool exact_version) const {
  const Mapping* other = nullptr;
  for (const Mapping& mapping : mappings_) {
    if (mapping.program != program || mapping.transport != transport) continue;
    if (mapping.version == version) return &mapping;
    if (!other) other = &mapping;
  }
  return exact_version ? nullptr : other;
}

}  // namespace lockstep::wire::portmap
