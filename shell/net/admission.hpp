// How many connections there may be: in all, and from one address, so that no client can take the
// places of the others.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace lockstep::net {

struct AdmissionLimits {
  std::uint32_t connections_max = 4096;
  std::uint32_t connections_per_address_max = 512;
};

/// Used on the loop's thread only.
class Admission : public std::enable_shared_from_this<Admission> {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  /// A place among the connections, given back when the last reference goes. Null: there is none.
  using Place = std::shared_ptr<const void>;
  Place admit(const std::string& host) {
    std::uint32_t& from_host = hosts_[host];
    if (total_ >= limits_.connections_max || from_host >= limits_.connections_per_address_max) {
      if (from_host == 0) hosts_.erase(host);
      ++refused_;
      return nullptr;
    }
    ++total_;
    ++from_host;
    return Place(this, [self = shared_from_this(), host](const void*) { self->leave(host); });
  }

  std::uint32_t total() const { return total_; }
  std::uint64_t refused() const { return refused_; }

 private:
  void leave(const std::string& host) {
    --total_;
    const auto found = hosts_.find(host);
    if (--found->second == 0) hosts_.erase(found);
  }

  const AdmissionLimits limits_;
  std::map<std::string, std::uint32_t> hosts_;
  std::uint32_t total_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace lockstep::net
