// DirRights.tla through a machine. One with a directory delegation is NFSv4.1, one with a directory
// lease SMB, one of flavour "none" NFSv3. The machine knows of no names: whether a change is still
// possible when its turn comes is the file system's to say, which is kept here.
#include <algorithm>

#include "tests/spec/translator.hpp"
#include "tests/spec/words.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

/// What is beside the machine: the directory, and what each parked request is to do to it.
struct Directory {
  std::set<std::string> entries;
  std::map<RequestId, Value> changes;
};

class DirRights : public Translator {
 public:
  explicit DirRights(std::unique_ptr<Subject> subject) : Translator(std::move(subject)) {}

  void begin(const Value& scene) override {
    flavours_ = scene["Flavour"];
    names_ = scene["Names"];
    limits_.break_timeout = limits_.delegation_timeout = 1'000'000 * kSecond;
    start(limits_, {}, 1);
    show_everybody();
  }

  Value happen(const Value& event) override {
    const std::string& type = event["type"].text;
    if (type == "Tick") {
      pass(limits_.delegation_timeout);
      return outcome("ok", apply(Tick{}));
    }
    const std::string& who = event["client"].text;
    if (type == "NoticeArrived") return outcome("ok", {});  // the machine is not told
    if (type == "OpenRequested") return open(event, who);
    if (type == "AccessRequested") return change(event["change"], who);
    if (type == "RequestCancelled") {
      RequestId target;
      for (const WaiterView& waiter : file().waiters) {
        if (identity_of(waiter.client) == who) target = waiter.request;
      }
      return outcome("ok", apply(RequestCancelled{target}));
    }
    if (type == "ClientLeft") {
      const Effects effects = apply(ClientLeft{client(who), LeaveReason::disconnected});
      const Value said = outcome("ok", effects);
      show_everybody();
      return said;
    }
    const RequestId request = next_request();
    if (type == "RightReturned") {
      const RightView* right = right_of(who);
      return answered(apply(RightReturned{request, client(who), right ? right->right : RightId{}}),
                      request);
    }
    Value said = answered(apply(BreakAcknowledged{
                              request, client(who), Flavour::directory_lease, key_of(who), {}, {}}),
                          request);
    // The specification has no handles: a lease that never was is one that fell.
    const bool never = said["reply"].text == "unknown_right";
    return never ? outcome("not_breaking", {}) : said;
  }

  Value view() const override {
    std::vector<std::pair<std::string, Value>> right, recall;
    for (const std::string& name : flavours_.keys) {
      const RightView* held = right_of(name);
      right.emplace_back(name, letters(held ? held->rights : kNoRights));
      recall.emplace_back(name, held && held->breaking);
    }
    std::vector<Value> waiting, entries(directory_.entries.begin(), directory_.entries.end());
    for (const WaiterView& waiter : file().waiters) {
      waiting.push_back(Value::record({{"client", identity_of(waiter.client)},
                                       {"change", directory_.changes.at(waiter.request)}}));
    }
    return Value::record({{"entries", Value::set(entries)},
                          {"right", Value::record(right)},
                          {"recall", Value::record(recall)},
                          {"waiting", Value::tuple(waiting)},
                          {"backoff", file().no_delegation_until != 0}});
  }

  /// Listings and what is on its way to clients are theirs; for whom a change waits is not shown.
  Value visible(const Value& state) const override {
    std::vector<Value> waiting;
    for (const Value& waiter : state["waiting"].items) {
      waiting.push_back(
          Value::record({{"client", waiter["client"]}, {"change", waiter["change"]}}));
    }
    return Value::record({{"entries", state["entries"]},
                          {"right", state["right"]},
                          {"recall", state["recall"]},
                          {"waiting", Value::tuple(waiting)},
                          {"backoff", state["backoff"]}});
  }

  bool agrees(const Value& said, const Value& step) const override {
    return said["reply"] == step["reply"] && said["told"] == step["told"];
  }

 protected:
  std::any save_more() const override { return directory_; }
  void load_more(const std::any& more) override { directory_ = std::any_cast<Directory>(more); }

