// How the vocabulary is written to and read from an archive: a part of archive.cpp, which includes
// the serialization headers before it.
#pragma once

#include <stdexcept>

#include "core/state.hpp"

namespace lockstep::core {

template <class A, class... Fields>
void each(A& archive, Fields&... fields) {
  (void)(archive & ... & fields);
}

// ---- The vocabulary ----------------------------------------------------------------------------

template <class A, class Tag>
void serialize(A& a, Id<Tag>& id, unsigned) {
  a & id.value;
}
template <class A, class Bit>
void serialize(A& a, Flags<Bit>& flags, unsigned) {
  std::uint32_t bits = flags.bits();
  a & bits;
  flags = Flags<Bit>::from_bits(static_cast<std::uint8_t>(bits));
}
template <class A>
void serialize(A& a, FileId& id, unsigned) {
  each(a, id.node, id.generation, id.volume);
}
template <class A>
void serialize(A& a, LeaseKey& key, unsigned) {
  for (std::uint8_t& byte : key.bytes) a & byte;
}
template <class A>
void serialize(A& a, Range& range, unsigned) {
  each(a, range.first, range.last);
}
template <class A>
void serialize(A& a, LockElement& element, unsigned) {
  each(a, element.range, element.mode);
}
template <class A>
void serialize(A& a, Policy& policy, unsigned) {
  each(a, policy.smb_ranges_on_nfs_io, policy.smb_deny_on_nfs_io, policy.nfs_ranges_on_nfs_io,
       policy.unlink_while_open, policy.v3_getattr_breaks);
}
template <class A>
void serialize(A& a, Wish& wish, unsigned) {
  each(a, wish.flavour, wish.rights, wish.key, wish.version2, wish.epoch);
}
template <class A>
void serialize(A& a, Target& target, unsigned) {
  each(a, target.file, target.operation);
}
template <class A>
void serialize(A& a, OpenRequested& event, unsigned) {
  each(a, event.request, event.client, event.file, event.owner, event.access, event.deny,
       event.attributes_only, event.reads_security, event.overwrite, event.directory, event.created,
       event.wish, event.reclaim, event.patience, event.ancestors, event.policy);
}
template <class A>
void serialize(A& a, LockRequested& event, unsigned) {
  each(a, event.request, event.client, event.open, event.owner, event.file, event.element,
       event.more, event.wait, event.reclaim, event.patience, event.policy);
}
template <class A>
void serialize(A& a, LockTested& event, unsigned) {
  each(a, event.request, event.client, event.open, event.owner, event.file, event.element,
       event.patience);
}
template <class A>
void serialize(A& a, AccessRequested& event, unsigned) {
  each(a, event.request, event.client, event.open, event.owner, event.target, event.others,
       event.range, event.parent_key, event.reclaimed, event.patience, event.policy);
}
template <class A>
void serialize(A& a, DispositionSet& event, unsigned) {
  each(a, event.request, event.open, event.remove);
}
template <class A>
void save_body(A& a, const WaitingRequest& body) {
  const std::size_t index = body.index();
  a << index;
  std::visit([&a](const auto& request) { a << request; }, body);
}
template <std::size_t I = 0, class A>
void load_alternative(A& a, WaitingRequest& body, std::size_t index) {
  if constexpr (I == std::variant_size_v<WaitingRequest>) {
    throw std::runtime_error("the snapshot holds a kind of request that is not known here");
  } else if (index == I) {
    std::variant_alternative_t<I, WaitingRequest> request;
    a >> request;
    body = std::move(request);
  } else {
    load_alternative<I + 1>(a, body, index);
  }
}
template <class A>
void load_body(A& a, WaitingRequest& body) {
  std::size_t index = 0;
  a >> index;
  load_alternative(a, body, index);
}
template <class A>
void serialize(A& a, Limits& limits, unsigned) {
  each(a, limits.clients_max, limits.opens_max, limits.opens_per_client_max, limits.locks_max,
       limits.locks_per_owner_max, limits.waiters_per_file_max, limits.waiters_per_client_max,
       limits.elements_per_request_max, limits.break_timeout, limits.delegation_timeout,
       limits.grace, limits.courtesy, limits.bar, limits.regrant_backoff, limits.reservation,
       limits.grace_scope);
}
template <class A>
void serialize(A& a, ClientFacts& client, unsigned) {
  each(a, client.id, client.protocol, client.identity, client.address, client.label, client.lease,
       client.lease_until, client.courtesy, client.lost_state, client.callback_up, client.on_record,
       client.present, client.reclaiming, client.completed, client.host_state);
}
template <class A>
void serialize(A& a, Bar& bar, unsigned) {
  each(a, bar.client, bar.cause, bar.until);
}
template <class A>
void serialize(A& a, EarlierMode& part, unsigned) {
  each(a, part.range, part.mode);
}

}  // namespace lockstep::core

namespace boost::serialization {
template <class A>
void serialize(A& a, lockstep::core::WaitingRequest& body, unsigned version) {
  split_free(a, body, version);
}
template <class A>
void save(A& a, const lockstep::core::WaitingRequest& body, unsigned) {
  lockstep::core::save_body(a, body);
}
template <class A>
void load(A& a, lockstep::core::WaitingRequest& body, unsigned) {
  lockstep::core::load_body(a, body);
}
}  // namespace boost::serialization
