// The rolling hash of a run: of every event, its effects and the states between them. Two runs of
// one seed, or of two compilers' builds, are the same run when their traces are; where they part is
// the first step whose hash differs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lockstep::sim {

class Trace {
 public:
  void add(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ULL;
    hash_ ^= hash_ >> 32;
  }
  void add(std::string_view text) {
    add(text.size());
    std::uint64_t word = 0;
    unsigned filled = 0;
    for (const char c : text) {
      word = word << 8 | static_cast<unsigned char>(c);
      if (++filled % 8 == 0) add(word), word = 0;
    }
    if (filled % 8 != 0) add(word);
  }
  /// A step of the script is over.
  void end_step() { steps_.push_back(hash_); }
  std::uint64_t value() const { return hash_; }
  const std::vector<std::uint64_t>& steps() const { return steps_; }

 private:
  std::uint64_t hash_ = 0x2545f4914f6cdd1dULL;
  std::vector<std::uint64_t> steps_;
};

/// The first step (from 0) after which the two differ; nothing when they are the same.
inline std::optional<std::size_t> first_difference(const std::vector<std::uint64_t>& a,
                                                   const std::vector<std::uint64_t>& b) {
  const std::size_t common = a.size() < b.size() ? a.size() : b.size();
  for (std::size_t i = 0; i < common; ++i) {
    if (a[i] != b[i]) return i;
  }
  if (a.size() != b.size()) return common;
  return std::nullopt;
}

}  // namespace lockstep::sim
