// Everything the machine knows, and the steps that change it. One class, one subject a file:
//   machine.cpp   the door, the clock, dispatch       conflict.cpp   the one conflict relation
//   clients.cpp   identities, expiry, leaving          rights.cpp     breaks, acknowledgments,
//   grants opens.cpp     share reservations                   locks.cpp      byte ranges
//   accesses.cpp  I/O and namespace operations         waiters.cpp    parking and exact wake-up
//   waits_for.cpp deadlocks                            grace.cpp      recovery, reclaim, end of
//   grace
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/file.hpp"
#include "core/limits.hpp"
#include "core/machine.hpp"

namespace lockstep::core {

/// Who asks, as far as "another key" goes.
struct Asker {
  Client* client = nullptr;
  Open* open = nullptr;
  const Right* own = nullptr;  ///< the right its open stands under
  const Wish* wish = nullptr;
  const LeaseKey* parent = nullptr;
  bool anonymous = false;  ///< NFSv4.0 without a stateid: breaks everybody's, its own too
};

struct Need {
  File* file = nullptr;
  Cause cause = Cause::read;
  bool handles_only = false;  ///< a deny mode is in the way: only Handle caches can help
};

/// A right that stands in the way, and what the table says of it.
struct InTheWay {
  RightId id;
  Right* right = nullptr;
  Breaking breaking;
  Cause cause = Cause::read;
};

/// The arrival of a request that is not in the queue (yet): behind everybody.
inline constexpr Arrival kNotQueued = ~Arrival{0};

/// What became of a request: answered (nothing), or why it has to wait.
struct Outcome {
  WaitFor wait_for = WaitFor::nothing;
  std::vector<Right*> breaks;
  bool granted = false;  ///< a lock was: what it asked for is not free
  bool done() const { return wait_for == WaitFor::nothing; }
};
inline Outcome granted() { return {WaitFor::nothing, {}, true}; }

/// While an owner's request is judged, the owner is not forgotten with its last lock or waiter.
class Asking {
 public:
  explicit Asking(LockOwner& owner) : owner_(owner), nested_(std::exchange(owner.asking, true)) {}
  ~Asking();
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  LockOwner& owner_;
  bool nested_;
};

enum class TimerKind : std::uint8_t { brk, patience, lease, reservation, grace };
using Timer = std::tuple<Nanos, TimerKind, std::uint64_t>;

class State {
 public:
  explicit State(Limits configured) : limits(configured) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // ---- machine.cpp
  void apply(const Event& event, Effects& out);
  Nanos next_deadline() const { return timers.empty() ? kNever : std::get<0>(*timers.begin()); }

  // ---- grace.cpp
  void recover(const std::vector<Record>& records, std::uint64_t boot_epoch, Nanos at,
               Effects& out);

  // ---- view.cpp, explain.cpp, invariants.cpp
  StateView view() const;
  StateView overview() const;
  FileView view_of(const File& file) const;
  ClientView view_of(const Client& client) const;
  Explanation explain(const Event& request) const;
  std::optional<std::string> check_invariants() const;
  std::optional<std::string> belongings() const;

  Limits limits;
  Nanos now = 0;
  std::uint64_t epoch = 0;
  std::uint64_t next_client = 0, next_open = 0, next_right = 0, next_lock = 0;
  Arrival next_arrival = 0;
  std::uint64_t locks_held = 0;
  bool journal_failed = false;
  bool grace = false;
  Nanos grace_until = 0;

  std::map<ClientId, Client> clients;
  std::map<std::pair<Protocol, std::string>, ClientId, std::less<>> identities;
  std::map<FileId, File> files;
  std::map<OpenId, Open> opens;
  std::map<RightId, Right> rights;
  std::map<std::pair<ClientId, LeaseKey>, Right*> leases;
  std::map<Arrival, Waiter> waiters;
  std::multimap<RequestId, Waiter*> parked;  ///< ids are the caller's to keep apart
  std::map<RequestId, InFlight> accesses;
  std::map<RequestId, PendingGrant> grants;
  /// Which files have opens below a directory (rename of an ancestor), and how many.
  std::map<std::pair<FileId, FileId>, std::uint32_t> below;
  std::set<Timer> timers;
  /// When bars and back-offs of a file are over, so that it can be forgotten; not a deadline.
  std::set<std::pair<Nanos, FileId>> fading;

  // Shared with the views.
  std::vector<InTheWay> in_the_way(const Asker& asker, const Need& need) const;
  bool is_own(const Right& right, const Asker& asker) const;
  const HeldLock* clashing_lock(const File& file, const LockOwner* owner,
                                LockElement element) const;
  const QueuedLock* clashing_waiter(const File& file, const LockOwner* owner, LockElement element,
                                    Arrival before, bool reserved_only) const;
  bool passes_queue(const File& file, const LockOwner& owner, LockElement element) const;
  OpenInTheWay share_clash(const File& file, Access access, Access deny, const Open* except) const;
  const HeldLock* io_clash(const File& file, const Asker& asker,
                           const AccessRequested& request) const;
  OpenInTheWay deny_clash(const File& file, const Asker& asker, Operation operation,
                          const Policy& policy) const;
  const Open* open_below(const File& file, const Asker& asker, FileId directory) const;
  std::vector<Need> needs_of(const AccessRequested& request);
  Holder holder_of(const HeldLock& lock) const;
  Holder holder_of(const Open& open) const;
  Holder holder_of(const QueuedLock& queued) const;
  Holder holder_of(const Right& right) const;
  static LockOwner* find_owner(Client& client, OpenId open, std::string_view name);
  static const LockOwner* find_owner(const Client& client, OpenId open, std::string_view name);
  Client* find_client(ClientId id);
  const Client* find_client(ClientId id) const;
  File* find_file(FileId id);
  const File* find_file(FileId id) const;

