// MOUNT (program 100005): version 3 (RFC 1813 appendix I) and version 1 (RFC 1094 appendix A),
// which tools still use to list exports and mounts. Version 1's MNT gives out handles of NFS
// version 2, which is not served: it is refused.
//
// The list of mounts is a courtesy of the protocol, bounded and kept in memory only: nothing
// depends on it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "shell/wire/nfs3/exports.hpp"
#include "shell/wire/rpc/program.hpp"

namespace lockstep::wire::mount {

inline constexpr std::uint32_t kProgram = 100005;

/// RFC 1813 I.4.1, mountstat3.
enum class Status : std::uint32_t {
  ok = 0,
  perm = 1,
  noent = 2,
  io = 5,
  access = 13,
  notdir = 20,
  inval = 22,
  nametoolong = 63,
  notsupp = 10004,
  serverfault = 10006,
};
Status status_of(int error);

class Mount final : public rpc::Program {
 public:
  explicit Mount(const nfs3::Exports& exports) : exports_(exports) {}

  std::uint32_t number() const override { return kProgram; }
  rpc::VersionRange versions() const override { return {1, 3}; }
  bool has_procedure(std::uint32_t version, std::uint32_t procedure) const override;
  Task<rpc::Reply> call(const rpc::CallContext& call) override;

  /// Host and directory of each known mount, oldest first.
  const std::vector<std::pair<std::string, std::string>>& mounted() const { return mounted_; }

 private:
  Task<rpc::Reply> mount(const rpc::CallContext& call);
  rpc::Reply dump() const;
  rpc::Reply unmount(const rpc::CallContext& call);
  rpc::Reply unmount_all(const rpc::CallContext& call);
  rpc::Reply list_exports() const;
  void remember(const std::string& host, const std::string& path);

  const nfs3::Exports& exports_;
  std::vector<std::pair<std::string, std::string>> mounted_;
};

}  // namespace lockstep::wire::mount
