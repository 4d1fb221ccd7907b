#include "shell/recording/lines.hpp"

#include <fmt/format.h>

#include <string>

namespace lockstep::recording {

namespace {

using namespace core;  // NOLINT: every word of the vocabulary is written here

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<std::uint8_t>(c));
  return text;
}

template <class Tag>
Json of(Id<Tag> id) {
  return id.value;
}
Json of(FileId file) { return fmt::format("{}.{}.{}", file.volume, file.node, file.generation); }
Json of(const LeaseKey& key) {
  return hex({reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
}
Json of(Range range) { return {range.first, range.last}; }
Json of(const LockElement& element) {
  return {
      {"first", element.range.first}, {"last", element.range.last}, {"kind", name(element.mode)}};
}
Json of(Wait wait) {
  static constexpr const char* kNames[] = {"none", "queue", "callback", "reserve"};
  return kNames[static_cast<int>(wait)];
}
Json of(Reclaim reclaim) {
  static constexpr const char* kNames[] = {"none", "previous", "delegated"};
  return kNames[static_cast<int>(reclaim)];
}
Json of(const Wish& wish) {
  return {{"flavour", name(wish.flavour)}, {"rights", name(wish.rights)}, {"key", of(wish.key)}};
}
Json of(const Policy& policy) {
  return {{"smb_ranges_on_nfs_io", policy.smb_ranges_on_nfs_io},
          {"smb_deny_on_nfs_io", policy.smb_deny_on_nfs_io},
          {"nfs_ranges_on_nfs_io", policy.nfs_ranges_on_nfs_io},
          {"unlink_while_open", policy.unlink_while_open},
          {"v3_getattr_breaks", policy.v3_getattr_breaks}};
}
Json of(const Target& target) {
  return {{"file", of(target.file)}, {"operation", name(target.operation)}};
}
Json of(const OpenView& view);
Json of(const LockView& view);
Json of(const RightView& view);
Json of(const WaiterView& view);
Json of(const AccessView& view);
Json of(const GrantView& view);
template <class T>
Json of(const std::vector<T>& all) {
  Json list = Json::array();
  for (const T& each : all) list.push_back(of(each));
  return list;
}

/// Type name first: it is what a reader looks for.
Json event(const char* type, Json fields = Json::object()) {
  fields["type"] = type;
  return fields;
}

struct EventLine {
  Json operator()(const Tick&) const { return event("Tick"); }
  Json operator()(const ClientArrived& e) const {
    return event("ClientArrived", {{"request", of(e.request)},
                                   {"protocol", name(e.protocol)},
                                   {"identity", hex(e.identity)},
                                   {"address", e.address},
                                   {"lease", e.lease}});
  }
  Json operator()(const ClientRenewed& e) const {
    return event("ClientRenewed", {{"client", of(e.client)}});
  }
  Json operator()(const ClientLeft& e) const {
    return event("ClientLeft", {{"client", of(e.client)}});
  }
  Json operator()(const HostRebooted& e) const {
    return event("HostRebooted",
                 {{"name", hex(e.name)}, {"address", e.address}, {"state", e.state}});
  }
  Json operator()(const ReclaimCompleted& e) const {
    return event("ReclaimCompleted", {{"request", of(e.request)},
                                      {"client", of(e.client)},
                                      {"one_file_system", e.one_file_system}});
  }
  Json operator()(const OpenRequested& e) const {
    return event("OpenRequested", {{"request", of(e.request)},
                                   {"client", of(e.client)},
                                   {"file", of(e.file)},
                                   {"owner", hex(e.owner)},
                                   {"access", name(e.access)},
                                   {"deny", name(e.deny)},
                                   {"attributes_only", e.attributes_only},
                                   {"reads_security", e.reads_security},
                                   {"overwrite", e.overwrite},
                                   {"directory", e.directory},
                                   {"created", e.created},
                                   {"wish", of(e.wish)},
                                   {"reclaim", of(e.reclaim)},
                                   {"policy", of(e.policy)},
                                   {"patience", e.patience}});
  }
  Json operator()(const OpenDowngraded& e) const {
    return event("OpenDowngraded", {{"request", of(e.request)},
                                    {"open", of(e.open)},
                                    {"access", name(e.access)},
                                    {"deny", name(e.deny)}});
  }
  Json operator()(const OpenClosed& e) const {
    return event("OpenClosed", {{"request", of(e.request)}, {"open", of(e.open)}});
  }
  Json operator()(const ShareReleased& e) const {
    return event("ShareReleased", {{"request", of(e.request)},
                                   {"client", of(e.client)},
                                   {"owner", hex(e.owner)},
                                   {"file", of(e.file)}});
  }
  Json operator()(const DispositionSet& e) const {
    return event("DispositionSet",
                 {{"request", of(e.request)}, {"open", of(e.open)}, {"remove", e.remove}});
  }
  Json operator()(const LockRequested& e) const {
    return event("LockRequested", {{"request", of(e.request)},
                                   {"client", of(e.client)},
                                   {"open", of(e.open)},
                                   {"owner", hex(e.owner)},
                                   {"file", of(e.file)},
                                   {"element", of(e.element)},
                                   {"more", of(e.more)},
                                   {"wait", of(e.wait)},
                                   {"reclaim", of(e.reclaim)},
                                   {"policy", of(e.policy)},
                                   {"patience", e.patience}});
  }
  Json operator()(const Unlocked& e) const {
    return event("Unlocked", {{"request", of(e.request)},
                              {"client", of(e.client)},
                              {"open", of(e.open)},
                              {"owner", hex(e.owner)},
                              {"file", of(e.file)},
                              {"range", of(e.range)},
                              {"more", of(e.more)}});
  }
  Json operator()(const LockCancelled& e) const {
    return event("LockCancelled", {{"request", of(e.request)},
                                   {"client", of(e.client)},
                                   {"owner", hex(e.owner)},
                                   {"file", of(e.file)},
                                   {"element", of(e.element)}});
  }
  Json operator()(const RequestCancelled& e) const {
    return event("RequestCancelled", {{"target", of(e.target)}});
  }
  Json operator()(const LockTested& e) const {
    return event("LockTested", {{"request", of(e.request)},
                                {"client", of(e.client)},
                                {"open", of(e.open)},
                                {"owner", hex(e.owner)},
                                {"file", of(e.file)},
                                {"element", of(e.element)},
                                {"patience", e.patience}});
  }
  Json operator()(const GrantAnswered& e) const {
    return event("GrantAnswered", {{"grant", of(e.grant)}, {"accepted", e.accepted}});
  }
  Json operator()(const BreakAcknowledged& e) const {
    return event("BreakAcknowledged", {{"request", of(e.request)},
                                       {"client", of(e.client)},
                                       {"flavour", name(e.flavour)},
                                       {"key", of(e.key)},
                                       {"open", of(e.open)},
                                       {"rights", name(e.rights)}});
  }
  Json operator()(const RightReturned& e) const {
    return event("RightReturned",
                 {{"request", of(e.request)}, {"client", of(e.client)}, {"right", of(e.right)}});
  }
  Json operator()(const CallbackPathChanged& e) const {
    return event("CallbackPathChanged", {{"client", of(e.client)}, {"up", e.up}});
  }
  Json operator()(const AccessRequested& e) const {
    return event("AccessRequested", {{"request", of(e.request)},
                                     {"client", of(e.client)},
                                     {"open", of(e.open)},
                                     {"owner", hex(e.owner)},
                                     {"target", of(e.target)},
                                     {"others", of(e.others)},
                                     {"range", of(e.range)},
                                     {"policy", of(e.policy)},
                                     {"patience", e.patience}});
  }
  Json operator()(const AccessEnded& e) const {
    return event("AccessEnded", {{"request", of(e.request)}});
  }
  Json operator()(const JournalChanged& e) const {
    return event("JournalChanged", {{"failed", e.failed}});
  }
};

Json body_of(const ReplyBody& body) {
  if (const auto* client = std::get_if<ClientReply>(&body)) {
    return {{"client", of(client->client)}, {"returned", client->returned}};
  }
  if (const auto* open = std::get_if<OpenReply>(&body)) {
    return {{"open", of(open->open)},
            {"right", of(open->right)},
            {"flavour", name(open->flavour)},
            {"rights", name(open->rights)},
            {"breaking", open->breaking}};
  }
  if (const auto* close = std::get_if<CloseReply>(&body)) return {{"remove", close->remove}};
  if (const auto* ack = std::get_if<AckReply>(&body)) return {{"rights", name(ack->rights)}};
  if (const auto* holder = std::get_if<Holder>(&body)) {
    static constexpr const char* kThings[] = {"lock", "reservation", "open", "right", "access"};
    return {{"thing", kThings[static_cast<int>(holder->kind)]},
            {"client", of(holder->client)},
            {"owner", hex(holder->owner)},
            {"open", of(holder->open)},
            {"first", holder->range.first},
            {"last", holder->range.last},
            {"kind", name(holder->mode)}};
  }
  return nullptr;
}

struct EffectLine {
  Json operator()(const Reply& e) const {
    return {{"what", "reply"},
            {"request", of(e.request)},
            {"status", name(e.status)},
            {"durable", e.durable},
            {"body", body_of(e.body)}};
  }
  Json operator()(const Parked& e) const {
    return {{"what", "parked"}, {"request", of(e.request)}};
  }
  Json operator()(const SendBreak& e) const {
    return {{"what", "break"},      {"client", of(e.client)},
            {"right", of(e.right)}, {"flavour", name(e.flavour)},
            {"file", of(e.file)},   {"key", of(e.key)},
            {"open", of(e.open)},   {"from", name(e.from)},
            {"to", name(e.to)},     {"ack_required", e.ack_required}};
  }
  Json operator()(const NotifyGranted& e) const {
    return {{"what", "granted"},     {"client", of(e.client)}, {"grant", of(e.grant)},
            {"owner", hex(e.owner)}, {"file", of(e.file)},     {"element", of(e.element)}};
  }
  Json operator()(const StopNotifying& e) const {
    return {{"what", "stop_notifying"}, {"client", of(e.client)}, {"grant", of(e.grant)}};
  }
  Json operator()(const NotifyLock& e) const {
    return {{"what", "notify_lock"},
            {"client", of(e.client)},
            {"owner", hex(e.owner)},
            {"file", of(e.file)}};
  }
  Json operator()(const Revoked& e) const {
    return {{"what", "revoked"},
            {"client", of(e.client)},
            {"file", of(e.file)},
            {"right", of(e.right)}};
  }
  Json operator()(const Persist&) const { return nullptr; }
  Json operator()(const ConflictSeen&) const { return nullptr; }
  Json operator()(const GraceEnded&) const { return {{"what", "grace_ended"}}; }
};

Json of(const OpenView& view) {
  return {{"open", of(view.open)},    {"client", of(view.client)},
          {"owner", hex(view.owner)}, {"access", name(view.access)},
          {"deny", name(view.deny)},  {"attributes_only", view.attributes_only},
          {"right", of(view.right)},  {"recovered", view.recovered}};
}
Json of(const LockView& view) {
  return {{"client", of(view.client)},  {"open", of(view.open)},   {"owner", hex(view.owner)},
          {"first", view.range.first},  {"last", view.range.last}, {"kind", name(view.mode)},
          {"recovered", view.recovered}};
}
Json of(const RightView& view) {
  return {{"right", of(view.right)},         {"client", of(view.client)},
          {"flavour", name(view.flavour)},   {"key", of(view.key)},
          {"open", of(view.open)},           {"rights", name(view.rights)},
          {"breaking", view.breaking},       {"breaking_to", name(view.breaking_to)},
          {"required", name(view.required)}, {"deadline", view.deadline},
          {"recovered", view.recovered}};
}
Json of(const WaiterView& view) {
  return {{"request", of(view.request)}, {"client", of(view.client)},
          {"owner", hex(view.owner)},    {"open", of(view.open)},
          {"what", view.what},           {"element", of(view.element)},
          {"queued", view.queued},       {"for_breaks", view.for_breaks},
          {"for_locks", view.for_locks}, {"for_accesses", view.for_accesses},
          {"for_grace", view.for_grace}, {"told", view.told}};
}
Json of(const AccessView& view) {
  return {{"request", of(view.request)},
          {"client", of(view.client)},
          {"operation", name(view.operation)},
          {"range", of(view.range)}};
}
Json of(const GrantView& view) {
  return {{"grant", of(view.grant)},
          {"client", of(view.client)},
          {"owner", hex(view.owner)},
          {"element", of(view.element)}};
}

}  // namespace

Json line_of(const EventBody& event) { return std::visit(EventLine{}, event); }
Json line_of(const Effect& effect) { return std::visit(EffectLine{}, effect); }
Json line_of(const FileView& view) {
  return {{"file", of(view.file)},         {"delete_pending", view.delete_pending},
          {"opens", of(view.opens)},       {"locks", of(view.locks)},
          {"rights", of(view.rights)},     {"waiters", of(view.waiters)},
          {"accesses", of(view.accesses)}, {"grants", of(view.grants)}};
}
Json line_of(const ClientView& view) {
  return {{"client", of(view.client)},
          {"protocol", name(view.protocol)},
          {"identity", hex(view.identity)},
          {"address", view.address}};
}
Json line_of(const Limits& limits) {
  return {{"waiters_per_file_max", limits.waiters_per_file_max},
          {"bar", limits.bar},
          {"grace_scope", limits.grace_scope == GraceScope::all ? "all" : "recorded"}};
}

}  // namespace lockstep::recording
