// Lockstep.tla through a machine and its records: what happens, and what is said. Every record is
// on disk at once; what a crash between two of them leaves behind is Grace's to tell.
#include <algorithm>
#include <ranges>

#include "tests/spec/composition.hpp"
#include "tests/spec/words.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

/// What was said in a step. Breaks that begin together may leave in any order, what is revoked at
/// one time may, too, and what is cancelled when a host of two protocols goes.
struct Said {
  std::string reply, holder;
  std::vector<Value> in_order, free;

  void add(Value word) {
    const std::string& what = word["what"].text;
    const bool cancelled = what == "ended" && word["how"].text == "cancelled";
    (cancelled || what == "break" || what == "revoked" ? free : in_order)
        .push_back(std::move(word));
  }
  Value words() const {
    std::vector<Value> any = free;
    std::ranges::sort(any);
    return Value::tuple({Value::tuple(in_order), Value::tuple(std::move(any))});
  }
};

class LockstepModule : public Composition {
 public:
  explicit LockstepModule(std::unique_ptr<Subject> subject) : Composition(std::move(subject)) {}

  void begin(const Value& scene) override {
    scene_ = scene;
    limits_.waiters_per_file_max = limit(scene, "waiters_per_file_max");
    limits_.bar = limits_.regrant_backoff = kBar;
    limits_.break_timeout = kBreak;
    limits_.delegation_timeout = 2 * kBreak;
    limits_.grace = kGrace;
    limits_.reservation = kReservation;
    limits_.grace_scope =
        scene["grace_scope"].text == "all" ? GraceScope::all : GraceScope::recorded;
    keep(start(limits_, {}, beside_.epoch));
    show_everybody();
  }

  Value happen(const Value& event) override {
    said_ = {};
    remember();
    happened(event);
    complete_reclaims();
    forget();
    return Value::record(
        {{"reply", said_.reply}, {"holder", said_.holder}, {"said", said_.words()}});
  }

  /// The reply, a holder (any of those that the specification names), and the rest.
  bool agrees(const Value& said, const Value& step) const override {
    const Value &reply = said["reply"], &holder = said["holder"];
    if (!reply.text.empty() && reply != step["reply"]) return false;
    if (!holder.text.empty() && !step["holders"].contains(holder)) return false;
    Said wanted;
    for (const Value& word : step["said"].items) wanted.add(word);
    return said["said"] == wanted.words();
  }

 private:
  void show_everybody() {
    for (const std::string& owner : owners()) {
      for (const Protocol protocol : protocols(owner)) {
        const std::string& id = host(owner);
        tell(ClientArrived{next_request(), protocol, id, "10.0.0." + id, id, 0});
      }
      if (v4(owner)) tell(CallbackPathChanged{client(owner), true});
    }
  }

  void happened(const Value& event) {
    const std::string& type = event["type"].text;
    if (type == "Restarted") return restart();
    if (type == "BarsLifted") return wait_until(now() + kBar);
    if (type == "GraceEnded") return wait_until(seen().grace_until);
    if (type == "JournalChanged") return tell(JournalChanged{event["failed"].truth()});
    if (type == "ClientLeft") return leave(event["client"].text);
    if (const Value* who = event.find("owner")) {
      by_owner(type, event, who->text);
    } else {
      by_holder(type, event, event["client"].text);
    }
  }

  void by_holder(const std::string& type, const Value& event, const std::string& who) {
    const RightView* its = right_of(who);
    const RightView right = its ? *its : RightView{};
    if (type == "BreakTimedOut") return wait_until(right.deadline);
    const RequestId request = next_request();
    if (type == "RightReturned") return ask(RightReturned{request, right.client, right.right});
    BreakAcknowledged asked;
    asked.request = request;
    asked.client = right.client;
    asked.flavour = right.flavour;
    asked.key = right.key;
    asked.open = right.open;
    asked.rights = rights_of(event["rights"]);
    ask(asked);
  }

  void by_owner(const std::string& type, const Value& event, const std::string& who) {
    if (type == "OpenRequested") return open_file(event, who);
    if (type == "AccessRequested") return access(event, who);
    if (type == "LockRequested") return lock(event, who);
    if (type == "PatienceEnded" || type == "RequestCancelled") {
      const WaiterView* waiter = waiter_of(event["id"]);
      if (type == "PatienceEnded") return wait_until(waiter ? waiter->until : now());
      return tell(RequestCancelled{waiter ? waiter->request : RequestId{}});
    }
    if (type == "AccessEnded") return end_accesses(who);
    if (type == "GrantAnswered") {
      for (const GrantView& call : std::vector(file().grants)) {
        if (call.owner == who) tell(GrantAnswered{call.grant, event["accepted"].truth()});
      }
      return;
    }
    const RequestId request = next_request();
    if (type == "OpenClosed") return ask(OpenClosed{request, open(who)});
    if (type == "Unlocked") {
      const OpenId through = smb(who) ? open(who) : OpenId{};
      return ask(Unlocked{request, client(who), through, raw(who), kFile, range(event), {}});
    }
    if (type == "LockCancelled") {
      return ask(LockCancelled{request, client(who), raw(who), kFile, element(event)});
    }
    LockTested asked;
    asked.request = request;
    asked.client = client(who);
    asked.owner = raw(who);
    asked.file = kFile;
    asked.element = element(event);
    asked.patience = until(who);
    ask_as(event, asked);
  }

