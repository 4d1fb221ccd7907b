#include "sim/wire/witness.hpp"

#include <algorithm>

namespace lockstep::sim::wired {

namespace {

std::string say(LockBeliefs::Mode mode) {
  return mode == LockBeliefs::Mode::exclusive ? "exclusive" : "shared";
}

}  // namespace

// ---- Beliefs ------------------------------------------------------------------------------------

void LockBeliefs::believe(const std::string& owner, std::uint64_t node, CellRange range, Mode mode,
                          Nanos now) {
  auto& file = of_file_[node];
  for (const auto& [other, cells] : file) {
    if (other == owner) continue;
    for (std::uint32_t i = range.first; i <= range.last; ++i) {
      const Mode theirs = cells[i].mode;
      if (theirs == Mode::none || (theirs == Mode::shared && mode == Mode::shared)) continue;
      if (is_void(other)) break;
      throw Failure(FailureKind::assertion,
                    "LockExclusion: " + owner + " holds cell " + std::to_string(i) + " " +
                        say(mode) + ", and so does " + other + " (" + say(theirs) + ")");
    }
  }
  Cells& mine = file[owner];
  for (std::uint32_t i = range.first; i <= range.last; ++i) mine[i] = {mode, now};
}

void LockBeliefs::forget(const std::string& owner, std::uint64_t node, CellRange range) {
  const auto file = of_file_.find(node);
  if (file == of_file_.end() || !file->second.contains(owner)) return;
  Cells& mine = file->second[owner];
  for (std::uint32_t i = range.first; i <= range.last; ++i) mine[i] = {};
}

void LockBeliefs::forget_all(const std::string& owner) {
  for (auto& [node, file] : of_file_) file.erase(owner);
}

void LockBeliefs::mandatory_io(const std::string& who, std::uint64_t node, std::uint32_t cell,
                               bool writes, Nanos since) const {
  const auto file = of_file_.find(node);
  if (file == of_file_.end()) return;
  for (const auto& [other, cells] : file->second) {
    const Held& held = cells[cell];
    if (other == who || held.mode == Mode::none || held.since >= since) continue;
    if ((!writes && held.mode == Mode::shared) || is_void(other)) continue;
    throw Failure(FailureKind::assertion, "MandatoryIO: " + who + (writes ? " wrote" : " read") +
                                              " cell " + std::to_string(cell) + ", which " + other +
                                              " had locked all the time (" + say(held.mode) + ")");
  }
}

LockBeliefs::Mode LockBeliefs::mode(const std::string& owner, std::uint64_t node,
                                    std::uint32_t cell) const {
  const auto file = of_file_.find(node);
  if (file == of_file_.end()) return Mode::none;
  const auto mine = file->second.find(owner);
  return mine == file->second.end() ? Mode::none : mine->second[cell].mode;
}

// ---- The ledger ---------------------------------------------------------------------------------

void Ledger::written(std::span<const journal::Batch> batches, Nanos now) {
  for (const journal::Batch& batch : batches) {
    for (const journal::Record& change : batch.records) {
      const auto known = current_.find(change.key);
      if (known != current_.end()) {
        entries_[known->second].until = std::min(entries_[known->second].until, now);
        current_.erase(known);
      }
      if (!change.value) continue;
      const auto record = core::decode_record(change.key, *change.value);
      if (!record) throw Failure(FailureKind::assertion, "a record that nobody can read");
      if (const auto* client = std::get_if<core::ClientRecord>(&*record)) {
        clients_[client->client] = client->identity;
      } else if (const auto* lock = std::get_if<core::LockRecord>(&*record)) {
        current_[change.key] = entries_.size();
        entries_.push_back({*lock, now, kNever});
      }
    }
  }
}

bool Ledger::covered(const std::string& identity, const std::string& owner, std::uint64_t node,
                     core::Range range, core::LockMode mode, Nanos since) const {
  std::vector<const Entry*> own;
  std::vector<Nanos> moments{since};
  for (const Entry& entry : entries_) {
    const core::LockRecord& record = entry.record;
    const auto client = clients_.find(record.client);
    if (record.owner != owner || record.file.node != node || entry.until < since ||
        client == clients_.end() || client->second != identity ||
        (mode == core::LockMode::exclusive && record.mode != mode)) {
      continue;
    }
    own.push_back(&entry);
    if (entry.from > since) moments.push_back(entry.from);
  }
  // Records of one owner are disjoint; walk over them from the first byte.
  return std::ranges::any_of(moments, [&](Nanos moment) {
    std::uint64_t at = range.first;
    for (bool moved = true; moved;) {
      moved = false;
      for (const Entry* entry : own) {
        const core::Range have = entry->record.range;
        if (entry->from > moment || entry->until < moment) continue;
        if (have.first > at || have.last < at) continue;
        if (have.last >= range.last) return true;
        at = have.last + 1;
        moved = true;
      }
    }
    return false;
  });
}

}  // namespace lockstep::sim::wired
