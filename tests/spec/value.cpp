#include "tests/spec/value.hpp"

#include <algorithm>
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

std::strong_ordering operator<=>(const Value& a, const Value& b) {
  if (auto order = a.kind <=> b.kind; order != 0) return order;
  if (auto order = a.number <=> b.number; order != 0) return order;
  if (auto order = a.text <=> b.text; order != 0) return order;
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
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
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
  Value one() {
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

}  // namespace lockstep::test
