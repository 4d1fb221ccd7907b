// A client's SMB connection with one session and one tree: made again when it is lost. Commands
// wait for credits (one is kept for acknowledgments), follow an interim response to the final one,
// and end without an answer when the connection does. Of a server that says nothing at all to a
// request for a minute the client thinks no more (MS-SMB2 3.2.6.1).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "sim/random.hpp"
#include "sim/wire/machine.hpp"
#include "sim/wire/smb2_messages.hpp"
#include "sim/wire/witness.hpp"

namespace lockstep::sim::wired {

struct SmbHabits {
  smb2::Dialect dialect = smb2::Dialect::smb311;
  bool encrypt = false;
  bool leases = true;         ///< else oplocks
  bool defers_close = true;   ///< keeps handles under H after the program closed them
  bool caches_locks = false;  ///< takes locks by itself under W, as cifs does
  enum class Acks : std::uint8_t { honestly, never, wrongly, late } acks = Acks::honestly;
};

class SmbSession {
 public:
  struct Events {
    std::function<void(const BreakNotice&)> on_break;
    std::function<void()> on_lost;  ///< the connection: what it held is gone
  };
  SmbSession(Machine& machine, Witness& witness, const SmbHabits& habits, std::uint64_t seed,
             Events events);
  ~SmbSession();
  SmbSession(const SmbSession&) = delete;
  SmbSession& operator=(const SmbSession&) = delete;

  /// Returns when there is a tree to work on.
  wire::Task<void> ready();
  /// A command's way: `started` is set when it is on its way, so that it can be cancelled.
  struct Started {
    std::uint64_t message_id = 0, async_id = 0;
    bool sent = false;
  };
  /// Nothing: the connection was lost, or there is none.
  wire::Task<std::optional<Answer>> command(smb2::Command command, Bytes body,
                                            std::shared_ptr<Started> started = {},
                                            bool urgent = false);
  void cancel(const Started& started);
  /// LOGOFF and the end of the connection.
  wire::Task<void> leave();
  void close();

  bool up() const { return up_ && end_ && end_->open(); }
  /// The connection counts for both ends.
  bool intact() const { return up() && end_->heard_until() == machine_.now(); }
  Nanos heard_until() const { return end_ ? end_->heard_until() : lost_at_; }
  std::uint64_t generation() const { return generation_; }
  const std::shared_ptr<End>& connection() const { return end_; }
  const Bytes& last_frame() const { return last_frame_; }

 private:
  class Incoming;
  struct Pending {
    explicit Pending(Machine& machine) : wakeup(machine) {}
    std::optional<Answer> answer;
    bool lost = false, interim = false;
    Nanos sent = 0;
    std::shared_ptr<Started> started;
    Wakeup wakeup;
  };
  wire::Task<bool> connect();
  wire::Task<bool> log_on();
  wire::Task<std::optional<Answer>> exchange(Bytes frame, std::uint64_t message_id,
                                             std::shared_ptr<Started> started);
  void on_message(Bytes frame);
  void on_closed();
  void lose_pending();
  void watch();
  void look();

  Machine& machine_;
  Witness& witness_;
  const SmbHabits& habits_;
  Random chance_;
  const Events events_;
  smb2::Guid guid_;
  std::unique_ptr<Smb2Endpoint> endpoint_;
  std::shared_ptr<Incoming> incoming_;
  std::shared_ptr<End> end_;
  std::map<std::uint64_t, Pending*> pending_;
  std::map<std::uint64_t, Wakeup*> for_credits_, for_ready_;
  std::function<void()> stop_watching_;  ///< set while it watches
  std::uint64_t last_wait_ = 0;
  std::uint64_t credits_ = 0;
  std::uint64_t generation_ = 0;  ///< of the connection
  std::uint64_t session_ = 0;     ///< of the connection before
  Nanos lost_at_ = 0;
  bool up_ = false, coming_ = false;
  Bytes last_frame_;
};

}  // namespace lockstep::sim::wired
