#include "shell/admin/report.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

namespace lockstep::admin {

namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string printable(std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F) return hex(bytes);
  }
  return std::string(bytes);
}

void put_client(Json& entry, core::ClientId id, const Lens& lens) {
  const auto found = lens.clients.find(id);
  if (found == lens.clients.end()) {
    entry["protocol"] = "?";
    entry["client"] = id.value == 0 ? "" : "client " + std::to_string(id.value);
    return;
  }
  const core::ClientView& client = found->second;
  entry["protocol"] = core::name(client.protocol);
  entry["client"] = printable(client.label.empty() ? client.address : client.label);
}

std::string owner_text(core::ClientId client, const std::string& owner, core::OpenId open,
                       const Lens& lens) {
  if (owner.empty()) return open ? "open " + std::to_string(open.value) : "";
  const auto found = lens.clients.find(client);
  return text_of_owner(found == lens.clients.end() ? core::Protocol::admin : found->second.protocol,
                       owner);
}

std::int64_t wall_of(core::Nanos when, const Lens& lens) {
  return lens.wall_nanos + static_cast<std::int64_t>(when) - static_cast<std::int64_t>(lens.now);
}

double seconds(core::Nanos from, core::Nanos to) {
  const core::Nanos whole = to > from ? (to - from) / core::kMillisecond : 0;
  return static_cast<double>(whole) / 1000.0;
}

void put_since(Json& entry, core::Nanos since, const Lens& lens) {
  entry["since"] = text_of_time(wall_of(since, lens));
  entry["age_seconds"] = seconds(since, lens.now);
}

/// Nothing for what has no end.
void put_deadline(Json& entry, core::Nanos deadline, const Lens& lens) {
  if (deadline == core::kNever) {
    entry["deadline"] = nullptr;
    return;
  }
  entry["deadline"] = text_of_time(wall_of(deadline, lens));
  entry["deadline_in_seconds"] = seconds(lens.now, deadline);
}

Json lock_entry(const core::LockView& lock, const Lens& lens) {
  Json entry;
  put_client(entry, lock.client, lens);
  entry["kind"] = "lock";
  entry["owner"] = owner_text(lock.client, lock.owner, lock.open, lens);
  entry["mode"] = core::name(lock.mode);
  entry["range"] = text_of(lock.range);
  entry["first"] = lock.range.first;
  entry["last"] = lock.range.last;
  put_since(entry, lock.since, lens);
  entry["deadline"] = nullptr;
  entry["recovered"] = lock.recovered;
  return entry;
}

Json right_entry(const core::RightView& right, const Lens& lens) {
  Json entry;
  put_client(entry, right.client, lens);
  entry["kind"] = core::name(right.flavour);
  const std::string_view key(reinterpret_cast<const char*>(right.key.bytes.data()),
                             right.key.bytes.size());
  entry["owner"] =
      right.flavour == core::Flavour::lease || right.flavour == core::Flavour::directory_lease
          ? "key " + hex(key)
          : owner_text(right.client, {}, right.open, lens);
  entry["mode"] = core::name(right.rights);
  if (right.breaking) entry["breaking_to"] = core::name(right.breaking_to);
  put_since(entry, right.since, lens);
  put_deadline(entry, right.breaking ? right.deadline : core::kNever, lens);
  entry["recovered"] = right.recovered;
  return entry;
}

Json open_entry(const core::OpenView& open, const Lens& lens) {
  Json entry;
  put_client(entry, open.client, lens);
  entry["open"] = open.open.value;
  entry["owner"] = owner_text(open.client, open.owner, open.open, lens);
  entry["access"] = core::name(open.access);
  entry["deny"] = core::name(open.deny);
  entry["attributes_only"] = open.attributes_only;
  entry["right"] = open.right.value;
  entry["recovered"] = open.recovered;
  return entry;
}

