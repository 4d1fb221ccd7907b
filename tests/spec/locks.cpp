// Locks.tla through a machine. An owner is a lock owner of a NLM host, of a NFSv4 client, or an SMB
// open; each is of the client that the scene says.
#include <algorithm>

#include "tests/spec/translator.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

class Locks : public Translator {
 public:
  explicit Locks(std::unique_ptr<Subject> subject) : Translator(std::move(subject)) {}

  void begin(const Value& scene) override {
    protocols_ = scene["Protocol"];
    clients_ = scene["Client"];
    limits_.waiters_per_file_max = limit(scene, "waiters_per_file_max");
    start(limits_, {}, 1);
    for (const std::string& name : owners()) show_itself(name);
  }

  Value happen(const Value& event) override {
    remember_waiters();
    const std::string& type = event["type"].text;
    if (type == "Tick") {
      pass(limits_.reservation);
      return outcome("ok", apply(Tick{}), {});
    }
    if (type == "ClientLeft") {
      ClientId gone;
      for (const std::string& name : owners()) {
        if (identity(name) == event["client"].text) gone = client(name);
      }
      Effects effects = apply(ClientLeft{gone, LeaveReason::disconnected});
      const Value said = outcome("ok", effects, {});
      for (const std::string& name : owners()) show_itself(name);
      return said;
    }
    const std::string& who = event["owner"].text;
    if (type == "LockRequested") return lock(event, who);
    if (type == "LockCancelled") return cancel(event, who);
    if (type == "GrantAnswered") return answer(event, who);
    if (type == "AccessRequested") return access(event, who);
    if (type == "OpenClosed") {
      OpenClosed closed{next_request(), open(who)};
      const Value said = outcome("", apply(closed), closed.request);
      show_itself(who);
      return said;
    }
    Unlocked unlocked{
        next_request(), client(who), smb(who) ? open(who) : OpenId{}, owner(who), kFile,
        range(event),   {}};
    return outcome("", apply(unlocked), unlocked.request);
  }

  Value view() const override {
    std::map<std::string, std::map<Value, int>> held;
    for (const std::string& name : owners()) held[name];
    for (const LockView& lock : file().locks) {
      ++held[owner_name(lock.client, lock.owner)][element_value({lock.range, lock.mode})];
    }
    std::vector<std::pair<std::string, Value>> tables;
    for (const auto& [name, locks] : held) {
      std::vector<Value> table;
      for (const auto& [element, count] : locks) {
        table.push_back(with(element, {{"n", count}}));
      }
      tables.emplace_back(name, Value::set(table));
    }
    std::vector<Value> queue, calls;
    for (const WaiterView& waiter : file().waiters) {
      queue.push_back(
          with(waiter_value(waiter), {{"told", waiter.told}, {"waits", Value::set({})}}));
    }
    for (const GrantView& grant : file().grants) {
      calls.push_back(
          with(element_value(grant.element), {{"owner", owner_name(grant.client, grant.owner)}}));
    }
    return Value::record({{"held", Value::record(tables)},
                          {"queue", Value::tuple(queue)},
                          {"calls", Value::set(calls)}});
  }

  /// What a refusal would put back is not shown by the machine (it shows when it happens).
  Value visible(const Value& state) const override {
    std::vector<Value> calls;
    for (const Value& call : state["calls"].items) calls.push_back(bare(call));
    return Value::record(
        {{"held", state["held"]}, {"queue", state["queue"]}, {"calls", Value::set(calls)}});
  }

  /// Reply, holder (any of those that the specification names), and who ended how.
  bool agrees(const Value& said, const Value& step) const override {
    const Value& holder = said["holder"];
    const bool true_holder = holder.text.empty() || step["holders"].contains(holder);
    std::vector<Value> ended;
    for (const Value& end : step["ended"].items) {
      if (visible_end(end)) ended.push_back(end);
    }
    return said["reply"] == step["reply"] && true_holder && said["ended"] == Value::tuple(ended);
  }

