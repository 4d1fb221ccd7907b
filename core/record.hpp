// What is made durable. A record is the whole truth about one thing; a change puts or erases one.
// Replaying a log of changes twice gives the same state as once.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/vocabulary.hpp"

namespace lockstep::core {

struct ClientRecord {
  ClientId client;
  Protocol protocol = Protocol::nlm;
  std::string identity, address, label;
  std::int32_t host_state = 0;  ///< NSM state last acted upon
  bool lost_state = false;      ///< its state was given to others (RFC 8881 8.4.3): no reclaim
  friend bool operator==(const ClientRecord&, const ClientRecord&) = default;
};
struct OpenRecord {
  OpenId open;
  ClientId client;
  FileId file;
  std::string owner;
  Access access, deny;
  RightId right;
  friend bool operator==(const OpenRecord&, const OpenRecord&) = default;
};
struct LockRecord {
  std::uint64_t lock = 0;
  ClientId client;
  OpenId open;
  std::string owner;
  FileId file;
  Range range;
  LockMode mode = LockMode::exclusive;
  friend bool operator==(const LockRecord&, const LockRecord&) = default;
};
struct RightRecord {
  RightId right;
  ClientId client;
  FileId file;
  Flavour flavour = Flavour::lease;
  LeaseKey key;
  bool version2 = false;
  std::uint16_t epoch = 0;
  Rights rights;
  friend bool operator==(const RightRecord&, const RightRecord&) = default;
};
/// The server run: written first of all, before any client id of this run is given out.
struct BootRecord {
  std::uint64_t epoch = 0;
  Nanos grace = 0;  ///< the longest promise of this run: grace of the next lasts at least that
  friend bool operator==(const BootRecord&, const BootRecord&) = default;
};

using Record = std::variant<BootRecord, ClientRecord, OpenRecord, LockRecord, RightRecord>;

/// Put `record`, or erase the record of the same kind and id.
struct Change {
  bool erase = false;
  Record record;
  friend bool operator==(const Change&, const Change&) = default;
};

/// The journal's key of a record: one byte of kind and the id, big-endian, so that keys sort.
std::string encode_key(const Record& record);
/// The journal's value; begins with a format version.
std::string encode(const Record& record);
/// Nothing when the bytes are not a record of a known version.
std::optional<Record> decode_record(std::string_view key, std::string_view value);

}  // namespace lockstep::core
