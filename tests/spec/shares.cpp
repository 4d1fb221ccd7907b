// Shares.tla through a machine. Every owner is a client of its own: NFSv4 (one open owner), SMB
// (one open), NLM (one SHARE), or NFSv3.
#include <algorithm>

#include "tests/spec/translator.hpp"
#include "tests/spec/words.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

class Shares : public Translator {
 public:
  explicit Shares(std::unique_ptr<Subject> subject) : Translator(std::move(subject)) {}

  void begin(const Value& scene) override {
    protocols_ = scene["Protocol"];
    policy_.smb_deny_on_nfs_io = scene["smb_deny_on_nfs_io"].truth();
    policy_.unlink_while_open = scene["unlink_while_open"].truth();
    start(Limits{}, {}, 1);
    show_everybody();
  }

  Value happen(const Value& event) override {
    const std::string& type = event["type"].text;
    if (type == "AccessEnded") {  // the name that the last close takes with it is gone
      for (const AccessView& view : std::vector(file().accesses)) apply(AccessEnded{view.request});
      return "ok";
    }
    const std::string& who = event["owner"].text;
    if (type == "ClientLeft") {
      apply(ClientLeft{client(who), LeaveReason::disconnected});
      show_everybody();
      return "ok";
    }
    const RequestId request = next_request();
    if (type == "OpenRequested") {
      OpenRequested asked;
      asked.request = request;
      asked.client = client(who);
      asked.file = kFile;
      asked.owner = smb(who) ? "" : who;
      asked.access = bits(event["access"]);
      asked.deny = bits(event["deny"]);
      asked.policy = policy_;
      return reply(apply(asked), request);
    }
    if (type == "OpenDowngraded") {
      return reply(
          apply(OpenDowngraded{request, open(who), bits(event["access"]), bits(event["deny"])}),
          request);
    }
    if (type == "OpenClosed") return reply(apply(OpenClosed{request, open(who)}), request);
    if (type == "DispositionSet") {
      return reply(apply(DispositionSet{request, open(who), event["remove"].truth()}), request);
    }
    if (type == "LockRequested") return lock(who, request);
    return access(event["operation"].text, who, request);
  }

  Value view() const override {
    std::vector<std::pair<std::string, Value>> opens;
    std::vector<Value> locks;
    for (const std::string& name : protocols_.keys) {
      Access access, deny;
      for (const OpenView& view : file().opens) {
        if (view.client != client(name)) continue;
        access = view.access;
        deny = view.deny;
      }
      opens.emplace_back(name, mode(words(access), words(deny)));
    }
    for (const LockView& lock : file().locks) locks.emplace_back(identity_of(lock.client));
    return Value::record({{"opens", Value::record(opens)},
                          {"locks", Value::set(locks)},
                          {"delete_pending", file().delete_pending}});
  }

  /// Of an owner's OPENs the machine shows the union, of a disposition that it is set.
  Value visible(const Value& state) const override {
    std::vector<std::pair<std::string, Value>> opens;
    for (const std::string& name : protocols_.keys) {
      std::vector<Value> access, deny;
      for (const Value& open : state["opens"][name].items) {
        std::ranges::copy(open["access"].items, std::back_inserter(access));
        std::ranges::copy(open["deny"].items, std::back_inserter(deny));
      }
      opens.emplace_back(name, mode(Value::set(access), Value::set(deny)));
    }
    const bool doomed = !state["doomed"].items.empty() || state["name"].text == "going";
    return Value::record(
        {{"opens", Value::record(opens)}, {"locks", state["locks"]}, {"delete_pending", doomed}});
  }

  bool agrees(const Value& said, const Value& step) const override { return said == step["reply"]; }

 private:
  bool smb(const std::string& who) const { return protocols_[who].text == "smb"; }
  Protocol protocol(const std::string& who) const {
    const std::string& word = protocols_[who].text;
    return word == "smb"   ? Protocol::smb
           : word == "nlm" ? Protocol::nlm
           : word == "v3"  ? Protocol::nfs3
                           : Protocol::nfs41;
  }
  void show_everybody() {
    for (const std::string& name : protocols_.keys) {
      if (!client(name)) {
        apply(ClientArrived{next_request(), protocol(name), name, name, name, 0});
      }
    }
  }
  ClientId client(const std::string& who) const {
    const ClientView* view = client_named(protocol(who), who);
    return view ? view->client : ClientId{};
  }
  OpenId open(const std::string& who) const {
    for (const OpenView& view : file().opens) {
      if (view.client == client(who)) return view.open;
    }
    return {};
  }

  static Value mode(Value access, Value deny) {
    return Value::record({{"access", std::move(access)}, {"deny", std::move(deny)}});
  }

  /// Lock state of an owner: a byte of its own, so that nobody's is in the way.
  Value lock(const std::string& who, RequestId request) {
    LockRequested asked;
    asked.request = request;
    asked.client = client(who);
    asked.open = open(who) ? open(who) : OpenId{~std::uint64_t{0}};
    asked.owner = who;
    asked.file = kFile;
    asked.element = element(who);
    return reply(apply(asked), request);
  }
  static LockElement element(const std::string& who) {
    const auto byte = static_cast<std::uint64_t>(who[0]);
    return {{byte, byte}, LockMode::exclusive};
  }

  /// An access that may go has come and gone in one step.
  Value access(const std::string& operation, const std::string& who, RequestId request) {
    AccessRequested asked;
    asked.request = request;
    asked.client = client(who);
    asked.target = {kFile, operation == "read"    ? Operation::read
                           : operation == "write" ? Operation::write
                                                  : Operation::remove};
    if (operation != "remove") asked.open = open(who);
    asked.range = {0, 0};
    asked.policy = policy_;
    Value said = reply(apply(asked), request);
    if (said.text == "ok") apply(AccessEnded{request});
    return said;
  }

  static Value reply(const Effects& effects, RequestId request) {
    for (const Effect& effect : effects) {
      const auto* reply = std::get_if<Reply>(&effect);
      if (!reply || reply->request != request) continue;
      const auto* closed = std::get_if<CloseReply>(&reply->body);
      return closed && closed->remove ? Value("remove") : Value(name(reply->status));
    }
    return "?";
  }

  Value protocols_;
  Policy policy_;
};

}  // namespace

std::unique_ptr<Translator> shares_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<Shares>(std::move(subject));
}

}  // namespace lockstep::test
