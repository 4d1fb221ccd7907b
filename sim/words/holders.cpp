// The column of a file: who has what, and who waits for whom.
#include <utility>
#include <vector>

#include "sim/words/words.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT: every word of the vocabulary is told here

namespace {

/// "a, b x2, c".
std::string listed(const std::vector<std::string>& items, const char* between) {
  std::string out;
  for (std::size_t i = 0; i < items.size();) {
    std::size_t end = i + 1;
    while (end < items.size() && items[end] == items[i]) ++end;
    out += (out.empty() ? "" : between) + items[i];
    if (end - i > 1) out += " x" + std::to_string(end - i);
    i = end;
  }
  return out;
}

bool same_owner(const auto& one, const auto& other) {
  return one.client == other.client && one.open == other.open && one.owner == other.owner;
}

bool in_the_way(const WaiterView& waiter, Range range, LockMode mode) {
  return waiter.element.range.overlaps(range) && clash(waiter.element.mode, mode);
}

/// Of each thing that it waits for, whose it is.
std::vector<std::string> awaited_by(const WaiterView& waiter, const FileView& file,
                                    const Names& names) {
  std::vector<std::string> out;
  if (waiter.for_grace) out.emplace_back("the end of grace");
  if (waiter.for_breaks) {
    const std::size_t before = out.size();
    for (const RightView& right : file.rights) {
      if (right.breaking) out.push_back(names.name_of(right.client) + "'s break");
    }
    if (out.size() == before) out.emplace_back("a break");  // of a directory above, or another name
  }
  if (waiter.for_locks && !waiter.told) {
    for (const LockView& lock : file.locks) {
      if (same_owner(lock, waiter) || !in_the_way(waiter, lock.range, lock.mode)) continue;
      out.push_back(names.owner_of(lock.client, lock.open, lock.owner) + "'s " +
                    names.span_of(lock.range));
    }
    for (const WaiterView& earlier : file.waiters) {
      if (earlier.request == waiter.request) break;
      if (!earlier.queued || same_owner(earlier, waiter) ||
          !in_the_way(waiter, earlier.element.range, earlier.element.mode)) {
        continue;
      }
      out.push_back(names.owner_of(earlier.client, earlier.open, earlier.owner) + "'s turn");
    }
  }
  if (waiter.for_accesses) {
    for (const AccessView& access : file.accesses) {
      out.push_back(names.name_of(access.client) + "'s " + spoken(name(access.operation)));
    }
  }
  return out;
}

}  // namespace

std::string holders(const FileView& file, const Names& names) {
  std::vector<std::string> items;
  if (file.delete_pending) items.emplace_back("to be removed");
  for (const OpenView& open : file.opens) {
    items.push_back(names.name_of(open.client) + (open.recovered ? " had it open " : " open ") +
                    (open.attributes_only ? "for attributes" : name(open.access)) +
                    (open.deny.empty() ? "" : " denying " + name(open.deny)));
  }
  for (const RightView& right : file.rights) {
    std::string text = names.name_of(right.client) + " " + std::string(name(right.flavour)) + " " +
                       name(right.rights);
    if (right.breaking) {
      text += " breaking to " + name(right.breaking_to);
      if (right.deadline != kNever) text += " until " + clock_text(right.deadline);
    }
    items.push_back(text + (right.recovered ? " (from before)" : ""));
  }
  for (const LockView& lock : file.locks) {
    items.push_back(names.owner_of(lock.client, lock.open, lock.owner) + " " +
                    names.span_of(lock.range) + " " + std::string(name(lock.mode)) +
                    (lock.recovered ? " (from before)" : ""));
  }
  for (const GrantView& grant : file.grants) {
    items.push_back(names.owner_of(grant.client, OpenId{}, grant.owner) + " is called for " +
                    names.span_of(grant.element.range));
  }
  for (const WaiterView& waiter : file.waiters) {
    std::string text = names.owner_of(waiter.client, waiter.open, waiter.owner) + " waits to " +
                       spoken(waiter.what);
    if (waiter.what == "lock") {
      text +=
          " " + names.span_of(waiter.element.range) + " " + std::string(name(waiter.element.mode));
    }
    const std::vector<std::string> awaited = awaited_by(waiter, file, names);
    if (!awaited.empty()) text += " for " + listed(awaited, " and ");
    if (waiter.told) text += " (its turn)";
    items.push_back(std::move(text));
  }
  return items.empty() ? "nobody" : listed(items, ", ");
}

}  // namespace lockstep::sim
