// NFS version 3 (program 100003; RFC 1813).
#pragma once

#include "shell/wire/nfs3/service.hpp"

namespace lockstep::wire::nfs3 {

inline constexpr std::uint32_t kProgram = 100003;
inline constexpr std::uint16_t kPort = 2049;

class Program final : public rpc::Program {
 public:
  Program(Coordinator& coordinator, Clock& clock, const Exports& exports)
      : service_{coordinator, clock, exports, {}} {}

  std::uint32_t number() const override { return kProgram; }
  rpc::VersionRange versions() const override { return {3, 3}; }
  bool has_procedure(std::uint32_t version, std::uint32_t procedure) const override;
  rpc::Repeat repeat(std::uint32_t version, std::uint32_t procedure) const override;
  Task<rpc::Reply> call(const rpc::CallContext& call) override;

 private:
  Service service_;
};

}  // namespace lockstep::wire::nfs3