 private:
  friend class Snapshot;  // archive.cpp: saves and loads
  friend class Asking;

  // ---- machine.cpp
  void fire_due_timers();
  void settle();
  template <class E>
  void emit(E effect) {
    out_->emplace_back(std::move(effect));
  }
  void reply(RequestId request, Status status, ReplyBody body = {}, bool durable = false);
  template <class R>
  void persist(R record, bool erase = false) {
    out_->emplace_back(std::in_place_type<Persist>, Change{erase, std::move(record)});
  }
  template <class R>
  void erase_record(R record) {
    persist(std::move(record), true);
  }
  void set_timer(Nanos at, TimerKind kind, std::uint64_t id);
  void drop_timer(Nanos at, TimerKind kind, std::uint64_t id);
  File& file(FileId id);
  void untidy(File& file) {
    if (!file.untidy) untidy_.push_back(&file);
    file.untidy = true;
  }
  void tidy();

  void on(const Tick&) {}
  void on(const ClientArrived& event);
  void on(const ClientRenewed& event);
  void on(const ClientLeft& event);
  void on(const HostRebooted& event);
  void on(const ReclaimCompleted& event);
  void on(const OpenRequested& event);
  void on(const OpenDowngraded& event);
  void on(const OpenClosed& event);
  void on(const ShareReleased& event);
  void on(const DispositionSet& event);
  void on(const LockRequested& event);
  void on(const Unlocked& event);
  void on(const LockCancelled& event);
  void on(const RequestCancelled& event);
  void on(const LockTested& event);
  void on(const GrantAnswered& event);
  void on(const BreakAcknowledged& event);
  void on(const RightReturned& event);
  void on(const CallbackPathChanged& event);
  void on(const AccessRequested& event);
  void on(const AccessEnded& event);
  void on(const JournalChanged& event);

  // ---- clients.cpp
  void record_client(Client& client);
  void put_client_record(const Client& client);
  void drop_state(Client& client);
  void forget(Client& client);
  void expire(Client& client);
  void touch_lease(Client& client);
  void forgive(Client& client);
  template <class Body>
  void renew_by(const Body& body);
  void lease_ended(Client& client);

  // ---- conflict.cpp
  Outcome break_rights(const Asker& asker, std::span<const Need> needs);
  bool expired_holder(Client* holder);

  // ---- rights.cpp
  void begin_break(Right& right, const Breaking& how, Cause cause, const Asker& asker);
  void end_break(Right& right);
  void set_rights(Right& right, Rights rights_now);
  static bool runs_under(const InFlight& access, const Client& client, Flavour flavour,
                         const LeaseKey& key, OpenId open);
  static std::vector<RequestId> writes_under(const Right& right);
  void finish_break(Right& right);
  void next_step(Right& right);
  void finish_breaks(const File& file, RequestId write);
  void drop_right(Right& right);
  void revoke(Right& right, LeaveReason reason);
  Right* grant_right(Open& open, const OpenRequested& event, const Asker& asker, OpenReply& answer);
  Rights reduce(const File& file, const Asker& asker, const OpenRequested& event, Flavour flavour,
                Rights asked);
  Rights reduce_by_traffic(const File& file, const Asker& asker, const OpenRequested& event,
                           Flavour flavour, Rights asked);
  Right& add_right(File& file, Client& client, const Wish& wish, Rights granted);
  void put_right_record(Right& right);
  void add_bars(const Waiter& waiter);

  // ---- opens.cpp
  Outcome attempt(const OpenRequested& event, Waiter* waiter);
  Outcome attempt(const DispositionSet& event, Waiter* waiter);
  void grant_open(const OpenRequested& event, Client& client, File& file, const Asker& asker);
  Open& add_open(File& file, Client& client, OpenId id);
  void count_open(Open& open, bool in);
  void move_below(Open& open, const std::vector<FileId>& ancestors);
  void close(Open& open);
  void release_locks_of(Open& open);
  void put_open_record(Open& open);
  Open* open_of_owner(File& file, const Client& client, std::string_view owner);

