#include "shell/daemon/keys.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace lockstep::daemon {

namespace {

using wire::nfs3::AddressRange;

std::optional<std::int64_t> integer_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return number;
}

bool is_address(const std::string& text) {
  return text.find_first_of("/*") == std::string::npos && AddressRange::parse(text).has_value();
}

std::string text_of(const Value& value, const char* expected) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || text->empty()) throw Expected{expected};
  return *text;
}

bool flag_of(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (*text == "true") return true;
    if (*text == "false") return false;
  }
  throw Expected{"true or false"};
}

std::int64_t integer_of(const Value& value, std::int64_t low, std::int64_t high,
                        const std::string& what) {
  std::optional<std::int64_t> number;
  if (const auto* given = std::get_if<std::int64_t>(&value)) number = *given;
  if (const auto* text = std::get_if<std::string>(&value)) number = integer_in(*text);
  if (!number || *number < low || *number > high) {
    throw Expected{what + ", " + std::to_string(low) + " to " + std::to_string(high)};
  }
  return *number;
}

/// A list in the file, or "a,b,c".
std::vector<std::string> list_of(const Value& value, const char* expected) {
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return *list;
  const std::string text = text_of(value, expected);
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

/// "127.0.0.1:9090", "[::1]:9090".
Endpoint endpoint_of(const Value& value) {
  constexpr const char* kWanted = "ADDRESS:PORT, as 127.0.0.1:9090 or [::1]:9090";
  std::string text = text_of(value, kWanted);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw Expected{kWanted};
  const std::optional<std::int64_t> port = integer_in(std::string_view(text).substr(colon + 1));
  std::string address = text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  if (!port || *port < 1 || *port > 65535 || !is_address(address)) throw Expected{kWanted};
  return {std::move(address), static_cast<std::uint16_t>(*port)};
}

template <class Enum>
using Names = std::vector<std::pair<std::string_view, Enum>>;

template <class Enum>
Enum choice_of(const Value& value, const Names<Enum>& names) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    for (const auto& [name, meaning] : names) {
      if (name == *text) return meaning;
    }
  }
  std::string expected = "one of";
  for (const auto& [name, meaning] : names) {
    expected.append(expected == "one of" ? " " : ", ").append(name);
  }
  throw Expected{expected};
}

// ---- Makers of table rows: `where` finds the member
// -----------------------------------------------

template <class Target, class Where>
Key<Target> text(std::string name, std::string value_name, std::string help, Where where) {
  return {
      std::move(name), std::move(value_name), std::move(help),
      [where](Target& target, const Value& value) { where(target) = text_of(value, "a text"); }};
}
template <class Target, class Where>
Key<Target> toggle(std::string name, std::string help, Where where) {
  return {std::move(name), "", std::move(help),
          [where](Target& target, const Value& value) { where(target) = flag_of(value); }};
}
template <class Target, class Where>
Key<Target> number(std::string name, std::int64_t low, std::int64_t high, std::string help,
                   Where where) {
  return {std::move(name), "N", std::move(help), [=](Target& target, const Value& value) {
            auto& place = where(target);
            using Number = std::remove_reference_t<decltype(place)>;
            place = static_cast<Number>(integer_of(value, low, high, "a number"));
          }};
}
template <class Where>
Key<Config> port(std::string name, std::string help, Where where) {
  return {std::move(name), "PORT", std::move(help), [where](Config& config, const Value& value) {
            where(config) = static_cast<std::uint16_t>(integer_of(value, 0, 65535, "a port"));
          }};
}
template <class Target, class Where>
Key<Target> duration(std::string name, std::string help, Where where) {
  return {std::move(name), "TIME", std::move(help),
          [where](Target& target, const Value& value) { where(target) = parse_duration(value); }};
}
template <class Target, class Enum, class Where>
Key<Target> choice(std::string name, std::string help, const Names<Enum>& names, Where where) {
  std::string value_name;
  for (const auto& [word, meaning] : names) {
    value_name.append(value_name.empty() ? "" : "|").append(word);
  }
  return {std::move(name), value_name, std::move(help),
          [where, names](Target& target, const Value& value) {
            where(target) = choice_of(value, names);
          }};
}

const Names<bool> kEnforce = {{"enforce", true}, {"advise", false}};

