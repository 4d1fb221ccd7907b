// Grace.tla through a machine, its journal and its crashes. The one lock of the module is a byte
// range where all clients are NLM hosts, else an open that denies writers, or admits nobody.
#include <algorithm>
#include <tuple>

#include "tests/spec/translator.hpp"
#include "tests/spec/words.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

constexpr Nanos kLease = 10'000'000 * kSecond;
constexpr Nanos kGrace = 100'000'000 * kSecond;

/// What survives a crash, and what is on its way there.
struct Disk {
  std::map<std::string, Record> records;     ///< by encoded key
  std::vector<std::vector<Change>> journal;  ///< a batch for each step that changed something
  std::uint64_t epoch = 0;
  bool up = false;
};

class Grace : public Translator {
 public:
  explicit Grace(std::unique_ptr<Subject> subject) : Translator(std::move(subject)) {}

  void begin(const Value& scene) override {
    kinds_ = scene["Kind"];
    ranges_ = std::ranges::all_of(kinds_.items, [](auto& kind) { return kind.text == "nlm"; });
    limits_.grace = kGrace;
    limits_.courtesy = 100 * kGrace;
    limits_.grace_scope =
        scene["grace_scope"].text == "all" ? GraceScope::all : GraceScope::recorded;
    start(limits_, {}, 1);
  }

  Value happen(const Value& event) override {
    const std::string& type = event["type"].text;
    if (type == "Recovered") return recover();
    if (type == "Crashed") {
      disk_.up = false;
      disk_.journal.clear();
      return "ok";
    }
    if (type == "JournalWritten") {
      for (const Change& change : disk_.journal.front()) write(disk_.records, change);
      disk_.journal.erase(disk_.journal.begin());
      return "ok";
    }
    if (type == "JournalChanged") {
      step(JournalChanged{event["failed"].truth()});
      return "ok";
    }
    if (type == "Tick") {
      wait_until(seen().grace_until, {});
      step(Tick{});
      return "ok";
    }
    const std::string& who = event["client"].text;
    const RequestId request = next_request();
    if (type == "LockRequested") return lock(event, who, request);
    if (type == "Unlocked") return unlock(who, request);
    if (type == "ReclaimCompleted")
      return said(step(ReclaimCompleted{request, client(who)}), request);
    if (type == "ClientArrived") {
      const Nanos lease = protocol(who) == Protocol::nlm ? 0 : kLease;
      step(ClientArrived{request, protocol(who), who, who, who, lease});
      return "ok";
    }
    if (type == "ClientRenewed") {
      const bool lost = client_named(protocol(who), who)->lost_state;
      step(ClientRenewed{client(who)});
      return lost ? "expired" : "ok";
    }
    if (type == "LeaseEnded") {
      wait_until(client_named(protocol(who), who)->lease_until, who);
      step(Tick{});
      return "ok";
    }
    step(ClientLeft{client(who), LeaveReason::rebooted});
    return "ok";
  }

  Value view() const override {
    std::vector<std::pair<std::string, Value>> held, recovered, record;
    std::vector<Value> courtesy, lost, known, disk_lost;
    for (const std::string& name : kinds_.keys) {
      held.emplace_back(name, disk_.up ? mode_of(name, false) : "none");
      recovered.emplace_back(name, disk_.up ? mode_of(name, true) : "none");
      const ClientView* view = disk_.up ? client_named(protocol(name), name) : nullptr;
      if (view && view->lost_state) lost.emplace_back(name);
      // Who has lost everything is nobody's concern.
      if (view && view->courtesy && view->opens + view->locks > 0) courtesy.emplace_back(name);
      record.emplace_back(name, "none");
    }
    for (const auto& [key, each] : disk_.records) {
      if (const auto* c = std::get_if<ClientRecord>(&each)) {
        known.emplace_back(c->identity);
        if (c->lost_state) disk_lost.emplace_back(c->identity);
      } else if (const auto* l = std::get_if<LockRecord>(&each)) {
        set(record, owner_on_disk(l->client), word(l->mode));
      } else if (const auto* o = std::get_if<OpenRecord>(&each)) {
        set(record, owner_on_disk(o->client), word(o->access));
      }
    }
    return Value::record({{"phase", !disk_.up      ? "down"
                                    : seen().grace ? "grace"
                                                   : "normal"},
                          {"held", Value::record(held)},
                          {"recovered", Value::record(recovered)},
                          {"courtesy", Value::set(courtesy)},
                          {"lost", Value::set(lost)},
                          {"failed", disk_.up && seen().journal_failed},
                          {"journal", static_cast<int>(disk_.journal.size())},
                          {"disk", Value::record({{"record", Value::record(record)},
                                                  {"known", Value::set(known)},
                                                  {"lost", Value::set(disk_lost)}})}});
  }

  /// What clients believe is not the machine's to know; the journal is compared by what it does to
  /// the disk, and by its length.
  Value visible(const Value& state) const override {
    const Value& disk = state["disk"];
    return Value::record({{"phase", state["phase"]},
                          {"held", state["held"]},
                          {"recovered", state["recovered"]},
                          {"courtesy", state["courtesy"]},
                          {"lost", state["lost"]},
                          {"failed", state["failed"]},
                          {"journal", static_cast<int>(state["journal"].size())},
                          {"disk", Value::record({{"record", disk["record"]},
                                                  {"known", disk["known"]},
                                                  {"lost", disk["lost"]}})}});
  }

  bool agrees(const Value& said, const Value& step) const override { return said == step["reply"]; }

 protected:
  std::any save_more() const override { return disk_; }
  void load_more(const std::any& more) override { disk_ = std::any_cast<const Disk&>(more); }

