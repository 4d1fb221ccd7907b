// The CREATE request and response (MS-SMB2 2.2.13, 2.2.14) with their contexts.
#pragma once

#include <cstdint>
#include <optional>

#include "core/ids.hpp"
#include "core/vocabulary.hpp"
#include "shell/wire/smb2/create_caching.hpp"
#include "shell/wire/smb2/fscc.hpp"
#include "shell/wire/smb2/header.hpp"
#include "shell/wire/smb2/ntstatus.hpp"

namespace lockstep::wire::smb2 {

/// RqLs (2.2.13.2.8, 2.2.13.2.10).
struct LeaseRequest {
  core::LeaseKey key;
  core::Rights rights;
  bool version2 = false;
  std::optional<core::LeaseKey> parent;
  std::uint16_t epoch = 0;
};

struct MaximalAccessQuery {
  std::optional<std::uint64_t> timestamp;  ///< answer only if the file changed since
};

/// The contexts that this server knows. Durable handle requests are not among them: they get no
/// answer, which says that the handle is not durable.
struct CreateContexts {
  std::optional<LeaseRequest> lease;
  std::optional<MaximalAccessQuery> maximal_access;
  std::optional<std::uint64_t> allocation;
  bool disk_id = false;
  bool extended_attributes = false;
  bool timewarp = false;
  bool durable_reconnect = false;  ///< DHnC, DH2C: of a handle that cannot be there
  std::optional<ByteView> security;
};

struct CreateRequest {
  OplockLevel oplock = OplockLevel::none;
  std::uint32_t impersonation = 0;
  std::uint32_t desired_access = 0;
  std::uint32_t attributes = 0;
  std::uint32_t share = 0;
  std::uint32_t disposition = 0;
  std::uint32_t options = 0;
  ByteView name;  ///< UTF-16LE, relative to the share; a part of the message
  CreateContexts contexts;
};

struct DecodedCreate {
  NtStatus status = NtStatus::success;
  CreateRequest request;
};

/// `message`: the request with its header. INVALID_PARAMETER when it is malformed.
DecodedCreate decode_create(ByteView message);

struct CreateAnswer {
  OplockLevel oplock = OplockLevel::none;
  CreateAction action = CreateAction::opened;
  files::Attributes attributes;
  files::DosInfo dos;
  FileHandle handle;

  struct Lease {
    core::LeaseKey key;
    core::Rights rights;
    bool breaking = false;
    bool version2 = false;
    std::optional<core::LeaseKey> parent;
    std::uint16_t epoch = 0;
  };
  std::optional<Lease> lease;
  std::optional<std::uint32_t> maximal_access;
  bool disk_id = false;
};

/// From StructureSize on.
Bytes encode_create(const CreateAnswer& answer);

}  // namespace lockstep::wire::smb2