std::vector<Key<Config>> make_address_keys() {
  return {
      text<Config>("state", "DIR", "where the journal and secrets are kept",
                   [](Config& c) -> auto& { return c.state; }),
      {"bind", "ADDRESS", "service address, repeatable (default: every address)",
       [](Config& config, const Value& value) {
         config.bind.clear();
         for (std::string& address : list_of(value, "an address or a list of them")) {
           if (!is_address(address)) throw Expected{"a numeric IPv4 or IPv6 address"};
           config.bind.push_back(std::move(address));
         }
         config.bind_everywhere = config.bind.empty();
       }},
      port("nfs_port", "NFS (root: 2049, else 12049; 0: not served)",
           [](Config& c) -> auto& { return c.port_wishes.nfs; }),
      port("mount_port", "MOUNT (root: 20048, else the NFS port)",
           [](Config& c) -> auto& { return c.port_wishes.mount; }),
      port("nlm_port", "NLM, the lock manager (root: 32803, else the NFS port)",
           [](Config& c) -> auto& { return c.port_wishes.nlm; }),
      port("nsm_port", "NSM, the status monitor (root: 32765, else the NFS port)",
           [](Config& c) -> auto& { return c.port_wishes.nsm; }),
      port("smb_port", "SMB (root: 445, else 12445; 0: not served)",
           [](Config& c) -> auto& { return c.port_wishes.smb; }),
      port("portmap_port", "where the embedded portmapper listens",
           [](Config& c) -> auto& { return c.ports.portmap; }),
      choice<Config>("portmap", "how clients find the RPC ports",
                     Names<PortmapMode>{{"auto", PortmapMode::automatic},
                                        {"embedded", PortmapMode::embedded},
                                        {"register", PortmapMode::registered},
                                        {"off", PortmapMode::off}},
                     [](Config& c) -> auto& { return c.portmap; }),
      text<Config>("control", "PATH",
                   "socket of the control program (default: in the state directory)",
                   [](Config& c) -> auto& { return c.control; }),
      {"metrics", "ADDRESS:PORT", "serve Prometheus metrics and the lock page over HTTP",
       [](Config& config, const Value& value) { config.metrics = endpoint_of(value); }},
      text<Config>(
          "trace", "FILE",
          "append a recording of every event and effect of the core (for tests/spec/traces)",
          [](Config& c) -> auto& { return c.trace; }),
      text<Config>("name", "NAME", "the server's name towards clients (default: the host's)",
                   [](Config& c) -> auto& { return c.name; }),
  };
}

std::vector<Key<Config>> make_behaviour_keys() {
  return {
      duration<Config>("break_timeout", "how long a lease or oplock break may go unanswered (35s)",
                       [](Config& c) -> auto& { return c.limits.break_timeout; }),
      duration<Config>("grace", "grace period after a restart (90s)",
                       [](Config& c) -> auto& { return c.limits.grace; }),
      choice<Config>("grace_scope", "what waits for the end of grace",
                     Names<core::GraceScope>{{"all", core::GraceScope::all},
                                             {"recorded", core::GraceScope::recorded}},
                     [](Config& c) -> auto& { return c.limits.grace_scope; }),
      choice<Config>("log_level", "least severity that is logged",
                     Names<LogLevel>{{"debug", LogLevel::debug},
                                     {"info", LogLevel::info},
                                     {"warn", LogLevel::warn},
                                     {"error", LogLevel::error}},
                     [](Config& c) -> auto& { return c.log_level; }),
      toggle<Config>("log_json", "log lines are JSON objects",
                     [](Config& c) -> auto& { return c.log_json; }),
      choice<Config>("smb_encryption", "SMB 3 encryption",
                     Names<Encryption>{{"off", Encryption::off},
                                       {"offered", Encryption::offered},
                                       {"required", Encryption::required}},
                     [](Config& c) -> auto& { return c.smb_encryption; }),
      toggle<Config>("smb_signing_required", "refuse SMB requests that are not signed",
                     [](Config& c) -> auto& { return c.smb_signing_required; }),
      number<Config>("io_threads", 1, 256, "threads for file I/O (4)",
                     [](Config& c) -> auto& { return c.io_threads; }),
  };
}

