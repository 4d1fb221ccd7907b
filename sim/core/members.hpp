// Takes aggregates apart as they are declared, so that no member that is added later is forgotten
// by what hashes or prints them.
#pragma once

#include <cstddef>
#include <type_traits>

namespace lockstep::sim {

namespace taking_apart {

struct Anything {
  template <class T>
  operator T() const;  // NOLINT: only ever asked whether it could be
};

template <class T, class... Members>
constexpr std::size_t members() {
  if constexpr (requires { T{Members{}..., Anything{}}; }) {
    return members<T, Members..., Anything>();
  } else {
    return sizeof...(Members);
  }
}

}  // namespace taking_apart

template <class T>
inline constexpr std::size_t kMembers = taking_apart::members<T>();

/// Calls `f` with each member of `thing`, in order.
template <class T, class F>
  requires std::is_aggregate_v<T>
void each_member(const T& thing, F f) {
  static_assert(kMembers<T> <= 20, "one more line below");
  if constexpr (kMembers<T> == 20) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
                 m19, m20] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14), f(m15), f(m16), f(m17), f(m18), f(m19), f(m20));
  } else if constexpr (kMembers<T> == 19) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
                 m19] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14), f(m15), f(m16), f(m17), f(m18), f(m19));
  } else if constexpr (kMembers<T> == 18) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] =
        thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14), f(m15), f(m16), f(m17), f(m18));
  } else if constexpr (kMembers<T> == 17) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] =
        thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14), f(m15), f(m16), f(m17));
  } else if constexpr (kMembers<T> == 16) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14), f(m15), f(m16));
  } else if constexpr (kMembers<T> == 15) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14), f(m15));
  } else if constexpr (kMembers<T> == 14) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13),
     f(m14));
  } else if constexpr (kMembers<T> == 13) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12), f(m13));
  } else if constexpr (kMembers<T> == 12) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11), f(m12));
  } else if constexpr (kMembers<T> == 11) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10), f(m11));
  } else if constexpr (kMembers<T> == 10) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9), f(m10));
  } else if constexpr (kMembers<T> == 9) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8, m9] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8), f(m9));
  } else if constexpr (kMembers<T> == 8) {
    const auto& [m1, m2, m3, m4, m5, m6, m7, m8] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7), f(m8));
  } else if constexpr (kMembers<T> == 7) {
    const auto& [m1, m2, m3, m4, m5, m6, m7] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6), f(m7));
  } else if constexpr (kMembers<T> == 6) {
    const auto& [m1, m2, m3, m4, m5, m6] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5), f(m6));
  } else if constexpr (kMembers<T> == 5) {
    const auto& [m1, m2, m3, m4, m5] = thing;
    (f(m1), f(m2), f(m3), f(m4), f(m5));
  } else if constexpr (kMembers<T> == 4) {
    const auto& [m1, m2, m3, m4] = thing;
    (f(m1), f(m2), f(m3), f(m4));
  } else if constexpr (kMembers<T> == 3) {
    const auto& [m1, m2, m3] = thing;
    (f(m1), f(m2), f(m3));
  } else if constexpr (kMembers<T> == 2) {
    const auto& [m1, m2] = thing;
    (f(m1), f(m2));
  } else if constexpr (kMembers<T> == 1) {
    const auto& [m1] = thing;
    (f(m1));
  }
}

}  // namespace lockstep::sim
