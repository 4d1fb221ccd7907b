// What the script asks of a simulated client, whatever it speaks.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shell/wire/task.hpp"
#include "sim/wire/machine.hpp"
#include "sim/wire/witness.hpp"

namespace lockstep::sim::wired {

/// One thing that a process of a client does.
struct Deed {
  enum class Verb : std::uint8_t {
    open,
    close,
    read,
    write,
    sync,
    lock,
    unlock,
    test,
    remove,
    rename,
    truncate,  ///< the file ends before range.first
    list,
  };
  Verb verb = Verb::open;
  std::string file, to;
  CellRange range;
  bool exclusive = true;
  bool wait = false;
  std::string rights;  ///< of an SMB open: "rwh", "rh", "r", "rw", "batch", "ii", "none"
  std::string deny;    ///< of an SMB open: letters of r, w, d
};

class Client {
 public:
  Client(VirtualTime& time, Network& network, Witness& watching, std::string name,
         std::string address)
      : machine(time, network, std::move(name), std::move(address)), witness(watching) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Mounts or logs on; goes on trying.
  virtual wire::Task<void> arrive() = 0;
  /// Ends with how it went, in a word or two. One deed of a process at a time.
  virtual wire::Task<std::string> perform(Deed deed, unsigned process) = 0;
  /// Gives everything back that this process has.
  virtual wire::Task<void> finish(unsigned process) = 0;
  /// Unmounts or logs off.
  virtual wire::Task<void> leave() = 0;
  /// Sends bytes that are no message ("garbles"), or the last message again ("repeats").
  virtual void misbehave(const std::string& how) = 0;
  /// The process is interrupted: what it waits for is not wanted any more.
  virtual void give_up(unsigned process) { (void)process; }
  /// Whose the server's owner of a lock is: an open of SMB, or an owner of NLM. Nothing: nobody's
  /// who still lives.
  virtual std::optional<unsigned> process_of(core::OpenId open, const std::string& owner) const = 0;
  /// The grace period of this server run is over: what was not reclaimed by then is lost, whether
  /// or not the client could know.
  virtual void grace_over(std::uint64_t run) { (void)run; }
  /// The machine loses everything.
  virtual void crash(bool silent) = 0;

  /// A line of the story, in this client's column.
  void tell(const std::string& text) const {
    if (witness.tell) witness.tell(machine.name, text);
  }

  /// Whether a lock of this owner (one of this client's) does not count any more.
  virtual bool is_void(const std::string& owner) const {
    (void)owner;
    return machine.dead();
  }

  /// Whether what it keeps dirty may be lost, and it cannot know.
  virtual bool is_cut_off() const { return false; }

  Machine machine;
  Witness& witness;
};

/// What is spawned on a client: ends with its machine, and hands on what it found.
inline wire::Task<void> attended(Witness& witness, wire::Task<void> task) {
  try {
    co_await std::move(task);
  } catch (const Crashed&) {
    co_return;  // with its machine
  } catch (const Failure& failure) {
    witness.note(failure);
  }
}

}  // namespace lockstep::sim::wired
