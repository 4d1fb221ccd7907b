#include "tests/spec/composition.hpp"

#include "tests/spec/words.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

Value element_value(const std::string& owner, const LockElement& element) {
  return Value::record({{"owner", owner},
                        {"first", static_cast<int>(element.range.first)},
                        {"last", static_cast<int>(element.range.last)},
                        {"kind", name(element.mode)}});
}

using Table = std::map<std::pair<Range, LockMode>, int>;

/// Each owner's locks, and how often it has each.
Value tables(const std::map<std::string, Table>& held) {
  std::vector<std::pair<std::string, Value>> all;
  for (const auto& [owner, locks] : held) {
    std::vector<Value> table;
    for (const auto& [lock, count] : locks) {
      table.push_back(Value::record({{"first", static_cast<int>(lock.first.first)},
                                     {"last", static_cast<int>(lock.first.last)},
                                     {"kind", name(lock.second)},
                                     {"n", count}}));
    }
    all.emplace_back(owner, Value::set(table));
  }
  return Value::record(all);
}

Value right_value(const Value& right, const Value& brk, const Value& need) {
  return Value::record({{"right", right}, {"brk", brk}, {"need", need}});
}

Value waiter_value(const Value& owner, const Value& type, const char* why, bool told) {
  return Value::record({{"owner", owner}, {"type", type}, {"why", why}, {"told", told}});
}

const char* why(const WaiterView& waiter) {
  return waiter.for_breaks     ? "breaks"
         : waiter.for_accesses ? "accesses"
         : waiter.for_grace    ? "grace"
                               : "ranges";
}

const char* why(const Value& waits) {
  return waits.items.empty()          ? "ranges"
         : waits.contains("accesses") ? "accesses"
         : waits.contains("grace")    ? "grace"
                                      : "breaks";
}

Value unclaimed_value(const Value& opens, const Value& rights, const Value& locks) {
  return Value::record({{"opens", opens}, {"rights", rights}, {"locks", locks}});
}

}  // namespace

// ---- Who is who --------------------------------------------------------------------------------

Flavour Composition::flavour(const std::string& holder) const {
  return flavour_of(scene_["Flavour"][holder].text);
}

bool Composition::smb(const std::string& owner) const {
  return protocols(owner).front() == Protocol::smb;
}

bool Composition::v4(const std::string& owner) const {
  return protocols(owner).front() == Protocol::nfs41;
}

std::span<const Protocol> Composition::protocols(const std::string& owner) const {
  static constexpr Protocol kSmb[] = {Protocol::smb}, kNfs4[] = {Protocol::nfs41};
  static constexpr Protocol kHost[] = {Protocol::nlm, Protocol::nfs3};
  switch (flavour(holder(owner))) {
    case Flavour::lease:
    case Flavour::oplock:
      return kSmb;
    case Flavour::delegation:
      return kNfs4;
    default:
      return kHost;
  }
}

ClientId Composition::known(Protocol protocol, const std::string& host) const {
  const ClientView* view = client_named(protocol, host);
  return view ? view->client : ClientId{};
}

OpenId Composition::open(const std::string& owner) const {
  auto at = beside_.opens.find(owner);
  if (at == beside_.opens.end()) return {};
  for (const OpenView& view : file().opens) {
    if (view.open == at->second && !view.recovered) return view.open;
  }
  return {};
}

std::string Composition::owner_of(OpenId open, const std::string& raw) const {
  if (!raw.empty()) return raw;
  for (const auto& [name, known] : beside_.opens) {
    if (known == open) return name;
  }
  return "?";
}

std::string Composition::holder_of(ClientId client, Flavour flavour, const LeaseKey& key,
                                   OpenId open) const {
  for (const std::string& name : owners()) {
    const std::string& who = holder(name);
    if (this->flavour(who) != flavour || this->client(name) != client) continue;
    if (flavour == Flavour::lease && key != key_of(who)) continue;
    if (flavour == Flavour::oplock && open != this->open(name)) continue;
    return who;
  }
  return "?";
}

const RightView* Composition::right_of(const std::string& holder) const {
  for (const RightView& right : file().rights) {
    if (holder_of(right) == holder) return &right;
  }
  return nullptr;
}

const WaiterView* Composition::waiter_of(const Value& id) const {
  for (const WaiterView& waiter : file().waiters) {
    if (beside_.asked.at(waiter.request)["id"] == id) return &waiter;
  }
  return nullptr;
}

// ---- What is seen ------------------------------------------------------------------------------

