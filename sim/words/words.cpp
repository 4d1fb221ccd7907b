#include "sim/words/words.hpp"

#include <algorithm>
#include <cstdio>
#include <variant>

namespace lockstep::sim {

using namespace core;  // NOLINT: every word of the vocabulary is told here

namespace {

std::string meaning(Status status) {
  switch (status) {
    case Status::delete_pending:
      return "it is to be removed";
    case Status::later:
      return "what it waited for did not end in time";
    case Status::grace:
      return "what was held before the restart may still be claimed";
    case Status::no_grace:
      return "the time to claim what was held before the restart is over";
    case Status::reclaim_bad:
      return "that is not on record";
    case Status::reclaim_conflict:
      return "somebody else has claimed what collides with it";
    case Status::complete_already:
      return "it had said so before";
    case Status::deadlock:
      return "it would wait for somebody who waits for it";
    case Status::cancelled:
      return "nobody wants it any more";
    case Status::closed:
      return "its open went away";
    case Status::range_not_locked:
      return "it holds no such range";
    case Status::unknown_client:
      return "the server does not know this client";
    case Status::unknown_open:
      return "the server does not know this open";
    case Status::unknown_right:
      return "the server does not know this right";
    case Status::not_breaking:
      return "no break of it is out, or not any more";
    case Status::ack_exceeds:
      return "that is more than the break leaves";
    case Status::key_in_use:
      return "the lease key belongs to another file";
    case Status::bad_mode:
      return "its open does not allow that";
    case Status::limit:
      return "a limit is reached";
    case Status::journal_failed:
      return "it cannot be put on record, so it is not promised";
    default:
      return "";
  }
}

bool was_awaited(const Effect& effect, const Event& event) {
  if (std::holds_alternative<NotifyGranted>(effect)) return true;
  const auto* reply = std::get_if<Reply>(&effect);
  return reply != nullptr && std::visit(
                                 [&](const auto& asks) {
                                   if constexpr (requires { asks.request; }) {
                                     return std::is_same_v<decltype(asks), const AccessEnded&> ||
                                            asks.request != reply->request;
                                   }
                                   return true;
                                 },
                                 event.body);
}

std::string occasion(const Event& event, const Names& names) {
  const EventBody& body = event.body;
  const auto came = [&](RequestId request) {
    const auto [who, what] = names.asked_by(request);
    return "after " + who + " came to " + what;
  };
  const auto done = [&](RequestId request) {
    const auto [who, what] = names.asked_by(request);
    return "after " + who + " was through with what it came for: " + what;
  };
  if (std::holds_alternative<Tick>(body)) return "when its time was over";
  if (const auto* ended = std::get_if<AccessEnded>(&body)) return done(ended->request);
  if (const auto* left = std::get_if<ClientLeft>(&body)) {
    return "after " + names.name_of(left->client) + " was gone";
  }
  if (std::holds_alternative<HostRebooted>(body)) return "after the news of a reboot";
  if (const auto* answer = std::get_if<GrantAnswered>(&body)) {
    return "after " + names.asked_by(answer->grant).who +
           (answer->accepted ? " took a grant" : " refused a grant");
  }
  if (const auto* cancelled = std::get_if<RequestCancelled>(&body)) {
    return "after " + names.asked_by(cancelled->target).who + " took its request back";
  }
  if (std::holds_alternative<JournalChanged>(body)) return "after news of the journal";
  return std::visit(
      [&](const auto& asks) -> std::string {
        if constexpr (requires { asks.request; }) return came(asks.request);
        return "";
      },
      body);
}

}  // namespace

std::string clock_text(Nanos time) {
  if (time == kNever) return "never";
  char text[32];
  std::snprintf(text, sizeof text, "%llu.%03llu", static_cast<unsigned long long>(time / kSecond),
                static_cast<unsigned long long>(time / kMillisecond % 1000));
  return text;
}

std::string padded_clock(Nanos time, std::size_t width) {
  const std::string text = clock_text(time);
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string spoken(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, '_', ' ');
  return text;
}

std::string open_words(const std::string& file, Access access, Access deny, const Wish& wish,
                       bool overwriting) {
  std::string text = file + " for " + name(access);
  if (!deny.empty()) text += " deny " + name(deny);
  if (wish.flavour != Flavour::none) {
    text += ", wishing " + std::string(name(wish.flavour)) + " " + name(wish.rights);
  }
  return text + (overwriting ? ", overwriting it" : "");
}

std::string explain(const Explanation& why, const Names& names) {
  std::string out;
  auto next = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (why.waits_for_grace) next("the server is in grace until " + clock_text(why.until));
  for (const Holder& holder : why.held_by) {
    static constexpr const char* kinds[] = {"holds", "is next for", "has it open", "has a right to",
                                            "is at work in"};
    std::string text = names.owner_of(holder.client, holder.open, holder.owner) + " " +
                       kinds[static_cast<int>(holder.kind)];
    if (holder.kind != Holder::Kind::open) {
      text += " " + names.span_of(holder.range) + " " + std::string(name(holder.mode));
    }
    if (holder.kind == Holder::Kind::lock && why.since != 0) {
      text += " since " + clock_text(why.since);
    }
    next(text);
  }
  for (const RightView& right : why.to_break) {
    std::string text = names.name_of(right.client) + "'s " + std::string(name(right.flavour)) +
                       " " + name(right.rights) + " of " + clock_text(right.since);
    if (right.breaking) {
      text += " is breaking to " + name(right.breaking_to) + ", until " +
              clock_text(right.deadline) + " at most";
    } else {
      text += why.status == Status::ok ? " is broken, which it need not wait for"
                                       : " has to be broken first";
    }
    next(text);
  }
  if (out.empty()) return why.status == Status::ok ? "nothing is in its way" : meaning(why.status);
  return out;
}

std::string effect_words(const Effect& effect, const Names& names) {
  if (const auto* reply = std::get_if<Reply>(&effect)) {
    const auto [who, what] = names.asked_by(reply->request);
    std::string text =
        "answers " + who + " " + std::string(name(reply->status)) + " (" + what + ")";
    if (const auto* open = std::get_if<OpenReply>(&reply->body); open && open->right) {
      text += " with " + std::string(name(open->flavour)) + " " + name(open->rights);
    }
    if (const auto* holder = std::get_if<Holder>(&reply->body)) {
      text += ", because of " + names.owner_of(holder->client, holder->open, holder->owner) + " " +
              names.span_of(holder->range);
    }
    return text;
  }
  if (const auto* parked = std::get_if<Parked>(&effect)) {
    const auto [who, what] = names.asked_by(parked->request);
    return "lets " + who + " wait (" + what + ")";
  }
  if (const auto* sent = std::get_if<SendBreak>(&effect)) {
    return "breaks the " + std::string(name(sent->flavour)) + " of " + names.name_of(sent->client) +
           " on " + names.name_of(sent->file) + " from " + name(sent->from) + " to " +
           name(sent->to) + (sent->ack_required ? "" : ", no acknowledgment needed");
  }
  if (const auto* granted = std::get_if<NotifyGranted>(&effect)) {
    return "calls " + names.owner_of(granted->client, OpenId{}, granted->owner) + ": granted " +
           names.name_of(granted->file) + " " + names.span_of(granted->element.range);
  }
  if (const auto* turn = std::get_if<NotifyLock>(&effect)) {
    return "tells " + names.owner_of(turn->client, OpenId{}, turn->owner) +
           " that it is its turn on " + names.name_of(turn->file);
  }
  if (const auto* revoked = std::get_if<Revoked>(&effect)) {
    return revoked->right ? "revokes the right of " + names.name_of(revoked->client) + " on " +
                                names.name_of(revoked->file)
                          : "takes the state of " + names.name_of(revoked->client) + " away";
  }
  return std::holds_alternative<GraceEnded>(effect) ? "ends grace" : "";
}

std::string reason(const Effect& effect, const Event& event, const Names& names) {
  std::string out = was_awaited(effect, event) ? occasion(event, names) : "";
  const auto* reply = std::get_if<Reply>(&effect);
  const std::string what = reply != nullptr ? meaning(reply->status) : "";
  if (!what.empty()) out += (out.empty() ? "" : ": ") + what;
  return out;
}

}  // namespace lockstep::sim
