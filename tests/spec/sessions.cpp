// What of Sessions.tla is the core's: a host, its lock, and the notices that it has rebooted. The
// number last acted upon shows by what the next notice frees.
#include "tests/spec/translator.hpp"

namespace lockstep::test {

using namespace core;  // NOLINT

namespace {

class Sessions : public Translator {
 public:
  explicit Sessions(std::unique_ptr<Subject> subject) : Translator(std::move(subject)) {}

  void begin(const Value&) override {
    start({}, {}, 1);
    apply(ClientArrived{next_request(), Protocol::nlm, kHost, kAddress, kHost, 0});
  }

  Value happen(const Value& event) override {
    if (event["type"].text == "HostRebooted") {
      apply(HostRebooted{kHost, kAddress, static_cast<std::int32_t>(event["state"].number)});
      return "";
    }
    LockRequested asked;
    asked.request = next_request();
    asked.client = client_named(Protocol::nlm, kHost)->client;
    asked.owner = "process";
    asked.file = kFile;
    asked.element = {{0, 0}, LockMode::exclusive};
    for (const Effect& effect : apply(asked)) {
      const auto* reply = std::get_if<Reply>(&effect);
      if (reply && reply->status == Status::ok) return "granted";
    }
    return "refused";
  }

  Value view() const override { return !file().locks.empty(); }
  Value visible(const Value& state) const override { return state["hosts"]["locked"]; }

  /// A notice has no answer.
  bool agrees(const Value& said, const Value& step) const override {
    return said.text.empty() || said == step["reply"];
  }

 private:
  static constexpr const char* kHost = "host";
  static constexpr const char* kAddress = "10.0.0.1";
};

}  // namespace

std::unique_ptr<Translator> sessions_translator(std::unique_ptr<Subject> subject) {
  return std::make_unique<Sessions>(std::move(subject));
}

}  // namespace lockstep::test
