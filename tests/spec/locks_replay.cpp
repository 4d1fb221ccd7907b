// Locks.tla through the machine. Owners: a and b are NLM hosts, d is NFSv4, c and e are SMB opens.
#include <algorithm>

#include "tests/spec/replay.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

constexpr FileId kFile{1, 0, 1};

std::string mode_name(LockMode mode) { return mode == LockMode::exclusive ? "X" : "S"; }

class Locks : public Translator {
 public:
  /// `mixed`: b is the NFSv4 owner (as in DumpLocks!Mixed); `together`: a and b are one host.
  Locks(bool mixed, bool together) : mixed_(mixed), together_(together) {}

  Limits limits() const override {
    Limits limits;
    limits.waiters_per_file_max = 2;
    return limits;
  }

  void begin() override {
    machine = std::make_unique<Machine>(limits());
    Effects effects;
    machine->recover({}, 1, now, effects);
    for (const char* name : {"a", "b", "c", "d", "e"}) show_itself(name);
  }

  Value happen(const Value& event) override {
    const std::string& type = event[0].text;
    if (type == "Tick") {
      now += machine->limits().reservation;
      return outcome("ok", apply(Tick{}), {});
    }
    const std::string who = event[1].text;
    if (type == "LockRequested") return lock(event, who);
    if (type == "Unlocked") {
      Unlocked unlocked{
          next_request(), client(who), smb(who) ? open(who) : OpenId{}, owner(who), kFile,
          range(event),   {}};
      return outcome("", apply(unlocked), unlocked.request);
    }
    if (type == "LockCancelled") return cancel(event, who);
    if (type == "GrantAnswered") return answer(event, who);
    if (type == "OpenClosed") {
      OpenClosed closed{next_request(), open(who)};
      Effects effects = apply(closed);
      show_itself(who);
      return outcome("", effects, closed.request);
    }
    // ClientLeft: its name is that of its first owner.
    Effects effects = apply(ClientLeft{client(who), LeaveReason::disconnected});
    show_itself(who);
    return outcome("ok", effects, {});
  }

  Value view() const override {
    const FileView file = machine->view(kFile);
    std::vector<Value> held, queue, calls;
    std::map<std::string, int> counts;
    for (const LockView& lock : file.locks) {
      const std::string key = owner_name(lock.client, lock.owner) + mode_name(lock.mode) +
                              std::to_string(lock.range.first) + "," +
                              std::to_string(lock.range.last);
      ++counts[key];
    }
    for (const LockView& lock : file.locks) {
      const std::string name = owner_name(lock.client, lock.owner);
      const std::string key = name + mode_name(lock.mode) + std::to_string(lock.range.first) + "," +
                              std::to_string(lock.range.last);
      held.push_back(Value::tuple({name, number(lock.range.first), number(lock.range.last),
                                   mode_name(lock.mode), counts[key]}));
    }
    for (const WaiterView& waiter : file.waiters) {
      queue.push_back(Value::tuple(
          {owner_name(waiter.client, waiter.owner), number(waiter.element.range.first),
           number(waiter.element.range.last), mode_name(waiter.element.mode), waiter.told}));
    }
    for (const GrantView& grant : file.grants) {
      calls.push_back(
          Value::tuple({owner_name(grant.client, grant.owner), number(grant.element.range.first),
                        number(grant.element.range.last), mode_name(grant.element.mode)}));
    }
    return Value::tuple({Value::set(held), Value::tuple(queue), Value::set(calls)});
  }

  /// What a refusal would put back is not shown by the machine (it shows when it happens).
  Value visible(const Value& state) const override {
    std::vector<Value> calls;
    for (const Value& call : state[2].items) {
      calls.push_back(Value::tuple({call[0], call[1], call[2], call[3]}));
    }
    return Value::tuple({state[0], state[1], Value::set(calls)});
  }

  /// Reply, holder (any of those that the specification names), and who ended how.
  bool agrees(const Value& said, const Value& outcome) const override {
    const bool holder = said[1].text.empty() ||
                        std::ranges::find(outcome[1].items, said[1]) != outcome[1].items.end();
    std::vector<Value> ended;
    for (const Value& end : outcome[2].items) {
      if (visible_end(end)) ended.push_back(end);
    }
    return said[0] == outcome[0] && holder && said[2] == Value::tuple(ended);
  }

 private:
  bool smb(const std::string& name) const { return name == "c" || name == "e"; }
  bool v4(const std::string& name) const { return name == "d" || (name == "b" && mixed_); }

  /// Endings that the machine says aloud: NLM callbacks, SMB answers, NFSv4 turns. A dropped NLM
  /// or NFSv4 waiter has had its reply long ago.
  bool visible_end(const Value& end) const {
    const std::string& how = end[4].text;
    return how == "granted" || how == "told" || (smb(end[0].text) && how != "lapsed");
  }

  std::string identity(const std::string& name) const {
    return together_ && name == "b" ? "a" : name;
  }
  std::string owner(const std::string& name) const { return smb(name) ? "" : name; }

  void show_itself(const std::string& name) {
    const std::string id = identity(name);
    const Protocol protocol = smb(name)  ? Protocol::smb
                              : v4(name) ? Protocol::nfs41
                                         : Protocol::nlm;
    apply(ClientArrived{next_request(), protocol, id, "10.0.0." + id, id, 0});
    if (protocol == Protocol::nlm || open(name)) return;
    OpenRequested event;
    event.request = next_request();
    event.client = client(name);
    event.file = kFile;
    event.owner = owner(name);
    event.access = {AccessBit::read, AccessBit::write};
    apply(event);
  }