  // ---- locks.cpp
  Outcome attempt(const LockRequested& event, Waiter* waiter);
  Outcome attempt(const LockTested& event, Waiter* waiter);
  Outcome judge_lock(const LockRequested& event, Waiter* waiter, File& file, LockOwner& owner);
  std::optional<Outcome> blocked_by_locks(const LockRequested& event, const Waiter* waiter,
                                          File& file, LockOwner& owner);
  Outcome wait_or_deny(const LockRequested& event, const Waiter* waiter, File& file,
                       LockOwner& owner, const LockElement& element, Holder holder);
  Outcome grant_lock(const LockRequested& event, Waiter* waiter, File& file, LockOwner& owner);
  void take_from_queue(LockOwner& owner, File& file, Range range);
  void use_up_turns(LockOwner& owner, File& file, const LockElement& taken);
  bool on_record(const Client& client, OpenId open) const;
  void answer(const LockRequested& event, const Waiter* waiter, Status status, ReplyBody body = {});
  void lock_changed(File& file, const LockChanges& changes, const LockOwner* by);
  void release_locks(File& file, LockOwner& owner);
  static LockOwner& owner_of(Client& client, OpenId open, std::string_view name);
  static void tidy(LockOwner& owner);
  static Arrival place_of(const LockOwner& owner, const File& file, LockElement element);
  void stop_grants(File& file, const LockOwner& owner, Range range);
  void stop_heard_grant(File& file, const LockOwner& owner, Range range);
  void stop_grant(RequestId grant);
  void drop_grant(RequestId grant);
  bool repeats(const LockRequested& event, File& file, LockOwner& owner);
  bool counted_already(const LockRequested& event, const LockOwner& owner) const;
  std::optional<Outcome> reclaim_lock(const LockRequested& event, File& file, LockOwner& owner);

  // ---- accesses.cpp
  Outcome attempt(const AccessRequested& event, Waiter* waiter);
  void start_access(InFlight access);
  bool access_in_flight_clashes(const File& file, const LockOwner& owner, const Client& client,
                                LockElement element) const;

  // ---- waiters.cpp
  template <class Request>
  void run(const Request& request);
  bool queue_is_full(const WaitingRequest& body);
  Client& client_of(const WaitingRequest& body);
  void park(Waiter waiter, const Outcome& outcome);
  Waiter& line_up(Waiter waiter, const std::vector<File*>& on);
  void wait(Waiter& waiter, const Outcome& outcome);
  void judge_again(Waiter& waiter);
  void remove_waiter(Waiter& waiter);
  void cancel(Waiter& waiter, Status status, ReplyBody body = {});
  void cancel_all(Client& client);
  void leave_queue(Waiter& waiter);
  void patience_ended(Waiter& waiter);
  void wake(Waiter& waiter) { woken_.emplace(waiter.arrival, &waiter); }
  void wake_range(const File& file, Range range, Arrival behind = 0);
  void wake_between(const File& file, std::uint64_t before);
  void wake_own(const LockOwner& owner, const File& file, Range range);
  void wake_accesses(const File& file);
  void wake_grace();
  void pass_bars(Client& client, std::span<const Need> needs);
  std::vector<Need> needs_of(const WaitingRequest& body);
  std::vector<File*> files_of(const WaitingRequest& body);

  // ---- waits_for.cpp
  bool closes_cycle(const File& file, const LockOwner& owner, LockElement element, Arrival arrival);
  void edges_changed(const LockOwner& owner);
  void refuse_cycles();
  std::vector<const LockOwner*> blockers(const File& file, const LockOwner& owner,
                                         LockElement element, Arrival arrival) const;

  // ---- grace.cpp
  void restore(const ClientRecord& record);
  void restore(const RightRecord& record);
  void restore(const OpenRecord& record);
  void restore(const LockRecord& record);
  static void claimed(Client& client, File& file);
  static void take_over(Open& open);
  Outcome reclaim_open(const OpenRequested& event, Client& client, File& file);
  Open* recovered_open(File& file, const Client& client, const OpenRequested& event);
  Outcome wait_for_grace(RequestId request, const Client& client);
  bool grace_gates(const Client& client) const;
  void end_grace_if_done();
  void end_grace();
  void drop_unclaimed();
  void forget_absent();
  bool may_reclaim(const Client& client) const;

  Effects* out_ = nullptr;
  LockChanges changes_;  ///< of the LOCK or UNLOCK that runs, kept for its memory
  std::map<Arrival, Waiter*> woken_;
  /// Owners with waiters for whom this step changed who waits for whom: that may close a cycle.
  std::vector<std::tuple<ClientId, OpenId, std::string>> edges_changed_;
  std::vector<File*> untidy_;  ///< files that this step may have left without any state
  /// Clients that had state before the restart and are not done reclaiming it.
  std::set<ClientId> roster_;
};

/// The cause of an operation on the file itself; nothing when it breaks no right.
std::optional<Cause> cause_of(Operation operation, const Policy& policy, Protocol protocol);
Cause cause_of(const OpenRequested& event);  ///< when its share modes agree
/// The key that accesses by an open under this right carry; oplocks go by the open.
std::optional<LeaseKey> lease_key_of(const Right* right);
ConflictSeen::Thing thing_of(Flavour flavour);
constexpr bool crosses(Protocol a, Protocol b) { return is_nfs(a) != is_nfs(b); }

}  // namespace lockstep::core
