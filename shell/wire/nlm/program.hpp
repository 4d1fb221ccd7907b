// The Network Lock Manager (program 100021), versions 1, 3 and 4.
#pragma once

#include <memory>

#include "shell/wire/nlm/service.hpp"
#include "shell/wire/rpc/reply_cache.hpp"

namespace lockstep::wire::nlm {

class Program final : public rpc::Program {
 public:
  Program(Coordinator& coordinator, Clock& clock, const nfs3::Exports& exports,
          rpc::Client& client);

  std::uint32_t number() const override { return kProgram; }
  rpc::VersionRange versions() const override { return {1, 4}; }
  bool serves(std::uint32_t version) const override {
    return version == 1 || version == 3 || version == 4;
  }
  bool has_procedure(std::uint32_t version, std::uint32_t procedure) const override;
  rpc::Repeat repeat(std::uint32_t version, std::uint32_t procedure) const override;
  Task<rpc::Reply> call(const rpc::CallContext& call) override;

  Hosts& hosts() { return hosts_; }
  /// Calls of the asynchronous kind that are not finished.
  std::size_t running() const { return running_; }

 private:
  rpc::Reply start(const rpc::CallContext& call);
  Task<void> run(rpc::CallContext call);
  Task<void> send_result(rpc::CallContext call, Bytes results);
  void on_granted_res(const rpc::CallContext& call);

  Callbacks callbacks_;
  Hosts hosts_;
  Service service_;
  /// A repeat of an asynchronous call gets its result sent again, and is not run again.
  rpc::ReplyCache asynchronous_;
  std::size_t running_ = 0;
};

}  // namespace lockstep::wire::nlm