 private:
  const std::vector<std::string>& owners() const { return protocols_.keys; }
  bool smb(const std::string& name) const { return protocols_[name].text == "smb"; }
  bool v4(const std::string& name) const { return protocols_[name].text == "v4"; }
  Protocol protocol(const std::string& name) const {
    return smb(name) ? Protocol::smb : v4(name) ? Protocol::nfs41 : Protocol::nlm;
  }
  std::string identity(const std::string& name) const { return clients_[name].text; }
  std::string owner(const std::string& name) const { return smb(name) ? "" : name; }

  /// Endings that the machine says aloud: NLM callbacks, SMB answers, NFSv4 turns. A dropped NLM
  /// or NFSv4 waiter has had its reply long ago; a client that left is told nothing.
  bool visible_end(const Value& end) const {
    const std::string& how = end["how"].text;
    return how == "granted" || how == "told" || (smb(end["owner"].text) && how != "lapsed");
  }

  void show_itself(const std::string& name) {
    const std::string id = identity(name);
    if (!client(name)) {
      apply(ClientArrived{next_request(), protocol(name), id, "10.0.0." + id, id, 0});
    }
    if (protocol(name) == Protocol::nlm) {  // the host's I/O is NFSv3
      if (!client_named(Protocol::nfs3, id)) {
        apply(ClientArrived{next_request(), Protocol::nfs3, id, "10.0.0." + id, id, 0});
      }
      return;
    }
    if (open(name)) return;
    OpenRequested event;
    event.request = next_request();
    event.client = client(name);
    event.file = kFile;
    event.owner = owner(name);
    event.access = {AccessBit::read, AccessBit::write};
    apply(event);
  }

  ClientId client(const std::string& name) const {
    const ClientView* view = client_named(protocol(name), identity(name));
    return view ? view->client : ClientId{};
  }
  OpenId open(const std::string& name) const {
    for (const OpenView& view : file().opens) {
      if (view.client == client(name) && view.owner == owner(name)) return view.open;
    }
    return {};
  }
  std::string owner_name(ClientId id, const std::string& owner) const {
    return owner.empty() ? identity_of(id) : owner;
  }

  static Range range(const Value& event) {
    return {static_cast<std::uint64_t>(event["first"].number),
            static_cast<std::uint64_t>(event["last"].number)};
  }
  static LockElement element(const Value& event) {
    return {range(event),
            event["kind"].text == "exclusive" ? LockMode::exclusive : LockMode::shared};
  }
  static Value element_value(const LockElement& element) {
    return Value::record({{"first", static_cast<int>(element.range.first)},
                          {"last", static_cast<int>(element.range.last)},
                          {"kind", name(element.mode)}});
  }
  static Value with(const Value& record, std::vector<std::pair<std::string, Value>> fields) {
    for (std::size_t i = 0; i < record.keys.size(); ++i) {
      fields.emplace_back(record.keys[i], record.items[i]);
    }
    return Value::record(std::move(fields));
  }
  /// Owner, range and kind of a record that has more.
  static Value bare(const Value& record) {
    return Value::record({{"owner", record["owner"]},
                          {"first", record["first"]},
                          {"last", record["last"]},
                          {"kind", record["kind"]}});
  }
  Value waiter_value(const WaiterView& waiter) const {
    return with(element_value(waiter.element),
                {{"owner", owner_name(waiter.client, waiter.owner)}});
  }

  Value lock(const Value& event, const std::string& who) {
    LockRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.open = open(who);
    asked.owner = owner(who);
    asked.file = kFile;
    asked.element = element(event);
    asked.wait = !event["wait"].truth() ? Wait::none
                 : smb(who)             ? Wait::queue
                 : v4(who)              ? Wait::reserve
                                        : Wait::callback;
    word_of_ok_ = "granted";
    Value said = outcome("", apply(asked), asked.request);
    word_of_ok_ = "ok";
    if (said["reply"].text == "denied" && asked.wait == Wait::reserve) {
      return Value::record({{"reply", "blocked"}, {"holder", ""}, {"ended", said["ended"]}});
    }
    return said;
  }

