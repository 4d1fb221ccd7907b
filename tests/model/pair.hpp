// The machines side by side: the same events into each, and everything that comes out compared
// after every event. Either may be left out.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/machine.hpp"
#include "model/model.hpp"
#include "tests/model/player.hpp"

namespace lockstep::test {

/// One machine with its journal.
class Side {
 public:
  virtual ~Side() = default;
  virtual void recover(const std::vector<core::Record>& records, std::uint64_t epoch,
                       core::Nanos now, core::Effects& effects) = 0;
  virtual void apply(const core::Event& event, core::Effects& effects) = 0;
  virtual core::Nanos next_deadline() const = 0;
  virtual core::StateView view() const = 0;
  virtual std::optional<std::string> check() const { return std::nullopt; }
  virtual std::uint64_t hash() const { return 0; }
  virtual void save_and_load() {}

  using Journal = std::map<std::pair<int, std::uint64_t>, core::Record>;
  Journal durable;                                 ///< what a crash leaves in any case
  std::vector<std::vector<core::Change>> batches;  ///< steps that are not durable yet
  Journal everything() const;
};

std::unique_ptr<Side> model_side(const core::Limits& limits);
std::unique_ptr<Side> core_side(const core::Limits& limits);

struct Divergence : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How often each kind of event, effect and status was seen.
using Marks = std::map<std::string, std::uint64_t>;

class Pair : public Stage {
 public:
  enum class Who { both, model_alone, core_alone };
  Pair(const Scene& scene, Who who, Marks& marks);
  /// Plays everything; throws Divergence (with the whole story) when something is wrong.
  void play(const std::vector<Command>& commands);
  /// Also replace the core by what it saves, again and again.
  void save_and_load_every(int events) { save_every_ = events; }
  /// A number made of all effects and states; equal for equal runs.
  std::uint64_t digest() const { return digest_; }
  std::uint64_t events() const { return events_; }

  void happen(core::EventBody body) override;
  void pass(core::Nanos time) override { now_ += time; }
  void become_durable() override;
  void crash(std::size_t survivors) override;
  const core::StateView& view() const override { return view_; }
  core::Nanos next_deadline() const override { return sides_.front()->next_deadline(); }
  core::Nanos now() const override { return now_; }

 private:
  void make_sides();
  void after(const std::vector<core::Effects>& effects);
  void follow_replies(const core::Effects& effects);
  [[noreturn]] void fail(const std::string& why);

  core::Limits limits_;
  Who who_;
  Marks& marks_;
  Player player_;
  std::vector<std::unique_ptr<Side>> sides_;
  core::StateView view_;
  core::Nanos now_ = core::kSecond;
  std::uint64_t epoch_ = 0, events_ = 0, digest_ = 14695981039346656037U;
  int save_every_ = 0;
  std::string story_;
  std::map<core::RequestId, int> open_requests_;  ///< 0: unanswered
};

}  // namespace lockstep::test
