// Rights.tla through a machine. A client with leases or oplocks is SMB, one with delegations is
// NFSv4; one of flavour "none" is a host: its I/O is NFSv3, its locks are NLM.
#include <algorithm>

#include "tests/spec/translator.hpp"
#include "tests/spec/words.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

constexpr Nanos kPatience = 500 * kMillisecond;
/// Longer than any number of bars that a path has time for.
constexpr Nanos kBreakTimeout = 1'000'000 * kSecond;

class RightsModule : public Translator {
 public:
  explicit RightsModule(std::unique_ptr<Subject> subject) : Translator(std::move(subject)) {}

  void begin(const Value& scene) override {
    flavours_ = scene["Flavour"];
    access_ = scene["Access"];
    deny_ = scene["Deny"];
    limits_.waiters_per_file_max = limit(scene, "waiters_per_file_max");
    limits_.break_timeout = kBreakTimeout;
    limits_.delegation_timeout = 2 * kBreakTimeout;
    start(limits_, {}, 1);
    show_everybody();
  }

  Value happen(const Value& event) override {
    remember_waiters();
    const std::string& type = event["type"].text;
    if (type == "Tick") {
      const std::string& due = event["due"].text;
      pass(due == "patience" ? kPatience
           : due == "bars"   ? limits_.bar
                             : limits_.delegation_timeout);
      return told(apply(Tick{}), {});
    }
    const std::string& who = event["client"].text;
    if (type == "OpenRequested") return open(event, who);
    if (type == "AccessRequested") return access(event["operation"].text, who);
    if (type == "LockRequested") return lock(who);
    if (type == "BreakAcknowledged") return acknowledge(event, who);
    if (type == "ClientLeft") return leave(who);
    if (type == "AccessEnded") {
      Effects all;
      for (const AccessView& view : std::vector(file().accesses)) {
        if (name_of(view.client) == who) append(all, apply(AccessEnded{view.request}));
      }
      return told(all, {});
    }
    if (type == "RequestCancelled") {
      for (const WaiterView& waiter : file().waiters) {
        if (name_of(waiter.client) != who) continue;
        const RequestId target = waiter.request;
        return told(apply(RequestCancelled{target}), {});
      }
      return told(apply(RequestCancelled{{~std::uint64_t{0}}}), {});
    }
    const RequestId request = next_request();
    if (type == "OpenClosed")
      return told(apply(OpenClosed{request, newest_open_of(who)}), {request, who});
    if (type == "RightReturned") {
      RightId right;
      for (const RightView& view : file().rights) {
        if (view.client == client(who)) right = view.right;
      }
      return told(apply(RightReturned{request, client(who), right}), {request, who});
    }
    Unlocked unlocked{request, locker(who), open_of(who), lock_owner(who), kFile, kLocked, {}};
    return told(apply(unlocked), {request, who});
  }

  Value view() const override {
    std::vector<std::pair<std::string, Value>> opens, right, brk, need, lock;
    for (const std::string& name : clients()) {
      int open = 0;
      for (const OpenView& view : file().opens) open += name_of(view.client) == name ? 1 : 0;
      bool locked = false;
      for (const LockView& view : file().locks) locked = locked || name_of(view.client) == name;
      Value held = Value::set({}), target = no_break(), required = no_break();
      for (const RightView& view : file().rights) {
        if (name_of(view.client) != name) continue;
        held = letters(view.rights);
        if (!view.breaking) continue;
        target = letters(view.breaking_to);
        required = letters(view.required);
      }
      opens.emplace_back(name, open);
      right.emplace_back(name, held);
      brk.emplace_back(name, target);
      need.emplace_back(name, required);
      lock.emplace_back(name, locked);
    }
    std::vector<Value> inflight, queue, bars;
    for (const AccessView& view : file().accesses) {
      inflight.push_back(Value::record(
          {{"client", name_of(view.client)}, {"what", operation_name(view.operation)}}));
    }
    for (const WaiterView& view : file().waiters) {
      const std::string what = view.what == "rename_source" ? "rename" : view.what;
      queue.push_back(Value::record(
          {{"client", name_of(view.client)}, {"what", what}, {"waits", view.for_breaks}}));
    }
    for (const BarView& view : file().bars) {
      bars.push_back(
          Value::record({{"client", name_of(view.client)}, {"cause", row_name(view.cause)}}));
    }
    return Value::record({{"opens", Value::record(opens)},
                          {"right", Value::record(right)},
                          {"brk", Value::record(brk)},
                          {"need", Value::record(need)},
                          {"lock", Value::record(lock)},
                          {"inflight", Value::set(inflight)},
                          {"queue", Value::tuple(queue)},
                          {"bars", Value::set(bars)},
                          {"backoff", file().no_delegation_until != 0}});
  }

