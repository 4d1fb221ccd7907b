// The file commands of SMB2 behind the connection level: one object for a server.
#pragma once

#include "shell/wire/smb2/file_service.hpp"
#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

class OpenService final : public FileService {
 public:
  OpenService(Coordinator& coordinator, Clock& clock, OpenLimits limits = {})
      : context_(coordinator, clock, limits) {}

  Task<Response> handle(Request& request) override;
  Task<Response> handle_fsctl(Request& request, std::uint32_t code, FileHandle file, ByteView input,
                              std::uint32_t output_max) override;
  Task<void> close_session(SessionRef session) override;
  Task<void> close_tree(SessionRef session, TreeRef tree) override;
  ClientSink& client_sink() override { return context_.breaks; }
  std::size_t open_count(const Session& session) const override {
    return context_.opens.count(session);
  }

  /// For queries: what is open, where.
  const OpenTable& opens() const { return context_.opens; }

 private:
  FileContext context_;
};

}  // namespace lockstep::wire::smb2
