#include "tests/spec/words.hpp"

#include <algorithm>
#include <vector>

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

constexpr std::pair<const char*, RightBit> kLetters[] = {
    {"R", RightBit::read}, {"W", RightBit::write}, {"H", RightBit::handle}};
constexpr std::pair<const char*, AccessBit> kBits[] = {
    {"read", AccessBit::read}, {"write", AccessBit::write}, {"remove", AccessBit::remove}};

constexpr std::pair<std::string_view, Flavour> kFlavours[] = {
    {"lease", Flavour::lease},
    {"oplock", Flavour::oplock},
    {"delegation", Flavour::delegation},
    {"directory_lease", Flavour::directory_lease},
    {"directory_delegation", Flavour::directory_delegation}};

}  // namespace

Value letters(Rights rights) {
  std::vector<Value> all;
  for (const auto& [letter, bit] : kLetters) {
    if (rights.has(bit)) all.emplace_back(letter);
  }
  return Value::set(all);
}

Rights rights_of(const Value& letters) {
  Rights rights;
  for (const auto& [letter, bit] : kLetters) {
    if (letters.contains(letter)) rights = rights | Rights{bit};
  }
  return rights;
}

Value no_break() { return Value::set({"no break"}); }

Value words(Access access) {
  std::vector<Value> all;
  for (const auto& [word, bit] : kBits) {
    if (access.has(bit)) all.emplace_back(word);
  }
  return Value::set(all);
}

Access bits(const Value& words) {
  Access access;
  for (const auto& [word, bit] : kBits) {
    if (words.contains(word)) access = access | Access{bit};
  }
  return access;
}

std::string_view row_name(Cause cause) {
  constexpr std::string_view kRows[] = {
      "open",   "open_for_write", "open_security",  "open_conflict",  "overwrite",
      "read",   "write",          "lock_by_smb",    "lock_by_nfs",    "test_lock",
      "rename", "remove",         "set_attributes", "get_attributes", "change_directory"};
  static_assert(std::size(kRows) == kCauses);
  return kRows[static_cast<std::size_t>(cause)];
}

std::string operation_name(Operation operation) {
  if (operation == Operation::set_size) return "overwrite";
  if (operation == Operation::rename_source) return "rename";
  return std::string(name(operation));
}

Operation operation_of(std::string_view name) {
  return name == "read"             ? Operation::read
         : name == "write"          ? Operation::write
         : name == "remove"         ? Operation::remove
         : name == "get_attributes" ? Operation::get_attributes
                                    : Operation::rename_source;
}

Flavour flavour_of(std::string_view word) {
  for (const auto& [known, flavour] : kFlavours) {
    if (word == known) return flavour;
  }
  return Flavour::none;
}

LeaseKey key_of(std::string_view name) {
  LeaseKey key;
  std::copy_n(name.begin(), std::min(name.size(), key.bytes.size()), key.bytes.begin());
  return key;
}

void write(std::map<std::string, Record>& disk, const Change& change) {
  const std::string key = encode_key(change.record);
  disk.erase(key);
  if (!change.erase) disk.emplace(key, change.record);
}

}  // namespace lockstep::test
