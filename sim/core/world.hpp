// The world of the core level: clients, the network between them and the server, the files, the
// journal's disk and the clock, all in one agenda.
//
// May break: messages are delayed, held back or lost with their connection; clients crash, freeze,
// die, lie and misjudge time; the journal is slow or fails; the server crashes after any effect of
// any step, in grace and in recovery, and wakes late. Must survive: what honest clients read and
// wrote, what they were granted, and everybody's way forward once the world is healed.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/agenda.hpp"
#include "sim/core/client.hpp"
#include "sim/core/server.hpp"
#include "sim/core/tell.hpp"
#include "sim/level.hpp"
#include "sim/words/words.hpp"

namespace lockstep::sim {

/// A message from the server to a client: one effect.
struct Message {
  std::uint8_t client = 0;
  std::uint32_t incarnation = 1;
  bool callback = false;    ///< travels on the callback path
  bool told_lost = false;   ///< no effect: "your state is gone"
  std::uint64_t batch = 0;  ///< must be on disk before it leaves
  std::uint64_t boot = 0;   ///< the run of the server that sent it
  core::Effect effect;
};

/// What is to happen.
struct Due {
  enum class Kind : std::uint8_t {
    to_server,
    to_client,
    io,       ///< an access that was let through is carried out
    durable,  ///< the journal has written what waited
    tick,
    retry,
    restart,
    notice,  ///< a client sees that the server is another run
    renew,
    notify_again,
    come_back,
    connection_dead,  ///< the server sees that a client is gone
  };
  Kind kind = Kind::tick;
  std::uint8_t client = 0;
  std::uint32_t incarnation = 0;
  std::uint64_t what = 0;
};

class World : private Names {
 public:
  explicit World(const Options& options);
  void play(const Step& step, std::size_t index);
  /// Heals, waits, closes everything; throws Failure for what should not be left.
  void finish();
  Outcome outcome();

 private:
  // ---- world.cpp: the agenda
  void settle(core::Nanos until);
  void carry_out(const Due& due);
  void begin();
  void set_limit(const Step& step);
  void set_policy(const Step& step);
  void add_client(const Step& step);

  // ---- steps.cpp: what applications do
  void befall(const Step& step);
  void application(const Step& step);
  void open_file(const Step& step, Client& client);
  void close_file(const Step& step, Client& client);
  void lock(const Step& step, Client& client);
  void unlock(const Step& step, Client& client);
  void cancel(const Step& step, Client& client);
  void read(const Step& step, Client& client);
  void write(const Step& step, Client& client);
  void path_operation(const Step& step, Client& client);
  void give_back(const Step& step, Client& client);
  void claim(const Step& step, Client& client);
  int handle_of(const Client& client, std::uint8_t file, unsigned number) const;
  int handle_of_owner(const Client& client, std::uint8_t file, unsigned owner) const;
  Op access_op(const Client& client, std::uint8_t file, core::Operation operation, int handle);

  // ---- calls.cpp: from clients to the server
  std::size_t submit(Op op);
  void send(std::size_t op);
  std::vector<std::size_t>* lane_of(Client& client, const Op& op);
  void begin_call(std::size_t op);
  void end_call(Client& client, const Op& op);
  void retry(std::size_t op, core::Nanos after);
  void finish_op(Client& client, Op& op);
  bool orphaned(const Client& client, const Op& op) const;
  void arrive_at_server(const Due& due);
  core::EventBody event_of(Op& op, core::RequestId request);
  core::LeaseKey key_of(std::uint8_t file, std::uint8_t key) const;
  core::FileId file_id(std::uint8_t file) const;

  // ---- effects.cpp: the server and what it wants done
  void happen(core::EventBody body);
  void take_note(const core::Effects& effects);
  /// `of`: the event that they come from, when that is to be explained.
  void route(const core::Effects& effects, const core::Event* of);
  void route(const core::Reply& reply);
  void route(const core::SendBreak& effect);
  void route(const core::NotifyGranted& effect);
  void route(const core::NotifyLock& effect);
  void message(std::uint8_t client, core::Effect effect, bool durable, bool callback);
  void post(Message message);
  void release_held();
  void notify_again(core::RequestId grant);
  void journal_written();
  void write_journal();
  void crash(const Step& step);
  void crash_now(std::size_t keeping);
  void restart();
  void carry_out_io(core::RequestId request);
  void watch_deadline();
  Client* client_of(core::ClientId id);

