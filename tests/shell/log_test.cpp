// Goal: a line is one line, whatever a client put into a name.
#include "shell/admin/log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lockstep::log {
namespace {

TEST(LogTest, TextQuotesOnlyWhereNeeded) {
  EXPECT_EQ(format(false, Level::info, "conflict", {{"file", "a/b"}, {"n", 3}, {"empty", ""}}),
            "INFO conflict file=a/b n=3 empty=\"\"");
}

TEST(LogTest, NamesFromClientsCannotForgeALine) {
  const std::string evil = "x\nERROR faked=1 \"quote\" \\";
  const std::string text = format(false, Level::warn, "m", {{"name", evil}});
  EXPECT_EQ(text, R"(WARN m name="x\u000aERROR faked=1 \"quote\" \\")");
  const auto json =
      nlohmann::json::parse("{" + format(true, Level::warn, "m", {{"name", evil}}) + "}");
  EXPECT_EQ(json.at("name"), evil);
  EXPECT_EQ(json.at("level"), "warn");
  EXPECT_EQ(json.at("message"), "m");
}

}  // namespace
}  // namespace lockstep::log
