#include "sim/wire/telling.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "sim/wire/witness.hpp"

namespace lockstep::sim::wired {

using namespace core;  // NOLINT: every word of the vocabulary is told here

namespace {

template <class E>
constexpr bool kAsks = requires(E event) { event.request; } && !std::is_same_v<E, AccessEnded>;

/// Whether the conflict relation has a say in it.
bool is_judged(const EventBody& body) {
  return std::holds_alternative<OpenRequested>(body) ||
         std::holds_alternative<LockRequested>(body) || std::holds_alternative<LockTested>(body) ||
         std::holds_alternative<AccessRequested>(body);
}

std::optional<RequestId> request_of(const EventBody& body) {
  return std::visit(
      [](const auto& event) -> std::optional<RequestId> {
        if constexpr (kAsks<std::decay_t<decltype(event)>>) return event.request;
        return std::nullopt;
      },
      body);
}

}  // namespace

/// Events that somebody sends, as who came to do what.
class Teller::Asking {
 public:
  explicit Asking(const Teller& teller) : t_(teller) {}

  Asked operator()(const ClientArrived& e) const { return {t_.world_.at(e.address), "arrive"}; }
  Asked operator()(const ClientLeft& e) const { return {t_.name_of(e.client), "leave"}; }
  Asked operator()(const HostRebooted& e) const {
    return {t_.world_.at(e.address), "say that it has rebooted"};
  }
  Asked operator()(const ReclaimCompleted& e) const {
    return {t_.name_of(e.client), "say that it has reclaimed everything"};
  }
  Asked operator()(const OpenRequested& e) const {
    return {t_.name_of(e.client),
            again(e.reclaim, "open ", "reclaim its open of ") +
                open_words(t_.name_of(e.file), e.access, e.deny, e.wish, e.overwrite)};
  }
  Asked operator()(const OpenDowngraded& e) const {
    return of(e.open, "lower its open of ", " to " + name(e.access));
  }
  Asked operator()(const OpenClosed& e) const { return of(e.open, "close ", ""); }
  Asked operator()(const ShareReleased& e) const {
    return {t_.owner_of(e.client, {}, e.owner), "close " + t_.name_of(e.file)};
  }
  Asked operator()(const DispositionSet& e) const {
    return of(e.open, e.remove ? "delete " : "keep ", "");
  }
  Asked operator()(const LockRequested& e) const {
    std::string what = again(e.reclaim, "lock ", "reclaim ") + ranges(e.file, e.element.range);
    for (const LockElement& other : e.more) what += " and " + t_.span_of(other.range);
    return {t_.owner_of(e.client, e.open, e.owner), what + " " + std::string(name(e.element.mode)) +
                                                        (e.wait == Wait::none ? "" : ", waiting")};
  }
  Asked operator()(const Unlocked& e) const {
    std::string what = "unlock " + ranges(e.file, e.range);
    for (const Range& other : e.more) what += " and " + t_.span_of(other);
    return {t_.owner_of(e.client, e.open, e.owner), what};
  }
  Asked operator()(const LockCancelled& e) const {
    return {t_.owner_of(e.client, {}, e.owner),
            "cancel its lock of " + ranges(e.file, e.element.range)};
  }
  Asked operator()(const RequestCancelled& e) const {
    const Asked asked = t_.asked_by(e.target);
    return {asked.who, "take back: " + asked.what};
  }
  Asked operator()(const LockTested& e) const {
    return {t_.owner_of(e.client, e.open, e.owner),
            "test " + ranges(e.file, e.element.range) + " " + std::string(name(e.element.mode))};
  }
  Asked operator()(const GrantAnswered& e) const {
    return {t_.asked_by(e.grant).who, e.accepted ? "take the grant" : "refuse the grant"};
  }
  Asked operator()(const BreakAcknowledged& e) const {
    return {t_.name_of(e.client), "acknowledge a break down to " + name(e.rights)};
  }
  Asked operator()(const RightReturned& e) const {
    return {t_.name_of(e.client), "give back a right"};
  }
  Asked operator()(const AccessRequested& e) const {
    const Operation operation = e.target.operation;
    std::string what = spoken(name(operation)) + " " +
                       (operation == Operation::read || operation == Operation::write
                            ? ranges(e.target.file, e.range)
                            : t_.name_of(e.target.file));
    for (const Target& other : e.others) what += ", and " + t_.name_of(other.file);
    return {t_.name_of(e.client), std::move(what)};
  }
  template <class Other>
  Asked operator()(const Other&) const {
    return {};
  }

 private:
  static std::string again(Reclaim reclaim, const char* first, const char* later) {
    return reclaim == Reclaim::none ? first : later;
  }
  std::string ranges(FileId file, Range range) const {
    return t_.name_of(file) + " " + t_.span_of(range);
  }
  Asked of(OpenId open, const std::string& before, const std::string& after) const {
    const auto known = t_.opens_.find(open);
    if (known == t_.opens_.end()) return {"somebody", before + "something" + after};
    return {t_.name_of(known->second.client), before + t_.name_of(known->second.file) + after};
  }

