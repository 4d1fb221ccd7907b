// The journal's form of records: little-endian numbers and counted strings behind a version byte.
#include "core/record.hpp"

namespace lockstep::core {

namespace {

constexpr char kVersion = 1;

class Encoder {
 public:
  template <class T>
  void number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff));
    }
  }
  void text(const std::string& value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes += value;
  }
  void file(const FileId& id) {
    number(id.node);
    number(id.generation);
    number(id.volume);
  }
  void key(const LeaseKey& key) {
    for (const std::uint8_t byte : key.bytes) number(byte);
  }
  std::string bytes;
};

class Decoder {
 public:
  explicit Decoder(std::string_view view) : bytes_(view) {}
  template <class T>
  T number() {
    if (bytes_.size() < sizeof(T)) {
      failed_ = true;
      return T{};
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes_[i])) << (8 * i);
    }
    bytes_.remove_prefix(sizeof(T));
    return static_cast<T>(value);
  }
  std::string text() {
    const auto size = number<std::uint32_t>();
    if (size > bytes_.size()) {
      failed_ = true;
      return {};
    }
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  FileId file() {
    FileId id;
    id.node = number<std::uint64_t>();
    id.generation = number<std::uint32_t>();
    id.volume = number<std::uint32_t>();
    return id;
  }
  LeaseKey key() {
    LeaseKey key;
    for (std::uint8_t& byte : key.bytes) byte = number<std::uint8_t>();
    return key;
  }
  /// A small enumeration: a value beyond `most` is no record of ours.
  template <class E>
  E of(E most) {
    const auto value = number<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(most)) {
      failed_ = true;
      return most;
    }
    return static_cast<E>(value);
  }
  template <class T>
  T bits() {
    return T::from_bits(number<std::uint8_t>() & 7);
  }
  bool ended() const { return !failed_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool failed_ = false;
};

struct Body {
  Encoder& out;
  void operator()(const BootRecord& record) const {
    out.number(record.epoch);
    out.number(record.grace);
  }
  void operator()(const ClientRecord& record) const {
    out.number(record.client.value);
    out.number(static_cast<std::uint8_t>(record.protocol));
    out.text(record.identity);
    out.text(record.address);
    out.text(record.label);
    out.number(static_cast<std::uint32_t>(record.host_state));
    out.number(static_cast<std::uint8_t>(record.lost_state));
  }
  void operator()(const OpenRecord& record) const {
    out.number(record.open.value);
    out.number(record.client.value);
    out.file(record.file);
    out.text(record.owner);
    out.number(record.access.bits());
    out.number(record.deny.bits());
    out.number(record.right.value);
  }
  void operator()(const LockRecord& record) const {
    out.number(record.lock);
    out.number(record.client.value);
    out.number(record.open.value);
    out.text(record.owner);
    out.file(record.file);
    out.number(record.range.first);
    out.number(record.range.last);
    out.number(static_cast<std::uint8_t>(record.mode));
  }
  void operator()(const RightRecord& record) const {
    out.number(record.right.value);
    out.number(record.client.value);
    out.file(record.file);
    out.number(static_cast<std::uint8_t>(record.flavour));
    out.key(record.key);
    out.number(static_cast<std::uint8_t>(record.version2));
    out.number(record.epoch);
    out.number(record.rights.bits());
  }
};

BootRecord decode_boot(Decoder& in) {
  BootRecord record;
  record.epoch = in.number<std::uint64_t>();
  record.grace = in.number<std::uint64_t>();
  return record;
}
ClientRecord decode_client(Decoder& in) {
  ClientRecord record;
  record.client.value = in.number<std::uint64_t>();
  record.protocol = in.of(Protocol::admin);
  record.identity = in.text();
  record.address = in.text();
  record.label = in.text();
  record.host_state = static_cast<std::int32_t>(in.number<std::uint32_t>());
  record.lost_state = in.number<std::uint8_t>() != 0;
  return record;
}
OpenRecord decode_open(Decoder& in) {
  OpenRecord record;
  record.open.value = in.number<std::uint64_t>();
  record.client.value = in.number<std::uint64_t>();
  record.file = in.file();
  record.owner = in.text();
  record.access = in.bits<Access>();
  record.deny = in.bits<Access>();
  record.right.value = in.number<std::uint64_t>();
  return record;
}
LockRecord decode_lock(Decoder& in) {
  LockRecord record;
  record.lock = in.number<std::uint64_t>();
  record.client.value = in.number<std::uint64_t>();
  record.open.value = in.number<std::uint64_t>();
  record.owner = in.text();
  record.file = in.file();
  record.range.first = in.number<std::uint64_t>();
  record.range.last = in.number<std::uint64_t>();
  record.mode = in.of(LockMode::exclusive);
  return record;
}
RightRecord decode_right(Decoder& in) {
  RightRecord record;
  record.right.value = in.number<std::uint64_t>();
  record.client.value = in.number<std::uint64_t>();
  record.file = in.file();
  record.flavour = in.of(Flavour::directory_delegation);
  record.key = in.key();
  record.version2 = in.number<std::uint8_t>() != 0;
  record.epoch = in.number<std::uint16_t>();
  record.rights = in.bits<Rights>();
  return record;
}

std::uint64_t id_of(const BootRecord&) { return 0; }  // there is one
std::uint64_t id_of(const ClientRecord& record) { return record.client.value; }
std::uint64_t id_of(const OpenRecord& record) { return record.open.value; }
std::uint64_t id_of(const LockRecord& record) { return record.lock; }
std::uint64_t id_of(const RightRecord& record) { return record.right.value; }

}  // namespace

std::string encode_key(const Record& record) {
  std::string key(1, static_cast<char>('0' + record.index()));
  const std::uint64_t id = std::visit([](const auto& body) { return id_of(body); }, record);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(id >> shift & 0xff));
  return key;
}

std::string encode(const Record& record) {
  Encoder out;
  out.bytes.push_back(kVersion);
  std::visit(Body{out}, record);
  return out.bytes;
}

std::optional<Record> decode_record(std::string_view key, std::string_view value) {
  if (key.size() != 9 || value.empty() || value.front() != kVersion) return std::nullopt;
  Decoder in(value.substr(1));
  Record record;
  switch (key.front()) {
    case '0':
      record = decode_boot(in);
      break;
    case '1':
      record = decode_client(in);
      break;
    case '2':
      record = decode_open(in);
      break;
    case '3':
      record = decode_lock(in);
      break;
    case '4':
      record = decode_right(in);
      break;
    default:
      return std::nullopt;
  }
  if (!in.ended() || encode_key(record) != key) return std::nullopt;
  return record;
}

}  // namespace lockstep::core