  // ---- Requests

  static Range range(const Value& event) {
    return {static_cast<std::uint64_t>(event["first"].number),
            static_cast<std::uint64_t>(event["last"].number)};
  }
  static LockElement element(const Value& event) {
    return {range(event),
            event["kind"].text == "exclusive" ? LockMode::exclusive : LockMode::shared};
  }
  /// An SMB open is its own lock owner.
  std::string raw(const std::string& owner) const { return smb(owner) ? "" : owner; }
  Nanos until(const std::string& owner) const { return smb(owner) ? kNever : now() + kPatience; }
  static Reclaim reclaim(const Value& event) {
    return event["reclaim"].truth() ? Reclaim::previous : Reclaim::none;
  }

  void open_file(const Value& event, const std::string& who) {
    OpenRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.file = kFile;
    asked.owner = raw(who);
    asked.access = bits(event["access"]);
    asked.deny = bits(event["deny"]);
    asked.overwrite = event["overwrite"].truth();
    asked.wish.flavour = flavour(holder(who));
    asked.wish.rights = rights_of(event["wish"]);
    asked.wish.key = key_of(holder(who));
    asked.reclaim = reclaim(event);
    asked.patience = until(who);
    ask_as(event, asked);
  }

  void access(const Value& event, const std::string& who) {
    AccessRequested asked;
    asked.request = next_request();
    asked.client = known(protocols(who).back(), host(who));
    asked.open = open(who);
    asked.target = {kFile, operation_of(event["operation"].text)};
    asked.range = range(event);
    asked.patience = until(who);
    ask_as(event, asked);
  }

  void lock(const Value& event, const std::string& who) {
    LockRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.open = open(who);
    asked.owner = raw(who);
    asked.file = kFile;
    asked.element = element(event);
    asked.wait = !event["wait"].truth() ? Wait::none
                 : smb(who)             ? Wait::queue
                 : v4(who)              ? Wait::reserve
                                        : Wait::callback;
    asked.reclaim = smb(who) ? Reclaim::none : reclaim(event);
    asked.patience = until(who);
    ask_as(event, asked);
  }

  // ---- What is no request

  void wait_until(Nanos time) {
    pass(time - now() - kMillisecond);  // what is told comes a millisecond later
    tell(Tick{});
  }

  void end_accesses(const std::string& who) {
    for (const AccessView& view : std::vector(file().accesses)) {
      if (beside_.asked.at(view.request)["owner"].text == who) tell(AccessEnded{view.request});
    }
  }

  /// All that the host is to the machine leaves, who reads and writes before who locks; what it was
  /// doing on the file ends after it.
  void leave(const std::string& gone) {
    for (const std::string& owner : owners()) {
      if (host(owner) != gone) continue;
      for (const Protocol protocol : std::views::reverse(protocols(owner))) {
        if (const ClientId id = known(protocol, gone)) {
          tell(ClientLeft{id, LeaveReason::disconnected});
        }
      }
      end_accesses(owner);
    }
    show_everybody();
  }

  /// The server dies and finds its records; everybody comes back.
  void restart() {
    std::vector<Record> records;
    for (const auto& [key, record] : beside_.disk) records.push_back(record);
    beside_.asked.clear();
    keep(start(limits_, records, ++beside_.epoch));
    show_everybody();
  }

  /// A NFSv4.1 client that has back what it had says so.
  void complete_reclaims() {
    for (const std::string& owner : owners()) {
      if (!v4(owner)) continue;
      const ClientView* view = client_named(Protocol::nfs41, host(owner));
      if (!view->reclaiming || (seen().grace && has_unclaimed(view->client))) continue;
      tell(ReclaimCompleted{next_request(), view->client, false});
    }
  }
  bool has_unclaimed(ClientId client) const {
    auto its = [client](const auto& view) { return view.client == client && view.recovered; };
    return std::ranges::any_of(file().opens, its) || std::ranges::any_of(file().locks, its) ||
           std::ranges::any_of(file().rights, its);
  }

  // ---- Effects

