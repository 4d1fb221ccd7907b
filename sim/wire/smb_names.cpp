// What the simulated SMB client does to names and sizes.
#include <set>
#include <utility>

#include "sim/wire/smb_client.hpp"

namespace lockstep::sim::wired {

using smb2::Command;
using smb2::NtStatus;
using wire::Task;

namespace {

constexpr std::uint8_t kRename = 10, kEndOfFile = 20;  ///< MS-FSCC 2.4
constexpr std::uint8_t kFile = 1;                      ///< SMB2_0_INFO_FILE
constexpr std::uint32_t kListAndRead = 0x0010'0081;
/// So small that a listing takes several calls, and the directory changes between them.
constexpr std::uint32_t kListBytes = 48;

const Mark kCut{Mark::Kind::sometimes, "wire", "a file is cut short over SMB"};
const Mark kListed{Mark::Kind::sometimes, "wire", "a directory is listed over SMB"};

}  // namespace

Task<std::string> SmbClient::change_names(Deed deed) {
  const Nanos asked = machine.now();
  // A deleted name goes with the last open of the file: when that is nobody tells.
  Names::Change& gone = witness.names.begin(machine.name, deed.file, false, asked);
  Creating create;
  create.name = deed.file;
  create.disposition = smb2::Disposition::open;
  create.access = smb2::access::kDelete | smb2::access::kSynchronize;
  if (deed.verb == Deed::Verb::remove) create.options = smb2::option::kDeleteOnClose;
  auto answer = co_await session_.command(Command::create, create_body(std::move(create)));
  if (!answer) co_return "connection lost";
  const Created made = created_of(*answer);
  if (made.status != NtStatus::success) co_return smb_word(made.status);
  std::string how = "ok";
  if (deed.verb == Deed::Verb::rename) {
    Names::Change& there = witness.names.begin(machine.name, deed.to, true, asked);
    answer = co_await session_.command(
        Command::set_info,
        set_info_body(made.handle, kFile, kRename, rename_buffer(deed.to, /*replace=*/true)));
    if (answer && answer->status() == NtStatus::success) there.done = gone.done = machine.now();
    how = answer ? smb_word(answer->status()) : "connection lost";
  }
  const auto closed = co_await session_.command(Command::close, close_body(made.handle));
  if (!closed) how = "connection lost";
  co_return how;
}

/// What is dirty goes first.
Task<std::string> SmbClient::truncate(OpenRef open, std::uint32_t cell) {
  const CacheRef cache = open->cache;
  co_await not_while_breaking(cache);
  if (!open->closed) co_await flush(cache);
  // What another flush has under way would come after the cut.
  while (cache->cutting || !cache->sending.empty()) co_await changed_.wait();
  if (open->closed) co_return "closed";
  const Nanos asked = machine.now();
  const auto cuts = witness.history.begin_cut(machine.name, Cell{open->node, cell}, asked);
  wire::LittleWriter size;
  size.u64(std::uint64_t{cell} * kCellSize);
  cache->cutting = true;
  const auto answer = co_await session_.command(
      Command::set_info, set_info_body(open->handle, kFile, kEndOfFile, size.take()));
  cache->cutting = false;
  changed_.ring();
  if (!answer) co_return "connection lost";
  if (answer->status() != NtStatus::success) co_return smb_word(answer->status());
  witness.marks.hit(kCut);
  for (std::uint32_t i = cell; i < kCells; ++i) {
    const auto page = cache->pages.find(i);
    if (page == cache->pages.end()) continue;
    if (page->second.dirty != 0) witness.history.lost(page->second.dirty);
    cache->pages.erase(page);
  }
  ++cache->generation;
  for (const WriteId id : cuts) {
    witness.history.stored(id, asked, machine.now());
    witness.history.visible(id, machine.now());
    open->unsafe.push_back(id);
  }
  co_return "ok";
}

Task<std::string> SmbClient::list() {
  const Nanos asked = machine.now();
  Creating create;
  create.disposition = smb2::Disposition::open;
  create.access = kListAndRead;
  create.options = smb2::option::kDirectoryFile;
  auto answer = co_await session_.command(Command::create, create_body(std::move(create)));
  if (!answer) co_return "connection lost";
  const Created made = created_of(*answer);
  if (made.status != NtStatus::success) co_return smb_word(made.status);
  std::set<std::string> names;
  for (;;) {
    answer =
        co_await session_.command(Command::query_directory, list_body(made.handle, kListBytes));
    if (!answer) co_return "connection lost";
    if (answer->status() != NtStatus::success) break;
    const auto page = names_of_list(*answer);
    if (!page) {
      throw Failure(FailureKind::assertion, machine.name + ": a listing that nobody can read");
    }
    names.insert(page->begin(), page->end());
  }
  const bool whole = answer->status() == NtStatus::no_more_files;
  const std::string how = smb_word(answer->status());
  answer = co_await session_.command(Command::close, close_body(made.handle));
  if (!whole) co_return how;
  witness.marks.hit(kListed);
  co_return witness.names.listed(machine.name, std::move(names), asked);
}

}  // namespace lockstep::sim::wired
