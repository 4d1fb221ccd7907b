// The port mapper (program 100000): version 2 (RFC 1833 section 3) and the queries of rpcbind
// versions 3 and 4 (RFC 1833 section 2).
//
// Only a caller on this machine may set or unset, and never what this server offers itself.
// CALLIT and its kin, which would let anybody use the server as a reflector, do nothing: CALLIT
// and BCAST stay silent, as they do for every call that fails; INDIRECT is unavailable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::portmap {

inline constexpr std::uint32_t kProgram = 100000;
inline constexpr std::uint16_t kPort = 111;

// Version 2 and rpcbind share the numbers 0 to 5.
enum Procedure : std::uint32_t {
  kNull = 0,
  kSet = 1,
  kUnset = 2,
  kGetPort = 3,  // rpcbind: GETADDR
  kDump = 4,
  kCallIt = 5,  // version 4: BCAST
  kGetTime = 6,
  kGetVersionAddress = 9,
  kGetAddressList = 11,
};

// The numbers of IP.
inline constexpr std::uint32_t kProtocolTcp = 6;
inline constexpr std::uint32_t kProtocolUdp = 17;
inline std::uint32_t protocol_number(rpc::Transport transport) {
  return transport == rpc::Transport::tcp ? kProtocolTcp : kProtocolUdp;
}

struct Mapping {
  std::uint32_t program = 0;
  std::uint32_t version = 0;
  rpc::Transport transport = rpc::Transport::tcp;
  std::uint16_t port = 0;
  std::string owner = "superuser";
  friend bool operator==(const Mapping&, const Mapping&) = default;
};

class Portmapper final : public rpc::Program {
 public:
  /// `own`: what this server offers; the port mapper itself is added.
  Portmapper(Clock& clock, std::vector<Mapping> own);

  std::uint32_t number() const override { return kProgram; }
  rpc::VersionRange versions() const override { return {2, 4}; }
  bool has_procedure(std::uint32_t version, std::uint32_t procedure) const override;
  Task<rpc::Reply> call(const rpc::CallContext& call) override;

  const std::vector<Mapping>& mappings() const { return mappings_; }

 private:
  rpc::Reply call_v2(const rpc::CallContext& call);
  rpc::Reply call_rpcbind(const rpc::CallContext& call);
  rpc::Reply get_address(const rpc::CallContext& call, bool exact_version);
  rpc::Reply list_addresses(const rpc::CallContext& call);
  rpc::Reply dump_rpcbind(const rpc::CallContext& call);
  bool set(const rpc::CallContext& call, Mapping mapping);
  bool unset(const rpc::CallContext& call, std::uint32_t program, std::uint32_t version,
             const rpc::Transport* transport);
  const Mapping* find(std::uint32_t program, std::uint32_t version, rpc::Transport transport,
                      bool exact_version) const;

  Clock& clock_;
  std::vector<Mapping> mappings_;
  std::size_t own_;  ///< the first of `mappings_` are this server's and stay
};

/// The transport that a netid (RFC 5665 5.1.1) of "tcp", "tcp6", "udp" or "udp6" names.
bool parse_netid(std::string_view netid, rpc::Transport& transport);

}  // namespace lockstep::wire::portmap
