#include "tests/spec/replay.hpp"
namespace lockstep::test {
std::unique_ptr<Translator> rights_translator(const std::string&) { return nullptr; }
}  // namespace lockstep::test