  const Teller& t_;
};

// ---- What it knows ------------------------------------------------------------------------------

void Teller::recovers(const Limits& limits, const std::vector<Record>& records, std::uint64_t epoch,
                      Nanos now) {
  if (!explains_) return;
  behind_.emplace(limits);
  Effects effects;
  behind_->recover(records, epoch, now, effects);
}

void Teller::learn(const core::Machine& machine) {
  for (ClientView& client : machine.clients()) clients_[client.client] = std::move(client);
}

void Teller::started(const core::Machine& machine) {
  learn(machine);
  for (const FileView& file : machine.view().files) {
    for (const OpenView& open : file.opens) opens_[open.open] = {open.client, file.file};
  }
  tell_files(machine);
}

void Teller::note(const Event& event) {
  const auto request = request_of(event.body);
  if (!request) return;
  Request& noted = requests_[*request];
  noted = {std::visit(Asking(*this), event.body), {}, {}};
  if (const auto* open = std::get_if<OpenRequested>(&event.body)) {
    noted.file = open->file;
    noted.client = open->client;
  }
}

std::string Teller::name_of(ClientId client) const {
  const auto known = clients_.find(client);
  const std::string name = known == clients_.end() ? "" : world_.at(known->second.address);
  return name.empty() ? "somebody" : name;
}

std::string Teller::owner_of(ClientId client, OpenId open, const std::string& owner) const {
  const auto known = clients_.find(client);
  const bool owns = open || !owner.empty();
  const auto program =
      owns && known != clients_.end() ? world_.program(known->second, open, owner) : std::nullopt;
  return program ? *program : name_of(client);
}

std::string Teller::name_of(FileId file) const {
  std::string name = world_.path(file);
  if (!name.empty()) return name;
  const auto known = names_.find(file);
  return known == names_.end() ? "a file without a name" : known->second;
}

/// Cells, where they are whole; eof as the cell behind the last.
std::string Teller::span_of(Range range) const {
  const std::uint64_t end = std::uint64_t{kCells} * kCellSize;
  const bool whole = !range.empty() && range.first % kCellSize == 0 &&
                     (range.last >= end || range.last % kCellSize == kCellSize - 1);
  if (range.empty()) return "nothing at byte " + std::to_string(range.first);
  if (!whole) {
    return "bytes " + std::to_string(range.first) + "-" +
           (range.last == kEndOfFile ? "eof" : std::to_string(range.last));
  }
  const auto cell = [&](std::uint64_t byte) {
    return std::to_string(std::min<std::uint64_t>(byte / kCellSize, kCells));
  };
  return cell(range.first) + "-" + cell(range.last);
}

Asked Teller::asked_by(RequestId request) const {
  const auto known = requests_.find(request);
  return known == requests_.end() ? Asked{"somebody", "something"} : known->second.asked;
}

// ---- What it tells ------------------------------------------------------------------------------

void Teller::stepped(const Event& event, const Effects& effects, const core::Machine& machine) {
  if (explains_) explain_before(event);
  note(event);
  tell_effects(event, effects);
  if (std::holds_alternative<ClientArrived>(event.body)) learn(machine);
  tell_files(machine);
}

void Teller::explain_before(const Event& event) {
  // What is due goes first, as the core has it.
  Effects unseen;
  if (behind_->next_deadline() <= event.now) behind_->apply({event.now, Tick{}}, unseen);
  const Asked asked = std::visit(Asking(*this), event.body);
  if (!asked.what.empty()) {
    world_.show("server",
                "hears " + (asked.who.empty() ? "somebody" : asked.who) + " " + asked.what);
  }
  const std::string why = is_judged(event.body) ? explain(behind_->explain(event), *this) : "";
  if (!why.empty()) world_.show("server", "  because: " + why);
  behind_->apply(event, unseen);
}

void Teller::tell_effects(const Event& event, const Effects& effects) {
  const auto own = request_of(event.body);
  for (const Effect& effect : effects) {
    const auto* reply = std::get_if<Reply>(&effect);
    if (reply != nullptr) {
      const auto asked = requests_.find(reply->request);
      const auto* open = std::get_if<OpenReply>(&reply->body);
      if (open != nullptr && asked != requests_.end()) {
        opens_[open->open] = {asked->second.client, asked->second.file};
      }
      if (!explains_ && reply->status == Status::ok && own == reply->request) continue;
    }
    std::string text = effect_words(effect, *this);
    const std::string why = explains_ ? reason(effect, event, *this) : "";
    if (!why.empty()) text += ", " + why;
    if (!text.empty()) world_.show("server", text);
  }
}

void Teller::tell_files(const core::Machine& machine) {
  std::map<std::string, std::string> now;
  for (const auto& [column, text] : told_) now[column];
  for (const FileId file : machine.files()) {
    std::string text = holders(machine.view(file), *this);
    if (text == "nobody") continue;
    const std::string path = world_.path(file);
    if (!path.empty()) names_[file] = path;
    if (path.empty()) text.insert(0, "removed: ");
    std::string& column = now[name_of(file)];
    column += (column.empty() ? "" : "; ") + text;
  }
  for (auto& [column, text] : now) {
    if (text.empty()) text = "nobody";
    std::string& before = told_[column];
    if (before == text || (before.empty() && text == "nobody")) continue;
    world_.show(column, text);
    before = text;
  }
}

std::vector<std::string> Teller::files() const {
  std::vector<std::string> names;
  names.reserve(told_.size());
  for (const auto& [column, text] : told_) names.push_back(column);
  return names;
}

}  // namespace lockstep::sim::wired
