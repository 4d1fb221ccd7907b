// Takes events and effects into the trace, member by member.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/effect.hpp"
#include "core/event.hpp"
#include "sim/core/members.hpp"
#include "sim/trace.hpp"

namespace lockstep::sim {

inline void fold(Trace& trace, const std::string& text) { trace.add(std::string_view(text)); }
inline void fold(Trace&, std::monostate) {}
template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
void fold(Trace& trace, T value) {
  trace.add(static_cast<std::uint64_t>(value));
}
template <class Bit>
void fold(Trace& trace, core::Flags<Bit> flags) {
  trace.add(std::uint64_t{flags.bits()});
}
template <class Tag>
void fold(Trace& trace, core::Id<Tag> id) {
  trace.add(id.value);
}
inline void fold(Trace& trace, const core::LeaseKey& key) {
  for (const std::uint8_t byte : {key.bytes[0], key.bytes[1]}) trace.add(std::uint64_t{byte});
}
template <class T>
void fold(Trace& trace, const std::vector<T>& list);
template <class... Ts>
void fold(Trace& trace, const std::variant<Ts...>& choice);
template <class T>
  requires std::is_aggregate_v<T>
void fold(Trace& trace, const T& thing);

template <class T>
void fold(Trace& trace, const std::vector<T>& list) {
  trace.add(std::uint64_t{list.size()});
  for (const T& each : list) fold(trace, each);
}
template <class... Ts>
void fold(Trace& trace, const std::variant<Ts...>& choice) {
  trace.add(std::uint64_t{choice.index()});
  std::visit([&](const auto& each) { fold(trace, each); }, choice);
}
template <class T>
  requires std::is_aggregate_v<T>
void fold(Trace& trace, const T& thing) {
  each_member(thing, [&](const auto& member) { fold(trace, member); });
}

}  // namespace lockstep::sim
