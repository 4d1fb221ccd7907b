// Values as TLC prints them: numbers, strings, booleans, tuples, sets and records (a function over
// strings is one). Just enough to compare what a dump of specs/ says with what a machine shows.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep::test {

struct Value {
  enum class Kind : std::uint8_t { number, text, boolean, tuple, set, record };
  Kind kind = Kind::number;
  std::int64_t number = 0;
  std::string text;
  std::vector<Value> items;       ///< of a tuple in order; of a set sorted, each once
  std::vector<std::string> keys;  ///< of a record, sorted; items are their values

  Value() = default;
  Value(int n) : number(n) {}                                     // NOLINT: reads as a literal
  Value(bool b) : kind(Kind::boolean), number(b) {}               // NOLINT
  Value(std::string_view s) : kind(Kind::text), text(s) {}        // NOLINT
  Value(const char* s) : kind(Kind::text), text(s) {}             // NOLINT
  Value(std::string s) : kind(Kind::text), text(std::move(s)) {}  // NOLINT

  static Value tuple(std::vector<Value> items);
  static Value set(std::vector<Value> items);
  static Value record(std::vector<std::pair<std::string, Value>> fields);

  const Value& operator[](std::size_t i) const { return items.at(i); }
  /// A field of a record; throws std::runtime_error when it has no such field.
  const Value& operator[](std::string_view key) const;
  const Value* find(std::string_view key) const;
  bool contains(const Value& item) const;  ///< of a set
  std::size_t size() const { return items.size(); }
  bool truth() const { return number != 0; }

  friend std::strong_ordering operator<=>(const Value& a, const Value& b);
  friend bool operator==(const Value& a, const Value& b) { return (a <=> b) == 0; }
};

/// `text` is one whole value; throws std::runtime_error when it is not.
Value parse_value(std::string_view text);
std::string show(const Value& value);
/// Equal values, equal numbers.
std::uint64_t hash(const Value& value);

}  // namespace lockstep::test
