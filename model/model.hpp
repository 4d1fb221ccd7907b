// The machine once more, naive and obviously right: flat lists, linear scans, one function for each
// thing that can happen. It is the oracle of `core`: same events in, same effects and view out.
// Written from core/README.md and shares with core only the words.
#pragma once

#include <functional>
#include <optional>

#include "core/view.hpp"
#include "model/state.hpp"

namespace lockstep::model {

class Model {
 public:
  explicit Model(Limits limits) : limits_(limits) {}

  void recover(const std::vector<Record>& records, std::uint64_t epoch, Nanos now,
               Effects& effects);
  void apply(const Event& event, Effects& effects);
  Nanos next_deadline() const;
  StateView view() const;

 private:
  // ---- Events (clients.cpp, opens.cpp, locks.cpp, rights.cpp)
  void on(const Tick&) {}
  void on(const ClientArrived&);
  void on(const ClientRenewed&);
  void on(const ClientLeft&);
  void on(const HostRebooted&);
  void on(const ReclaimCompleted&);
  void on(const OpenRequested&);
  void on(const OpenDowngraded&);
  void on(const OpenClosed&);
  void on(const ShareReleased&);
  void on(const DispositionSet&);
  void on(const LockRequested&);
  void on(const Unlocked&);
  void on(const LockCancelled&);
  void on(const RequestCancelled&);
  void on(const LockTested&);
  void on(const GrantAnswered&);
  void on(const BreakAcknowledged&);
  void on(const RightReturned&);
  void on(const CallbackPathChanged&);
  void on(const AccessRequested&);
  void on(const AccessEnded&);
  void on(const JournalChanged&);

  // ---- Judging (judge.cpp)
  Asked reduce(const Request& request) const;
  Verdict judge(const Waiter& waiter);
  std::optional<Status> invalid(const Request& request, const Asked& asked) const;
  bool waits_for_grace(const Request& request, const Asked& asked) const;
  std::optional<Verdict> judge_deny_modes(const Request& request, const Asked& asked);
  std::optional<Verdict> judge_rights(const Asked& asked);
  std::optional<Verdict> judge_lock(const Waiter& waiter, const LockRequested& lock);
  std::optional<Verdict> judge_io(const AccessRequested& access, const Asked& asked);
  std::optional<Verdict> judge_test(const LockTested& test);
  std::optional<Verdict> judge_accesses(const LockRequested& lock) const;
  bool deny_clash(const Request& request, const Asked& asked, const Asked::Touch& touch,
                  const Open& open) const;
  void break_for_touch(const Asked& asked, const Asked::Touch& touch, std::vector<RightId>& waits);
  bool recovered_in_the_way(const Asked& asked, const Asked::Touch& touch) const;
  bool touched(const Asked::Touch& touch, FileId file) const;
  bool own(const Asked& asked, const Right& right) const;
  Verdict grace_verdict(const Asked& asked) const;

  // ---- Waiting (waiting.cpp)
  static Waiter waiter_of(Request request);
  void attempt(Waiter waiter);
  void perform(const Waiter& waiter);
  void park(Waiter waiter, const Asked& asked, Verdict verdict);
  void answer(const Waiter& waiter, Status status, ReplyBody body = {}, bool durable = false);
  void reply(RequestId request, Status status, ReplyBody body = {}, bool durable = false);
  void out_of_patience(const Waiter& waiter);
  void end_waiter(std::uint64_t arrival, Status status, ReplyBody body = {});
  void end_waiters(const std::function<bool(const Waiter&)>& which, Status status);
  void settle();
  void wake_if(const std::function<bool(const Waiter&)>& which);
  void wake_break_ended(RightId right);
  void wake_freed(FileId file, Range range, std::uint64_t behind = 0);
  void fire_deadlines();
  struct Deadline {
    Nanos time;
    int kind;
    std::uint64_t id;
    auto operator<=>(const Deadline&) const = default;
  };
  Deadline earliest_deadline() const;

  // ---- Opens (opens.cpp)
  void open_file(const OpenRequested& event);
  void grant_wish(const OpenRequested& event, OpenId open, OpenReply& reply);
  Rights reduced(const OpenRequested& event, const Asked& asked, Rights rights) const;
  void drop_open(OpenId open);
  const Open* reclaimable(const OpenRequested& event) const;

