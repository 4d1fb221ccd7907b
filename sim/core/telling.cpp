// A run in words: what golden output, timeline and page are made of.
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

std::string World::name_of(ClientId id) const {
  for (const Client& client : clients_) {
    if (client.id == id && id) return client.name;
  }
  return "somebody";
}

std::string World::owner_of(ClientId client, OpenId, const std::string& owner) const {
  return name_of(client) + (owner == owner_name(2) ? " (as 2)" : "");
}

std::string World::name_of(FileId file) const { return file_of(file); }

std::string World::span_of(Range range) const { return range_text(range); }

Asked World::asked_by(RequestId request) const {
  const Op& op = ops_[by_request_[static_cast<std::size_t>(request.value)]];
  return {clients_[op.client].name, tell_op(op)};
}

void World::tell(const std::string& column, std::string text) {
  story_.moments.push_back({step_, now(), column, std::move(text)});
}

/// Says of each file who holds it, when that has changed.
void World::tell_files() {
  if (!options_.tell || !up_) return;
  for (std::uint8_t file = 0; file <= kFiles; ++file) {
    std::string text = holders(server_->machine().view(file_id(file)), *this);
    if (holders_told_[file].empty() ? text == "nobody" : text == holders_told_[file]) continue;
    tell(file_name(file), text);
    holders_told_[file] = std::move(text);
  }
}

std::string World::tell_op(const Op& op) const {
  const std::string on = " " + file_name(op.file);
  std::string range = " " + range_text(op.range);
  for (const Range& other : op.more) range += " and " + range_text(other);
  const std::string again = op.purpose == Op::Purpose::reclaim ? "reclaim" : "";
  switch (op.kind) {
    case Op::Kind::arrive:
      return "arrive";
    case Op::Kind::complete:
      return "say that it has reclaimed everything";
    case Op::Kind::renew:
      return "renew its lease";
    case Op::Kind::callback_path:
      return op.up ? "show its callback path" : "lose its callback path";
    case Op::Kind::open:
      return (again.empty() ? "open " : "reclaim its open of ") +
             open_words(file_name(op.file), op.access, op.deny, op.wish, op.overwriting);
    case Op::Kind::close:
    case Op::Kind::unshare:
      return "close" + on;
    case Op::Kind::downgrade:
      return "downgrade" + on + " to " + core::name(op.access);
    case Op::Kind::disposition:
      return "delete" + on;
    case Op::Kind::lock:
      return (again.empty() ? "lock" : "reclaim") + on + range + " " +
             std::string(core::name(op.mode)) + (op.waiting ? ", waiting" : "");
    case Op::Kind::unlock:
      return "unlock" + on + range;
    case Op::Kind::test:
      return "test" + on + range + " " + std::string(core::name(op.mode));
    case Op::Kind::cancel_lock:
      return "cancel its lock of" + on + range;
    case Op::Kind::cancel_request:
      return "cancel its request for" + on;
    case Op::Kind::grant_answer:
      return op.accepted ? "accept the grant" : "refuse the grant";
    case Op::Kind::acknowledge:
      return "acknowledge the break on" + on + " down to " + core::name(op.rights);
    case Op::Kind::give_back:
      return "give back its right on" + on;
    case Op::Kind::access:
      break;
  }
  std::string text = spoken(core::name(op.operation));
  if (op.operation == Operation::read || op.operation == Operation::write) {
    text = (op.purpose == Op::Purpose::flush ? "flush" : text) + on + range;
  } else {
    text += on;
  }
  return text + (op.other != op.file ? " over " + file_name(op.other) : "");
}

}  // namespace lockstep::sim