 private:
  Flavour flavour(const std::string& who) const { return flavour_of(flavours_[who].text); }
  bool smb(const std::string& who) const { return flavour(who) == Flavour::directory_lease; }
  bool delegated(const std::string& who) const { return is_delegation(flavour(who)); }
  Protocol protocol(const std::string& who) const {
    return smb(who) ? Protocol::smb : delegated(who) ? Protocol::nfs41 : Protocol::nfs3;
  }
  void show_everybody() {
    for (const std::string& name : flavours_.keys) {
      if (client(name)) continue;
      apply(ClientArrived{next_request(), protocol(name), name, name, name, 0});
      if (delegated(name)) apply(CallbackPathChanged{client(name), true});
    }
  }
  ClientId client(const std::string& who) const {
    const ClientView* view = client_named(protocol(who), who);
    return view ? view->client : ClientId{};
  }
  const RightView* right_of(const std::string& who) const {
    for (const RightView& view : file().rights) {
      if (view.client == client(who)) return &view;
    }
    return nullptr;
  }

  /// A client keeps one handle of the directory: the oldest, which its changes go through.
  Value open(const Value& event, const std::string& who) {
    const bool had = right_of(who) && delegated(who);
    const OpenId handle = open_of(who);
    OpenRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.file = kFile;
    asked.owner = smb(who) ? "" : who;
    asked.access = {AccessBit::read};
    asked.directory = true;
    asked.wish.flavour = flavour(who);
    asked.wish.rights = event["wish"].contains("H") ? kRH : kR;
    if (smb(who)) asked.wish.key = key_of(who);
    OpenReply opened;
    for (const Effect& effect : apply(asked)) {
      const auto* reply = std::get_if<Reply>(&effect);
      if (reply && std::holds_alternative<OpenReply>(reply->body)) {
        opened = std::get<OpenReply>(reply->body);
      }
    }
    if (handle && handle != opened.open) apply(OpenClosed{next_request(), opened.open});
    return outcome(opened.rights.empty() || had ? "unavailable" : "ok", {});
  }
  OpenId open_of(const std::string& who) const {
    for (const OpenView& view : file().opens) {
      if (view.client == client(who)) return view.open;
    }
    return {};
  }

  Value change(const Value& change, const std::string& who) {
    if (!possible(change)) return outcome("no_such_name", {});
    AccessRequested asked;
    asked.request = next_request();
    asked.client = client(who);
    asked.open = open_of(who);
    asked.target = {kFile, Operation::change_directory};
    if (smb(who)) asked.parent_key = key_of(who);
    directory_.changes[asked.request] = change;
    return answered(apply(asked), asked.request);
  }

  bool has(const Value& name) const { return directory_.entries.contains(name.text); }
  const Value* free_name() const {
    for (const Value& name : names_.items) {
      if (!has(name)) return &name;
    }
    return nullptr;
  }
  bool possible(const Value& change) const {
    const std::string& kind = change["kind"].text;
    if (kind == "add") return !has(change["name"]);
    return has(change["name"]) && (kind == "remove" || free_name());
  }
  void make(const Value& change) {
    const std::string& kind = change["kind"].text;
    const Value* free = free_name();
    if (kind != "add") directory_.entries.erase(change["name"].text);
    if (kind == "add") directory_.entries.insert(change["name"].text);
    if (kind == "rename") directory_.entries.insert(free->text);
  }

  /// The reply to one request, and who of those that waited was told what; what was let through is
  /// done and over.
  Value answered(const Effects& effects, RequestId request) {
    std::string reply = "?";
    std::vector<Value> told;
    for (const Effect& effect : effects) {
      if (const auto* parked = std::get_if<Parked>(&effect)) {
        if (parked->request == request) reply = "parked";
      }
      const auto* answer = std::get_if<Reply>(&effect);
      if (!answer) continue;
      std::string word(name(answer->status));
      auto change = directory_.changes.extract(answer->request);
      std::string who;
      if (change && answer->status == Status::ok) {
        for (const AccessView& view : file().accesses) {
          if (view.request == answer->request) who = identity_of(view.client);
        }
        if (possible(change.mapped())) {
          make(change.mapped());
        } else {
          word = "no_such_name";
        }
        apply(AccessEnded{answer->request});
      }
      if (answer->request == request) {
        reply = word;
      } else if (answer->status == Status::ok) {
        told.push_back(Value::tuple({who, word}));
      }
    }
    return Value::record({{"reply", reply}, {"told", Value::set(told)}});
  }
  Value outcome(const std::string& reply, const Effects& effects) {
    return Value::record({{"reply", reply}, {"told", answered(effects, {})["told"]}});
  }

  Value flavours_, names_;
  Limits limits_;
  Directory directory_;
};

}  // namespace

std::unique_ptr<Translator> dir_rights_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<DirRights>(std::move(subject));
}

}  // namespace lockstep::test