 private:
  Protocol protocol(const std::string& who) const {
    const std::string& kind = kinds_[who].text;
    return kind == "v41" ? Protocol::nfs41 : kind == "v40" ? Protocol::nfs40 : Protocol::nlm;
  }
  ClientId client(const std::string& who) const {
    const ClientView* view = client_named(protocol(who), who);
    return view ? view->client : ClientId{};
  }
  static std::string word(LockMode mode) { return std::string(name(mode)); }
  static std::string word(Access access) {
    return word(access.has(AccessBit::write) ? LockMode::exclusive : LockMode::shared);
  }
  static void set(std::vector<std::pair<std::string, Value>>& fields, const std::string& key,
                  const std::string& word) {
    for (auto& [name, value] : fields) {
      if (name == key) value = word;
    }
  }
  std::string owner_on_disk(ClientId id) const {
    for (const auto& [key, each] : disk_.records) {
      const auto* record = std::get_if<ClientRecord>(&each);
      if (record && record->client == id) return record->identity;
    }
    return "?";
  }
  std::string mode_of(const std::string& who, bool recovered) const {
    for (const LockView& view : file().locks) {
      if (view.client == client(who) && view.recovered == recovered) return word(view.mode);
    }
    for (const OpenView& view : file().opens) {
      if (view.client != client(who)) continue;
      if (view.recovered == recovered) return word(view.access);
      // Reclaimed in part: the record keeps the whole.
      if (recovered && recorded(view.open).access != view.access) {
        return word(recorded(view.open).access);
      }
    }
    return "none";
  }
  /// The record of an open as it will be when all that is on its way is on disk.
  OpenRecord recorded(OpenId open) const {
    OpenRecord last;
    auto look = [&](const Record& record) {
      const auto* found = std::get_if<OpenRecord>(&record);
      if (found && found->open == open) last = *found;
    };
    for (const auto& [key, record] : disk_.records) look(record);
    for (const std::vector<Change>& batch : disk_.journal) {
      for (const Change& change : batch) look(change.record);
    }
    return last;
  }

  /// One event, one batch for the journal if it changed anything or promises something.
  Effects step(EventBody body) { return keep(apply(std::move(body))); }
  Effects keep(Effects effects) {
    std::vector<Change> batch;
    bool promises = false;
    for (const Effect& effect : effects) {
      if (const auto* persist = std::get_if<Persist>(&effect)) batch.push_back(persist->change);
      const auto* reply = std::get_if<Reply>(&effect);
      promises = promises ||
                 (reply && reply->durable && !std::holds_alternative<ClientReply>(reply->body));
    }
    if (!batch.empty() || promises) disk_.journal.push_back(std::move(batch));
    return effects;
  }

  Value recover() {
    std::vector<Record> records;
    for (const auto& [key, record] : disk_.records) {
      records.push_back(record);
      if (const auto* boot = std::get_if<BootRecord>(&record)) disk_.epoch = boot->epoch;
    }
    disk_.up = true;
    keep(start(limits_, records, disk_.epoch + 1));
    return "ok";
  }

  /// Time passes until `end`; everybody who is there renews his lease, but for one.
  void wait_until(Nanos end, const std::string& but) {
    auto renew = [&] {
      for (const ClientView& view : std::vector(seen().clients)) {
        if (view.lease_until == kNever || view.courtesy) continue;
        if (view.lost_state && !seen().grace) continue;  // it would hear of it
        if (view.identity != but) apply(ClientRenewed{view.client});
      }
    };
    renew();
    while (now() + kLease / 2 < end) {
      pass(kLease / 2);
      renew();
    }
    if (now() < end) pass(end - now());
  }

  Value lock(const Value& event, const std::string& who, RequestId request) {
    const bool again = event["reclaim"].truth();
    Value answer;
    if (ranges_) {
      LockRequested asked;
      asked.request = request;
      asked.client = client(who);
      asked.owner = who;
      asked.file = kFile;
      asked.element = {{0, 0},
                       event["mode"].text == "exclusive" ? LockMode::exclusive : LockMode::shared};
      asked.reclaim = again ? Reclaim::previous : Reclaim::none;
      answer = said(step(asked), request);
    } else {
      OpenRequested asked;
      asked.request = request;
      asked.client = client(who);
      asked.owner = who;
      asked.file = kFile;
      asked.access = {AccessBit::read};
      asked.deny = {AccessBit::write};
      if (event["mode"].text == "exclusive") {
        asked.access = asked.deny = {AccessBit::read, AccessBit::write};
      }
      asked.reclaim = again ? Reclaim::previous : Reclaim::none;
      answer = said(step(asked), request);
    }
    if (answer.text == "ok") return again ? "reclaimed" : "granted";
    return answer.text == "share_conflict" ? Value("denied") : answer;
  }

  /// A client gives back what it has, claimed again or not; who has nothing has nothing to say.
  Value unlock(const std::string& who, RequestId request) {
    for (const OpenView& view : file().opens) {
      if (view.client == client(who)) return said(step(OpenClosed{request, view.open}), request);
    }
    if (!ranges_) return "ok";
    return said(step(Unlocked{request, client(who), {}, who, kFile, {0, 0}, {}}), request);
  }

  static Value said(const Effects& effects, RequestId request) {
    for (const Effect& effect : effects) {
      const auto* reply = std::get_if<Reply>(&effect);
      if (reply && reply->request == request) return name(reply->status);
    }
    return "?";
  }

  Value kinds_;
  bool ranges_ = false;
  Limits limits_;
  Disk disk_;
};

}  // namespace

std::unique_ptr<Translator> grace_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<Grace>(std::move(subject));
}

}  // namespace lockstep::test
