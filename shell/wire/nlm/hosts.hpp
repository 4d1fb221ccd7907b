// The hosts that lock, each a client of the core, and what they are to be told.
//
// A host is its caller_name at its address. The name alone would make two machines of one name (a
// cloned image, "localhost") one lock owner, and give both of them the same exclusive lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "shell/wire/nlm/callbacks.hpp"
#include "shell/wire/ports.hpp"

namespace lockstep::wire::nlm {

/// A blocking LOCK that was answered BLOCKED: what its NLM_GRANTED must repeat.
struct Blocked {
  LockCall call;
  Way way;
  bool asynchronous = false;  ///< it came as LOCK_MSG
};

class Host final : public ClientSink {
 public:
  Host(Coordinator& coordinator, Callbacks& callbacks, std::string name, std::string address)
      : coordinator_(coordinator),
        callbacks_(callbacks),
        name_(std::move(name)),
        address_(std::move(address)) {}

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }
  core::ClientId client;

  using Key = std::tuple<std::string, core::FileId, core::Range, core::LockMode>;
  static Key key_of(const LockCall& call, core::FileId file, core::Range range);
  void expect(const Key& key, Blocked blocked) { blocked_[key] = std::move(blocked); }
  void forget(const Key& key) { blocked_.erase(key); }
  /// An UNLOCK takes the owner's waiters inside the range with it.
  void forget_within(const std::string& owner, core::FileId file, core::Range range);
  void forget_all() { blocked_.clear(); }
  std::size_t blocked() const { return blocked_.size(); }
  std::size_t calling() const { return calling_.size(); }

  /// The client's answer to GRANTED_MSG; false when the cookie is none of ours.
  bool on_granted_res(const Bytes& cookie, Status status);

  void on_break(const core::SendBreak& notice) override { (void)notice; }
  void on_granted(const core::NotifyGranted& granted) override;
  void on_stop_notifying(core::RequestId grant) override;

 private:
  /// One grant that the client has not answered yet.
  struct Call {
    core::RequestId grant;
    Key key;
    Blocked blocked;
    std::uint32_t cookie = 0;
    unsigned copies = 0;  ///< how often the client may have seen it
    bool ended = false;
  };
  static Task<void> tell(std::shared_ptr<Host> host, std::shared_ptr<Call> call);
  Task<std::optional<Status>> ask(std::shared_ptr<Call> call);
  /// True when the callback is over.
  bool take(Call& call, Status status);
  void end(Call& call);

  friend class Hosts;
  Coordinator& coordinator_;
  Callbacks& callbacks_;
  std::string name_, address_;
  std::map<Key, Blocked> blocked_;
  std::map<core::RequestId, std::shared_ptr<Call>> calling_;
  std::weak_ptr<Host> self_;
};
using HostRef = std::shared_ptr<Host>;

class Hosts {
 public:
  Hosts(Coordinator& coordinator, Callbacks& callbacks)
      : coordinator_(coordinator), callbacks_(callbacks) {}
  ~Hosts();

  /// The host of a call; null when there are too many of them or the core knows no more clients.
  Task<HostRef> arrived(std::string name, std::string address);
  /// The core no longer knows it: it arrives anew with its next call.
  void forget(const HostRef& host);

  /// SM_NOTIFY: everything of the host goes. By name, and by the address that it came from.
  void rebooted(const std::string& name, const std::string& address, std::int32_t state);
  /// NLM_FREE_ALL, which only the host itself may ask for.
  Task<void> free_all(std::string name, std::string address);
  /// A host on record from before this server's restart: SM_NOTIFY finds it by name, too.
  void remember(const std::string& name, const std::string& address);

  /// GRANTED_RES names its grant by the cookie alone.
  void on_granted_res(const std::string& address, const Bytes& cookie, Status status);

  std::size_t size() const { return hosts_.size(); }

 private:
  static std::string identity(const std::string& name, const std::string& address);

  Coordinator& coordinator_;
  Callbacks& callbacks_;
  std::map<std::pair<std::string, std::string>, HostRef> hosts_;  ///< by address and name
  std::map<std::string, std::set<std::string>> addresses_;        ///< of each name, as ever seen
};

}  // namespace lockstep::wire::nlm