Json waiter_entry(const core::WaiterView& waiter, const Lens& lens) {
  Json entry;
  put_client(entry, waiter.client, lens);
  entry["request"] = waiter.request.value;
  entry["owner"] = owner_text(waiter.client, waiter.owner, waiter.open, lens);
  entry["what"] = waiter.what;
  if (waiter.what == "lock") {
    entry["mode"] = core::name(waiter.element.mode);
    entry["range"] = text_of(waiter.element.range);
  }
  Json reasons = Json::array();
  if (waiter.for_breaks) reasons.push_back("breaks");
  if (waiter.for_locks) reasons.push_back("locks");
  if (waiter.for_accesses) reasons.push_back("accesses");
  if (waiter.for_grace) reasons.push_back("grace");
  entry["waits_for"] = std::move(reasons);
  put_since(entry, waiter.since, lens);
  put_deadline(entry, waiter.until, lens);
  return entry;
}

/// Entries of one kind from every file, each with its file in front.
template <class Member, class Make>
void gather(Json& all, const core::FileView& file, const std::vector<Member>& members,
            const Lens& lens, Make make) {
  for (const Member& member : members) {
    Json entry;
    entry["file"] = text_of_file(file.file, lens);
    entry.update(make(member, lens));
    all.push_back(std::move(entry));
  }
}

const char* kind_name(core::Holder::Kind kind) {
  switch (kind) {
    case core::Holder::Kind::lock:
      return "lock";
    case core::Holder::Kind::reservation:
      return "reservation";
    case core::Holder::Kind::open:
      return "open";
    case core::Holder::Kind::right:
      return "right";
    case core::Holder::Kind::access:
      return "access";
  }
  return "?";
}

Json holder_entry(const core::Holder& holder, const Lens& lens) {
  Json entry;
  entry["protocol"] = core::name(holder.protocol);
  entry["client"] = printable(holder.label);
  entry["kind"] = kind_name(holder.kind);
  entry["owner"] = holder.owner.empty() ? owner_text(holder.client, {}, holder.open, lens)
                                        : text_of_owner(holder.protocol, holder.owner);
  entry["mode"] = core::name(holder.mode);
  entry["range"] = text_of(holder.range);
  return entry;
}

}  // namespace

std::string text_of(core::Range range) {
  if (range.never_clashes()) return "empty at 0";
  if (range.empty()) return "empty at " + std::to_string(range.first);
  const std::string last = range.last == core::kEndOfFile ? "end" : std::to_string(range.last);
  return std::to_string(range.first) + "-" + last;
}

std::string text_of_owner(core::Protocol protocol, const std::string& owner) {
  if (protocol != core::Protocol::nlm || owner.size() < 4) return printable(owner);
  std::uint32_t svid = 0;
  for (std::size_t i = 0; i < 4; ++i) svid = svid << 8 | static_cast<unsigned char>(owner[i]);
  return "svid " + std::to_string(static_cast<std::int32_t>(svid)) + " " +
         printable(std::string_view(owner).substr(4));
}

std::string text_of_file(core::FileId file, const Lens& lens) {
  std::string path = lens.path ? lens.path(file) : std::string();
  if (!path.empty()) return path;
  return "inode " + std::to_string(file.node) + " of volume " + std::to_string(file.volume);
}

