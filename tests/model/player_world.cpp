// What commands do to clients, time and the server itself, and which verb is which.
#include <algorithm>

#include "tests/model/player.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT: events are the only subject here

// ---- Clients, time, restarts ------------------------------------------------------------------

void Player::renew(const Command& command) { stage_.happen(ClientRenewed{client(actor(command))}); }

void Player::leave(const Command& command) {
  static constexpr LeaveReason reasons[] = {LeaveReason::disconnected, LeaveReason::free_all,
                                            LeaveReason::destroyed, LeaveReason::administrator,
                                            LeaveReason::rebooted};
  const ClientView* known = find(actor(command));
  stage_.happen(
      ClientLeft{known == nullptr ? ClientId{777} : known->client, reasons[command.a % 5]});
}

void Player::reboot(const Command& command) {
  const Actor& who = actor(command);
  HostRebooted e{who.identity, "", 1 + 2 * (command.b % 3)};
  if (command.a % 2 == 1) e.name = "unknown", e.address = who.address;
  stage_.happen(e);
}

/// What was held before the restart is claimed again: rightly, or more than was held.
void Player::reclaim(const Command& command) {
  const Actor& who = actor(command);
  const ClientId id = client(who);
  std::vector<std::pair<FileId, OpenView>> lost;
  std::vector<std::pair<FileId, LockView>> ranges;
  const StateView view = stage_.view();
  for (const FileView& f : view.files) {
    for (const OpenView& o : f.opens)
      if (o.client == id && o.recovered) lost.push_back({f.file, o});
    for (const LockView& l : f.locks)
      if (l.client == id && l.recovered) ranges.push_back({f.file, l});
  }
  const bool smb = who.protocol == Protocol::smb;
  if (!ranges.empty() && (lost.empty() || command.a % 3 == 0))
    return reclaim_lock(command, who, id, ranges[command.d % ranges.size()].first,
                        ranges[command.d % ranges.size()].second);
  if (who.protocol == Protocol::nfs3 || (smb && lost.empty())) return;
  OpenRequested e;
  e.request = request();
  e.client = id;
  e.file = file(command);
  e.owner = smb ? "" : "opener";
  e.access = AccessBit::read;
  e.patience = patience(who, command.pause);
  e.reclaim = smb ? Reclaim::none : Reclaim::previous;
  if (!lost.empty()) {
    const auto& [on, open] = lost[command.d % lost.size()];
    e.file = on;
    e.owner = open.owner;
    e.access = open.access;
    e.deny = open.deny;
    if (command.b % 8 == 7) e.access = e.access | Access{AccessBit::read, AccessBit::write};
    if (command.b % 8 == 6 && e.access.has(AccessBit::write)) e.access = AccessBit::write;
    e.wish = wish(command, who);
    for (const FileView& f : view.files)
      for (const RightView& r : f.rights)
        if (r.right == open.right)
          e.wish = {r.flavour, command.c % 4 == 3 ? kRH : r.rights, r.key, true, r.epoch};
  }
  stage_.happen(e);
}

void Player::reclaim_lock(const Command& command, const Actor& who, ClientId id, FileId on,
                          const LockView& held) {
  LockRequested e;
  e.client = id;
  e.file = on;
  e.owner = held.owner;
  e.open = held.open;
  e.element = {held.range, held.mode};
  if (who.protocol != Protocol::smb) {
    e.reclaim = Reclaim::previous;
    if (command.b % 4 == 1) e.element.mode = LockMode::shared;
    if (command.b % 8 == 2) e.element.mode = LockMode::exclusive;
    if (command.b % 8 == 3) e.element.range.last = kEndOfFile;
    if (command.b % 8 == 5) e.element.range.last = e.element.range.first;
  }
  e.request = request();
  stage_.happen(e);
}

void Player::complete(const Command& command) {
  ReclaimCompleted e{{}, client(actor(command)), command.a % 4 == 3};
  e.request = request();
  stage_.happen(e);
}

void Player::advance(const Command& command) {
  const Nanos due = stage_.next_deadline();
  if (due == kNever || due <= stage_.now()) {
    stage_.pass(100 * kMillisecond);
  } else if (command.a % 4 == 0) {
    stage_.pass(due - stage_.now());
  } else if (command.a % 4 == 1) {
    stage_.pass(due - stage_.now() + kSecond);
  } else if (command.a % 4 == 2) {
    stage_.pass((due - stage_.now()) / 2);
  } else {
    stage_.pass((command.b % 64) * kSecond);
  }
  stage_.happen(Tick{});
}

void Player::play(const Command& command) {
  if (command.verb < 32 && (scene_.silent_verbs >> command.verb & 1) != 0) return;
  stage_.pass(command.pause % 4 * 10 * kMillisecond);
  switch (command.verb) {
    case 0:
      return advance(command);
    case 1:
    case 2:
    case 3:
      return open(command);
    case 4:
    case 5:
    case 6:
      return lock(command);
    case 7:
      return lock_again(command);
    case 8:
    case 9:
      return unlock(command);
    case 10:
    case 11:
      return access(command);
    case 12:
    case 13:
      return end_access(command);
    case 14:
    case 15:
      return acknowledge(command);
    case 16:
      return close(command);
    case 17:
      return answer_grant(command);
    case 18:
      return test(command);
    case 19:
      return command.a % 2 == 0 ? cancel_lock(command) : cancel_request(command);
    case 20:
      return command.a % 2 == 0 ? downgrade(command) : release_share(command);
    case 21:
      return dispose(command);
    case 22:
      return command.b % 2 == 0 ? return_right(command) : callback_path(command);
    case 23:
      return command.c % 4 == 0   ? leave(command)
             : command.c % 4 == 1 ? reboot(command)
                                  : renew(command);
    case 24:
      return complete(command);
    case 25:
      return reclaim(command);
    case 26:
      if (command.a % 8 == 7) return stage_.happen(JournalChanged{command.b % 4 == 3});
      return stage_.become_durable();
    default:
      if (command.a % 4 == 0) return stage_.crash(command.b);
      return reclaim(command);
  }
}

}  // namespace lockstep::test