  /// The machine does not show what was acknowledged and is still being flushed, nor for whose
  /// break a request waits.
  Value visible(const Value& state) const override {
    std::vector<Value> queue;
    for (const Value& waiter : state["queue"].items) {
      const std::string& what = waiter["what"].text;
      queue.push_back(Value::record({{"client", waiter["client"]},
                                     {"what", what == "overwrite" ? "open" : what},
                                     {"waits", !waiter["waits"].items.empty()}}));
    }
    std::vector<std::pair<std::string, Value>> fields{{"queue", Value::tuple(queue)}};
    for (const char* field :
         {"opens", "right", "brk", "need", "lock", "inflight", "bars", "backoff"}) {
      fields.emplace_back(field, state[field]);
    }
    return Value::record(std::move(fields));
  }

  /// Effects in their order; breaks that begin together may leave in any order, and so may what is
  /// revoked at one time.
  bool agrees(const Value& said, const Value& step) const override {
    std::vector<Value> out;
    for (const Value& effect : step["out"].items) {
      const std::string& what = effect["what"].text;
      if (what != "reply") {
        out.push_back(effect);
        continue;
      }
      // A NLM request that waits has had its reply.
      const bool nlm = host(effect["client"].text) && effect["of"].text == "lock";
      if (nlm && effect["status"].text == "cancelled") continue;
      out.push_back(reply_value(effect["client"].text, effect["status"].text));
    }
    return said == Value::tuple(sorted(std::move(out)));
  }

 private:
  struct Asked {
    RequestId request;
    std::string who;
  };
  static constexpr Range kLocked{0, 0};
  static constexpr Range kRead{100, 100};

  static Value reply_value(const std::string& who, const std::string& status) {
    return Value::record({{"what", "reply"}, {"client", who}, {"status", status}});
  }
  static void append(Effects& all, Effects more) {
    all.insert(all.end(), more.begin(), more.end());
  }
  /// Runs of breaks in one order, and of revocations.
  static std::vector<Value> sorted(std::vector<Value> out) {
    for (auto at = out.begin(); at != out.end();) {
      const std::string what = (*at)["what"].text;
      const bool free = what == "break" || what == "revoked";
      auto end = std::find_if_not(
          at, out.end(), [&](const Value& next) { return free && next["what"].text == what; });
      std::sort(at, end);
      at = end == at ? at + 1 : end;
    }
    return out;
  }

  const std::vector<std::string>& clients() const { return flavours_.keys; }
  Flavour flavour(const std::string& who) const { return flavour_of(flavours_[who].text); }
  bool host(const std::string& who) const { return flavour(who) == Flavour::none; }
  bool smb(const std::string& who) const {
    return flavour(who) == Flavour::lease || flavour(who) == Flavour::oplock;
  }
  Protocol protocol(const std::string& who) const {
    return smb(who) ? Protocol::smb : host(who) ? Protocol::nfs3 : Protocol::nfs41;
  }
  void show_everybody() {
    for (const std::string& name : clients()) {
      if (!client(name)) {
        apply(ClientArrived{next_request(), protocol(name), name, name, name, 0});
        if (flavour(name) == Flavour::delegation) apply(CallbackPathChanged{client(name), true});
      }
      if (host(name) && !locker(name)) {
        apply(ClientArrived{next_request(), Protocol::nlm, name, name, name, 0});
      }
    }
  }
  ClientId client(const std::string& who) const {
    const ClientView* view = client_named(protocol(who), who);
    return view ? view->client : ClientId{};
  }
  ClientId locker(const std::string& who) const {
    if (!host(who)) return client(who);
    const ClientView* view = client_named(Protocol::nlm, who);
    return view ? view->client : ClientId{};
  }
  std::string lock_owner(const std::string& who) const { return smb(who) ? "" : who; }
  std::string name_of(ClientId id) const { return identity_of(id); }
  OpenId open_of(const std::string& who) const {
    for (const OpenView& view : file().opens) {
      if (view.client == client(who)) return view.open;
    }
    return {};
  }

  /// Its lock belongs to its first open, and so lives as long as any.
  OpenId newest_open_of(const std::string& who) const {
    OpenId newest;
    for (const OpenView& view : file().opens) {
      if (view.client == client(who)) newest = view.open;
    }
    return newest;
  }

