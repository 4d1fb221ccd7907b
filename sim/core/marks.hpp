// The marks of the core level: what its runs have to have seen. Each names the classes of bugs that
// it stands for (the table in sim/README.md).
#pragma once

#include "sim/marks.hpp"

namespace lockstep::sim::mark {

#define LOCKSTEP_MARK(name, kind, text) \
  inline const Mark name { Mark::Kind::kind, "core", text }
// Requests and what becomes of them.
LOCKSTEP_MARK(parked, sometimes, "a request is parked");
LOCKSTEP_MARK(denied, sometimes, "a lock is denied");
LOCKSTEP_MARK(blocked, sometimes, "a blocking NLM lock waits");
LOCKSTEP_MARK(blocked_again, sometimes, "a queued NLM lock is repeated");
LOCKSTEP_MARK(granted_call, sometimes, "a grant is called out");
LOCKSTEP_MARK(granted_unwanted, sometimes, "a grant meets a cancel");
LOCKSTEP_MARK(granted_again, sometimes, "a grant is called out again");
LOCKSTEP_MARK(turn_told, sometimes, "a NFSv4 waiter is told that it is its turn");
LOCKSTEP_MARK(turn_taken, sometimes, "a NFSv4 waiter takes its turn");
LOCKSTEP_MARK(deadlock, sometimes, "a deadlock is refused");
LOCKSTEP_MARK(cancelled, sometimes, "a parked request is cancelled");
LOCKSTEP_MARK(closed_under, sometimes, "an open is closed under its waiting request");
LOCKSTEP_MARK(later, sometimes, "a request is put off");
LOCKSTEP_MARK(limit, sometimes, "a limit is reached");
LOCKSTEP_MARK(share_conflict, sometimes, "a share reservation refuses");
LOCKSTEP_MARK(lock_conflict, sometimes, "a byte-range lock refuses I/O");
LOCKSTEP_MARK(file_open, sometimes, "an open file is not removed");
LOCKSTEP_MARK(delete_pending, sometimes, "a file that is to go refuses");
LOCKSTEP_MARK(key_in_use, reachable, "a lease key is used on a second file");
LOCKSTEP_MARK(bad_mode, sometimes, "an open does not allow it");
LOCKSTEP_MARK(unlock_in_part, sometimes, "a part of a lock is released");
LOCKSTEP_MARK(lock_array, sometimes, "an array of locks is granted");
LOCKSTEP_MARK(downgraded, sometimes, "an open is downgraded");
LOCKSTEP_MARK(cross_family, sometimes, "a conflict crosses the families");
// Rights.
LOCKSTEP_MARK(lease, sometimes, "a lease is granted");
LOCKSTEP_MARK(oplock, sometimes, "an oplock is granted");
LOCKSTEP_MARK(delegation, sometimes, "a delegation is granted");
LOCKSTEP_MARK(less_granted, sometimes, "less is granted than was asked for");
LOCKSTEP_MARK(broken, sometimes, "a right is broken");
LOCKSTEP_MARK(broken_notice, sometimes, "a right falls without an acknowledgment");
LOCKSTEP_MARK(early_recall, sometimes, "a recall overtakes the reply that granted it");
LOCKSTEP_MARK(acked, sometimes, "a break is acknowledged");
LOCKSTEP_MARK(acked_late, sometimes, "an acknowledgment comes too late");
LOCKSTEP_MARK(ack_exceeds, sometimes, "an acknowledgment keeps too much");
LOCKSTEP_MARK(returned, sometimes, "a delegation is returned");
LOCKSTEP_MARK(revoked, sometimes, "a right is revoked");
LOCKSTEP_MARK(lazy_close, sometimes, "a close that a client kept to itself comes with the break");
LOCKSTEP_MARK(kept_locally, sometimes, "an open or a lock needs no message under a right");
LOCKSTEP_MARK(pushed, sometimes, "what was done locally is told before a right is given up");
// Caches.
LOCKSTEP_MARK(read_cached, sometimes, "a read is served from a cache");
LOCKSTEP_MARK(read_stale_allowed, reachable, "a cache is read while its break is under way");
LOCKSTEP_MARK(wrote_cached, sometimes, "a write stays in a cache");
LOCKSTEP_MARK(flushed_for_break, sometimes, "dirty data is flushed before an acknowledgment");
LOCKSTEP_MARK(dirty_lost_told, sometimes, "dirty data is lost, and its client is told");
LOCKSTEP_MARK(read_passed, sometimes, "a read meets a file that others cached");
// Restarts.
LOCKSTEP_MARK(crash, sometimes, "the server crashes");
LOCKSTEP_MARK(crash_loses, sometimes, "a crash loses records that were not on disk");
LOCKSTEP_MARK(crash_keeps, sometimes, "a crash keeps some of the records under way");
LOCKSTEP_MARK(crash_in_step, sometimes, "a crash falls between two effects of a step");
LOCKSTEP_MARK(crash_in_grace, sometimes, "a crash falls into grace");
LOCKSTEP_MARK(crash_in_recovery, sometimes, "a crash falls into recovery");
LOCKSTEP_MARK(held_reply_dies, sometimes,
              "a reply that waited for the journal dies with the server");
LOCKSTEP_MARK(grace, sometimes, "grace begins");
LOCKSTEP_MARK(grace_ends, sometimes, "grace ends");
LOCKSTEP_MARK(in_grace, sometimes, "a request meets grace");
LOCKSTEP_MARK(reclaimed_lock, sometimes, "a lock is reclaimed");
LOCKSTEP_MARK(reclaimed_open, sometimes, "an open is reclaimed");
LOCKSTEP_MARK(reclaimed_right, sometimes, "a right is reclaimed");
LOCKSTEP_MARK(reclaim_bad, sometimes, "a reclaim of what was not held is refused");
LOCKSTEP_MARK(no_grace, sometimes, "a reclaim comes after grace");
LOCKSTEP_MARK(remembered, sometimes, "what a client was told is there after a crash");
// Clients.
LOCKSTEP_MARK(client_crash, sometimes, "a client crashes and comes back");
LOCKSTEP_MARK(client_dies, sometimes, "a client dies");
LOCKSTEP_MARK(host_rebooted, sometimes, "an NLM host says that it was down");
LOCKSTEP_MARK(state_expired, sometimes, "an expired client is in somebody's way");
LOCKSTEP_MARK(told_lost, sometimes, "a client hears that its state is gone");
LOCKSTEP_MARK(unknown_client, sometimes, "a client is not known any more");
LOCKSTEP_MARK(callback_lost, sometimes, "a callback is lost");
LOCKSTEP_MARK(thrown_out, sometimes, "an administrator ends a client's state");
// The journal.
LOCKSTEP_MARK(journal_fails, sometimes, "the journal fails");
LOCKSTEP_MARK(refused_by_journal, sometimes, "a grant is refused because of the journal");
LOCKSTEP_MARK(waited_for_disk, sometimes, "a reply waits for the journal");
LOCKSTEP_MARK(late_tick, sometimes, "the server's clock is late");
// Ends.
LOCKSTEP_MARK(durable_first, always, "no reply before its record is durable");
LOCKSTEP_MARK(answered_once, always, "a request is answered once");
LOCKSTEP_MARK(live, always, "after healing nobody waits for more than a lock");
LOCKSTEP_MARK(clean, always, "after everything is closed nothing is left");
#undef LOCKSTEP_MARK

}  // namespace lockstep::sim::mark
