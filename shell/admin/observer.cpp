#include "shell/admin/observer.hpp"

#include <fmt/format.h>

#include <string_view>
#include <variant>

#include "shell/admin/log.hpp"

namespace lockstep::admin {

namespace {

using Thing = core::ConflictSeen::Thing;
using Resolution = core::ConflictSeen::Resolution;

constexpr std::string_view kThings[] = {"nfs_lock",  "nfs_open", "nfs_delegation",
                                        "smb_lease", "smb_lock", "smb_open"};
constexpr std::string_view kResolutions[] = {"denied", "break_initiated", "break_completed"};
/// What the metrics call a cause.
constexpr std::string_view kTriggers[] = {"open",   "open",   "open",  "open",  "open",
                                          "read",   "write",  "lock",  "lock",  "lock",
                                          "rename", "remove", "other", "other", "other"};
static_assert(std::size(kTriggers) == core::kCauses);

template <class Enum, std::size_t N>
std::string_view name_in(const std::string_view (&names)[N], Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : "?";
}

bool is_smb(Thing thing) { return thing >= Thing::smb_lease; }

std::string_view family(bool nfs) { return nfs ? "nfs" : "smb"; }

std::string target_of(const core::ConflictSeen& conflict) {
  if (conflict.conflicting != Thing::smb_lease) {
    return std::string(name_in(kThings, conflict.conflicting));
  }
  return conflict.handle_only ? "smb_handle_lease" : "smb_write_lease";
}

std::string seconds_text(core::Nanos nanos) {
  const std::string micros = std::to_string(nanos / 1000 % 1'000'000);
  return std::to_string(nanos / core::kSecond) + "." + std::string(6 - micros.size(), '0') + micros;
}

void help(std::string& out, std::string_view name, std::string_view type, std::string_view text) {
  out.append("# HELP ").append(name).append(" ").append(text).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void counter(std::string& out, std::string_view name, std::string_view text, std::uint64_t value) {
  help(out, name, "counter", text);
  out.append(name).append(" ").append(std::to_string(value)).append("\n");
}

/// One series for each value of the enum that was counted.
template <class Enum, std::size_t N>
void counters(std::string& out, std::string_view name, std::string_view text,
              std::string_view label, const std::array<std::uint64_t, N>& values) {
  help(out, name, "counter", text);
  for (std::size_t index = 0; index < N; ++index) {
    if (values[index] == 0) continue;
    out.append(name).append("{").append(label).append("=\"");
    out.append(core::name(static_cast<Enum>(index))).append("\"} ");
    out.append(std::to_string(values[index])).append("\n");
  }
}

}  // namespace

void BreakDurations::add(core::Nanos duration) {
  core::Nanos bound = 100 * core::kMillisecond;
  for (std::uint64_t& bucket : up_to_) {
    if (duration <= bound) ++bucket;
    bound *= 2;
  }
  ++count_;
  sum_ += duration;
}

std::string BreakDurations::text(const std::string& name, const std::string& labels) const {
  std::string out;
  core::Nanos bound = 100 * core::kMillisecond;
  for (const std::uint64_t bucket : up_to_) {
    out += fmt::format("{}_bucket{{{},le=\"{}.{}\"}} {}\n", name, labels, bound / core::kSecond,
                       bound / (100 * core::kMillisecond) % 10, bucket);
    bound *= 2;
  }
  out += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, count_);
  out += fmt::format("{}_sum{{{}}} {}\n", name, labels, seconds_text(sum_));
  out += fmt::format("{}_count{{{}}} {}\n", name, labels, count_);
  return out;
}

void Observer::recovered(const std::vector<core::Record>& records) {
  for (const core::Record& record : records) {
    if (const auto* client = std::get_if<core::ClientRecord>(&record)) {
      labels_[client->client] = client->label;
    }
  }
}

void Observer::after_step(const core::Event& event, const core::Effects& effects) {
  ++steps_;
  const auto* arrived = std::get_if<core::ClientArrived>(&event.body);
  arriving_ = arrived ? arrived->label : std::string();
  for (const core::Effect& effect : effects) {
    std::visit([this](const auto& one) { on(one); }, effect);
  }
  if (const auto* left = std::get_if<core::ClientLeft>(&event.body)) labels_.erase(left->client);
}

std::string Observer::client(core::ClientId id) const {
  const auto found = labels_.find(id);
  if (found != labels_.end() && !found->second.empty()) return found->second;
  return "client " + std::to_string(id.value);
}

void Observer::on(const core::ConflictSeen& conflict) {
  const bool nfs = core::is_nfs(conflict.initiator);
  ++conflicts_[{nfs, conflict.conflicting, conflict.resolution}];
  const std::string trigger =
      std::string(family(nfs)) + "_" + std::string(name_in(kTriggers, conflict.trigger));
  if (conflict.resolution == Resolution::break_completed) {
    durations_[{trigger, target_of(conflict)}].add(conflict.duration);
  }
  if (!log::enabled(log::Level::info)) return;
  const log::Field file("file", path_(conflict.file));
  const log::Field resolution("resolution", name_in(kResolutions, conflict.resolution));
  log::info("cross-protocol conflict", {{"initiator", family(nfs)},
                                        {"conflicting", target_of(conflict)},
                                        resolution,
                                        {"trigger", trigger},
                                        file,
                                        {"by", client(conflict.by)},
                                        {"with", client(conflict.with)},
                                        {"seconds", seconds_text(conflict.duration)}});
}

void Observer::on(const core::Revoked& revoked) {
  ++revoked_;
  constexpr std::string_view kReasons[] = {"free_all",  "rebooted", "disconnected",
                                           "destroyed", "expired",  "administrator"};
  log::warn(revoked.right ? "caching right revoked" : "state of a client revoked",
            {{"client", client(revoked.client)},
             {"file", path_(revoked.file)},
             {"reason", name_in(kReasons, revoked.reason)}});
}

void Observer::on(const core::Persist& persist) {
  if (const auto* record = std::get_if<core::ClientRecord>(&persist.change.record)) {
    if (!persist.change.erase) labels_[record->client] = record->label;
  }
}

void Observer::on(const core::Reply& reply) {
  ++replies_.at(static_cast<std::size_t>(reply.status));
  const auto* arrived = std::get_if<core::ClientReply>(&reply.body);
  if (arrived != nullptr && !arriving_.empty()) labels_[arrived->client] = arriving_;
}

void Observer::on(const core::GraceEnded&) { log::info("grace period ended"); }

void Observer::on(const core::SendBreak& notice) {
  ++breaks_.at(static_cast<std::size_t>(notice.flavour));
}

std::string Observer::text() const {
  std::string out;
  const std::string conflicts = "cross_protocol_conflict_total";
  help(out, conflicts, "counter", "Requests of one family that met state of the other.");
  for (const bool nfs : {true, false}) {
    for (std::size_t thing = 0; thing < std::size(kThings); ++thing) {
      if (nfs != is_smb(static_cast<Thing>(thing))) continue;
      for (std::size_t how = 0; how < std::size(kResolutions); ++how) {
        const auto found =
            conflicts_.find({nfs, static_cast<Thing>(thing), static_cast<Resolution>(how)});
        out.append(conflicts).append("{initiator=\"").append(family(nfs));
        out.append("\",conflicting=\"").append(kThings[thing]).append("\",resolution=\"");
        out.append(kResolutions[how]).append("\"} ");
        out.append(std::to_string(found == conflicts_.end() ? 0 : found->second)).append("\n");
      }
    }
  }
  const std::string durations = "cross_protocol_break_duration_seconds";
  help(out, durations, "histogram", "From the start of a break for the other family to its end.");
  for (const auto& [labels, histogram] : durations_) {
    out += histogram.text(durations,
                          "trigger=\"" + labels.first + "\",target=\"" + labels.second + "\"");
  }
  counters<core::Flavour>(out, "lockstep_breaks_total", "Break notices and recalls.", "flavour",
                          breaks_);
  counters<core::Status>(out, "lockstep_replies_total", "The core's answers.", "status", replies_);
  counter(out, "lockstep_revocations_total", "Rights and clients' states taken away.", revoked_);
  counter(out, "lockstep_granted_callbacks_total", "NLM_GRANTED begun.", granted_callbacks_);
  counter(out, "lockstep_steps_total", "Events applied by the core.", steps_);
  return out;
}

}  // namespace lockstep::admin