  Value open(const Value& event, const std::string& who) {
    OpenRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.file = kFile;
    asked.owner = smb(who) ? "" : who;
    asked.access = bits(access_[who]);
    asked.deny = bits(deny_[who]);
    asked.overwrite = event["overwrite"].truth();
    asked.wish.flavour = flavour(who);
    asked.wish.rights = rights_of(event["wish"]);
    asked.wish.key = key_of(who);
    asked.patience = until(who);
    return told(apply(asked), {asked.request, who});
  }
  Nanos until(const std::string& who) const {
    return smb(who) ? kNever : now() + kPatience - kMillisecond;
  }

  Value access(const std::string& operation, const std::string& who) {
    AccessRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.open = open_of(who);
    asked.target = {kFile, operation_of(operation)};
    asked.range = kRead;
    asked.patience = until(who);
    asked.policy.smb_deny_on_nfs_io = false;
    return told(apply(asked), {asked.request, who});
  }

  Value lock(const std::string& who) {
    LockRequested asked;
    asked.request = next_request();
    asked.client = locker(who);
    asked.open = smb(who) ? open_of(who) : OpenId{};
    asked.owner = lock_owner(who);
    asked.file = kFile;
    asked.element = {kLocked, LockMode::exclusive};
    asked.wait = smb(who) ? Wait::queue : Wait::callback;
    return told(apply(asked), {asked.request, who});
  }

  Value acknowledge(const Value& event, const std::string& who) {
    BreakAcknowledged asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.flavour = flavour(who);
    asked.key = key_of(who);
    asked.open = open_of(who);
    asked.rights = rights_of(event["rights"]);
    return told(apply(asked), {asked.request, who});
  }

  /// A host is two clients of the machine: both leave.
  Value leave(const std::string& who) {
    const ClientId first = client(who), second = locker(who);
    Effects all = apply(ClientLeft{first, LeaveReason::disconnected});
    if (second != first) append(all, apply(ClientLeft{second, LeaveReason::rebooted}));
    for (const AccessView& view : std::vector(file().accesses)) {
      if (name_of(view.client) == "?") append(all, apply(AccessEnded{view.request}));
    }
    Value said = told(all, {});
    show_everybody();
    return said;
  }

  void remember_waiters() {
    waiters_.clear();
    for (const WaiterView& waiter : file().waiters) {
      waiters_[waiter.request] = name_of(waiter.client);
    }
    names_.clear();
    for (const ClientView& view : seen().clients) names_[view.client] = view.identity;
  }

  /// The effects in the specification's words.
  Value told(const Effects& effects, const Asked& asked) {
    std::vector<Value> out;
    std::vector<RequestId> granted;
    for (const Effect& effect : effects) {
      if (const auto* r = std::get_if<Reply>(&effect)) {
        auto waiter = waiters_.find(r->request);
        const std::string who = r->request == asked.request && asked.request ? asked.who
                                : waiter != waiters_.end()                   ? waiter->second
                                                                             : "?";
        if (r->status == Status::blocked) {
          out.push_back(Value::record({{"what", "parked"}, {"client", who}}));
        } else {
          out.push_back(reply_value(who, std::string(name(r->status))));
        }
      } else if (std::holds_alternative<Parked>(effect)) {
        out.push_back(Value::record({{"what", "parked"}, {"client", asked.who}}));
      } else if (const auto* b = std::get_if<SendBreak>(&effect)) {
        out.push_back(Value::record({{"what", "break"},
                                     {"client", names_[b->client]},
                                     {"to", letters(b->to)},
                                     {"ack", b->ack_required}}));
      } else if (const auto* v = std::get_if<Revoked>(&effect)) {
        out.push_back(Value::record({{"what", "revoked"}, {"client", names_[v->client]}}));
      } else if (const auto* g = std::get_if<NotifyGranted>(&effect)) {
        out.push_back(reply_value(names_[g->client], "ok"));
        granted.push_back(g->grant);
      }
    }
    // The host takes what it is granted, at once.
    for (const RequestId grant : granted) apply(GrantAnswered{grant, true});
    return Value::tuple(sorted(std::move(out)));
  }

  Value flavours_, access_, deny_;
  Limits limits_;
  std::map<RequestId, std::string> waiters_;
  std::map<ClientId, std::string> names_;
};

}  // namespace

std::unique_ptr<Translator> rights_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<RightsModule>(std::move(subject));
}

}  // namespace lockstep::test