  // ---- replies.cpp: what clients make of what they hear
  void deliver(const Due& due);
  void hear(Client& client, const Message& message);
  void on_reply(Client& client, Op& op, const core::Reply& reply, std::uint64_t boot);
  void on_open(Client& client, Op& op, const core::Reply& reply, std::uint64_t boot);
  void on_lock(Client& client, Op& op, const core::Reply& reply);
  void on_access(Client& client, Op& op, const core::Reply& reply);
  void on_arrived(Client& client, const core::Reply& reply);
  void on_granted(Client& client, const core::NotifyGranted& effect);
  void on_notify_lock(Client& client, const core::NotifyLock& effect);
  static void count_on_shared(PosixLocks& held, Units units);
  static bool names_one_range(const Op& one, const Op& other);
  void believe_locked(Client& client, const Op& op);
  void give_back_grant(Client& client, const Op& op);
  void forget_beliefs(Client& client);
  void drop_handle(Client& client, Handle& handle);

  // ---- breaks.cpp
  void on_break(Client& client, const core::SendBreak& effect);
  void answer_break(Client& client, std::size_t holding);
  void on_acknowledged(Client& client, Op& op, const core::Reply& reply);

  // ---- caches.cpp: what is cached, flushed, and whether it was right
  void flush(Client& client, std::size_t holding, std::optional<Op> then);
  void flushed(Client& client, Op& op, const core::Reply& reply);
  void lower(Holding& holding, core::Rights rights);
  bool trusts(const Client& client, const Holding& holding) const;
  int cache_for(const Client& client, std::uint8_t file, int handle, core::Rights need) const;
  void read_cached(Client& client, Holding& holding, Units units);
  void read_file(Op& op);
  void write_file(Op& op);
  void check_nobody_is_dirty(const Op& op);
  void check_broken(const Op& op);

  // ---- local.cpp: what a right lets its holder do without asking
  bool kept_locally(Client& client, const Op& op);
  bool refused_locally(const Client& client, const Op& op) const;
  void undo_locally(Client& client, const Op& op);
  void push_local(Client& client, std::size_t holding);
  void pushed(Client& client, Op& op, const core::Reply& reply, std::uint64_t boot);

  // ---- return.cpp: restarts, crashes and expiry, from the clients' side
  void notice_restart(Client& client);
  void arrive(Client& client);
  void reclaim(Client& client);
  void reclaimed(Client& client);
  void resume(Client& client);
  void client_crashes(Client& client, bool for_good);
  void come_back(Client& client);
  void renew(Client& client);
  void connection_lost(Client& client);
  void told_lost(Client& client);
  void check_amnesia();

  // ---- ending.cpp
  void heal();
  void release_everything();
  bool anybody_waits_for_more_than_locks(std::string& what) const;
  void check_leaks();

  // ---- telling
  std::string name_of(core::ClientId client) const override;
  std::string owner_of(core::ClientId client, core::OpenId open,
                       const std::string& owner) const override;
  std::string name_of(core::FileId file) const override;
  std::string span_of(core::Range range) const override;
  Asked asked_by(core::RequestId request) const override;
  void tell(const std::string& column, std::string text);
  void tell(const Client& client, std::string text) {
    if (options_.tell) tell(client.name, std::move(text));
  }
  void tell_files();
  std::string tell_op(const Op& op) const;
  [[noreturn]] void incoherent(const std::string& what) const;

  std::size_t index_of(const Client& client) const {
    return static_cast<std::size_t>(&client - clients_.data());
  }
  core::Nanos now() const { return agenda_.now(); }

  Options options_;
  core::Limits limits_;
  core::Nanos lease_ = 8 * kSecond, hold_ = 500 * kMillisecond;
  core::Policy policy_;
  Trace trace_;
  Marks marks_;
  Story story_;
  std::size_t step_ = 0;
  Agenda<Due> agenda_;
  std::optional<Server> server_;
  bool up_ = false;  ///< the server runs
  std::vector<Client> clients_;
  std::deque<Op> ops_;
  std::vector<std::size_t> by_request_;           ///< request id -> op
  std::vector<bool> answered_;                    ///< by request id
  std::map<core::RequestId, core::Reply> in_io_;  ///< replies that wait for their I/O
  std::vector<Message> messages_;
  std::vector<std::size_t> free_messages_;
  std::deque<Message> held_;  ///< wait for the journal
  std::map<core::RequestId, core::NotifyGranted> notifying_;
  std::array<Content, kFiles + 1> files_{};
  std::uint32_t writes_ = 0;
  /// Rights whose holder was sent a break that it has not heard; and those that were revoked.
  std::map<core::RightId, core::SendBreak> unheard_;
  std::set<core::RightId> revoked_;
  std::array<std::string, kFiles + 1> holders_told_;
  core::Nanos tick_at_ = core::kNever, lateness_ = 0;
  core::Nanos disk_time_ = 2 * kMillisecond, io_time_ = 100'000;
  bool writing_ = false, disk_failed_ = false, crash_again_ = false;
  std::size_t in_write_ = 0;  ///< batches of the write that is under way
  Step armed_;                ///< a crash within a step to come (armed_.effect > 0)
};

}  // namespace lockstep::sim
