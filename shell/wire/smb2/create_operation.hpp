// One CREATE on its way: what its steps share. Only create*.cpp includes this.
#pragma once

#include <optional>

#include "shell/wire/smb2/create_access.hpp"
#include "shell/wire/smb2/create_request.hpp"
#include "shell/wire/smb2/create_walk.hpp"
#include "shell/wire/smb2/open_context.hpp"

namespace lockstep::wire::smb2 {

/// INVALID_PARAMETER, NOT_SUPPORTED and the like: what is wrong with a request whatever the file.
NtStatus check_create(const CreateRequest& create);

class CreateOperation {
 public:
  CreateOperation(FileContext& context, Request& request, CreateRequest create, Path path);
  Task<Response> run();

 private:
  /// Nothing: the world changed on the way (a name came or went); look again.
  using Attempt = std::optional<Response>;

  Task<Attempt> open_existing();
  Task<Attempt> make_new();

  // create_existing.cpp
  NtStatus check_kind() const;
  NtStatus check_overwrite() const;
  Task<NtStatus> grant_existing();
  Task<std::uint32_t> maximal_of_existing();
  Task<NtStatus> open_data();
  Task<NtStatus> overwrite();

  // create_new.cpp
  Task<NtStatus> may_add();
  Task<files::Result<files::Found>> make_entry();
  Task<NtStatus> describe_new(files::Attributes made);
  Task<void> undo_new();

  // create_finish.cpp
  core::OpenRequested open_event() const;
  OpenRef enter(const core::OpenReply& reply);
  Task<Response> refuse(OpenRef open, NtStatus status);
  Response answer(const OpenRef& open, const core::OpenReply& reply);

  bool wants(std::uint32_t options) const { return (create_.options & options) != 0; }
  bool overwrites() const;
  bool makes_when_missing() const;
  bool names_lease() const;
  bool takes_lease() const;
  files::FileSystem& files() const { return tree_->files(); }

  FileContext& context_;
  Request& request_;
  SessionRef session_;
  TreeRef tree_;
  CreateRequest create_;
  Disposition disposition_;
  Path path_;
  files::Credentials who_;

  Walked walked_;
  files::DosInfo dos_;
  std::uint32_t maximal_ = 0;
  std::uint32_t granted_ = 0;
  files::FileRef data_;
  CreateAction action_ = CreateAction::opened;
};

}  // namespace lockstep::wire::smb2