std::vector<Key<Config>> make_limit_keys() {
  constexpr std::int64_t kMany = 1'000'000'000;
  return {
      number<Config>("connections_max", 1, 1'000'000, "connections in all (4096)",
                     [](Config& c) -> auto& { return c.connections.connections_max; }),
      number<Config>("connections_per_address_max", 1, 1'000'000, "from one address (512)",
                     [](Config& c) -> auto& { return c.connections.connections_per_address_max; }),
      number<Config>("request_bytes_max", 1 << 16, 1 << 30, "largest request (9 MiB)",
                     [](Config& c) -> auto& { return c.connections.request_bytes_max; }),
      number<Config>("unsent_bytes_max", 1 << 20, std::int64_t{1} << 36,
                     "replies kept for one slow reader before it is cut off (64 MiB)",
                     [](Config& c) -> auto& { return c.connections.unsent_bytes_max; }),
      duration<Config>("handshake_timeout", "for a connection's first whole request (20s)",
                       [](Config& c) -> auto& { return c.connections.handshake_timeout; }),
      duration<Config>("idle_timeout",
                       "connections without a request for so long are closed (0: never)",
                       [](Config& c) -> auto& { return c.connections.idle_timeout; }),
      number<Config>("clients_max", 1, kMany, "clients (100000)",
                     [](Config& c) -> auto& { return c.limits.clients_max; }),
      number<Config>("opens_max", 1, kMany, "opens in all (10000000)",
                     [](Config& c) -> auto& { return c.limits.opens_max; }),
      number<Config>("opens_per_client_max", 1, kMany, "opens of one client (100000)",
                     [](Config& c) -> auto& { return c.limits.opens_per_client_max; }),
      number<Config>("locks_max", 1, kMany, "byte-range locks in all (10000000)",
                     [](Config& c) -> auto& { return c.limits.locks_max; }),
      number<Config>("locks_per_owner_max", 1, kMany, "of one owner (2000000)",
                     [](Config& c) -> auto& { return c.limits.locks_per_owner_max; }),
      number<Config>("waiters_per_file_max", 1, kMany, "parked requests for one file (200000)",
                     [](Config& c) -> auto& { return c.limits.waiters_per_file_max; }),
      number<Config>("waiters_per_client_max", 1, kMany, "of one client (100000)",
                     [](Config& c) -> auto& { return c.limits.waiters_per_client_max; }),
  };
}

std::vector<Key<ExportConfig>> make_export_keys() {
  using E = ExportConfig;
  return {
      toggle<E>("read_only", "nothing can be changed", [](E& e) -> auto& { return e.read_only; }),
      {"clients", "RANGE", "addresses that may mount over NFS, repeatable (default: all)",
       [](E& e, const Value& value) {
         e.clients.clear();
         for (const std::string& one : list_of(value, "an address range or a list of them")) {
           const std::optional<AddressRange> range = AddressRange::parse(one);
           if (!range) throw Expected{"address ranges as 10.0.0.0/8 or fd00::/8, not " + one};
           e.clients.push_back(*range);
         }
       }},
      choice<E>("squash", "whose NFS calls become the anonymous user's",
                Names<Squash>{{"root", Squash::root}, {"all", Squash::all}, {"none", Squash::none}},
                [](E& e) -> auto& { return e.squash; }),
      number<E>("anonymous_uid", 0, 4294967294, "of squashed calls and guests (65534)",
                [](E& e) -> auto& { return e.anonymous_uid; }),
      number<E>("anonymous_gid", 0, 4294967294, "likewise (65534)",
                [](E& e) -> auto& { return e.anonymous_gid; }),
      {"users", "NAME", "who may connect over SMB, repeatable (default: every user)",
       [](E& e, const Value& value) {
         e.users = list_of(value, "a user's name or a list of them");
       }},
      toggle<E>("guest", "SMB clients may connect without a password, as anonymous_uid",
                [](E& e) -> auto& { return e.guest; }),
      choice<E>("smb_ranges_on_nfs_io", "SMB byte-range locks stop NFS reads and writes", kEnforce,
                [](E& e) -> auto& { return e.policy.smb_ranges_on_nfs_io; }),
      choice<E>("smb_deny_on_nfs_io", "SMB deny modes stop NFSv3 reads and writes", kEnforce,
                [](E& e) -> auto& { return e.policy.smb_deny_on_nfs_io; }),
      choice<E>("nfs_ranges_on_nfs_io", "NFS locks stop other NFS clients' reads and writes",
                kEnforce, [](E& e) -> auto& { return e.policy.nfs_ranges_on_nfs_io; }),
      choice<E>("remove_while_open", "NFS removal of what SMB holds open without share-delete",
                Names<bool>{{"refuse", false}, {"unlink", true}},
                [](E& e) -> auto& { return e.policy.unlink_while_open; }),
      choice<E>("v3_getattr_on_write_lease", "whether an NFSv3 GETATTR breaks an SMB write lease",
                Names<bool>{{"pass", false}, {"break", true}},
                [](E& e) -> auto& { return e.policy.v3_getattr_breaks; }),
      duration<E>("v3_hold", "how long an NFSv3 request waits for a break before JUKEBOX (500ms)",
                  [](E& e) -> auto& { return e.v3_hold; }),
  };
}

