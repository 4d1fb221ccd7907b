// A client that behaves as SMB clients do: leases or oplocks, read caches, dirty data under Write,
// handles kept under Handle, flush before acknowledging, everything made anew (and what was dirty
// given up, and its program told) when the connection was lost. Optionally it caches byte-range
// locks under Write as cifs does, and sends them before it acknowledges. A dishonest one does not
// acknowledge, or acknowledges the wrong thing.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sim/wire/client.hpp"
#include "sim/wire/smb_session.hpp"

namespace lockstep::sim::wired {

/// MS-SMB2 2.2.26.1.
inline constexpr std::uint32_t kSharedLock = 1, kExclusiveLock = 2, kUnlock = 4, kFailAtOnce = 0x10;
SmbLock lock_element(CellRange range, std::uint32_t flags);

/// How it went, in a word or two.
std::string smb_word(smb2::NtStatus status);

class SmbClient final : public Client {
 public:
  SmbClient(VirtualTime& time, Network& network, Witness& watching, std::uint64_t seed,
            std::string name, std::string address, SmbHabits habits, Nanos break_timeout);
  ~SmbClient() override;

  wire::Task<void> arrive() override;
  wire::Task<std::string> perform(Deed deed, unsigned process) override;
  wire::Task<void> finish(unsigned process) override;
  wire::Task<void> leave() override;
  void give_up(unsigned process) override;
  std::optional<unsigned> process_of(core::OpenId open, const std::string& owner) const override;
  void crash(bool silent) override;
  void misbehave(const std::string& how) override;
  bool is_void(const std::string& owner) const override;
  bool is_cut_off() const override;
  void grace_over(std::uint64_t run) override;

  bool honest() const { return habits_.acks == SmbHabits::Acks::honestly; }

 private:
  struct Page {
    Bytes bytes;
    WriteId dirty = 0;  ///< 0: clean
  };
  struct Lock {
    CellRange range;
    bool exclusive = true;
    bool sent = true;      ///< false: taken under Write, the server does not know
    bool answered = true;  ///< false: nor has it said yes
  };
  struct Open;
  using OpenRef = std::shared_ptr<Open>;
  /// What one lease or one oplock lets this client keep.
  struct Cache {
    std::string file;
    std::uint64_t node = 0;
    std::uint8_t key = 0;  ///< 0: an oplock's
    std::uint32_t rights = 0;
    std::uint16_t epoch = 0;
    std::uint64_t generation = 0;  ///< what is read across a break is not kept
    std::map<std::uint32_t, Page> pages;
    std::set<std::uint32_t> sending;  ///< a page is on its way once at a time
    std::deque<BreakNotice> breaks;
    bool breaking = false;
    Nanos broken_at = 0;   ///< since when, while it is breaking
    bool cutting = false;  ///< its end is being moved: nothing dirty goes out meanwhile
  };
  using CacheRef = std::shared_ptr<Cache>;
  struct Open {
    std::string file, owner;
    std::uint64_t node = 0;
    unsigned process = 0;
    smb2::FileHandle handle;
    CacheRef cache;
    bool deferred = false;  ///< closed by its program, kept under Handle
    bool closed = false;
    std::vector<Lock> locks;
    std::vector<WriteId> unsafe;  ///< written, not flushed
  };

  // smb_client.cpp
  wire::Task<std::string> open(Deed deed, unsigned process);
  wire::Task<std::string> read(OpenRef open, std::uint32_t cell);
  wire::Task<std::string> write(OpenRef open, std::uint32_t cell);
  wire::Task<std::string> sync(OpenRef open);
  wire::Task<std::string> close(OpenRef open);
  wire::Task<bool> write_through(OpenRef open, std::uint32_t cell, Bytes bytes, WriteId id);
  OpenRef find(const std::string& file, unsigned process, bool deferred = false) const;
  bool is_unheard() const;
  Nanos may_be_old_since(const Cache& cache) const;

  // smb_locks.cpp
  wire::Task<std::string> lock(OpenRef open, Deed deed);
  wire::Task<std::string> unlock(OpenRef open, CellRange range);
  bool conflicts_here(const Open& open, CellRange range, bool exclusive) const;

  // smb_names.cpp: names and sizes
  wire::Task<std::string> change_names(Deed deed);
  wire::Task<std::string> truncate(OpenRef open, std::uint32_t cell);
  wire::Task<std::string> list();

  // smb_cache.cpp: breaks, and what follows
  void on_break(const BreakNotice& notice);
  wire::Task<void> answer_breaks(CacheRef cache);
  wire::Task<void> answer(CacheRef cache, BreakNotice notice);
  wire::Task<void> flush(CacheRef cache);
  wire::Task<void> push_locks(CacheRef cache);
  wire::Task<void> send_close(OpenRef open);
  wire::Task<void> not_while_breaking(CacheRef cache);
  void on_lost();
  void lose(Cache& cache);
  void forget(const OpenRef& open);
  OpenRef any_open(const Cache& cache) const;
  OpenRef open_to_write(const Cache& cache, std::uint32_t cell) const;
  CacheRef cache_for(const std::string& file, bool shared);
  void leave_cache(const Cache& cache, std::uint64_t node);

  const SmbHabits habits_;
  const Nanos break_timeout_;
  Random chance_;
  SmbSession session_;
  Bell changed_{machine};  ///< a cache is not breaking, cutting or sending any more
  std::vector<OpenRef> opens_;
  std::map<std::uint8_t, CacheRef> leases_;                           ///< by key
  std::map<unsigned, std::shared_ptr<SmbSession::Started>> waiting_;  ///< locks, by process
  std::multiset<std::uint64_t> locks_asked_;                          ///< nodes
  std::uint8_t last_key_ = 0;
  std::uint64_t last_open_ = 0;
};

}  // namespace lockstep::sim::wired
