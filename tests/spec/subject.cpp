#include "tests/spec/subject.hpp"

#include "model/model.hpp"

namespace lockstep::test {

namespace {

class CoreSubject : public Subject {
 public:
  std::string_view name() const override { return "core"; }
  void recover(const core::Limits& limits, const std::vector<core::Record>& records,
               std::uint64_t epoch, core::Nanos now, core::Effects& effects) override {
    machine_ = std::make_unique<core::Machine>(limits);
    machine_->recover(records, epoch, now, effects);
  }
  void apply(const core::Event& event, core::Effects& effects) override {
    machine_->apply(event, effects);
  }
  core::StateView view() const override { return machine_->view(); }
  std::any save() const override { return machine_->save(); }
  void load(const std::any& saved) override {
    machine_ = std::make_unique<core::Machine>(
        core::Machine::load(std::any_cast<const std::string&>(saved)));
  }
  std::optional<std::string> broken() const override { return machine_->check_invariants(); }

 private:
  std::unique_ptr<core::Machine> machine_;
};

class ModelSubject : public Subject {
 public:
  std::string_view name() const override { return "model"; }
  void recover(const core::Limits& limits, const std::vector<core::Record>& records,
               std::uint64_t epoch, core::Nanos now, core::Effects& effects) override {
    model_ = std::make_unique<model::Model>(limits);
    model_->recover(records, epoch, now, effects);
  }
  void apply(const core::Event& event, core::Effects& effects) override {
    model_->apply(event, effects);
  }
  core::StateView view() const override { return model_->view(); }
  std::any save() const override { return *model_; }
  void load(const std::any& saved) override {
    model_ = std::make_unique<model::Model>(std::any_cast<const model::Model&>(saved));
  }
  std::optional<std::string> broken() const override { return std::nullopt; }

 private:
  std::unique_ptr<model::Model> model_;
};

}  // namespace

std::unique_ptr<Subject> make_subject(std::string_view name) {
  if (name == "core") return std::make_unique<CoreSubject>();
  if (name == "model") return std::make_unique<ModelSubject>();
  return nullptr;
}

}  // namespace lockstep::test
