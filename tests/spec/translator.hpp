// One module's half of the replay: how the events of a specification happen to a machine, and how
// the machine's view is shown in the specification's words. What the specification calls by name
// (a client, an owner) the machine knows by number: translators find the numbers in the view.
#pragma once

#include <any>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "tests/spec/subject.hpp"
#include "tests/spec/value.hpp"

namespace lockstep::test {

class Translator {
 public:
  virtual ~Translator() = default;

  /// Brings a fresh machine to the specification's initial state; `scene` has the constants of the
  /// specification.
  virtual void begin(const Value& scene) = 0;
  /// Lets the event happen; what it said, in the words of the specification's step.
  virtual Value happen(const Value& event) = 0;
  /// The state as the specification would write it.
  virtual Value view() const = 0;
  /// What of a state of the specification can be seen from outside.
  virtual Value visible(const Value& state) const { return state; }
  /// Whether what was said is what the step of the specification says.
  virtual bool agrees(const Value& said, const Value& step) const = 0;

  struct Saved {
    std::any machine, more;
    core::Nanos now = 0;
    std::uint64_t requests = 0;
  };
  Saved save() const { return {subject_->save(), save_more(), now_, requests_}; }
  void load(const Saved& saved) {
    subject_->load(saved.machine);
    load_more(saved.more);
    now_ = saved.now;
    requests_ = saved.requests;
    seen_ = subject_->view();
  }
  const Subject& subject() const { return *subject_; }
  /// How often the machine answered with each status.
  const std::map<std::string, std::uint64_t>& statuses() const { return statuses_; }

 protected:
  explicit Translator(std::unique_ptr<Subject> subject) : subject_(std::move(subject)) {}

  /// What a translator keeps beside the machine (a disk, for one).
  virtual std::any save_more() const { return {}; }
  virtual void load_more(const std::any&) {}

  core::RequestId next_request() { return {++requests_}; }
  void pass(core::Nanos time) { now_ += time; }
  core::Nanos now() const { return now_; }
  core::Effects start(const core::Limits& limits, const std::vector<core::Record>& records,
                      std::uint64_t epoch) {
    core::Effects effects;
    subject_->recover(limits, records, epoch, now_, effects);
    seen_ = subject_->view();
    return effects;
  }
  core::Effects apply(core::EventBody body) {
    core::Effects effects;
    now_ += core::kMillisecond;
    subject_->apply({now_, std::move(body)}, effects);
    for (const core::Effect& effect : effects) {
      if (const auto* reply = std::get_if<core::Reply>(&effect)) {
        ++statuses_[std::string(core::name(reply->status))];
      }
    }
    seen_ = subject_->view();
    return effects;
  }

  const core::StateView& seen() const { return seen_; }
  /// A number among the scene's constants.
  static std::uint32_t limit(const Value& scene, std::string_view name) {
    return static_cast<std::uint32_t>(scene[name].number);
  }
  /// The one file that a module is about.
  static constexpr core::FileId kFile{1, 0, 1};
  const core::FileView& file() const {
    static const core::FileView nothing;
    for (const core::FileView& view : seen_.files) {
      if (view.file == kFile) return view;
    }
    return nothing;
  }
  const core::ClientView* client_named(core::Protocol protocol, const std::string& identity) const {
    for (const core::ClientView& view : seen_.clients) {
      if (view.protocol == protocol && view.identity == identity) return &view;
    }
    return nullptr;
  }
  /// Who has this number: its identity, as the specification names it.
  std::string identity_of(core::ClientId id) const {
    for (const core::ClientView& view : seen_.clients) {
      if (view.client == id) return view.identity;
    }
    return "?";
  }

 private:
  std::unique_ptr<Subject> subject_;
  core::StateView seen_;
  core::Nanos now_ = core::kSecond;
  std::uint64_t requests_ = 0;
  std::map<std::string, std::uint64_t> statuses_;
};

/// The translator of a module ("Locks", "Rights", ...); nothing when there is no such module.
std::unique_ptr<Translator> make_translator(const std::string& module,
                                            std::unique_ptr<Subject> subject);

std::unique_ptr<Translator> locks_translator(std::unique_ptr<Subject> subject);
std::unique_ptr<Translator> rights_translator(std::unique_ptr<Subject> subject);
std::unique_ptr<Translator> shares_translator(std::unique_ptr<Subject> subject);
std::unique_ptr<Translator> grace_translator(std::unique_ptr<Subject> subject);
std::unique_ptr<Translator> dir_rights_translator(std::unique_ptr<Subject> subject);
std::unique_ptr<Translator> lockstep_translator(std::unique_ptr<Subject> subject);
std::unique_ptr<Translator> sessions_translator(std::unique_ptr<Subject> subject);

}  // namespace lockstep::test
