#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "shell/wire/smb2/names.hpp"
#include "shell/wire/smb2/unicode.hpp"

namespace lockstep::wire::smb2 {
namespace {

ParsedPath parse(std::string_view text) { return parse_path(utf16_from_utf8(text)); }
bool matches(std::string_view pattern, std::string_view name) {
  return SearchPattern::parse(utf16_from_utf8(pattern))->matches(name);
}

TEST(Names, PathsSplitIntoComponents) {
  EXPECT_TRUE(parse("").path.components.empty());
  EXPECT_EQ(parse("a\\b c\\d.e").path.components, (std::vector<std::string>{"a", "b c", "d.e"}));
  EXPECT_EQ(parse("dir\\").path.components, (std::vector<std::string>{"dir"}));
}

TEST(Names, WhatNoNameMayBeIsRefused) {
  EXPECT_EQ(parse("\\a").status, NtStatus::invalid_parameter);
  EXPECT_EQ(parse("a\\..\\b").status, NtStatus::object_path_syntax_bad);
  for (const char* bad : {"a\\\\b", ".", "a\\.\\b", "a*", "a?b", "a<b", "a>b", "a\"b", "a|b", "a/b",
                          "a:stream", "a\x01"}) {
    EXPECT_EQ(parse(bad).status, NtStatus::object_name_invalid) << bad;
  }
  EXPECT_EQ(parse(std::string(256, 'x')).status, NtStatus::object_name_invalid);
  EXPECT_EQ(parse(std::string(255, 'x')).status, NtStatus::success);
}

TEST(Names, TheDefaultStreamIsTheFileItself) {
  const ParsedPath parsed = parse("d\\f.txt::$data");
  EXPECT_EQ(parsed.status, NtStatus::success);
  EXPECT_TRUE(parsed.path.default_stream);
  EXPECT_EQ(parsed.path.components.back(), "f.txt");
}

TEST(Names, LoneSurrogatesAreNoNames) {
  const Bytes high{0x00, 0xD8}, odd{'a'};
  EXPECT_EQ(parse_path(high).status, NtStatus::object_name_invalid);
  EXPECT_EQ(parse_path(odd).status, NtStatus::invalid_parameter);
}

TEST(Names, WhatWindowsForbidsGoesThereAndBack) {
  for (const char* name : {"a:b", "what?", "x*y", "<in>", "say \"hi\"", "p|q", "back\\slash",
                           "ends with dot.", "ends with space ", "tab\tbed"}) {
    const Bytes wire = wire_name(name);
    const ParsedPath parsed = parse_path(wire);
    EXPECT_EQ(parsed.status, NtStatus::success) << name;
    ASSERT_EQ(parsed.path.components.size(), 1u) << name;
    EXPECT_EQ(parsed.path.components[0], name);
  }
  EXPECT_EQ(utf16_from_utf8("."), wire_name("."));
  EXPECT_EQ(utf16_from_utf8(".."), wire_name(".."));
}

TEST(Names, Wildcards) {
  EXPECT_TRUE(matches("*", "anything"));
  EXPECT_TRUE(matches("*.*", "without"));
  EXPECT_TRUE(matches("a*c", "abc"));
  EXPECT_TRUE(matches("A*C", "abc"));
  EXPECT_FALSE(matches("a*c", "abd"));
  EXPECT_TRUE(matches("a?c", "abc"));
  EXPECT_FALSE(matches("a?c", "ac"));
  EXPECT_FALSE(matches("abc", "abcd"));
  EXPECT_TRUE(matches("*a*b*", "xxaxxbxx"));
}

TEST(Names, DosWildcards) {
  // "*." of a DOS program reaches the server as "<": names without an extension.
  EXPECT_TRUE(matches("<", "plain"));
  EXPECT_FALSE(matches("<", "with.ext"));
  EXPECT_TRUE(matches("<.txt", "a.b.txt"));
  EXPECT_FALSE(matches("<.b", "a.b.txt"));
  EXPECT_TRUE(matches("<\"txt", "a.txt"));
  EXPECT_TRUE(matches("a>>", "ab"));
  EXPECT_TRUE(matches("a>>", "abc"));
  EXPECT_FALSE(matches("a>>", "abcd"));
  EXPECT_TRUE(matches("a>.txt", "a.txt"));
  EXPECT_TRUE(matches("a\"", "a"));
  EXPECT_TRUE(matches("a\"b", "a.b"));
}

TEST(Names, APatternWithoutWildcardsIsOneName) {
  EXPECT_EQ(SearchPattern::parse(utf16_from_utf8("File.TXT"))->single_name(), "File.TXT");
  EXPECT_FALSE(SearchPattern::parse(utf16_from_utf8("*.txt"))->single_name());
  EXPECT_FALSE(SearchPattern::parse(utf16_from_utf8("a\\b")));
}

RC_GTEST_PROP(Names, EveryDiskNameSurvivesTheWire, ()) {
  const auto units = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 0x2000));
  LittleWriter raw;
  for (const int unit : units) {
    if (unit != '/') raw.u16(static_cast<std::uint16_t>(unit));
  }
  const std::string name = utf8_from_utf16(raw.buffer()).value();
  RC_PRE(!name.empty() && name.size() <= 255 && name != "." && name != "..");
  const ParsedPath parsed = parse_path(wire_name(name));
  RC_ASSERT(parsed.status == NtStatus::success);
  RC_ASSERT(parsed.path.components == std::vector<std::string>{name});
}

}  // namespace
}  // namespace lockstep::wire::smb2