  /// An access that may go has come and gone in one step.
  Value access(const Value& event, const std::string& who) {
    const bool host = protocol(who) == Protocol::nlm;
    AccessRequested asked;
    asked.request = next_request();
    asked.client = host ? client_named(Protocol::nfs3, identity(who))->client : client(who);
    asked.open = host ? OpenId{} : open(who);
    asked.owner = host ? "" : owner(who);
    const bool write = element(event).mode == LockMode::exclusive;
    asked.target = {kFile, write ? Operation::write : Operation::read};
    asked.range = range(event);
    asked.policy.smb_ranges_on_nfs_io = asked.policy.nfs_ranges_on_nfs_io =
        event["enforced"].truth();
    const Value said = outcome("", apply(asked), asked.request);
    if (said["reply"].text == "ok") apply(AccessEnded{asked.request});
    return said;
  }

  Value cancel(const Value& event, const std::string& who) {
    if (!smb(who)) {
      LockCancelled cancelled{next_request(), client(who), owner(who), kFile, element(event)};
      return outcome("", apply(cancelled), cancelled.request);
    }
    RequestId target{~std::uint64_t{0}};
    for (const WaiterView& waiter : file().waiters) {
      if (waiter.client != client(who) || waiter.element != element(event)) continue;
      target = waiter.request;
      break;
    }
    const bool known = target.value != ~std::uint64_t{0};
    return outcome(known ? "ok" : "ignored", apply(RequestCancelled{target}), {});
  }

  Value answer(const Value& event, const std::string& who) {
    RequestId call{~std::uint64_t{0}};
    for (const GrantView& grant : file().grants) {
      if (grant.client == client(who) && grant.owner == owner(who) &&
          grant.element == element(event)) {
        call = grant.grant;
      }
    }
    const bool known = call.value != ~std::uint64_t{0};
    return outcome(known ? "ok" : "ignored", apply(GrantAnswered{call, event["accepted"].truth()}),
                   {});
  }

  /// Effects name waiters by number: who waited when the event came.
  void remember_waiters() {
    waiters_.clear();
    told_before_.clear();
    for (const WaiterView& waiter : file().waiters) {
      if (waiter.told) told_before_.insert(waiter.request);
      waiters_[waiter.request] = waiter_value(waiter);
    }
  }

  Value outcome(std::string reply, const Effects& effects, RequestId asked) {
    std::string holder;
    std::vector<Value> ended;
    for (const Effect& effect : effects) {
      if (const auto* r = std::get_if<Reply>(&effect)) {
        const bool ok = r->status == Status::ok;
        if (r->request == asked && asked) {
          reply = ok ? word_of_ok_ : std::string(name(r->status));
          if (const auto* h = std::get_if<Holder>(&r->body)) {
            holder = owner_name(h->client, h->owner);
          }
        } else if (auto waiter = waiters_.find(r->request); waiter != waiters_.end()) {
          ended.push_back(
              with(waiter->second, {{"how", ok ? "granted" : std::string(name(r->status))}}));
        }
      } else if (const auto* p = std::get_if<Parked>(&effect)) {
        if (p->request == asked) reply = "blocked";
      } else if (const auto* n = std::get_if<NotifyGranted>(&effect)) {
        ended.push_back(with(element_value(n->element), {{"owner", n->owner}, {"how", "granted"}}));
      } else if (const auto* l = std::get_if<NotifyLock>(&effect)) {
        ended.push_back(told(l->owner, ended));
      }
    }
    return Value::record({{"reply", reply}, {"holder", holder}, {"ended", Value::tuple(ended)}});
  }

  /// NotifyLock names the owner only; the view tells which of its waiters were not told before.
  Value told(const std::string& owner, const std::vector<Value>& before) const {
    for (const WaiterView& waiter : file().waiters) {
      if (waiter.owner != owner || !waiter.told) continue;
      Value one = with(waiter_value(waiter), {{"how", "told"}});
      const bool known =
          told_before_.contains(waiter.request) || std::ranges::find(before, one) != before.end();
      if (!known) return one;
    }
    return Value::record({{"owner", owner}, {"how", "told, and used up at once"}});
  }

  Value protocols_, clients_;
  Limits limits_;
  std::string word_of_ok_ = "ok";
  std::map<RequestId, Value> waiters_;
  std::set<RequestId> told_before_;
};

}  // namespace

std::unique_ptr<Translator> locks_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<Locks>(std::move(subject));
}

}  // namespace lockstep::test
