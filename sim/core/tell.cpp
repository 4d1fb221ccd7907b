#include "sim/core/tell.hpp"

#include <algorithm>
#include <variant>
#include <vector>

#include "sim/core/members.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT: every word of the vocabulary is told here

namespace {

// ---- Raw: member by member, with the machine's numbers -----------------------------------------

void raw(std::string& out, const std::string& text) { out += " '" + text + "'"; }
void raw(std::string&, std::monostate) {}
template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
void raw(std::string& out, T value) {
  if constexpr (requires { core::name(value); }) {
    out += " " + std::string(core::name(value));
  } else {
    out += " " + std::to_string(static_cast<std::uint64_t>(value));
  }
}
template <class Bit>
void raw(std::string& out, Flags<Bit> flags) {
  out += " " + core::name(flags);
}
template <class Tag>
void raw(std::string& out, Id<Tag> id) {
  // Ids carry the boot that gave them in their upper bits.
  out += " #" + std::to_string(id.value & 0xffffffffffULL);
  if (id.value >> 40 > 1) out += "@" + std::to_string(id.value >> 40);
}
void raw(std::string& out, const LeaseKey& key) {
  out += " key " + std::to_string(key.bytes[0]) + "." + std::to_string(key.bytes[1]);
}
void raw(std::string& out, const FileId& file) { out += " " + file_of(file); }
void raw(std::string& out, const Range& range) { out += " " + range_text(range); }
template <class T>
void raw(std::string& out, const std::vector<T>& list);
template <class... Ts>
void raw(std::string& out, const std::variant<Ts...>& choice);
template <class T>
  requires std::is_aggregate_v<T>
void raw(std::string& out, const T& thing) {
  each_member(thing, [&](const auto& member) { raw(out, member); });
}
template <class T>
void raw(std::string& out, const std::vector<T>& list) {
  for (const T& each : list) raw(out, each);
}
template <class... Ts>
void raw(std::string& out, const std::variant<Ts...>& choice) {
  std::visit([&](const auto& each) { raw(out, each); }, choice);
}

template <class T>
void lines_of(std::vector<std::string>& lines, const std::string& what, const std::vector<T>& all) {
  for (const T& each : all) {
    std::string line = what;
    raw(line, each);
    lines.push_back(std::move(line));
  }
}

std::vector<std::string> lines_of(const StateView& view) {
  std::vector<std::string> lines;
  std::string head = "grace";
  raw(head, view.grace);
  raw(head, view.grace_until);
  raw(head, view.journal_failed);
  lines.push_back(head);
  lines_of(lines, "client", view.clients);
  for (const FileView& file : view.files) {
    const std::string name = file_of(file.file);
    std::string own = name;
    raw(own, file.delete_pending);
    raw(own, file.no_delegation_until);
    lines.push_back(own);
    lines_of(lines, name + " open", file.opens);
    lines_of(lines, name + " lock", file.locks);
    lines_of(lines, name + " right", file.rights);
    lines_of(lines, name + " waiter", file.waiters);
    lines_of(lines, name + " access", file.accesses);
    lines_of(lines, name + " grant", file.grants);
    lines_of(lines, name + " bar", file.bars);
  }
  return lines;
}

}  // namespace

std::string tell_raw(const Effect& effect) {
  static constexpr const char* names[] = {
      "replies",         "parks",   "breaks",  "notifies a grant", "stops notifying",
      "notifies a lock", "revokes", "records", "a conflict",       "ends grace"};
  static_assert(std::size(names) == std::variant_size_v<Effect>);
  std::string out = names[effect.index()];
  raw(out, effect);
  return out;
}

std::string tell_raw(const Record& record) {
  static constexpr const char* names[] = {"boot", "client", "open", "lock", "right"};
  static_assert(std::size(names) == std::variant_size_v<Record>);
  std::string out = names[record.index()];
  raw(out, record);
  return out;
}

std::string difference(const StateView& ours, const StateView& theirs) {
  const auto a = lines_of(ours), b = lines_of(theirs);
  std::string out;
  for (const std::string& line : a) {
    if (std::ranges::find(b, line) == b.end()) out += "\n  core only:  " + line;
  }
  for (const std::string& line : b) {
    if (std::ranges::find(a, line) == a.end()) out += "\n  model only: " + line;
  }
  return out.empty() ? " the same things in another order" : out;
}

std::string file_of(FileId file) {
  return file.node >= 1 && file.node <= kFiles ? file_name(file.node - 1) : file_name(kDirectory);
}

}  // namespace lockstep::sim
