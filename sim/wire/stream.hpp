// One connection of the simulated network: two ways, each a queue of pieces of bytes.
#pragma once

#include "sim/wire/network.hpp"

namespace lockstep::sim::wired {

class Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Network& network, std::uint64_t number, const Address& from, const Address& to,
         net::Framing framing);
  void begin();

  Network& network() { return network_; }
  std::uint64_t number() const { return number_; }
  const std::shared_ptr<End>& end(int side) const { return ends_[static_cast<std::size_t>(side)]; }
  const std::string& host(int side) const { return end(side)->local().host; }

  /// Bytes from that side, on their way.
  void push(int side, Bytes bytes);
  /// That side closed: the other hears of it after what was sent before.
  void finish(int side);
  /// What can move moves: after a cut was mended, a machine thawed, a reader went on.
  void pump(int from);
  /// The other side of `side` answers whatever comes with a reset.
  void ended(int side);
  /// Cuts off what is under way from that side, somewhere.
  void truncate(int from);
  void drop_all(int from);
  /// Tells that side after a while that the connection is gone.
  void tell(int side);
  bool over() const { return !ends_[0]->open() && !ends_[1]->open(); }

 private:
  struct Way {
    std::deque<Bytes> pieces;
    std::deque<Nanos> due;
    bool armed = false;
    bool finished = false;  ///< a FIN stands behind the pieces
  };
  void arm(int from);
  void arrived(int from);
  bool blocked(int from) const;

  Network& network_;
  const std::uint64_t number_;
  std::array<std::shared_ptr<End>, 2> ends_;
  std::array<Way, 2> ways_;
  std::array<Random, 2> chance_;
  std::array<Nanos, 2> last_{};  ///< when the latest piece of each way is due
};

}  // namespace lockstep::sim::wired
