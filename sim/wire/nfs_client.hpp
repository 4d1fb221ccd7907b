// A client that behaves as Linux does with NFSv3, NLM and statd: close-to-open caching, dirty pages
// that are flushed by close, fsync and unlock, unstable writes that are repeated when the server's
// verifier changes, calls that are repeated with the same xid, GRANTED callbacks through its own
// port mapper, reclaims after SM_NOTIFY, SM_NOTIFY of its own after a reboot.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shell/wire/portmap/portmap.hpp"
#include "shell/wire/rpc/client.hpp"
#include "shell/wire/rpc/dispatcher.hpp"
#include "sim/random.hpp"
#include "sim/wire/client.hpp"
#include "sim/wire/nfs3_messages.hpp"
#include "sim/wire/rpc_mount.hpp"

namespace lockstep::sim::wired {

struct NfsHabits {
  bool nlm_over_tcp = false;
  bool stable_writes = false;   ///< FILE_SYNC instead of UNSTABLE and COMMIT
  bool answers_granted = true;  ///< false: never answers a GRANTED callback
  bool getattr_breaks = false;  ///< the export's policy v3_getattr_on_write_lease
  std::uint32_t boot = 1;       ///< how often the machine was started
};

/// How it went, in a word or two.
std::string nfs_word(wire::nfs3::Status status);

class NfsClient final : public Client {
 public:
  NfsClient(VirtualTime& time, Network& network, Witness& watching, std::uint64_t seed,
            std::string name, std::string address, NfsHabits habits);
  ~NfsClient() override;

  wire::Task<void> arrive() override;
  wire::Task<std::string> perform(Deed deed, unsigned process) override;
  wire::Task<void> finish(unsigned process) override;
  wire::Task<void> leave() override;
  void crash(bool silent) override;
  void misbehave(const std::string& how) override;
  void give_up(unsigned process) override;
  std::optional<unsigned> process_of(core::OpenId open, const std::string& owner) const override;
  void grace_over(std::uint64_t run) override;

 private:
  friend class CallbackProgram;
  friend class StatusProgram;
  /// What two files' attributes are compared by.
  struct Seen {
    std::uint64_t size = 0;
    files::TimeSpec modified, changed;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  struct Page {
    Bytes bytes;
    WriteId dirty = 0;           ///< 0: clean
    bool unstable = false;       ///< written, not committed
    std::uint64_t verifier = 0;  ///< of the run of the server that took it
  };
  struct File {
    std::string name;
    Bytes handle;
    std::uint64_t node = 0;
    std::optional<Seen> known;
    Nanos validated = 0;
    std::map<std::uint32_t, Page> pages;
    std::uint64_t cuts = 0;  ///< what is read across one is not kept
    bool flushing = false;   ///< or being cut: a page is on its way once at a time
  };
  using FileRef = std::shared_ptr<File>;
  /// One lock that this client holds, asks for, or waits for.
  struct Lock {
    FileRef file;
    unsigned process = 0;
    CellRange range;
    bool exclusive = true;
    Nanos asked = 0;
    std::uint64_t run = 0;  ///< of the server, when it was asked for
  };
  /// A shared lock that is being asked for, while it lives: what was exclusive of it is given back.
  class Lowering {
   public:
    Lowering(std::list<Lock>& all, Lock lock)
        : all_(all), at_(all.insert(all.end(), std::move(lock))) {}
    ~Lowering() { all_.erase(at_); }
    Lowering(const Lowering&) = delete;
    Lowering& operator=(const Lowering&) = delete;

   private:
    std::list<Lock>& all_;
    std::list<Lock>::iterator at_;
  };
  struct Waiting {
    explicit Waiting(Machine& machine) : wakeup(machine) {}
    Lock lock;
    bool granted = false;
    bool unwanted = false;  ///< the process was interrupted
    Wakeup wakeup;
  };
  struct Results {
    Bytes message;
    wire::BigReader in{wire::ByteView{}};
    wire::nfs3::Status status = wire::nfs3::Status::serverfault;
    bool ok() const { return status == wire::nfs3::Status::ok; }
  };

  // nfs_client.cpp: files
  wire::Task<Results> ask(std::uint32_t procedure, Bytes arguments);
  wire::Task<FileRef> look_up(std::string name, std::string* why);
  wire::Task<std::string> open(FileRef file);
  wire::Task<std::string> read(FileRef file, std::uint32_t cell);
  std::string write(const FileRef& file, std::uint32_t cell);
  /// Nobody else flushes or cuts the file while it lives.
  class Flushing {
   public:
    Flushing(FileRef file, Bell& done) : file_(std::move(file)), done_(done) {
      file_->flushing = true;
    }
    ~Flushing() {
      file_->flushing = false;
      done_.ring();
    }
    Flushing(const Flushing&) = delete;
    Flushing& operator=(const Flushing&) = delete;

   private:
    FileRef file_;
    Bell& done_;
  };
  wire::Task<void> not_while_flushing(FileRef file);
  wire::Task<std::string> flush(FileRef file);
  wire::Task<bool> write_back(FileRef file);
  wire::Task<bool> write_page(FileRef file, std::uint32_t cell);
  wire::Task<bool> commit(FileRef file);
  void adopt(File& file, const PostOp& attributes, Nanos asked);
  void lose(File& file, std::uint32_t cell);
  static Seen seen_of(const PostOp& attributes);

  // nfs_names.cpp: names and sizes
  wire::Task<std::string> change_names(Deed deed);
  wire::Task<std::string> truncate(FileRef file, std::uint32_t cell);
  wire::Task<std::string> list();
  void forget_name(const std::string& name);
  bool is_stale(const File& file, wire::nfs3::Status status);

  // nfs_locks.cpp: NLM and NSM
  wire::Task<std::optional<wire::nlm::Status>> nlm(std::uint32_t procedure, Lock lock, bool block,
                                                   bool reclaim);
  wire::Task<std::string> lock(Deed deed, FileRef file, unsigned process);
  wire::Task<void> unlock(FileRef file, CellRange range, unsigned process);
  void granted(const Lock& lock);
  wire::nlm::Status on_granted(const wire::nlm::LockCall& call);
  void on_server_rebooted(std::int32_t state);
  wire::Task<void> reclaim();
  wire::Task<void> notify_reboot();
  wire::Task<void> not_while_reclaiming();
  void hold(Lock lock);
  void drop(unsigned process, const FileRef& file, CellRange range);
  void serve();
  std::string owner(unsigned process) const { return machine.name + "." + std::to_string(process); }
  wire::nlm::Lock name_of(unsigned process) const;
  wire::nlm::LockCall lock_call(const Lock& lock) const;

  const NfsHabits habits_;
  // Named: g++ 12 destroys aggregate temporaries in co_await expressions twice.
  const Address mountd_, lockd_of_server_;
  Random chance_;
  wire::rpc::Client rpc_;
  RpcMount nfs_, nlm_tcp_;
  wire::rpc::Dispatcher dispatcher_;
  std::unique_ptr<wire::portmap::Portmapper> portmapper_;
  std::unique_ptr<wire::rpc::Program> lockd_, statd_;
  Bytes root_;
  std::map<std::string, FileRef> files_;
  std::vector<Lock> held_;
  std::list<Lock> lowering_;
  std::vector<std::shared_ptr<Waiting>> waiting_;
  std::uint32_t last_cookie_ = 0;
  std::int32_t server_state_ = 0;
  bool reclaiming_ = false;
  Bell changed_{machine};  ///< a file is not being flushed any more, or locks are reclaimed
};

}  // namespace lockstep::sim::wired
