#include "tests/spec/translator.hpp"

namespace lockstep::test {

std::unique_ptr<Translator> make_translator(const std::string& module,
                                            std::unique_ptr<Subject> subject) {
  if (module == "Locks") return locks_translator(std::move(subject));
  if (module == "Rights") return rights_translator(std::move(subject));
  if (module == "Shares") return shares_translator(std::move(subject));
  if (module == "Grace") return grace_translator(std::move(subject));
  if (module == "DirRights") return dir_rights_translator(std::move(subject));
  if (module == "Lockstep") return lockstep_translator(std::move(subject));
  if (module == "Sessions") return sessions_translator(std::move(subject));
  return nullptr;
}

}  // namespace lockstep::test
