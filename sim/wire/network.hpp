// The simulated network: streams and datagrams between machines that are known by address.
//
// Streams keep their order and lose nothing while they live. They may be split anywhere, delayed,
// stopped (a cut route; one way too), reset in the middle of a message, and left half-open: one end
// is gone and the other does not know until it sends or two minutes have passed. Datagrams may be
// lost, doubled and overtake each other; a cut route loses them.
//
// What must survive: the messages of a stream arrive whole, in order, once, or its end is told.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "shell/net/framing.hpp"
#include "sim/random.hpp"
#include "sim/wire/virtual_time.hpp"

namespace lockstep::sim::wired {

using wire::Address;
using wire::Bytes;

/// What the network does to what it carries. Chances in percent.
struct Weather {
  Nanos delay_min = 100'000;
  Nanos delay_max = 2 * kMillisecond;
  bool split = false;
  std::uint32_t loss = 0;
  std::uint32_t duplicate = 0;
};

/// How long an end that cannot reach the other one keeps the connection (TCP keep-alive and
/// TCP_USER_TIMEOUT, as the server's listener sets them).
inline constexpr Nanos kUnreachable = 120 * kSecond;
inline constexpr Nanos kConnectTimeout = 10 * kSecond;
/// Ports below belong to services that others call.
inline constexpr std::uint16_t kFirstFreePort = 50'000;
inline constexpr std::size_t kMessageMax = 9u << 20;

class Network;
class Stream;

/// One end of a stream, framed.
class End final : public wire::Peer, public std::enable_shared_from_this<End> {
 public:
  End(Stream& stream, int side, Address local, Address remote, net::Framing framing);

  void send(Bytes message) override;
  void close() override;
  void hold_reading(bool hold) override;
  const Address& remote() const override { return remote_; }
  const Address& local() const override { return local_; }

  /// Bytes without a mark: what a dishonest client sends.
  void send_raw(Bytes bytes);
  bool open() const { return !closing_; }
  /// Everything that the other end said before this time has arrived here; what it says after
  /// its end never does.
  Nanos heard_until() const;
  /// The other end is gone, whether or not this one knows.
  bool half_open() const;

 private:
  friend class Stream;
  friend class Network;
  void receive(const Bytes& bytes);
  /// The session hears of the end; nothing more is sent or received.
  void end(bool at_once = false);

  std::weak_ptr<Stream> stream_;
  const int side_;
  const Address local_, remote_;
  const net::Framing framing_;
  net::Framer framer_;
  std::shared_ptr<wire::Session> session_;
  bool closing_ = false;
  bool held_ = false;
  std::deque<Nanos> unheard_;  ///< when messages were sent that the other end does not have yet
  Nanos closed_at_ = kNever;
};

class Network {
 public:
  using Accept = std::function<std::shared_ptr<wire::Session>(std::shared_ptr<wire::Peer>)>;
  using OnDatagram = std::function<void(const Address& from, const Address& to, Bytes payload)>;
  using Connected = std::function<void(std::shared_ptr<End>)>;

  Network(VirtualTime& time, std::uint64_t seed, Weather weather);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // ---- What machines do
  void listen(const Address& at, net::Framing framing, Accept accept);
  void bind(const Address& at, OnDatagram handler);
  void unbind(const Address& at);
  /// `done` is called exactly once, later; null: refused, or nobody answered.
  void connect(const std::string& from, const Address& to, net::Framing framing,
               std::shared_ptr<wire::Session> session, const Connected& done);
  void datagram(const Address& from, const Address& to, const Bytes& payload);
  std::uint16_t free_port() {
    return last_port_ = ++last_port_ < kFirstFreePort ? kFirstFreePort : last_port_;
  }

  // ---- What happens to them
  /// Nothing that this machine sends leaves it any more; `vanish` follows.
  void mute(const std::string& host) { muted_.insert(host); }
  void unmute(const std::string& host) { muted_.erase(host); }
  /// All of a machine's sockets are gone at once, and its sessions told. `silent`: as when the
  /// power goes; else its system closes what the process had open, and the others hear of it.
  void vanish(const std::string& host, bool silent);
  void freeze(const std::string& host);
  void thaw(const std::string& host);
  /// Nothing gets from one to the other.
  void cut(const std::string& from, const std::string& to);
  void mend(const std::string& from, const std::string& to);
  void mend_all();
  /// Nobody gets through to the services of this machine (its callback channel); what it began
  /// itself goes on.
  void deafen(const std::string& host) { deaf_.insert(host); }
  void undeafen(const std::string& host) { deaf_.erase(host); }
  /// Ends the streams between two machines, with what is under way cut off at any byte.
  enum class Notice : std::uint8_t { both, first, second };
  void reset(const std::string& first, const std::string& second, Notice notice);
  Weather& weather() { return weather_; }
  bool hears(const Address& service) const {
    return service.port >= kFirstFreePort || !deaf_.contains(service.host);
  }
  bool reachable(const std::string& from, const std::string& to) const {
    return cuts_.empty() || !cuts_.contains({from, to});
  }

  std::size_t streams() const { return streams_.size(); }
  std::uint64_t messages() const { return messages_; }
  VirtualTime& time() { return time_; }

 private:
  friend class Stream;
  friend class End;
  struct Listener {
    net::Framing framing;
    Accept accept;
  };
  Nanos delay(Random& chance) { return chance.between(weather_.delay_min, weather_.delay_max); }
  void pump_all();
  void forget(std::uint64_t stream);
  void watch(const std::shared_ptr<Stream>& stream);
  void arrive(const Address& from, const Address& to, const Bytes& payload);

  VirtualTime& time_;
  const std::uint64_t seed_;
  Weather weather_;
  std::map<Address, Listener> listeners_;
  std::map<Address, OnDatagram> bound_;
  std::map<std::uint64_t, std::shared_ptr<Stream>> streams_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::set<std::string> frozen_, muted_, deaf_;
  std::map<std::string, std::deque<Action>> late_;  ///< datagrams for frozen machines
  std::map<std::string, Random> chances_;           ///< a stream of chance for each route
  std::uint64_t last_stream_ = 0;
  std::uint16_t last_port_ = kFirstFreePort;
  std::uint64_t messages_ = 0;
};

}  // namespace lockstep::sim::wired
