// The last steps of CREATE, whether the file was there or not: the question to the core, the entry
// in the open table, the response.
#include "shell/wire/smb2/close.hpp"
#include "shell/wire/smb2/create_operation.hpp"

namespace lockstep::wire::smb2 {
namespace {

core::Access access_of(std::uint32_t granted) {
  core::Access access;
  if ((granted & (access::kReadData | access::kExecute)) != 0) {
    access = access | core::AccessBit::read;
  }
  if ((granted & (access::kWriteData | access::kAppendData)) != 0) {
    access = access | core::AccessBit::write;
  }
  if ((granted & access::kDelete) != 0) access = access | core::AccessBit::remove;
  return access;
}

core::Access deny_of(std::uint32_t share_access) {
  core::Access deny;
  if ((share_access & share::kRead) == 0) deny = deny | core::AccessBit::read;
  if ((share_access & share::kWrite) == 0) deny = deny | core::AccessBit::write;
  if ((share_access & share::kDelete) == 0) deny = deny | core::AccessBit::remove;
  return deny;
}

}  // namespace

/// 2.0.2 has no leases, 2.1 only their first version.
bool CreateOperation::names_lease() const {
  if (create_.oplock != OplockLevel::lease || !create_.contexts.lease) return false;
  const bool version2 = create_.contexts.lease->version2;
  return request_.dialect >= (version2 ? Dialect::smb300 : Dialect::smb210);
}

/// Directories get none (directory leases are not offered).
bool CreateOperation::takes_lease() const {
  return names_lease() && walked_.node->type() != files::FileType::directory;
}

core::OpenRequested CreateOperation::open_event() const {
  core::OpenRequested event;
  event.client = session_->client();
  event.file = walked_.node->id();
  event.access = access_of(granted_);
  event.attributes_only = attributes_only(granted_) && !overwrites();
  event.reads_security = event.attributes_only && (granted_ & access::kReadControl) != 0;
  if (overwrites()) event.access = event.access | core::AccessBit::write;
  // Share modes say what others may do to data: an open that touches none has none to protect.
  if (!event.access.empty()) event.deny = deny_of(create_.share);
  event.directory = walked_.node->type() == files::FileType::directory;
  event.ancestors = walked_.place.ancestors;
  if (event.directory) {
    // It gets no lease, but the key of another file's is refused all the same.
    if (names_lease()) event.wish.key = create_.contexts.lease->key;
    return event;
  }
  if (takes_lease()) {
    const LeaseRequest& lease = *create_.contexts.lease;
    event.wish.flavour = core::Flavour::lease;
    event.wish.rights = lease.rights;
    event.wish.key = lease.key;
    event.wish.version2 = lease.version2;
    event.wish.epoch = lease.epoch;
  } else if (const core::Rights rights = rights_of_level(create_.oplock); !rights.empty()) {
    event.wish.flavour = core::Flavour::oplock;
    event.wish.rights = rights;
  }
  return event;
}

OpenRef CreateOperation::enter(const core::OpenReply& reply) {
  auto open = std::make_shared<Open>();
  open->id = reply.open;
  open->client = session_->client();
  open->session = session_;
  open->tree = tree_;
  open->node = walked_.node;
  open->data = data_;
  open->place = walked_.place;
  open->granted = granted_;
  open->share = create_.share;
  open->options = create_.options;
  open->delete_on_close = wants(option::kDeleteOnClose);
  constexpr std::uint32_t kModeOptions =
      option::kWriteThrough | option::kSequentialOnly | option::kNoIntermediateBuffering |
      option::kSynchronousAlert | option::kSynchronousNonAlert | option::kDeleteOnClose;
  open->mode = create_.options & kModeOptions;
  if (takes_lease()) {
    const LeaseRequest& lease = *create_.contexts.lease;
    open->flavour = core::Flavour::lease;
    open->lease_key = lease.key;
    // The version is the lease's: that of the request that made it.
    const std::vector<OpenRef> under = context_.opens.of_lease(open->client, lease.key);
    open->lease_version2 = under.empty() ? lease.version2 : under.front()->lease_version2;
    open->parent_key = lease.parent.value_or(core::LeaseKey{});
  } else if (create_.oplock != OplockLevel::none) {
    open->flavour = core::Flavour::oplock;
  }
  context_.opens.add(open);
  context_.breaks.hold(reply.right);
  if (reply.right) {
    request_.after_response(
        [&breaks = context_.breaks, right = reply.right] { breaks.release(right); });
  }
  return open;
}

Task<Response> CreateOperation::refuse(OpenRef open, NtStatus status) {
  co_await close_open(context_, open, nullptr);
  co_return status;
}

Response CreateOperation::answer(const OpenRef& open, const core::OpenReply& reply) {
  CreateAnswer answer;
  answer.action = action_;
  answer.attributes = walked_.attributes;
  answer.dos = dos_;
  answer.handle = open->handle;
  answer.disk_id = create_.contexts.disk_id;
  if (takes_lease()) {
    const LeaseRequest& asked = *create_.contexts.lease;
    answer.oplock = OplockLevel::lease;
    answer.lease = {asked.key,    reply.rights, reply.breaking, open->lease_version2,
                    asked.parent, reply.epoch};
  } else if (reply.flavour == core::Flavour::oplock) {
    answer.oplock = level_of(reply.rights);
  }
  if (const auto& query = create_.contexts.maximal_access) {
    const bool unchanged =
        query->timestamp && *query->timestamp == to_file_time(walked_.attributes.modified);
    if (!unchanged) answer.maximal_access = maximal_;
  }
  request_.set_file(open->handle);
  return Response(encode_create(answer));
}

}  // namespace lockstep::wire::smb2
