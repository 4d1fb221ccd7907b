#include "tests/spec/value.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace lockstep::test {

Value Value::tuple(std::vector<Value> items) {
  Value value;
  value.kind = Kind::tuple;
  value.items = std::move(items);
  return value;
}

Value Value::set(std::vector<Value> items) {
  Value value;
  value.kind = Kind::set;
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  value.items = std::move(items);
  return value;
}

Value Value::record(std::vector<std::pair<std::string, Value>> fields) {
  std::sort(fields.begin(), fields.end(), [](auto& a, auto& b) { return a.first < b.first; });
  Value value;
  value.kind = Kind::record;
  for (auto& [key, item] : fields) {
    value.keys.push_back(std::move(key));
    value.items.push_back(std::move(item));
  }
  return value;
}

const Value* Value::find(std::string_view key) const {
  auto at = std::find(keys.begin(), keys.end(), key);
  return at == keys.end() ? nullptr : &items[static_cast<std::size_t>(at - keys.begin())];
}

const Value& Value::operator[](std::string_view key) const {
  if (const Value* item = find(key)) return *item;
  throw std::runtime_error("no " + std::string(key) + " in " + show(*this));
}

bool Value::contains(const Value& item) const {
  return std::binary_search(items.begin(), items.end(), item);
}

std::strong_ordering operator<=>(const Value& a, const Value& b) {
  if (auto order = a.kind <=> b.kind; order != 0) return order;
  if (auto order = a.number <=> b.number; order != 0) return order;
  if (auto order = a.text <=> b.text; order != 0) return order;
  if (auto order = a.keys <=> b.keys; order != 0) return order;
  return std::lexicographical_compare_three_way(a.items.begin(), a.items.end(), b.items.begin(),
                                                b.items.end());
}

namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Value whole() {
    Value value = one();
    space();
    if (at_ != text_.size()) fail();
    return value;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::runtime_error("no value at " + std::to_string(at_) + " of " + std::string(text_));
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(std::string_view word) {
    space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  std::vector<Value> list(std::string_view end) {
    std::vector<Value> items;
    if (take(end)) return items;
    do {
      items.push_back(one());
    } while (take(","));
    if (!take(end)) fail();
    return items;
  }
  Value fields() {
    std::vector<std::pair<std::string, Value>> all;
    do {
      space();
      const std::size_t start = at_;
      while (at_ < text_.size() &&
             (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
        ++at_;
      }
      std::string key(text_.substr(start, at_ - start));
      if (key.empty() || !take("|->")) fail();
      all.emplace_back(std::move(key), one());
    } while (take(","));
    if (!take("]")) fail();
    return Value::record(std::move(all));
  }
  Value one() {
    if (take("[")) return fields();
    if (take("<<")) return Value::tuple(list(">>"));
    if (take("{")) return Value::set(list("}"));
    if (take("TRUE")) return Value{true};
    if (take("FALSE")) return Value{false};
    if (take("\"")) {
      const std::size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) fail();
      Value value{std::string(text_.substr(at_, end - at_))};
      at_ = end + 1;
      return value;
    }
    const bool minus = take("-");
    if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') fail();
    int number = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      number = number * 10 + (text_[at_++] - '0');
    }
    return Value{minus ? -number : number};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Value parse_value(std::string_view text) { return Reader(text).whole(); }

std::string show(const Value& value) {
  auto listed = [&](const char* open, const char* close) {
    std::string all = open;
    for (const Value& item : value.items) {
      if (&item != &value.items.front()) all += ", ";
      all += show(item);
    }
    return all + close;
  };
  switch (value.kind) {
    case Value::Kind::record: {
      std::string all;
      for (std::size_t i = 0; i < value.keys.size(); ++i) {
        all += (i == 0 ? "[" : ", ") + value.keys[i] + " |-> " + show(value.items[i]);
      }
      return all + ']';
    }
    case Value::Kind::number:
      return std::to_string(value.number);
    case Value::Kind::boolean:
      return value.number != 0 ? "TRUE" : "FALSE";
    case Value::Kind::text:
      return '"' + value.text + '"';
    case Value::Kind::tuple:
      return listed("<<", ">>");
    case Value::Kind::set:
      return listed("{", "}");
  }
  return {};
}

std::uint64_t hash(const Value& value) {
  std::uint64_t sum = 14695981039346656037U + static_cast<std::uint64_t>(value.kind);
  auto mix = [&sum](std::uint64_t part) { sum = (sum ^ part) * 1099511628211U; };
  mix(static_cast<std::uint64_t>(value.number));
  for (const char c : value.text) mix(static_cast<unsigned char>(c));
  for (const std::string& key : value.keys) {
    for (const char c : key) mix(static_cast<unsigned char>(c));
    mix(256);
  }
  for (const Value& item : value.items) mix(hash(item) + 1);
  return sum;
}

}  // namespace lockstep::test