  /// Replies and revocations name waiters and rights by number: who they are when the event comes.
  void remember() {
    names_.clear();
    for (const RightView& right : file().rights) names_[right.right] = holder_of(right);
    waiting_.clear();
    for (const WaiterView& waiter : file().waiters) waiting_.insert(waiter.request);
  }
  /// Who was answered, and waits no more; opens that are closed.
  void forget() {
    std::map<RequestId, Value> asked;
    auto keep = [&](RequestId id) { asked.emplace(id, beside_.asked.at(id)); };
    for (const WaiterView& waiter : file().waiters) keep(waiter.request);
    for (const AccessView& access : file().accesses) keep(access.request);
    beside_.asked = std::move(asked);
    std::erase_if(beside_.opens, [this](const auto& item) {
      return std::ranges::none_of(file().opens,
                                  [&](const OpenView& view) { return view.open == item.second; });
    });
  }

  template <typename Asked>
  void ask_as(const Value& event, Asked asked) {
    beside_.asked[asked.request] = event;
    ask(std::move(asked));
  }
  template <typename Asked>
  void ask(Asked asked) {
    const RequestId request = asked.request;
    said_.reply = "no reply";
    heard(keep(apply(std::move(asked))), request);
  }
  void tell(EventBody body) { heard(keep(apply(std::move(body))), {}); }

  Effects keep(Effects effects) {
    for (const Effect& effect : effects) {
      if (const auto* persist = std::get_if<Persist>(&effect)) write(beside_.disk, persist->change);
    }
    return effects;
  }

  void heard(const Effects& effects, RequestId request) {
    for (const Effect& effect : effects) {
      if (const auto* r = std::get_if<Reply>(&effect)) {
        heard(*r, request);
      } else if (const auto* p = std::get_if<Parked>(&effect)) {
        if (p->request == request) said_.reply = "parked";
      } else if (const auto* b = std::get_if<SendBreak>(&effect)) {
        said_.add(Value::record({{"what", "break"},
                                 {"client", holder_of(*b)},
                                 {"to", letters(b->to)},
                                 {"ack", b->ack_required}}));
      } else if (const auto* v = std::get_if<Revoked>(&effect)) {
        said_.add(Value::record({{"what", "revoked"}, {"client", names_[v->right]}}));
      } else if (const auto* g = std::get_if<NotifyGranted>(&effect)) {
        said_.add(ended(g->owner, "granted"));
      } else if (const auto* l = std::get_if<NotifyLock>(&effect)) {
        said_.add(ended(l->owner, "granted"));
      }
    }
  }

  void heard(const Reply& reply, RequestId request) {
    auto asked = beside_.asked.find(reply.request);
    const bool known = asked != beside_.asked.end();
    if (known) {
      if (const auto* opened = std::get_if<OpenReply>(&reply.body)) {
        beside_.opens[asked->second["owner"].text] = opened->open;
      }
    }
    const std::string word = word_of(reply, known ? &asked->second : nullptr);
    if (request && reply.request == request) {
      said_.reply = word;
      const auto* holder = std::get_if<Holder>(&reply.body);
      if (holder && holder->kind != Holder::Kind::right && word != "blocked") {
        said_.holder = owner_of(holder->open, holder->owner);
      }
    } else if (waiting_.contains(reply.request)) {
      const Value& id = asked->second["id"];
      said_.add(word == "blocked" ? Value::record({{"what", "blocked"}, {"id", id}})
                                  : ended(id, word));
    }
  }

  /// A lock is granted, not ok; and a NFSv4 lock that is denied while its turn is kept is blocked.
  std::string word_of(const Reply& reply, const Value* asked) const {
    const bool lock = asked && (*asked)["type"].text == "LockRequested";
    if (lock && reply.status == Status::ok) return "granted";
    if (lock && reply.status == Status::denied && v4((*asked)["owner"].text) &&
        (*asked)["wait"].truth()) {
      return "blocked";
    }
    return std::string(name(reply.status));
  }
  static Value ended(const Value& id, const std::string& how) {
    return Value::record({{"what", "ended"}, {"id", id}, {"how", how}});
  }

  // Time passes in this order, and so far apart that no path has time for the next by itself:
  // patience, bars, breaks, grace. Nobody's reservation lapses.
  static constexpr Nanos kPatience = 10 * kSecond;
  static constexpr Nanos kBar = 10'000 * kSecond;
  static constexpr Nanos kBreak = 1'000'000 * kSecond;
  static constexpr Nanos kGrace = 1'000'000'000 * kSecond;
  static constexpr Nanos kReservation = 5'000'000'000 * kSecond;

  Limits limits_;
  Said said_;
  std::map<RightId, std::string> names_;
  std::set<RequestId> waiting_;
};

}  // namespace

std::unique_ptr<Translator> lockstep_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<LockstepModule>(std::move(subject));
}

}  // namespace lockstep::test
