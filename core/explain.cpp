// "Why?": the conflict relation asked without consequences.
#include <algorithm>

#include "core/state.hpp"

namespace lockstep::core {

namespace {

/// Collects what stands in the way of one request, from the same questions that decide it.
class Explainer {
 public:
  explicit Explainer(const State& state) : state_(state) {}

  Explanation operator()(const OpenRequested& event) {
    const Client* client = begin(event.client, OpenId{});
    const File* file = client ? state_.find_file(event.file) : nullptr;
    if (!file) return result_;
    asker_.wish = &event.wish;
    const bool reclaim = event.reclaim == Reclaim::previous;
    if (file->delete_pending && !reclaim) result_.status = Status::delete_pending;
    const Cause cause = cause_of(event);
    const bool shares = cause != Cause::open_security;
    if (!shares && !event.reads_security) return result_;
    const OpenInTheWay other =
        shares ? state_.share_clash(*file, event.access, event.deny, nullptr) : OpenInTheWay{};
    met(other);
    rights(file, other ? Cause::open_conflict : cause);
    return result_;
  }
  Explanation operator()(const LockRequested& event) {
    return lock(event.client, event.open, event.owner, event.file, event.element, false);
  }
  Explanation operator()(const LockTested& event) {
    return lock(event.client, event.open, event.owner, event.file, event.element, true);
  }
  Explanation operator()(const AccessRequested& event) {
    const Client* client = begin(event.client, event.open);
    if (!client) return result_;
    auto look = [&](const Target& target) {
      const File* file = state_.find_file(target.file);
      if (!file) return;
      met(state_.deny_clash(*file, asker_, target.operation, event.policy));
      const auto cause = cause_of(target.operation, event.policy, client->protocol);
      if (cause) rights(file, *cause);
    };
    look(event.target);
    for (const Target& target : event.others) look(target);
    const File* file = state_.find_file(event.target.file);
    const bool io =
        event.target.operation == Operation::read || event.target.operation == Operation::write;
    const HeldLock* held = file && io ? state_.io_clash(*file, asker_, event) : nullptr;
    if (held) {
      result_.held_by.push_back(state_.holder_of(*held));
      result_.status = Status::lock_conflict;
      result_.since = held->since;
    }
    return result_;
  }
  template <class Other>
  Explanation operator()(const Other&) {
    return result_;
  }

 private:
  const Client* begin(ClientId id, OpenId open) {
    const Client* client = state_.find_client(id);
    if (!client) {
      result_.status = Status::unknown_client;
      return nullptr;
    }
    auto known = state_.opens.find(open);
    if (open && (known == state_.opens.end() || known->second.client != client)) {
      result_.status = Status::unknown_open;
      return nullptr;
    }
    result_.waits_for_grace = state_.grace;
    if (state_.grace) result_.until = state_.grace_until;
    asker_.client = const_cast<Client*>(client);  // only looked at
    if (open) {
      asker_.open = const_cast<Open*>(&known->second);
      asker_.own = known->second.right;
    }
    return client;
  }

  void met(const OpenInTheWay& other) {
    if (!other) return;
    result_.held_by.push_back(state_.holder_of(*other));
    result_.status = other.unclaimed ? Status::grace : Status::share_conflict;
  }

  void rights(const File* file, Cause cause) {
    for (const InTheWay& item : state_.in_the_way(asker_, {const_cast<File*>(file), cause})) {
      const FileView view = state_.view_of(*file);
      auto shown = std::ranges::find(view.rights, item.right->id, &RightView::right);
      if (shown == view.rights.end()) continue;
      result_.to_break.push_back(*shown);
      if (item.breaking.how != Breaking::How::wait) continue;
      if (result_.status == Status::ok) result_.status = Status::later;
      if (shown->breaking) result_.until = std::min(result_.until, shown->deadline);
    }
  }

  Explanation lock(ClientId client_id, OpenId open, const std::string& owner_name, FileId file_id,
                   LockElement element, bool test) {
    const Client* client = begin(client_id, open);
    const File* file = client ? state_.find_file(file_id) : nullptr;
    if (!file) return result_;
    const bool smb = client->protocol == Protocol::smb;
    rights(file, test ? Cause::test_lock : smb ? Cause::lock_by_smb : Cause::lock_by_nfs);
    const LockOwner* owner = State::find_owner(*client, open, owner_name);
    if (const HeldLock* held = state_.clashing_lock(*file, owner, element)) {
      result_.held_by.push_back(state_.holder_of(*held));
      result_.status = Status::denied;
      result_.since = held->since;
    } else if (const QueuedLock* queued =
                   state_.clashing_waiter(*file, owner, element, kNotQueued, true)) {
      result_.held_by.push_back(state_.holder_of(*queued));
      result_.status = Status::denied;
    }
    return result_;
  }

  const State& state_;
  Asker asker_;
  Explanation result_;
};

}  // namespace

Explanation State::explain(const Event& request) const {
  return std::visit(Explainer(*this), request.body);
}

}  // namespace lockstep::core