  ClientId client(const std::string& name) const {
    for (const ClientView& view : machine->clients()) {
      if (view.identity == identity(name)) return view.client;
    }
    return {};
  }
  OpenId open(const std::string& name) const {
    const ClientId id = client(name);
    const FileView file = machine->view(kFile);
    for (const OpenView& view : file.opens) {
      if (view.client == id && view.owner == owner(name)) return view.open;
    }
    return {};
  }
  std::string owner_name(ClientId id, const std::string& owner) const {
    if (!owner.empty()) return owner;
    for (const ClientView& view : machine->clients()) {
      if (view.client == id) return view.identity;
    }
    return "?";
  }

  static Value number(std::uint64_t n) { return Value{static_cast<int>(n)}; }
  static Range range(const Value& event) {
    const auto first = static_cast<std::uint64_t>(event[2].number);
    return {first, static_cast<std::uint64_t>(event[3].number)};
  }
  static LockElement element(const Value& event) {
    return {range(event), event[4].text == "X" ? LockMode::exclusive : LockMode::shared};
  }

  Value lock(const Value& event, const std::string& who) {
    LockRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.open = open(who);
    asked.owner = owner(who);
    asked.file = kFile;
    asked.element = element(event);
    const bool wait = event[5].truth();
    asked.wait = !wait      ? Wait::none
                 : smb(who) ? Wait::queue
                 : v4(who)  ? Wait::reserve
                            : Wait::callback;
    Value said = outcome("", apply(asked), asked.request);
    if (said[0].text == "denied" && asked.wait == Wait::reserve) {
      return Value::tuple({"blocked", "", said[2]});
    }
    return said;
  }

  Value cancel(const Value& event, const std::string& who) {
    if (!smb(who)) {
      LockCancelled cancelled{next_request(), client(who), owner(who), kFile, element(event)};
      Value said = outcome("", apply(cancelled), cancelled.request);
      return said;
    }
    const FileView file = machine->view(kFile);
    for (const WaiterView& waiter : file.waiters) {
      if (waiter.client == client(who) && waiter.element == element(event)) {
        return outcome("ok", apply(RequestCancelled{waiter.request}), {});
      }
    }
    return outcome("ignored", apply(RequestCancelled{{~std::uint64_t{0}}}), {});
  }

  Value answer(const Value& event, const std::string& who) {
    const FileView file = machine->view(kFile);
    for (const GrantView& grant : file.grants) {
      if (grant.client == client(who) && grant.owner == owner(who) &&
          grant.element == element(event)) {
        return outcome("ok", apply(GrantAnswered{grant.grant, event[5].truth()}), {});
      }
    }
    return outcome("ignored", apply(GrantAnswered{{~std::uint64_t{0}}, event[5].truth()}), {});
  }

  /// Requests that wait are in the view of before; the effects name them by number.
  Value outcome(std::string reply, const Effects& effects, RequestId asked) {
    std::string holder;
    std::vector<Value> ended;
    for (const Effect& effect : effects) {
      if (const auto* r = std::get_if<Reply>(&effect)) {
        if (r->request == asked && asked) {
          reply = r->status == Status::ok ? granted_word_ : std::string(name(r->status));
          if (const auto* h = std::get_if<Holder>(&r->body))
            holder = owner_name(h->client, h->owner);
        } else if (auto waiter = waiters_.find(r->request); waiter != waiters_.end()) {
          ended.push_back(end(waiter->second,
                              r->status == Status::ok ? "granted" : std::string(name(r->status))));
        }
      } else if (const auto* p = std::get_if<Parked>(&effect)) {
        if (p->request == asked) reply = "blocked";
      } else if (const auto* n = std::get_if<NotifyGranted>(&effect)) {
        ended.push_back(
            Value::tuple({n->owner, number(n->element.range.first), number(n->element.range.last),
                          mode_name(n->element.mode), "granted"}));
      } else if (const auto* l = std::get_if<NotifyLock>(&effect)) {
        ended.push_back(told(l->owner, ended));
      }
    }
    return Value::tuple({reply, holder, Value::tuple(ended)});
  }

  static Value end(const Value& waiter, const std::string& how) {
    return Value::tuple({waiter[0], waiter[1], waiter[2], waiter[3], how});
  }
  /// NotifyLock names the owner only; the view tells which of its waiters were not told before.
  Value told(const std::string& owner, const std::vector<Value>& before) const {
    for (const WaiterView& waiter : machine->view(kFile).waiters) {
      if (waiter.owner != owner || !waiter.told) continue;
      Value one =
          Value::tuple({owner, number(waiter.element.range.first),
                        number(waiter.element.range.last), mode_name(waiter.element.mode), "told"});
      const bool known =
          told_before_.contains(waiter.request) || std::ranges::find(before, one) != before.end();
      if (!known) return one;
    }
    return Value::tuple({owner, 0, 0, "?", "told"});
  }

  Effects apply(EventBody body) {
    granted_word_ = std::holds_alternative<LockRequested>(body) ? "granted" : "ok";
    waiters_.clear();
    told_before_.clear();
    for (const WaiterView& waiter : machine->view(kFile).waiters) {
      if (waiter.told) told_before_[waiter.request] = true;
      waiters_[waiter.request] =
          Value::tuple({owner_name(waiter.client, waiter.owner), number(waiter.element.range.first),
                        number(waiter.element.range.last), mode_name(waiter.element.mode)});
    }
    return Translator::apply(std::move(body));
  }

  bool mixed_, together_;
  std::string granted_word_ = "ok";
  std::map<RequestId, Value> waiters_;
  std::map<RequestId, bool> told_before_;
};

}  // namespace

std::unique_ptr<Translator> locks_translator(const std::string& scene) {
  return std::make_unique<Locks>(scene == "mixed", scene == "together");
}

}  // namespace lockstep::test
