// What clients make of breaks and recalls.
#include <algorithm>

#include "sim/core/marks.hpp"
#include "sim/core/world.hpp"

namespace lockstep::sim {

using namespace core;  // NOLINT

void World::on_break(Client& client, const SendBreak& effect) {
  unheard_.erase(effect.right);
  auto found = std::ranges::find_if(client.holdings, [&](const Holding& holding) {
    return holding.right == effect.right && !holding.gone;
  });
  if (options_.tell) {
    tell(client, "hears that its " + std::string(core::name(effect.flavour)) + " on " +
                     file_of(effect.file) + " is broken to " + core::name(effect.to));
  }
  if (found == client.holdings.end()) {
    if (effect.flavour == Flavour::delegation) {
      marks_.hit(mark::early_recall);
      client.early_breaks.push_back(effect.right);
    }
    return;
  }
  if (!effect.ack_required) {
    lower(*found, found->rights & effect.to);
    return;
  }
  if (client.trait == Trait::never_acks) return;
  found->breaking = true;
  found->to = effect.to;
  found->epoch = effect.epoch;
  answer_break(client, static_cast<std::size_t>(found - client.holdings.begin()));
}

/// Flush first, then acknowledge: the order that the whole matter of caching stands on.
void World::answer_break(Client& client, std::size_t index) {
  Holding& holding = client.holdings[index];
  if (!holding.to.has(RightBit::handle)) {
    for (std::size_t i = 0; i < client.handles.size(); ++i) {
      const Handle& handle = client.handles[i];
      if (!handle.lazy || handle.gone || handle.holding != static_cast<int>(index)) continue;
      marks_.hit(mark::lazy_close);
      Op close;
      close.kind = Op::Kind::close;
      close.purpose = Op::Purpose::machine;
      close.client = static_cast<std::uint8_t>(index_of(client));
      close.file = holding.file;
      close.handle = static_cast<int>(i);
      if (holding.dirty != 0) {
        flush(client, index, close);
      } else {
        submit(close);
      }
    }
  }
  const bool delegated = holding.flavour == Flavour::delegation;
  Op answer;
  answer.kind = delegated ? Op::Kind::give_back : Op::Kind::acknowledge;
  answer.purpose = Op::Purpose::machine;
  answer.client = static_cast<std::uint8_t>(index_of(client));
  answer.file = holding.file;
  answer.holding = static_cast<int>(index);
  answer.rights = holding.to;
  if (client.trait == Trait::acks_too_much) answer.rights = holding.rights;
  if (client.trait == Trait::acks_nothing) answer.rights = kNoRights;
  if (holding.gone) return;  // its last handle was closed: that ended the break
  if (client.trait != Trait::acks_unflushed) push_local(client, index);
  const bool must_flush =
      holding.flushes > 0 || (holding.dirty != 0 && !holding.to.has(RightBit::write));
  if (must_flush && client.trait != Trait::acks_unflushed) {
    if (holding.dirty != 0) marks_.hit(mark::flushed_for_break);
    return flush(client, index, answer);
  }
  const Rights kept = delegated ? kNoRights : answer.rights;
  if (client.trait == Trait::acks_unflushed && must_flush) {
    submit(answer);
    return flush(client, index, std::nullopt);
  }
  lower(holding, holding.rights & kept);
  if (delegated) holding.gone = true;
  submit(answer);
}

void World::on_acknowledged(Client& client, Op& op, const Reply& reply) {
  Holding& holding = client.holdings[static_cast<std::size_t>(op.holding)];
  if (reply.status == Status::ok) {
    marks_.hit(mark::acked);
    holding.breaking = false;
  } else if (reply.status == Status::ack_exceeds) {
    marks_.hit(mark::ack_exceeds);
  } else {
    marks_.hit(mark::acked_late);
    holding.breaking = false;
    lower(holding, kNoRights);
  }
  finish_op(client, op);
}

}  // namespace lockstep::sim