std::uint32_t id_of(const Value& value) {
  return static_cast<std::uint32_t>(integer_of(value, 0, 4294967294, "a user or group number"));
}

std::array<std::uint8_t, 16> hash_of(const Value& value) {
  constexpr const char* kWanted = "an NT hash: 32 hexadecimal digits";
  const std::string digits = text_of(value, kWanted);
  std::array<std::uint8_t, 16> hash{};
  if (digits.size() != 32) throw Expected{kWanted};
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const char* from = digits.data() + 2 * i;
    if (std::from_chars(from, from + 2, hash[i], 16).ptr != from + 2) throw Expected{kWanted};
  }
  return hash;
}

std::vector<Key<UserConfig>> make_user_keys() {
  using U = UserConfig;
  return {
      text<U>("name", "NAME", "as the client says it", [](U& u) -> auto& { return u.name; }),
      text<U>("password", "TEXT", "in clear", [](U& u) -> auto& { return u.password; }),
      {"nt_hash", "HEX", "instead of a password",
       [](U& u, const Value& value) { u.nt_hash = hash_of(value); }},
      {"uid", "N", "", [](U& u, const Value& value) { u.uid = id_of(value); }},
      {"gid", "N", "", [](U& u, const Value& value) { u.gid = id_of(value); }},
      {"groups", "N", "",
       [](U& u, const Value& value) {
         u.groups.emplace();
         for (const std::string& one : list_of(value, "a list of group numbers")) {
           u.groups->push_back(id_of(one));
         }
       }},
  };
}

}  // namespace

const std::vector<Key<Config>>& config_keys() {
  static const std::vector<Key<Config>> keys = [] {
    std::vector<Key<Config>> all = make_address_keys();
    for (auto make : {make_behaviour_keys, make_limit_keys}) {
      for (Key<Config>& key : make()) all.push_back(std::move(key));
    }
    return all;
  }();
  return keys;
}

const std::vector<Key<ExportConfig>>& export_keys() {
  static const std::vector<Key<ExportConfig>> keys = make_export_keys();
  return keys;
}

const std::vector<Key<ExportConfig>>& export_own_keys() {
  static const std::vector<Key<ExportConfig>> keys = {
      text<ExportConfig>("name", "NAME", "NFS clients mount /NAME, SMB clients \\\\server\\NAME",
                         [](ExportConfig& e) -> auto& { return e.name; }),
      text<ExportConfig>("directory", "DIR", "what is exported",
                         [](ExportConfig& e) -> auto& { return e.directory; }),
  };
  return keys;
}

const std::vector<Key<UserConfig>>& user_keys() {
  static const std::vector<Key<UserConfig>> keys = make_user_keys();
  return keys;
}

core::Nanos parse_duration(const Value& value) {
  constexpr std::int64_t kLongest = 100'000'000'000'000'000;  // about three years
  const Expected wanted{"a time as 35s, 500ms, 2m or 1h"};
  if (const auto* seconds = std::get_if<std::int64_t>(&value)) {
    if (*seconds < 0 || *seconds > 100'000'000) throw wanted;
    return static_cast<core::Nanos>(*seconds) * core::kSecond;
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) throw wanted;
  const std::size_t digits = std::min(text->find_first_not_of("0123456789"), text->size());
  const std::optional<std::int64_t> amount = integer_in(std::string_view(*text).substr(0, digits));
  const std::string_view unit = std::string_view(*text).substr(digits);
  static constexpr std::pair<std::string_view, core::Nanos> kUnits[] = {
      {"", core::kSecond},
      {"ms", core::kMillisecond},
      {"s", core::kSecond},
      {"m", 60 * core::kSecond},
      {"h", 3600 * core::kSecond}};
  for (const auto& [name, nanos] : kUnits) {
    if (amount && unit == name && *amount <= kLongest / static_cast<std::int64_t>(nanos)) {
      return static_cast<core::Nanos>(*amount) * nanos;
    }
  }
  throw wanted;
}

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = name.size() / 3 + 1;
  for (const std::string& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= name.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t replaced = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
      }
    }
    if (row.back() <= best_distance && (best.empty() || row.back() < best_distance)) {
      best = candidate;
      best_distance = row.back();
    }
  }
  return best;
}

}  // namespace lockstep::daemon