std::string text_of_time(std::int64_t wall_nanos) {
  const std::time_t seconds = static_cast<std::time_t>(wall_nanos / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Json locks_of(const std::vector<core::FileView>& files, const Lens& lens) {
  Json all = Json::array();
  for (const core::FileView& file : files) {
    gather(all, file, file.locks, lens, lock_entry);
    gather(all, file, file.rights, lens, right_entry);
  }
  return all;
}

Json opens_of(const std::vector<core::FileView>& files, const Lens& lens) {
  Json all = Json::array();
  for (const core::FileView& file : files) gather(all, file, file.opens, lens, open_entry);
  return all;
}

Json waiters_of(const std::vector<core::FileView>& files, const Lens& lens) {
  Json all = Json::array();
  for (const core::FileView& file : files) gather(all, file, file.waiters, lens, waiter_entry);
  return all;
}

Json clients_of(const Lens& lens) {
  Json all = Json::array();
  for (const auto& [id, client] : lens.clients) {
    Json entry;
    entry["id"] = id.value;
    entry["protocol"] = core::name(client.protocol);
    entry["client"] = printable(client.label);
    entry["address"] = client.address;
    entry["identity"] = printable(client.identity);
    entry["opens"] = client.opens;
    entry["locks"] = client.locks;
    entry["rights"] = client.rights;
    entry["waiters"] = client.waiters;
    entry["reclaiming"] = client.reclaiming;
    entry["courtesy"] = client.courtesy;
    entry["lost_state"] = client.lost_state;
    entry["lease_until"] = client.lease_until == core::kNever
                               ? Json(nullptr)
                               : Json(text_of_time(wall_of(client.lease_until, lens)));
    all.push_back(std::move(entry));
  }
  return all;
}

Json grace_of(const core::StateView& state, const Lens& lens) {
  Json report;
  report["grace"] = state.grace;
  if (state.grace) {
    report["until"] = text_of_time(wall_of(state.grace_until, lens));
    report["seconds_left"] = seconds(lens.now, state.grace_until);
  }
  Json roster = Json::array();
  for (const auto& [id, client] : lens.clients) {
    if (!client.reclaiming) continue;
    Json entry;
    put_client(entry, id, lens);
    entry["address"] = client.address;
    roster.push_back(std::move(entry));
  }
  report["reclaiming"] = std::move(roster);
  return report;
}

Json file_of(const core::FileView& file, const Lens& lens) {
  Json report;
  report["file"] = text_of_file(file.file, lens);
  report["node"] = file.file.node;
  report["generation"] = file.file.generation;
  report["volume"] = file.file.volume;
  report["delete_pending"] = file.delete_pending;
  report["opens"] = Json::array();
  for (const auto& open : file.opens) report["opens"].push_back(open_entry(open, lens));
  report["locks"] = Json::array();
  for (const auto& lock : file.locks) report["locks"].push_back(lock_entry(lock, lens));
  for (const auto& right : file.rights) report["locks"].push_back(right_entry(right, lens));
  report["waiters"] = Json::array();
  for (const auto& waiter : file.waiters) report["waiters"].push_back(waiter_entry(waiter, lens));
  report["accesses"] = Json::array();
  for (const auto& access : file.accesses) {
    Json entry;
    put_client(entry, access.client, lens);
    entry["what"] = core::name(access.operation);
    entry["range"] = text_of(access.range);
    report["accesses"].push_back(std::move(entry));
  }
  return report;
}

Json answer_of(const Question& question, const Lens& lens) {
  Json report;
  report["request"] = question.what;
  report["answer"] = core::name(question.answer.status);
  report["waits_for_grace"] = question.answer.waits_for_grace;
  report["held_by"] = Json::array();
  for (const auto& holder : question.answer.held_by) {
    report["held_by"].push_back(holder_entry(holder, lens));
  }
  report["to_break"] = Json::array();
  for (const auto& right : question.answer.to_break) {
    report["to_break"].push_back(right_entry(right, lens));
  }
  return report;
}

std::vector<std::pair<std::string, core::EventBody>> questions_about(core::FileId file,
                                                                     core::ClientId over_nfs,
                                                                     core::ClientId over_smb) {
  std::vector<std::pair<std::string, core::EventBody>> questions;
  const std::pair<const char*, core::Operation> accesses[] = {
      {"NFS read", core::Operation::read},
      {"NFS write", core::Operation::write},
      {"NFS remove", core::Operation::remove},
      {"NFS rename", core::Operation::rename_source}};
  for (const auto& [what, operation] : accesses) {
    core::AccessRequested access;
    access.client = over_nfs;
    access.target = {file, operation};
    questions.emplace_back(what, access);
  }
  for (const core::LockMode mode : {core::LockMode::shared, core::LockMode::exclusive}) {
    core::LockRequested lock;
    lock.client = over_nfs;
    lock.owner = "explain";
    lock.file = file;
    lock.element.mode = mode;
    questions.emplace_back("NFS lock, " + std::string(core::name(mode)) + ", whole file", lock);
  }
  const std::pair<const char*, core::Access> opens[] = {
      {"SMB open to read", core::AccessBit::read},
      {"SMB open to read and write", {core::AccessBit::read, core::AccessBit::write}},
      {"SMB open to delete", core::AccessBit::remove}};
  for (const auto& [what, access] : opens) {
    core::OpenRequested open;
    open.client = over_smb;
    open.file = file;
    open.access = access;
    questions.emplace_back(what, open);
  }
  return questions;
}

}  // namespace lockstep::admin
