#include "sim/wire/history.hpp"

#include <algorithm>

namespace lockstep::sim::wired {

namespace {

constexpr std::size_t kWords = kCellSize / sizeof(WriteId);

WriteId word(wire::ByteView content, std::size_t index) {
  return wire::detail::load<std::endian::big, std::uint64_t>(content.data() +
                                                             index * sizeof(WriteId));
}

std::string say(Nanos time) { return std::to_string(time / 1000) + " us"; }

}  // namespace

wire::Bytes cell_bytes(WriteId id) {
  wire::BigWriter out;
  for (std::size_t i = 0; i < kWords; ++i) out.u64(id);
  return out.take();
}

WriteId History::begin(const std::string& who, Cell cell, Nanos now) {
  const WriteId id = writes_.size() + 1;
  Write write;
  write.who = who;
  write.cell = cell;
  write.begun = now;
  writes_.emplace(id, write);
  of_cell_[cell].push_back(id);
  return id;
}

std::vector<WriteId> History::begin_cut(const std::string& who, Cell first, Nanos now) {
  std::vector<WriteId> ids;
  for (Cell cell = first; cell.index < kCells; ++cell.index) {
    ids.push_back(begin(who, cell, now));
    writes_.at(ids.back()).cut = true;
  }
  return ids;
}

void History::visible(WriteId id, Nanos now) {
  Write& write = writes_.at(id);
  if (write.visible_at == kNever) write.visible_at = now;
}

void History::stored(WriteId id, Nanos asked, Nanos now) {
  Write& write = writes_.at(id);
  // Written again after a crash: from then on it counts, and until then it was not sure.
  write.stored_at = now;
  if ((write.shaky || write.again) && write.visible_at != kNever) write.visible_at = now;
  write.again = false;
  // The run that has answered may be the one that died meanwhile.
  write.shaky = crashed_at_ >= asked && crashed_at_ != 0;
}

void History::safe(WriteId id) {
  writes_.at(id).safe = true;
  writes_.at(id).shaky = false;
}
void History::again(WriteId id) { writes_.at(id).again = true; }
void History::lost(WriteId id) { writes_.at(id).lost = true; }

void History::server_crashed(Nanos now) {
  crashed_at_ = now;
  for (auto& [id, write] : writes_) {
    if (!write.safe && write.stored_at != kNever) write.shaky = true;
  }
}

std::optional<WriteId> History::id_of(Cell cell, wire::ByteView content) const {
  const WriteId first = word(content, 0);
  for (std::size_t i = 1; i < kWords; ++i) {
    if (word(content, i) != first) return std::nullopt;
  }
  if (first == 0) return first;
  const auto found = writes_.find(first);
  if (found == writes_.end() || found->second.cell != cell) return std::nullopt;
  return first;
}

/// Every byte is of some write of this cell (or of none), and one of them a crash may have torn.
bool History::torn(Cell cell, wire::ByteView content) const {
  const auto all = of_cell_.find(cell);
  if (all == of_cell_.end()) return false;
  bool shaky = false;
  for (std::size_t i = 0; i < content.size(); ++i) {
    bool known = content[i] == 0;
    for (const WriteId id : all->second) {
      const std::size_t shift = 8 * (sizeof(WriteId) - 1 - i % sizeof(WriteId));
      if (content[i] != static_cast<std::uint8_t>(id >> shift)) continue;
      known = true;
      const Write& write = writes_.at(id);
      shaky = shaky || write.shaky || write.lost || write.stored_at == kNever;
    }
    if (!known) return false;
  }
  return shaky;
}

std::string History::objection(Cell cell, WriteId id, Nanos since, View view) const {
  const Write* const seen = id == 0 ? nullptr : &writes_.at(id);
  const Nanos ended = seen == nullptr        ? 0
                      : view == View::strict ? seen->visible_at
                                             : std::max(seen->visible_at, seen->stored_at);
  const auto all = of_cell_.find(cell);
  if (all == of_cell_.end()) return {};
  for (const WriteId other : all->second) {
    const Write& newer = writes_.at(other);
    if (other == id || newer.lost || newer.shaky || newer.again) continue;
    if (seen != nullptr && (ended == kNever || newer.begun < ended || seen->shaky || seen->again)) {
      continue;
    }
    const Nanos replaced =
        view == View::strict ? newer.visible_at : std::max(newer.visible_at, newer.stored_at);
    if (replaced == kNever || replaced >= since) continue;
    return "sees write " + std::to_string(id) + " of " + (seen == nullptr ? "nobody" : seen->who) +
           ", but write " + std::to_string(other) + " of " + newer.who +
           (newer.cut ? " (it cut the file)" : "") + " is there since " + say(replaced) +
           " and must be seen since " + say(since);
  }
  return {};
}

WriteId History::read(const std::string& who, Cell cell, wire::ByteView content, Nanos since,
                      Nanos now, View view, bool wide) {
  wire::Bytes whole(content.begin(), content.end());
  whole.resize(kCellSize);  // the file may end before the cell does
  for (const WriteId other : of_cell_[cell]) {
    Write& write = writes_.at(other);
    const bool kept = write.visible_at != kNever && write.stored_at == kNever && !write.lost;
    if (kept && write.who != who && is_cut_off(write.who)) write.lost = true;
  }
  const std::optional<WriteId> id = id_of(cell, whole);
  const std::string where = who + " reads cell " + std::to_string(cell.index) + ": ";
  if (!id) {
    if (torn(cell, whole)) return 0;
    throw Failure(FailureKind::incoherence, where + "bytes that nobody wrote there");
  }
  // Zeros may be of any of those who cut the file, or of nobody.
  std::vector<WriteId> versions{*id};
  for (const WriteId other : *id == 0 ? of_cell_[cell] : std::vector<WriteId>()) {
    if (writes_.at(other).cut) versions.push_back(other);
  }
  std::vector<WriteId> legal;
  std::string against;
  for (const WriteId version : versions) {
    against = objection(cell, version, since, view);
    if (against.empty()) legal.push_back(version);
  }
  if (legal.empty()) throw Failure(FailureKind::incoherence, where + against);
  // What a run that died meanwhile has shown may be gone with it.
  const bool stays = crashed_at_ == 0 || since > crashed_at_;
  if (legal.size() == 1 && legal.front() != 0 && wide && stays) {
    Write& seen = writes_.at(legal.front());
    seen.visible_at = std::min(seen.visible_at, now);
    seen.stored_at = std::min(seen.stored_at, now);
    seen.shaky = false;
  }
  return legal.back();
}

}  // namespace lockstep::sim::wired