  // ---- Ranges (locks.cpp)
  struct Owner {
    ClientId client;
    OpenId open;  ///< SMB only
    std::string name;
    auto operator<=>(const Owner&) const = default;
  };
  Owner owner_of(ClientId client, OpenId open, const std::string& name) const;
  Owner owner_of(const Lock& lock) const { return owner_of(lock.client, lock.open, lock.owner); }
  Owner owner_of(const LockRequested& e) const { return owner_of(e.client, e.open, e.owner); }
  const Lock* clashing_lock(const Owner& owner, FileId file, const LockElement& element) const;
  bool covered(const Owner& owner, FileId file, Range range, LockMode at_least) const;
  bool passes_queue(const LockRequested& lock) const;
  std::vector<const Waiter*> ahead(const LockRequested& lock, std::uint64_t place) const;
  const Waiter* same_request(const LockRequested& lock) const;
  Holder holder_of(const Lock& lock) const;
  Holder holder_of(const Waiter& waiter) const;
  bool takes_over(const LockRequested& lock) const;
  void grant_lock(const Waiter& waiter);
  void set_range(const Owner& owner, const LockRequested& lock, Range range,
                 std::optional<LockMode> mode);
  void erase_lock(std::uint64_t id);
  std::vector<std::pair<Range, bool>> undo_of(const Owner& owner, FileId file,
                                              const LockElement& element) const;
  void stop_callbacks(const Owner& owner, FileId file, Range range);
  void wake_callers(const Owner& owner, FileId file, Range range);
  std::vector<Owner> waited_for(const Waiter& waiter) const;
  bool on_cycle(const Waiter& waiter) const;

  // ---- Rights (rights.cpp)
  void begin_break(RightId id, const Breaking& how);
  void end_break(RightId id, Rights rights);
  void drop_right(RightId id);
  void lower_right(RightId id, Rights rights);
  void back_off(FileId file);

  // ---- Clients and grace (clients.cpp)
  void drop_state(ClientId client);
  void forget(ClientId client);
  void revoke_courtesy(ClientId client);
  void lease_ended(ClientId client);
  void end_grace();
  void forget_absent();
  bool grace_over() const;
  bool reclaiming(const Client& client) const;
  bool anything_of(ClientId client) const;

  // ---- Records (records.cpp)
  void put(Record record) { out_->push_back(Persist{{false, std::move(record)}}); }
  template <class Thing, class Id>
  void erase(Id Thing::* id, Id value) {
    Thing named;
    named.*id = value;
    out_->push_back(Persist{{true, named}});
  }
  void record_client(ClientId client, bool even_if_known = false);
  void record(const Open& open);
  void record(const Lock& lock);
  void record(const Right& right);
  bool recorded(const Open& open) const;
  bool recorded(const Lock& lock) const;
  bool recorded(const Right& right) const;

  FileView view_of(FileId file) const;

  // ---- Finding things
  const Client* client(ClientId id) const;
  Client* client(ClientId id);
  const Open* open(OpenId id) const;
  Open* open(OpenId id);
  const Right* right(RightId id) const;
  Right* right(RightId id);
  const Waiter* waiter(std::uint64_t arrival) const;
  Protocol protocol(ClientId id) const;
  bool smb(ClientId id) const { return protocol(id) == Protocol::smb; }
  bool delete_pending(FileId file) const;
  std::uint64_t next_id(std::uint64_t& counter) { return ++counter; }

  Limits limits_;
  Nanos now_ = 0;
  std::uint64_t client_counter_ = 0, open_counter_ = 0, right_counter_ = 0, lock_counter_ = 0;
  std::uint64_t arrivals_ = 0;
  bool grace_ = false, journal_failed_ = false;
  Nanos grace_until_ = 0;
  std::vector<Client> clients_;
  std::vector<Open> opens_;
  std::vector<Lock> locks_;
  std::vector<Right> rights_;
  std::vector<Waiter> waiters_;
  std::vector<AccessInFlight> accesses_;
  std::vector<PendingGrant> grants_;
  std::vector<Bar> bars_;
  std::vector<Backoff> backoffs_;
  std::vector<FileId> delete_pending_;
  std::vector<std::uint64_t> woken_;
  Effects* out_ = nullptr;
};

/// The row of an operation; nothing for what breaks nothing.
std::optional<Cause> cause_of(Operation operation);
Cause cause_of(const OpenRequested& open);
/// What is left of rights that no protocol grants as they are.
Rights normalised(Flavour flavour, Rights rights);

}  // namespace lockstep::model
