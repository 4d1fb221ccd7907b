#include "tests/spec/translator.hpp"

namespace lockstep::test {

std::unique_ptr<Translator> make_translator(const std::string& module, const std::string& scene,
                                            std::unique_ptr<Subject> subject) {
  if (module == "Locks") return locks_translator(scene, std::move(subject));
  return nullptr;
}

}  // namespace lockstep::test
