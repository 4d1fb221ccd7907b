// What is seen of the composition (Lockstep.tla): who is who, and the state of the machine in its
// words. A client with leases or oplocks is SMB, one with delegations NFSv4.1, one of flavour
// "none" is a host that speaks NFSv3 and NLM. Owners are SMB opens, NFSv4 owners, processes of a
// host.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/spec/translator.hpp"

namespace lockstep::test {

/// What is known beside the machine: who asked what, which open is whose, and the disk.
struct Beside {
  std::map<core::RequestId, Value> asked;  ///< the events of those who wait, or are under way
  std::map<std::string, core::OpenId> opens;
  std::map<std::string, core::Record> disk;  ///< by encoded key
  std::uint64_t epoch = 1;
};

class Composition : public Translator {
 public:
  Value view() const override;
  /// The machine does not show what was acknowledged and is still being flushed, for whose break a
  /// request waits, nor what the refusal of a grant would put back.
  Value visible(const Value& state) const override;

 protected:
  using Translator::Translator;

  std::any save_more() const override { return beside_; }
  void load_more(const std::any& more) override { beside_ = std::any_cast<const Beside&>(more); }

  const std::vector<std::string>& clients() const { return scene_["Flavour"].keys; }
  const std::vector<std::string>& owners() const { return scene_["Holder"].keys; }
  core::Flavour flavour(const std::string& holder) const;
  const std::string& holder(const std::string& owner) const { return scene_["Holder"][owner].text; }
  const std::string& host(const std::string& owner) const {
    return scene_["Host"][holder(owner)].text;
  }
  bool smb(const std::string& owner) const;
  bool v4(const std::string& owner) const;

  /// The protocols that the owner's host speaks; it locks and opens by the first, reads and writes
  /// by the last.
  std::span<const core::Protocol> protocols(const std::string& owner) const;
  core::ClientId known(core::Protocol protocol, const std::string& host) const;
  core::ClientId client(const std::string& owner) const {
    return known(protocols(owner).front(), host(owner));
  }
  /// Its open, unless there is none or it has still to be reclaimed.
  core::OpenId open(const std::string& owner) const;
  std::string owner_of(core::OpenId open, const std::string& raw) const;
  /// Of a right that the machine shows, or of one that it breaks.
  template <typename RightOrBreak>
  std::string holder_of(const RightOrBreak& right) const {
    return holder_of(right.client, right.flavour, right.key, right.open);
  }
  const core::RightView* right_of(const std::string& holder) const;
  const core::WaiterView* waiter_of(const Value& id) const;

  Value scene_;
  Beside beside_;

 private:
  std::string holder_of(core::ClientId client, core::Flavour flavour, const core::LeaseKey& key,
                        core::OpenId open) const;
};

}  // namespace lockstep::test
