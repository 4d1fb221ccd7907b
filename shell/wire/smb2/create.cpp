#include "shell/wire/smb2/create.hpp"

#include "shell/wire/smb2/create_operation.hpp"

namespace lockstep::wire::smb2 {
namespace {

constexpr std::uint32_t kOptionsInvalid = 0xFF000000;
constexpr std::uint32_t kOptionsUnsupported =
    option::kCreateTreeConnection | option::kOpenByFileId | option::kReserveOpFilter;
constexpr std::uint32_t kImpersonationMax = 3;
constexpr int kAttemptsMax = 8;

NtStatus check_contexts(const CreateContexts& contexts) {
  // There are no snapshots, no handles that outlive their connection, no extended attributes.
  if (contexts.timewarp || contexts.durable_reconnect) return NtStatus::object_name_not_found;
  if (contexts.extended_attributes) return NtStatus::eas_not_supported;
  return NtStatus::success;
}

}  // namespace

NtStatus check_create(const CreateRequest& create) {
  if ((create.options & kOptionsInvalid) != 0) return NtStatus::invalid_parameter;
  if ((create.options & kOptionsUnsupported) != 0) return NtStatus::not_supported;
  if (create.impersonation > kImpersonationMax) return NtStatus::bad_impersonation_level;
  if (const NtStatus status = check_mask(create.desired_access); status != NtStatus::success) {
    return status;
  }
  if ((create.attributes & ~attribute::kValid) != 0) return NtStatus::invalid_parameter;
  if ((create.share & ~share::kAll) != 0) return NtStatus::invalid_parameter;
  if (create.disposition > static_cast<std::uint32_t>(Disposition::overwrite_if)) {
    return NtStatus::invalid_parameter;
  }
  const bool directory = (create.options & option::kDirectoryFile) != 0;
  if (directory) {
    if ((create.options & option::kNonDirectoryFile) != 0) return NtStatus::invalid_parameter;
    const auto disposition = static_cast<Disposition>(create.disposition);
    if (disposition == Disposition::supersede || disposition == Disposition::overwrite ||
        disposition == Disposition::overwrite_if) {
      return NtStatus::invalid_parameter;
    }
    if ((create.attributes & attribute::kTemporary) != 0 && disposition != Disposition::open) {
      return NtStatus::invalid_parameter;
    }
  }
  if ((create.attributes & attribute::kEncrypted) != 0) return NtStatus::access_denied;
  constexpr std::uint32_t kMayDelete =
      access::kDelete | access::kGenericAll | access::kMaximumAllowed;
  if ((create.options & option::kDeleteOnClose) != 0 && (create.desired_access & kMayDelete) == 0) {
    return NtStatus::invalid_parameter;
  }
  return check_contexts(create.contexts);
}

CreateOperation::CreateOperation(FileContext& context, Request& request, CreateRequest create,
                                 Path path)
    : context_(context),
      request_(request),
      session_(request.session),
      tree_(request.tree),
      create_(create),
      disposition_(static_cast<Disposition>(create_.disposition)),
      path_(std::move(path)),
      who_(session_->credentials()) {
  create_.desired_access = map_generic(create_.desired_access);
}

bool CreateOperation::overwrites() const {
  return disposition_ == Disposition::supersede || disposition_ == Disposition::overwrite ||
         disposition_ == Disposition::overwrite_if;
}

bool CreateOperation::makes_when_missing() const {
  return disposition_ != Disposition::open && disposition_ != Disposition::overwrite;
}

Task<Response> CreateOperation::run() {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const bool follow = !wants(option::kOpenReparsePoint);
    walked_ = co_await walk(files(), who_, path_, follow);
    if (walked_.status != NtStatus::success) co_return walked_.status;
    Attempt outcome;
    if (walked_.found) {
      outcome = co_await open_existing();
    } else {
      outcome = co_await make_new();
    }
    if (outcome) co_return std::move(*outcome);
    data_.reset();
  }
  // Somebody makes and removes this name faster than it can be opened.
  co_return NtStatus::sharing_violation;
}

Task<Response> create_command(FileContext& context, Request& request) {
  DecodedCreate decoded = decode_create(request.message);
  if (decoded.status != NtStatus::success) co_return decoded.status;
  if (const NtStatus status = check_create(decoded.request); status != NtStatus::success) {
    co_return status;
  }
  ParsedPath parsed = parse_path(decoded.request.name);
  if (parsed.status != NtStatus::success) co_return parsed.status;
  if (!context.opens.has_room(*request.session)) co_return NtStatus::insufficient_resources;
  co_await request.session->renames().empty();
  CreateOperation operation(context, request, decoded.request, std::move(parsed.path));
  Response response = co_await operation.run();
  co_return response;
}

}  // namespace lockstep::wire::smb2
