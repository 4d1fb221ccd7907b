// Caching rights: breaks and their ends, acknowledgments, returns; and accesses, which end too.
#include <algorithm>

#include "model/model.hpp"

namespace lockstep::model {

namespace {
bool delegated(Flavour flavour) {
  return flavour == Flavour::delegation || flavour == Flavour::directory_delegation;
}
}  // namespace

Rights normalised(Flavour flavour, Rights rights) {
  if (!rights.has(RightBit::read)) return kNoRights;
  switch (flavour) {
    case Flavour::oplock:
      return rights == kRH ? kR : rights;
    case Flavour::delegation:
      return rights.without(RightBit::handle);
    case Flavour::directory_lease:
      return rights.without(RightBit::write);
    case Flavour::directory_delegation:
      return kR;
    default:
      return rights;
  }
}

void Model::begin_break(RightId id, const Breaking& how) {
  Right& r = *right(id);
  if (r.version2) ++r.epoch;
  const bool acked = how.how != Breaking::How::notice;
  SendBreak notice{r.client, id,       r.flavour, r.file,  r.key,
                   r.open,   r.rights, how.to,    r.epoch, acked};
  notice.durable = recorded(r);
  if (!acked) {
    lower_right(id, how.to);
    out_->push_back(notice);
    return;
  }
  r.breaking = true;
  r.to = how.to;
  r.deadline = now_ + (delegated(r.flavour) ? limits_.delegation_timeout : limits_.break_timeout);
  if (r.version2) record(r);
  out_->push_back(notice);
  const ClientId holder = r.client;
  const FileId file = r.file;
  wake_if([&](const Waiter& w) {  // others wait for this client now: it passes the queue
    const auto* lock = std::get_if<LockRequested>(&w.request);
    return w.for_locks && lock->client == holder && lock->file == file;
  });
}

/// The right becomes `rights`, on record too; what has nothing left is gone, but for a lease.
void Model::lower_right(RightId id, Rights rights) {
  Right& r = *right(id);
  r.rights = rights;
  const bool lease = r.flavour == Flavour::lease || r.flavour == Flavour::directory_lease;
  if (rights.empty() && !lease) return drop_right(id);
  record(r);
}

void Model::end_break(RightId id, Rights rights) {
  Right& r = *right(id);
  r.breaking = false;
  r.to = kNoRights;
  r.deadline = kNever;
  if (delegated(r.flavour)) back_off(r.file);
  lower_right(id, rights);
  wake_break_ended(id);
}

/// The right is gone whatever it was; a break of it has ended.
void Model::drop_right(RightId id) {
  const Right r = *right(id);
  if (r.breaking) {
    if (delegated(r.flavour)) back_off(r.file);
  }
  if (recorded(r)) erase(&RightRecord::right, id);
  std::erase_if(rights_, [&](const Right& each) { return each.id == id; });
  for (Open& o : opens_)
    if (o.right == id) o.right = {};
  wake_break_ended(id);
}

void Model::back_off(FileId file) {
  std::erase_if(backoffs_, [&](const Backoff& each) { return each.file == file; });
  backoffs_.push_back({file, now_ + limits_.regrant_backoff});
}

void Model::on(const BreakAcknowledged& e) {
  const auto at = std::find_if(rights_.begin(), rights_.end(), [&](const Right& r) {
    if (r.client != e.client || r.recovered) return false;
    if (e.flavour == Flavour::oplock) return r.flavour == Flavour::oplock && r.open == e.open;
    return r.flavour == e.flavour && r.key == e.key && !delegated(r.flavour);
  });
  if (at == rights_.end()) return reply(e.request, Status::unknown_right);
  if (!at->breaking) return reply(e.request, Status::not_breaking);
  if (!at->to.contains(e.rights)) return reply(e.request, Status::ack_exceeds);
  const Rights left = normalised(at->flavour, e.rights);
  end_break(at->id, left);
  reply(e.request, Status::ok, AckReply{left});
}

void Model::on(const RightReturned& e) {
  const Right* r = right(e.right);
  if (r == nullptr || r->client != e.client) return reply(e.request, Status::unknown_right);
  const bool lease = r->flavour == Flavour::lease || r->flavour == Flavour::directory_lease;
  if (!lease)
    drop_right(e.right);
  else if (r->breaking)
    end_break(e.right, kNoRights);
  else
    lower_right(e.right, kNoRights);
  reply(e.request, Status::ok);
}

void Model::on(const CallbackPathChanged& e) {
  if (Client* c = client(e.client)) c->callback_up = e.up;
}

void Model::on(const JournalChanged& e) { journal_failed_ = e.failed; }

void Model::on(const AccessEnded& e) {
  std::vector<FileId> files;
  std::erase_if(accesses_, [&](const AccessInFlight& access) {
    if (access.asked.request != e.request) return false;
    files.push_back(access.touch.file);
    if (access.removes_name) std::erase(delete_pending_, access.touch.file);
    return true;
  });
  wake_if([&](const Waiter& w) {
    const auto* lock = std::get_if<LockRequested>(&w.request);
    return w.for_accesses && std::find(files.begin(), files.end(), lock->file) != files.end();
  });
}

}  // namespace lockstep::model