Value Composition::view() const {
  const FileView& file = this->file();
  std::map<std::string, Table> held, unclaimed;
  for (const std::string& owner : owners()) held[owner], unclaimed[owner];
  for (const LockView& lock : file.locks) {
    const std::string owner = owner_of(lock.open, lock.owner);
    ++held[owner][{lock.range, lock.mode}];
    if (lock.recovered) ++unclaimed[owner][{lock.range, lock.mode}];
  }
  std::vector<Value> opens, unclaimed_opens, unclaimed_rights;
  for (const OpenView& view : file.opens) {
    const std::string owner = owner_of(view.open, view.owner);
    const Value mode = Value::record({{"access", words(view.access)}, {"deny", words(view.deny)}});
    opens.push_back(Value::record({{"owner", owner}, {"mode", mode}}));
    if (view.recovered) unclaimed_opens.emplace_back(owner);
  }
  std::vector<std::pair<std::string, Value>> rights;
  for (const std::string& name : clients()) {
    const RightView* view = right_of(name);
    const bool breaking = view && view->breaking;
    rights.emplace_back(name, right_value(letters(view ? view->rights : kNoRights),
                                          breaking ? letters(view->breaking_to) : no_break(),
                                          breaking ? letters(view->required) : no_break()));
    if (view && view->recovered) unclaimed_rights.emplace_back(name);
  }
  std::vector<Value> queue, calls, inflight, bars;
  for (const WaiterView& waiter : file.waiters) {
    const Value& asked = beside_.asked.at(waiter.request);
    queue.push_back(waiter_value(asked["owner"], asked["type"], why(waiter), waiter.told));
  }
  for (const GrantView& grant : file.grants) {
    calls.push_back(element_value(grant.owner, grant.element));
  }
  for (const AccessView& access : file.accesses) {
    inflight.push_back(Value::record({{"owner", beside_.asked.at(access.request)["owner"]},
                                      {"what", operation_name(access.operation)}}));
  }
  for (const BarView& bar : file.bars) {
    bars.push_back(
        Value::record({{"client", identity_of(bar.client)}, {"cause", row_name(bar.cause)}}));
  }
  return Value::record(
      {{"held", tables(held)},
       {"queue", Value::tuple(queue)},
       {"calls", Value::set(calls)},
       {"opens", Value::set(opens)},
       {"rights", Value::record(rights)},
       {"inflight", Value::set(inflight)},
       {"bars", Value::set(bars)},
       {"backoff", file.no_delegation_until != 0},
       {"grace", seen().grace},
       {"failed", seen().journal_failed},
       {"unclaimed", unclaimed_value(Value::set(unclaimed_opens), Value::set(unclaimed_rights),
                                     tables(unclaimed))}});
}

Value Composition::visible(const Value& state) const {
  const Value &locks = state["locks"], &rights = state["rights"];
  std::vector<Value> queue, calls, opens, inflight, bars;
  for (const Value& waiter : locks["queue"].items) {
    queue.push_back(waiter_value(waiter["owner"], waiter["asks"]["type"], why(waiter["waits"]),
                                 waiter["told"].truth()));
  }
  for (const Value& call : locks["calls"].items) {
    calls.push_back(Value::record({{"owner", call["owner"]},
                                   {"first", call["first"]},
                                   {"last", call["last"]},
                                   {"kind", call["kind"]}}));
  }
  for (const std::string& owner : owners()) {
    for (const Value& mode : state["shares"]["opens"][owner].items) {
      opens.push_back(Value::record({{"owner", owner}, {"mode", mode}}));
    }
  }
  std::vector<std::pair<std::string, Value>> each;
  for (const std::string& name : clients()) {
    each.emplace_back(
        name, right_value(rights["right"][name], rights["brk"][name], rights["need"][name]));
  }
  for (const Value& access : rights["inflight"].items) {
    inflight.push_back(Value::record({{"owner", access["owner"]}, {"what", access["what"]}}));
  }
  for (const Value& bar : rights["bars"].items) {
    const std::string& name = scene_["Host"][bar["client"].text].text;
    bars.push_back(Value::record({{"client", name}, {"cause", bar["cause"]}}));
  }
  return Value::record({{"held", locks["held"]},
                        {"queue", Value::tuple(queue)},
                        {"calls", Value::set(calls)},
                        {"opens", Value::set(opens)},
                        {"rights", Value::record(each)},
                        {"inflight", Value::set(inflight)},
                        {"bars", Value::set(bars)},
                        {"backoff", rights["backoff"]},
                        {"grace", state["phase"].text == "grace"},
                        {"failed", state["failed"]},
                        {"unclaimed", state["unclaimed"]}});
}

}  // namespace lockstep::test
