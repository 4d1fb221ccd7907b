// The duplicate request cache (RFC 1813 4.3, bug class 13): a call that comes again, on the same
// connection, a new one or over UDP, is answered and not repeated.
//
// A call is known by its client's address, xid, program, version, procedure, caller and a checksum
// of its arguments; ports do not count, because a client that reconnects may have another one.
// Finished replies are kept for a while, bounded by count for each client and by bytes for all;
// calls that run are never dropped, repeats of them join and get the reply too.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/ids.hpp"
#include "shell/wire/bytes.hpp"

namespace lockstep::wire::rpc {

struct CallContext;

struct CallKey {
  std::string client;  ///< address without port
  std::uint32_t xid = 0, program = 0, version = 0, procedure = 0;
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t checksum = 0;  ///< of the arguments, their length included
  friend bool operator==(const CallKey&, const CallKey&) = default;
};
CallKey key_of(const CallContext& call);

class ReplyCache {
 public:
  struct Limits {
    std::size_t replies_per_client_max = 512;
    std::size_t bytes_max = 32 << 20;
    std::size_t joined_max = 16;  ///< repeats that wait for one call; the oldest gets no reply
    core::Nanos keep = 120 * core::kSecond;
  };
  using Answer = std::function<void(const Bytes&)>;  ///< empty: there is no reply for it
  enum class Outcome : std::uint8_t {
    fresh,     ///< run it, then call finish
    joined,    ///< `answer` is called when the running one is finished
    answered,  ///< `answer` was called with the kept reply
  };

  ReplyCache() : ReplyCache(Limits{}) {}
  explicit ReplyCache(Limits limits) : limits_(limits) {}

  Outcome begin(const CallKey& key, core::Nanos now, Answer answer);
  /// Ends a fresh call: joined repeats get `reply` (empty: no reply), which is kept if `keep`.
  void finish(const CallKey& key, core::Nanos now, const Bytes& reply, bool keep);

  std::size_t size() const { return calls_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t hits() const { return hits_; }

 private:
  struct KeyHash {
    std::size_t operator()(const CallKey& key) const;
  };
  using Age = std::list<CallKey>;  ///< finished calls, oldest first
  struct Entry {
    bool done = false;
    Bytes reply;
    core::Nanos until = 0;
    std::vector<Answer> joined;
    Age::iterator place;  ///< in age_, when done
  };
  struct Client {
    std::size_t entries = 0;
    std::deque<CallKey> done;  ///< oldest first
  };
  void drop_oldest_of(const std::string& client);
  void release(const std::string& client);

  Limits limits_;
  std::unordered_map<CallKey, Entry, KeyHash> calls_;
  std::map<std::string, Client> clients_;
  Age age_;
  std::size_t bytes_ = 0;
  std::uint64_t hits_ = 0;
};

}  // namespace lockstep::wire::rpc
